/**
 * What attention operators have in common: an axis that holds heads one after the other, and what is left of it. It
 * knows no operator.
 */
import { isKnown } from '../dims.ts';
import type { Dim, EquationContext, ResizeContext, Term } from '../record.ts';

/** A number of heads, which is not pruned by default; a single one may not change. */
export function headsTerm(ctx: EquationContext, count: number): Term {
  return count === 1 ? ctx.fixed(1, 'it is the only head') : ctx.leaf(count, 'group');
}

/** Channels per head of an axis of `heads` heads; undefined where it is not known or does not divide. */
export function headSize(size: Dim | undefined, heads: number): number | undefined {
  return isKnown(size) && heads > 0 && size % heads === 0 ? size / heads : undefined;
}

/** How many of `heads` heads along axis `axis` of input `input` have channels left. */
export function headsLeft(ctx: ResizeContext, input: number, axis: number, heads: number): number {
  const kept = ctx.keptIn(input, axis);
  const width = headSize(ctx.oldIn(input)[axis], heads);
  if (kept === undefined || width === undefined) return heads;
  return new Set(kept.map((index) => Math.floor(index / width))).size;
}

/** Writes the number of heads that are left into an attribute that states it. */
export function resizeHeads(ctx: ResizeContext, attribute: string, input: number, axis: number): void {
  const heads = ctx.int(attribute, 0);
  const left = headsLeft(ctx, input, axis, heads);
  if (ctx.has(attribute) && left !== heads) ctx.setInt(attribute, left);
}

/**
 * States the scale of scores that an operator derives from the channels of a head, so that it stays what it was.
 * @param before channels of a head of queries and keys
 */
export function keepScale(ctx: ResizeContext, before: number | undefined, after: number | undefined): void {
  if (!ctx.has('scale') && before !== undefined && before !== after) ctx.setFloat('scale', 1 / Math.sqrt(before));
}
