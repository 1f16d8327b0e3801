/** The history of a pruned model: what was pruned, in entries that name layers, so that it can be done again. */
import { type Kind, kinds, listOf } from '@onnx-pruning/onnx';
import { partOf } from '../layers/layers.ts';
import type { Leaf } from '../terms/term.ts';
import type { Group } from './group.ts';
import { CHANNELS } from './group-arguments.ts';
import { renumbered } from './selection.ts';

/**
 * One entry of the pruning history: root layer, whether output channels were pruned, root indices; and which of the
 * layer's channel axes of that side, where it is not the first.
 */
export type HistoryEntry = readonly [layer: string, isOut: boolean, idxs: readonly number[], part?: number];

/** What a history may be. */
export const HISTORY: Kind = listOf({
  expected: 'an entry [layer, isOut, idxs]',
  accepts: (value) => Array.isArray(value) && kinds.text.accepts(value[0]) && CHANNELS.accepts(value[2]),
});

/** What pruning groups at once is as a history, in which every entry counts the channels that those before it left. */
export function historyOf(groups: readonly Group[]): HistoryEntry[] {
  const gone = new Map<Leaf, Set<number>>();
  return groups.flatMap(({ root, idxs, cells }): HistoryEntry[] => {
    const left = renumbered(root.term, idxs, gone);
    for (const [leaf, channels] of cells) gone.set(leaf, new Set([...(gone.get(leaf) ?? []), ...channels]));
    const entry = [root.layer.name, root.side === 'out', left] as const;
    if (left.length === 0) return [];
    return [partOf(root) > 0 ? [...entry, partOf(root)] : entry];
  });
}
