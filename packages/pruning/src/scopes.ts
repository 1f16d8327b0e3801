/**
 * Ranking scopes: which groups are ranked together, and how many of their units go. A scope of one group is local
 * pruning; the default scope of global pruning holds them all. The rules are Torch-Pruning's.
 */
import { type Leaf, numericSize, originalSize } from '@onnx-pruning/depgraph';
import type { Units } from './units.ts';

/** A group that takes part in ranking. */
export interface Candidate {
  readonly units: Units;
  readonly ratio: number;
  /** Groups with the same scope compete. */
  readonly scope: string;
  /** Largest number of units that may go (maximum ratio, and at least one stays). */
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
}

/**
 * Chooses the units to remove.
 * @param initial units of each scope at the first step; filled here
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
  const total = members.reduce((sum, { units }) => sum + units.scores.length, 0);
  if (!initial.has(scope)) initial.set(scope, total);
  const target = total - Math.trunc(initial.get(scope)! * (1 - members[0].ratio));
  if (target <= 0) return [];
  const threshold = options.globalPruning || members.length > 1 ? thresholdOf(members, target) : undefined;
  return members.map((candidate) => {
    const { scores } = candidate.units;
    const order = ascending(scores);
    const below = threshold === undefined ? target : order.filter((unit) => scores[unit] <= threshold).length;
    const count = roundedCount(Math.min(below, candidate.limit), order.length, options.roundTo);
    return { units: candidate.units, removed: lowest(candidate.units, order, count) };
  });
}

/**
 * The first units of an order that may go together: one channel of every dimension stays, also where a layer holds
 * several (queries and keys beside values, the parts of a split). A dimension of a single channel, as a permutation of
 * channels makes them, may go as a whole.
 */
function lowest({ cells }: Units, order: readonly number[], count: number): number[] {
  const left = new Map<Leaf, number>();
  const removed: number[] = [];
  for (const unit of order) {
    if (removed.length === count) break;
    const leaves = cells[unit].map(([leaf]) => leaf);
    const isLast = (leaf: Leaf): boolean => originalSize(leaf) > 1 && (left.get(leaf) ?? numericSize(leaf)) === 1;
    if (leaves.some(isLast)) continue;
    for (const leaf of leaves) left.set(leaf, (left.get(leaf) ?? numericSize(leaf)) - 1);
    removed.push(unit);
  }
  return removed;
}

/** The score below or at which `target` units of all members lie. */
function thresholdOf(members: readonly Candidate[], target: number): number {
  const scores = members.flatMap(({ units }) => Array.from(units.scores));
  return scores.sort((a, b) => a - b)[target - 1];
}

/** Unit indices by ascending score; equal scores in index order. */
export function ascending(scores: Float64Array): number[] {
  const order = Array.from(scores, (_, unit) => unit);
  // Results that are small integers need no memory, of which sorting by differences takes a lot.
  return order.sort((a, b) => (scores[a] < scores[b] ? -1 : scores[a] > scores[b] ? 1 : a - b));
}

/** Removes as many more as it takes to leave a multiple of `roundTo`, but leaves that many; 0 when there are no more. */
function roundedCount(count: number, total: number, roundTo: number | undefined): number {
  if (!roundTo || count === 0) return count;
  const left = total - count;
  return Math.max(0, total - Math.max(roundTo, left - (left % roundTo)));
}
