/** Says in words which channels of a layer are free, with what they are coupled, and why the others are fixed. */
import { type Analysis, mixingsOf } from '../analysis/analysis.ts';
import type { LayerAxis, PrunableLayer } from '../layers/layers.ts';
import { nodeLabel } from '../shapes/node-view.ts';
import { fixedReasons, leavesOf, numericSize } from '../terms/term.ts';

/** One paragraph for each side of the layer. */
export function explainLayer(analysis: Analysis, layer: PrunableLayer): string {
  const head = `${layer.name} (${layer.node.opType}, ${layer.spec.kind})`;
  return [head, ...layer.axes.map((axis) => explainAxis(analysis, axis))].join('\n');
}

function explainAxis(analysis: Analysis, axis: LayerAxis): string {
  const leaves = leavesOf(axis.term);
  const lines = leaves.map((leaf) => {
    const members = (analysis.uses.get(leaf) ?? []).map((use) => `${use.layer.name} ${use.side}`);
    const groups = leaf.role === 'group' ? ' (a number of groups or heads: kept unless asked for)' : '';
    return `  ${numericSize(leaf)} prunable${groups}, coupled: ${members.join(', ')}`;
  });
  const reasons = [...fixedReasons(axis.term)].map((reason) => {
    const where = reason.node ? ` (${reason.operator} '${reason.node}')` : '';
    return `  fixed because ${reason.because}${where}`;
  });
  const inexact = mixingsOf(analysis, new Set(leaves)).map(
    (mixing) => `  pruning is inexact: ${mixing.statistic} in ${mixing.node.opType} '${nodeLabel(mixing.node)}'`,
  );
  return [` ${axis.side}put channels: ${axis.term.size}`, ...lines, ...new Set(reasons), ...inexact].join('\n');
}
