/**
 * Small vocabulary that the records share: axis numbers, sizes that must agree, and axes that may not change.
 * It knows no operator.
 */
import { isKnown, sameDim } from './dims.ts';
import type { Axes, Dim, EquationContext, InferContext, Term } from './record.ts';

/** The axis counted from the front, where `axis` may count from the end. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** As `axisOf`; an axis outside the tensor fails. */
export function checkedAxis(ctx: InferContext, axis: number, rank: number): number {
  if (axis < -rank || axis >= rank) ctx.fail(`an axis from ${-rank} to ${rank - 1}`, `${axis}`);
  return axisOf(axis, rank);
}

/** As `checkedAxis` for a list, where naming an axis twice fails. */
export function checkedAxes(ctx: InferContext, axes: readonly number[], rank: number): number[] {
  const result = axes.map((axis) => checkedAxis(ctx, axis, rank));
  if (new Set(result).size < result.length) ctx.fail('every axis at most once', `axes ${axes.join(', ')}`);
  return result;
}

/** The size of an axis that several tensors share: a known one where there is one. Contradicting sizes fail. */
export function commonDim(ctx: InferContext, sizes: readonly (Dim | undefined)[]): Dim {
  const stated = sizes.filter((size) => size !== undefined);
  const known = stated.filter(isKnown);
  const other = known.find((size) => size !== known[0]);
  if (other !== undefined) ctx.fail(`size ${known[0]}, as the other inputs have`, `${other}`);
  return known[0] ?? stated[0] ?? ctx.symbol('dim');
}

/** Fails unless the two sizes are equal, where both are known. */
export function expectSize(ctx: InferContext, what: string, expected: Dim | undefined, found: Dim | undefined): void {
  if (isKnown(expected) && isKnown(found) && expected !== found) ctx.fail(`${what} ${expected}`, `${found}`);
}

/** Both axes hold the same channels; where their sizes are not surely equal, neither may change. */
export function carry(ctx: EquationContext, a: Term | undefined, b: Term | undefined): void {
  if (a === undefined || b === undefined) return;
  if (sameDim(a.size, b.size)) {
    ctx.equal(a, b);
    return;
  }
  const reason = `sizes ${a.size} and ${b.size} are equal only at run time`;
  ctx.freeze(a, reason);
  ctx.freeze(b, reason);
}

/** Every axis of `axes` holds the same channels as the axis of `others` at its place. */
export function carryAll(ctx: EquationContext, axes: Axes, others: Axes): void {
  axes.forEach((term, axis) => {
    carry(ctx, term, others[axis]);
  });
}

/** Forbids any change of these axes. */
export function freezeAxes(ctx: EquationContext, axes: readonly (Term | undefined)[], reason: string): void {
  for (const term of axes) if (term !== undefined) ctx.freeze(term, reason);
}

/** An input that steers the node (a shape, indices, bounds) instead of being transformed: it keeps its dimensions. */
export function freezeControl(ctx: EquationContext, ...inputs: number[]): void {
  for (const input of inputs) freezeAxes(ctx, ctx.in(input), 'it steers the node and holds no channels');
}

/** Forbids any change of any input or output of the node. */
export function freezeNode(ctx: EquationContext, reason: string): void {
  ctx.inputs.forEach((_, input) => {
    freezeAxes(ctx, ctx.in(input), reason);
  });
  ctx.outputs.forEach((_, output) => {
    freezeAxes(ctx, ctx.out(output), reason);
  });
}

/** Axes of size 1 that a node makes or drops: without that one channel the tensor would be empty. */
export function freezeOnes(ctx: EquationContext, axes: Axes, reason: string): void {
  freezeAxes(
    ctx,
    axes.filter(({ size }) => size === 1),
    reason,
  );
}

/** `[0, 1, ..., count - 1]`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
