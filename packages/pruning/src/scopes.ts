/**
 * Ranking scopes: which groups are ranked together, and how many of their units go. A scope of one group is local
 * pruning; the default scope of global pruning holds them all. The rules are Torch-Pruning's.
 */
import { type Leaf, narrowAxes, numericSize, originalSize } from '@onnx-pruning/depgraph';
import { totalWeight, type Units } from './units.ts';

/** A group that takes part in ranking. */
export interface Candidate {
  readonly units: Units;
  readonly ratio: number;
  /** Groups with the same scope compete. */
  readonly scope: string;
  /** Largest weight of units that may go (maximum ratio, and at least one stays). */
  readonly limit: number;
}

export interface RankOptions {
  readonly globalPruning: boolean;
  readonly roundTo?: number;
}

/** Units to remove from one group: indices into its units. */
export interface Choice {
  readonly units: Units;
  readonly removed: readonly number[];
  /** Why nothing goes although something was to go. */
  readonly refused?: string;
}

/**
 * Chooses the units to remove.
 * @param initial weight of each scope at the first step; filled here
 */
export function rank(candidates: readonly Candidate[], initial: Map<string, number>, options: RankOptions): Choice[] {
  const scopes = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    scopes.set(candidate.scope, [...(scopes.get(candidate.scope) ?? []), candidate]);
  }
  return [...scopes].flatMap(([scope, members]) => rankScope(scope, members, initial, options));
}

function rankScope(
  scope: string,
  members: readonly Candidate[],
  initial: Map<string, number>,
  options: RankOptions,
): Choice[] {
  const total = members.reduce((sum, { units }) => sum + totalWeight(units), 0);
  if (!initial.has(scope)) initial.set(scope, total);
  const target = total - Math.trunc(initial.get(scope)! * (1 - members[0].ratio));
  if (target <= 0) return [];
  const threshold = options.globalPruning || members.length > 1 ? thresholdOf(members, target) : undefined;
  return members.map(({ units, limit }) => {
    const below = threshold === undefined ? target : weightUpTo(units, threshold);
    return chooseLowest(units, Math.min(below, limit), options.roundTo);
  });
}

/** The least important units of a group, up to a weight, so that a multiple of `roundTo` channels is left. */
function chooseLowest(units: Units, wanted: number, roundTo: number | undefined): Choice {
  if (wanted <= 0) return { units, removed: [] };
  const total = totalWeight(units);
  const removed = lowest(units, ascending(units.scores), roundedWeight(wanted, total, units.width, roundTo));
  const left = (total - removed.reduce((sum, unit) => sum + units.weights[unit], 0)) * units.width;
  if (!roundTo || (removed.length > 0 && left % roundTo === 0)) return { units, removed };
  const refused = `no multiple of ${roundTo} fits below its ${total * units.width} channels`;
  return { units, removed: [], refused };
}

/**
 * The first units of an order that may go together, up to a weight that is never exceeded. One channel of every
 * dimension stays, also where a layer holds several (queries and keys beside values, the parts of a split). A dimension
 * of a single channel, as a permutation of channels makes them, may go as a whole, where its axes hold others.
 */
function lowest({ group, cells, weights }: Units, order: readonly number[], weight: number): number[] {
  const left = new Map<Leaf, number>();
  const leftOf = (leaf: Leaf): number => left.get(leaf) ?? numericSize(leaf);
  const narrow = narrowAxes(group.graph.analysis, group.cells);
  const removed: number[] = [];
  let rest = weight;
  for (const unit of order) {
    if (rest <= 0) break;
    const leaves = cells[unit].map(([leaf]) => leaf);
    const gone = new Set(leaves.filter((leaf) => leftOf(leaf) === 1));
    const isLast = (leaf: Leaf): boolean => originalSize(leaf) > 1 && gone.has(leaf);
    const empties = narrow.some((axis) => axis.every((leaf) => gone.has(leaf) || leftOf(leaf) === 0));
    if (weights[unit] > rest || leaves.some(isLast) || empties) continue;
    for (const leaf of leaves) left.set(leaf, leftOf(leaf) - 1);
    rest -= weights[unit];
    removed.push(unit);
  }
  return removed;
}

/** The score below or at which units of all members lie that weigh `target` together. */
function thresholdOf(members: readonly Candidate[], target: number): number {
  const all = members.flatMap(({ units }) =>
    Array.from(units.scores, (score, i) => ({ score, weight: units.weights[i] })),
  );
  all.sort((a, b) => a.score - b.score);
  let rest = target;
  for (const { score, weight } of all) {
    rest -= weight;
    if (rest <= 0) return score;
  }
  return Number.POSITIVE_INFINITY;
}

function weightUpTo({ scores, weights }: Units, threshold: number): number {
  return weights.reduce((sum, weight, unit) => (scores[unit] <= threshold ? sum + weight : sum), 0);
}

/** Unit indices by ascending score; equal scores in index order. */
export function ascending(scores: Float64Array): number[] {
  const order = Array.from(scores, (_, unit) => unit);
  // Results that are small integers need no memory, of which sorting by differences takes a lot.
  return order.sort((a, b) => (scores[a] < scores[b] ? -1 : scores[a] > scores[b] ? 1 : a - b));
}

/**
 * As much more as it takes to leave a multiple of `roundTo` channels of the root layer, but that many stay.
 * @param width channels of the root layer that a weight of 1 is
 */
function roundedWeight(weight: number, total: number, width: number, roundTo: number | undefined): number {
  if (!roundTo) return weight;
  const step = roundTo / greatestCommonDivisor(roundTo, width);
  const left = total - weight;
  return Math.max(0, total - Math.max(step, left - (left % step)));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
