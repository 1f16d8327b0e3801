/** Numbers of attention heads, as the groups of whole heads show them. */
import type { Analysis } from '../analysis/analysis.ts';
import type { LayerAxis } from '../layers/layers.ts';
import { numericSize } from '../terms/term.ts';
import type { Group } from './group.ts';

/** Kinds of layers whose groups are no heads. */
export const CONVOLUTIONS: ReadonlySet<string> = new Set(['conv', 'depthwiseConv', 'convTranspose']);

/** Numbers of heads by the name of every layer whose output channels lie in heads. */
export function headCounts(analysis: Analysis, groups: Iterable<Group>): ReadonlyMap<string, number> {
  const heads = new Map<string, number>();
  const multiply = (axes: Iterable<LayerAxis>, count: number): void => {
    for (const { layer, side } of axes) if (side === 'out') heads.set(layer.name, (heads.get(layer.name) ?? 1) * count);
  };
  for (const group of groups) {
    multiply(
      group.items.map((item) => item.axis),
      numericSize([...group.cells.keys()][0]),
    );
  }
  for (const { members } of analysis.terms.families) {
    const uses = analysis.uses.get(members[0]) ?? [];
    if (!uses.some(({ layer }) => CONVOLUTIONS.has(layer.spec.kind))) multiply(uses, members.length);
  }
  return heads;
}
