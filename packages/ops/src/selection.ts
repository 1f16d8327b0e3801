/**
 * Selecting channels along an axis, as an equation: the axis is cut at the ends of the selected runs, and the selection
 * is the sum of the pieces it takes. It knows no operator.
 */
import type { EquationContext, Term } from './record.ts';

/** More separate runs than this are a permutation of data, not a choice of channels; such an axis is frozen. */
export const RUN_LIMIT = 4096;

/** Channels from `start` to below `end`. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

/** Maximal runs of ascending neighbours: `[2, 3, 4, 0, 1]` is `2..5, 0..2`. */
function runsOf(indices: readonly number[]): Run[] {
  const runs: Run[] = [];
  let start = 0;
  for (let at = 1; at <= indices.length; at++) {
    if (at < indices.length && indices[at] === indices[at - 1]! + 1) continue;
    runs.push({ start: indices[start]!, end: indices[at - 1]! + 1 });
    start = at;
  }
  return runs;
}

/** A leaf for every piece between neighbouring cut points; their sum is the axis. */
function cutAxis(ctx: EquationContext, axis: Term, cuts: readonly number[]): Map<number, Term> {
  const pieces = new Map<number, Term>();
  for (let at = 0; at + 1 < cuts.length; at++) pieces.set(cuts[at]!, ctx.leaf(cuts[at + 1]! - cuts[at]!));
  const parts = [...pieces.values()];
  ctx.equal(axis, parts.length === 1 ? parts[0]! : ctx.sum(parts));
  return pieces;
}

/**
 * The term of `indices` (each within the axis, in any order, repeats allowed) taken from `axis`, whose size is known.
 * Undefined when there is nothing selected or the selection is too scattered to be stated.
 */
export function selectChannels(ctx: EquationContext, axis: Term, indices: readonly number[]): Term | undefined {
  return indices.length === 0 ? undefined : selectRuns(ctx, axis, runsOf(indices));
}

/** As `selectChannels`, of runs that are not empty, one after the other. */
export function selectRuns(ctx: EquationContext, axis: Term, runs: readonly Run[]): Term | undefined {
  const size = Number(axis.size);
  if (runs.length > RUN_LIMIT) return undefined;
  if (runs.length === 1 && runs[0]!.start === 0 && runs[0]!.end === size) return axis;
  const cuts = [...new Set([0, size, ...runs.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
  const pieces = cutAxis(ctx, axis, cuts);
  const position = new Map(cuts.map((cut, at) => [cut, at]));
  const parts = runs.flatMap(({ start, end }) =>
    cuts.slice(position.get(start)!, position.get(end)!).map((cut) => pieces.get(cut)!),
  );
  return parts.length === 1 ? parts[0]! : ctx.sum(parts);
}

/** The places that old positions take among the survivors; positions that do not survive are missing. */
export function newPositions(kept: Int32Array): Map<number, number> {
  return new Map(Array.from(kept, (old, position) => [old, position]));
}
