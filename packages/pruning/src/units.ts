/**
 * Units of choice: what one decision removes. In a plain convolution a unit is a channel; along a grouped axis it is
 * the same local channel of every group. Scores of the positions of a unit are averaged.
 */
import { type DimTerm, forEachCell, type Group, numericSize } from '@onnx-pruning/depgraph';
import { channelPositions } from './importance.ts';

/** The units of one full group, and their scores. */
export interface Units {
  readonly group: Group;
  /** Score of each unit; lower is pruned first. */
  readonly scores: Float64Array;
  /** The leaf and its channel that each unit is. */
  readonly cells: readonly (readonly [DimTerm, number])[];
}

/** Folds channel scores (one per entry of `group.idxs`) into unit scores, in the order of the root's indices. */
export function unitsOf(group: Group, channelScores: ArrayLike<number>): Units {
  const positions = channelPositions(group);
  const offsets = new Map<DimTerm, number>();
  const cells: [DimTerm, number][] = [];
  for (const leaf of group.cells.keys()) {
    offsets.set(leaf, cells.length);
    for (let channel = 0; channel < numericSize(leaf); channel++) cells.push([leaf, channel]);
  }
  const sums = new Float64Array(cells.length);
  const times = new Int32Array(cells.length);
  const firsts = new Int32Array(cells.length).fill(-1);
  forEachCell(group.root.term, new Set(group.cells.keys()), (leaf, channel, index) => {
    const unit = offsets.get(leaf)! + channel;
    sums[unit] += channelScores[positions[index]];
    times[unit]++;
    if (firsts[unit] < 0) firsts[unit] = index;
  });
  const order = Array.from(firsts.keys()).sort((a, b) => firsts[a] - firsts[b]);
  return {
    group,
    scores: Float64Array.from(order, (unit) => sums[unit] / times[unit]),
    cells: order.map((unit) => cells[unit]),
  };
}

/** The group that removes some units. */
export function groupOfUnits({ group, cells }: Units, removed: readonly number[]): Group {
  const chosen = new Map<DimTerm, Set<number>>();
  for (const unit of removed) {
    const [leaf, channel] = cells[unit];
    const channels = chosen.get(leaf);
    if (channels) channels.add(channel);
    else chosen.set(leaf, new Set([channel]));
  }
  return group.graph.groupOfCells(group.root, chosen);
}
