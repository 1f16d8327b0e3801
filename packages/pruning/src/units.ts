/**
 * Units of choice: what one decision removes. In a plain convolution a unit is a channel; along a grouped axis it is
 * the same local channel of every group, or, where groups choose independently, the n-th least important channel of
 * each. Scores of the positions of a unit are averaged.
 */
import { type Group, indexOfChannel, type Leaf, numericSize } from '@onnx-pruning/depgraph';
import { channelPositions } from './importance.ts';

/** A channel of a leaf. */
export type Cell = readonly [leaf: Leaf, channel: number];

/** The units of one full group, and their scores. */
export interface Units {
  readonly group: Group;
  /** Score of each unit; lower is pruned first. */
  readonly scores: Float64Array;
  /**
   * How much each unit counts: 1 where all units remove equally many channels of the root, as they mostly do; else the
   * channels that each removes, as where the cycles of a permutation go as a whole.
   */
  readonly weights: readonly number[];
  /** Channels of the root that a unit of weight 1 removes. */
  readonly width: number;
  /** The leaves and their channels that each unit is. */
  readonly cells: readonly (readonly Cell[])[];
}

/** Folds channel scores (one per entry of `group.idxs`) into unit scores, in the order of the root's indices. */
export function unitsOf(group: Group, channelScores: ArrayLike<number>): Units {
  const positions = channelPositions(group);
  const layout = group.graph.analysis.terms.layouts.of(group.root.term);
  const single: (Unit & { readonly first: number })[] = [];
  for (const leaf of group.cells.keys()) {
    const places = layout.get(leaf)!;
    for (let channel = 0; channel < numericSize(leaf); channel++) {
      let sum = 0;
      for (let n = 0; n < places.repeats; n++) sum += channelScores[positions[indexOfChannel(places, channel, n)]];
      const first = indexOfChannel(places, channel, 0);
      single.push({ score: sum / places.repeats, cells: [[leaf, channel]], channels: places.repeats, first });
    }
  }
  const units = withFamilies(
    group,
    single.sort((a, b) => a.first - b.first),
  );
  const uniform = units.every(({ channels }) => channels === units[0].channels);
  const width = uniform ? (units[0]?.channels ?? 1) : 1;
  return {
    group,
    scores: Float64Array.from(units, (unit) => unit.score),
    weights: units.map((unit) => unit.channels / width),
    width,
    cells: units.map((unit) => unit.cells),
  };
}

/** What all units of a group count together. */
export function totalWeight({ weights }: Pick<Units, 'weights'>): number {
  return weights.reduce((sum, weight) => sum + weight, 0);
}

interface Unit {
  readonly score: number;
  /** Channels of the root that go with it. */
  readonly channels: number;
  readonly cells: readonly Cell[];
}

/** Joins the n-th least important channels of all groups of a family into one unit, in the place of the first. */
function withFamilies(group: Group, single: readonly Unit[]): readonly Unit[] {
  let units = single;
  for (const { members: leaves } of group.graph.analysis.terms.families) {
    if (!leaves.every((leaf) => group.cells.has(leaf))) continue;
    const members = new Set(leaves);
    const ranked = leaves.map((leaf) =>
      units.filter((unit) => unit.cells[0][0] === leaf).sort((a, b) => a.score - b.score),
    );
    const joined = ranked[0].map((_, n): Unit => {
      const alike = ranked.map((list) => list[n]);
      const score = alike.reduce((sum, unit) => sum + unit.score, 0) / alike.length;
      const channels = alike.reduce((sum, unit) => sum + unit.channels, 0);
      return { score, channels, cells: alike.flatMap((unit) => unit.cells) };
    });
    units = [...units.filter((unit) => !members.has(unit.cells[0][0])), ...joined];
  }
  return units;
}

/** The group that removes some units. */
export function groupOfUnits({ group, cells }: Units, removed: readonly number[]): Group {
  const chosen = new Map<Leaf, Set<number>>();
  for (const [leaf, channel] of removed.flatMap((unit) => cells[unit])) {
    const channels = chosen.get(leaf);
    if (channels) channels.add(channel);
    else chosen.set(leaf, new Set([channel]));
  }
  return group.graph.groupOfCells(group.root, chosen);
}
