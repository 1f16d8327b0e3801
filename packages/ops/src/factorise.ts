/**
 * Row-major factorisation: which axes of a tensor become which axes of its reshaped form, and the equations of that.
 * Only sizes are looked at, symbolic ones as monomials. It knows no operator.
 */
import { freezeAxes, freezeOnes } from './axes.ts';
import { canonicalDim, divDims, isKnown, mulDims, productOfDims, sameDim } from './dims.ts';
import type { Axes, Dim, EquationContext, Term } from './record.ts';

/** Neighbouring axes on both sides that hold the same elements in the same order. Axes of size 1 are in no segment. */
export interface Segment {
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** False where the sizes do not tell how the axes correspond. */
  readonly aligned: boolean;
}

function longAxes(dims: readonly Dim[]): number[] {
  return dims.flatMap((size, axis) => (size === 1 ? [] : [axis]));
}

/** Products of the first 1, 2, ... sizes. */
function prefixes(sizes: readonly Dim[]): Dim[] {
  let product: Dim = 1;
  return sizes.map((size) => {
    product = canonicalDim(mulDims(product, size));
    return product;
  });
}

/** Pairs `[i, j]` where the first `i` sizes on one side have the product of the first `j` on the other. */
function commonPrefixes(from: readonly Dim[], to: readonly Dim[]): [number, number][] {
  const ends = new Map(prefixes(from).map((product, i) => [product, i + 1]));
  return prefixes(to).flatMap((product, j): [number, number][] => {
    const i = ends.get(product);
    return i === undefined ? [] : [[i, j + 1]];
  });
}

/**
 * Minimal segments of equal product, from the first axis to the last. Where the products of whole shapes are not known
 * to be equal, segments are also matched from the last axis backwards, and what stays between is not aligned.
 */
export function alignAxes(from: readonly Dim[], to: readonly Dim[]): Segment[] {
  const left = longAxes(from);
  const right = longAxes(to);
  if (from.includes(0) || to.includes(0)) return [{ from: left, to: right, aligned: false }];
  const a = left.map((axis) => from[axis]!);
  const b = right.map((axis) => to[axis]!);
  const forward = commonPrefixes(a, b);
  const [i, j] = forward.at(-1) ?? [0, 0];
  const backward = commonPrefixes(a.slice(i).reverse(), b.slice(j).reverse());
  const cuts = [...forward, ...backward.map(([p, q]): [number, number] => [a.length - p, b.length - q]).reverse()];
  if (i < a.length || j < b.length) cuts.push([a.length, b.length]);
  const segments: Segment[] = [];
  let [p, q] = [0, 0];
  cuts.forEach(([nextP, nextQ], index) => {
    const unmatched = index === forward.length;
    segments.push({ from: left.slice(p, nextP), to: right.slice(q, nextQ), aligned: !unmatched });
    [p, q] = [nextP, nextQ];
  });
  return segments.filter((segment) => segment.from.length + segment.to.length > 0);
}

/**
 * Terms for the factors that an axis is split into. All but the innermost are the outer factors of a grouped axis
 * (groups, heads): they get that role.
 */
function splitFactors(ctx: EquationContext, outs: readonly Term[]): Term[] {
  return outs.map((out, index) => {
    if (index === outs.length - 1 || !isKnown(out.size)) return out;
    const group = ctx.leaf(out.size, 'group');
    ctx.equal(group, out);
    return group;
  });
}

/** States that the axes `from`, merged, are the axes `to`, merged. */
export function equateMerged(ctx: EquationContext, from: readonly Term[], to: readonly Term[]): void {
  const left = from.filter(({ size }) => size !== 1);
  const right = to.filter(({ size }) => size !== 1);
  if (left.length === 0 || right.length === 0) freezeAxes(ctx, [...left, ...right], 'it is merged with axes of size 1');
  else if (left.length === 1 && right.length === 1) ctx.equal(left[0]!, right[0]!);
  else if (right.length === 1) ctx.equal(ctx.product(left), right[0]!);
  else if (left.length === 1) ctx.equal(left[0]!, ctx.product(splitFactors(ctx, right)));
  else if ([...left, ...right].every(({ size }) => isKnown(size)))
    ctx.equal(ctx.product(left), ctx.product(splitFactors(ctx, right)));
  else equateTails(ctx, left, right);
}

/** Axes apart: those up to the last whose size is only known at run time, and those inside of it. */
interface Tail {
  readonly outer: readonly Term[];
  readonly inner: readonly Term[];
  /** Channels of the inner axes together. */
  readonly size: number;
}

function tailOf(axes: readonly Term[]): Tail {
  const from = axes.findLastIndex(({ size }) => !isKnown(size)) + 1;
  const inner = axes.slice(from);
  return { outer: axes.slice(0, from), inner, size: Number(productOfDims(inner.map(({ size }) => size))) };
}

/**
 * Merged axes of which an outer one is only known at run time. What is inside of it corresponds where the side that has
 * less can be filled up from it: `batch x 32` is `4*batch x 8` where `4*batch` is `batch x 4`, as of attention heads.
 */
function equateTails(ctx: EquationContext, from: readonly Term[], to: readonly Term[]): void {
  const [left, right] = [tailOf(from), tailOf(to)];
  const [longer, shorter] = left.size >= right.size ? [left, right] : [right, left];
  const missing = longer.size / shorter.size;
  const last = shorter.outer.at(-1);
  const rest = last && Number.isInteger(missing) ? divDims(last.size, missing) : undefined;
  if (last === undefined || rest === undefined) {
    freezeAxes(ctx, [...from, ...to], 'the sizes do not tell which axes it is reshaped from and to');
    return;
  }
  if (missing === 1) {
    equateMerged(ctx, longer.inner, shorter.inner);
    equateOuter(ctx, longer.outer, shorter.outer);
    return;
  }
  const filled = ctx.leaf(missing);
  const others = ctx.leaf(rest);
  equateMerged(ctx, longer.inner, [filled, ...shorter.inner]);
  ctx.equal(last, ctx.product([others, filled]));
  equateOuter(ctx, longer.outer, [...shorter.outer.slice(0, -1), others]);
}

function equateOuter(ctx: EquationContext, from: readonly Term[], to: readonly Term[]): void {
  const size = (axes: readonly Term[]): Dim => productOfDims(axes.map((term) => term.size));
  const same = sameDim(size(from), size(to));
  if (same && (from.length === 1 || to.length === 1)) ctx.equal(ctx.product(from), ctx.product(to));
  else freezeAxes(ctx, [...from, ...to], 'it is merged with an axis whose size is only known at run time');
}

/** States how the axes of a reshaped tensor follow from the axes it had. */
export function equateReshaped(ctx: EquationContext, from: Axes, to: Axes): void {
  freezeOnes(ctx, from, 'an axis of one element is dropped');
  freezeOnes(ctx, to, 'an axis of one element is added');
  const segments = alignAxes(
    from.map(({ size }) => size),
    to.map(({ size }) => size),
  );
  for (const segment of segments) {
    const ins = segment.from.map((axis) => from[axis]!);
    const outs = segment.to.map((axis) => to[axis]!);
    if (segment.aligned) equateMerged(ctx, ins, outs);
    else freezeAxes(ctx, [...ins, ...outs], 'the sizes do not tell which axes it is reshaped from and to');
  }
}
