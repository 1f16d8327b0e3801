/** Says in words which channels of a layer are free, with what they are coupled, and why the others are fixed. */
import type { Layer } from '@onnx-pruning/onnx';
import { type Analysis, mixingsOf } from '../analysis/analysis.ts';
import type { LayerAxis, PrunableLayer } from '../layers/layers.ts';
import { nodeLabel } from '../shapes/node-view.ts';
import { type DimTerm, fixedReasons, type Leaf, leavesOf, numericSize } from '../terms/term.ts';
import { showReason } from './reasons.ts';

/** One paragraph for each side of the layer. */
export function explainLayer(analysis: Analysis, layer: PrunableLayer): string {
  const head = `${layer.name} (${layer.node.opType}, ${layer.spec.kind})`;
  return [head, ...layer.axes.map((axis) => explainAxis(analysis, axis))].join('\n');
}

function explainAxis(analysis: Analysis, { side, term }: LayerAxis): string {
  return [` ${side}put channels: ${term.size}`, ...explainTerm(analysis, term)].join('\n');
}

function explainTerm(analysis: Analysis, term: DimTerm): string[] {
  const leaves = leavesOf(term);
  const reasons = [...fixedReasons(term)].map((reason) => `  fixed because ${showReason(reason)}`);
  const inexact = mixingsOf(analysis, new Set(leaves)).map(
    (mixing) => `  pruning is inexact: ${mixing.statistic} in ${mixing.node.opType} '${nodeLabel(mixing.node)}'`,
  );
  return [...leaves.map((leaf) => explainLeaf(analysis, leaf)), ...new Set(reasons), ...inexact];
}

function explainLeaf(analysis: Analysis, leaf: Leaf): string {
  const members = (analysis.uses.get(leaf) ?? []).map((use) => `${use.layer.name} ${use.side}`);
  const groups = leaf.role === 'group' ? ' (a number of groups or heads: kept unless asked for)' : '';
  return `  ${numericSize(leaf)} prunable${groups}, coupled: ${members.join(', ')}`;
}

/** A node that is no layer with channels of its own: why it is none, and what its results carry. */
export function explainNode(analysis: Analysis, { node, name }: Layer): string {
  const unlisted = analysis.unlisted.find((layer) => layer.node === node);
  if (unlisted) return `${name} (${node.opType})\n is not pruned because ${showReason(unlisted.reason)}`;
  const head = `${name} (${node.opType}) has no channels of its own`;
  const axes = node.output.flatMap((value) =>
    (analysis.terms.axes.get(value) ?? []).map((term, axis) => ({ term, axis })),
  );
  const carried = axes.filter(({ term }) => leavesOf(term).length > 0);
  return [
    head,
    ...carried.flatMap(({ term, axis }) => [` axis ${axis}: ${term.size}`, ...explainTerm(analysis, term)]),
  ].join('\n');
}
