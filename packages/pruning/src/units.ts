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
  /** One root index for each unit: asking for it takes the whole unit. */
  readonly roots: Int32Array;
}

/** Folds channel scores (one per entry of `group.idxs`) into unit scores. */
export function unitsOf(group: Group, channelScores: ArrayLike<number>): Units {
  const positions = channelPositions(group);
  const offsets = new Map<DimTerm, number>();
  let count = 0;
  for (const leaf of group.cells.keys()) {
    offsets.set(leaf, count);
    count += numericSize(leaf);
  }
  const sums = new Float64Array(count);
  const times = new Int32Array(count);
  const roots = new Int32Array(count).fill(-1);
  forEachCell(group.root.term, new Set(group.cells.keys()), (leaf, channel, index) => {
    const unit = offsets.get(leaf)! + channel;
    sums[unit] += channelScores[positions[index]];
    times[unit]++;
    if (roots[unit] < 0) roots[unit] = index;
  });
  const order = Array.from(roots.keys()).sort((a, b) => roots[a] - roots[b]);
  return {
    group,
    scores: Float64Array.from(order, (unit) => sums[unit] / times[unit]),
    roots: Int32Array.from(order, (unit) => roots[unit]),
  };
}
