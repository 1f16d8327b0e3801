/**
 * Numpy-style broadcasting, stated once for every operator that broadcasts: the shape of the result, and which axes
 * hold the same channels. It knows no operator by name.
 */
import { checkArguments, greatest, type Kind, kinds, listOf, optional } from '@onnx-pruning/onnx';
import { isKnown, sameDim } from './dims.ts';
import type { Dim, EquationContext, InferContext, Term } from './record.ts';

const SHAPES: Kind = listOf(optional({ expected: 'a list of sizes', accepts: Array.isArray }));

const CONTEXT: Kind = {
  expected: 'the context that equations are stated with',
  accepts: (value) => kinds.object.accepts(value) && 'equal' in (value as object),
};

/** The size of `axis` counted from the right (0 is the last axis); undefined beyond the first axis. */
function fromRight<T>(axes: readonly T[], axis: number): T | undefined {
  return axes[axes.length - 1 - axis];
}

function broadcastAxis(ctx: InferContext, sizes: readonly Dim[]): Dim {
  const stretching = sizes.filter((size) => size !== 1);
  const known = stretching.filter(isKnown);
  const first = known[0];
  if (first !== undefined) {
    const other = known.find((size) => size !== first);
    if (other !== undefined) ctx.fail('sizes that broadcast: equal, or 1', `${first} and ${other}`);
    return first;
  }
  const symbol = stretching[0];
  if (symbol === undefined) return 1;
  return stretching.every((size) => sameDim(size, symbol)) ? symbol : ctx.symbol('broadcast');
}

/**
 * The dimensions of the result of broadcasting tensors of these dimensions against each other; undefined when one of
 * them is not known. Against an unknown size a known size above 1 wins: the unknown one can only be equal to it or 1.
 * Sizes that contradict are reported by `ctx.fail`.
 */
export function broadcastDims(ctx: InferContext, dimsList: readonly (readonly Dim[] | undefined)[]): Dim[] | undefined {
  checkArguments('broadcastDims', { ctx: [ctx, kinds.object], dimsList: [dimsList, SHAPES] });
  const known = dimsList.filter((dims) => dims !== undefined);
  if (known.length < dimsList.length) return undefined;
  const rank = greatest([0, ...known.map((dims) => dims.length)]);
  const result: Dim[] = [];
  for (let axis = rank - 1; axis >= 0; axis--) {
    const sizes = known.map((dims) => fromRight(dims, axis)).filter((size) => size !== undefined);
    result.push(broadcastAxis(ctx, sizes));
  }
  return result;
}

const STRETCHED = 'it is stretched over another size, so it must stay one channel';

/** States what operand `input` says of the output axis `out`; false when it says nothing. */
function equateOperand(ctx: EquationContext, input: number, term: Term | undefined, out: Term): boolean {
  if (term === undefined) return false;
  // A constant of size 1 holds no channel of anything; a computed one could be a single channel cut out of others.
  if (term.size === 1 && ctx.constant(input) !== undefined) return false;
  if (sameDim(term.size, out.size)) {
    ctx.equal(term, out);
    return true;
  }
  if (term.size === 1) {
    ctx.freeze(term, STRETCHED);
    return false;
  }
  const reason = `it broadcasts against the unknown size ${isKnown(term.size) ? out.size : term.size}`;
  ctx.freeze(term, reason);
  ctx.freeze(out, reason);
  return true;
}

/**
 * Right-aligned axes of all present inputs hold the same channels as output `output`'s. An axis of size 1 that is
 * stretched says nothing about the others, and stays one channel. An axis where a symbolic size meets a known one is
 * frozen: at run time the symbol may be that size. An output axis that no input fills (only possible where the size
 * comes from elsewhere) is frozen as well.
 */
export function equateBroadcast(ctx: EquationContext, inputs?: readonly number[], output = 0): void {
  checkArguments('equateBroadcast', { ctx: [ctx, CONTEXT] });
  const out = ctx.out(output);
  const operands = inputs ?? ctx.inputs.map((_, index) => index);
  for (let axis = 0; axis < out.length; axis++) {
    const target = fromRight(out, axis)!;
    const filled = operands.filter((input) => equateOperand(ctx, input, fromRight(ctx.in(input), axis), target));
    if (filled.length === 0) ctx.freeze(target, 'no input has channels along this axis');
  }
}
