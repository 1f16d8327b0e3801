/**
 * What records of layers and activations have in common beyond `../axes.ts`: checks of operands against dimensions, and
 * operands that are stretched over another. It knows no operator.
 */
import { expectSize } from '../axes.ts';
import { sameDim } from '../dims.ts';
import type { Axes, Dim, EquationContext, InferContext, NodeView, ValueInfo } from '../record.ts';

/** What is known of an output whose elements nobody follows: its type, and its dimensions where they are known. */
export function shapeInfo(elemType: number, dims: readonly Dim[] | undefined): ValueInfo {
  return dims ? { elemType, dims } : { elemType };
}

/** Whether the node names output `i`: outputs that nobody wants have an empty name or are left out. */
export function wantsOutput(view: NodeView, i: number): boolean {
  return (view.node.output[i] ?? '') !== '';
}

/** Fails below the rank that an operator needs. */
export function expectRank(ctx: InferContext, dims: readonly Dim[], least: number): void {
  if (dims.length < least) ctx.fail(`an input of rank ${least} or more`, `[${dims.join(', ')}]`);
}

/** Fails where the dimensions of input `i` are known and have another rank, or sizes that contradict `expected`. */
export function expectDims(ctx: InferContext, what: string, i: number, expected: readonly Dim[]): void {
  const dims = ctx.dims(i);
  if (!dims) return;
  if (dims.length !== expected.length) ctx.fail(`${what} of rank ${expected.length}`, `[${dims.join(', ')}]`);
  for (const [axis, dim] of dims.entries()) expectSize(ctx, `axis ${axis} of ${what} of size`, expected[axis], dim);
}

/** Fails where the known dimensions of input `i` cannot be stretched to `target` (unidirectional broadcasting). */
export function expectStretches(ctx: InferContext, what: string, i: number, target: readonly Dim[]): void {
  const dims = ctx.dims(i);
  if (!dims) return;
  const lead = target.length - dims.length;
  if (lead < 0) ctx.fail(`${what} of rank ${target.length} at most`, `[${dims.join(', ')}]`);
  for (const [axis, dim] of dims.entries()) if (dim !== 1) expectSize(ctx, `${what} of size`, target[lead + axis], dim);
}

/**
 * The axes of an operand, aligned to the right of `targets`, hold the same channels. One of size 1 says nothing of its
 * target, but has to stay one; one whose size is symbolic may turn out to be either, so both sides are frozen.
 */
export function stretchOnto(ctx: EquationContext, axes: Axes, targets: Axes): void {
  const lead = targets.length - axes.length;
  for (const [axis, term] of axes.entries()) {
    const target = targets[lead + axis];
    if (target === undefined) {
      ctx.freeze(term, 'it has more axes than what it is stretched over');
    } else if (sameDim(term.size, target.size)) {
      ctx.equal(term, target);
    } else if (term.size === 1) {
      ctx.freeze(term, 'it is stretched over a larger axis, so it must stay one channel');
    } else {
      const reason = `${term.size} may be stretched over ${target.size} at run time`;
      ctx.freeze(term, reason);
      ctx.freeze(target, reason);
    }
  }
}
