/**
 * Convolution and transposed convolution of any rank, in groups or depthwise. Two things are stated here and nowhere
 * else: how channels of X, W, B and Y belong together, and that `group` follows when whole groups are removed.
 */

import { carry, expectSize, freezeAxes } from '../axes.ts';
import { mulDims } from '../dims.ts';
import { convolutionMap, linearInWeight, transposedConvolutionMap } from '../linear-map.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import { perOutputElement } from '../overhead.ts';
import type {
  CostContext,
  Dim,
  EquationContext,
  InferContext,
  LayerSpec,
  ModuleContext,
  NodeView,
  OperatorRecord,
  ParameterSpec,
  ResizeContext,
  Term,
  ValueInfo,
} from '../record.ts';
import {
  checkSpatial,
  readSpatial,
  readWindows,
  slidingDim,
  transposedDim,
  type Window,
  windowExtent,
} from '../spatial.ts';
import { elemTypeOf } from '../values.ts';
import { expectDims, expectRank } from './operands.ts';

const groupsOf = (view: NodeView): number => view.int('group', 1);

/** Kernel sizes from W, or from `kernel_shape` where W has symbolic axes; undefined where neither says. */
function kernelOf(ctx: InferContext, w: readonly Dim[]): number[] | undefined {
  const stated = ctx.ints('kernel_shape');
  if (stated && stated.length !== w.length - 2) ctx.fail(`kernel_shape of ${w.length - 2} sizes`, `${stated.length}`);
  stated?.forEach((size, i) => {
    expectSize(ctx, `axis ${i + 2} of W of size`, size, w[i + 2]);
  });
  const kernel = w.slice(2).map((size, i) => (typeof size === 'number' ? size : stated?.[i]));
  return kernel.every((size) => size !== undefined) ? kernel : undefined;
}

/** Fails where a window is larger than the padded input: no runtime accepts that of a convolution. */
function expectFits(ctx: InferContext, input: Dim, w: Window): void {
  if (typeof input !== 'number' || w.autoPad === 'SAME') return;
  const padded = w.autoPad === 'VALID' ? input : input + w.padBegin + w.padEnd;
  if (padded < windowExtent(w))
    ctx.fail(`a padded input of ${windowExtent(w)} or more along a spatial axis`, `${padded}`);
}

/** Shapes of X and W where both are known; fails where ranks or `group` contradict. */
function operands(ctx: InferContext): { x: readonly Dim[]; w: readonly Dim[] } | undefined {
  const x = ctx.dims(0);
  const w = ctx.dims(1);
  if (!x || !w) return undefined;
  expectRank(ctx, x, 3);
  if (w.length !== x.length) ctx.fail(`W of rank ${x.length}`, `[${w.join(', ')}]`);
  if (groupsOf(ctx) < 1) ctx.fail('group of 1 or more', `${groupsOf(ctx)}`);
  return { x, w };
}

function expectDivisible(ctx: InferContext, what: string, size: Dim, divisor: number): void {
  if (typeof size === 'number' && size % divisor !== 0) ctx.fail(`${what} in ${divisor} equal groups`, `${size}`);
}

function inferConv(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const shapes = operands(ctx);
  if (!shapes) return [{ elemType }];
  const { x, w } = shapes;
  expectSize(ctx, 'input channels of size', mulDims(groupsOf(ctx), w[1]), x[1]);
  expectDivisible(ctx, 'output channels', w[0], groupsOf(ctx));
  expectDims(ctx, 'B', 2, [w[0]]);
  const kernel = kernelOf(ctx, w);
  if (!kernel) return [{ elemType, dims: [x[0], w[0], ...x.slice(2).map(() => ctx.symbol('windows'))] }];
  const spatial = readWindows(ctx, kernel).map((window, i) => {
    expectFits(ctx, x[i + 2], window);
    return slidingDim(ctx, x[i + 2], window);
  });
  return [{ elemType, dims: [x[0], w[0], ...checkSpatial(ctx, spatial)] }];
}

function inferTransposed(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const shapes = operands(ctx);
  if (!shapes) return [{ elemType }];
  const { x, w } = shapes;
  const channels = mulDims(groupsOf(ctx), w[1]);
  expectSize(ctx, 'axis 0 of W of size', x[1], w[0]);
  expectDivisible(ctx, 'input channels', w[0], groupsOf(ctx));
  expectDims(ctx, 'B', 2, [channels]);
  return [{ elemType, dims: [x[0], channels, ...transposedSpatial(ctx, x, kernelOf(ctx, w))] }];
}

/** `output_shape` lists the spatial sizes only; where it is absent, kernel, stride and padding decide. */
function transposedSpatial(ctx: InferContext, x: readonly Dim[], kernel: number[] | undefined): readonly Dim[] {
  const rank = x.length - 2;
  const stated = ctx.ints('output_shape');
  if (stated && stated.length > 0) return checkSpatial(ctx, readSpatial(ctx, 'output_shape', rank, 0));
  if (!kernel) return x.slice(2).map(() => ctx.symbol('upsampled'));
  const extra = readSpatial(ctx, 'output_padding', rank, 0);
  const windows = readWindows(ctx, kernel);
  const spatial = windows.map((w, i) => transposedDim(ctx, x[i + 2], w, extra[i]));
  return checkSpatial(ctx, spatial);
}

/**
 * Factors of the channels: `groups` groups, each of which turns `inner` input channels into `outer` output channels.
 * A depthwise convolution has one input channel per group, so a group is a channel there, and the outputs made of it
 * stay together; otherwise the channels within the groups are what is offered.
 */
interface Grouping {
  readonly input: Term;
  readonly output: Term;
  readonly inner: Term | undefined;
  readonly outer: Term | undefined;
}

function groupChannels(ctx: EquationContext, inner: number, outer: number): Grouping {
  const depthwise = inner === 1;
  const groups = ctx.leaf(groupsOf(ctx), depthwise ? 'channel' : 'group');
  const innerTerm = depthwise ? undefined : ctx.leaf(inner, 'channel');
  const outerTerm = outer === 1 ? undefined : ctx.leaf(outer, depthwise ? 'group' : 'channel');
  return {
    input: innerTerm ? ctx.product([groups, innerTerm]) : groups,
    output: outerTerm ? ctx.product([groups, outerTerm]) : groups,
    inner: innerTerm,
    outer: outerTerm,
  };
}

/** The axis of W that counts within the groups holds `term`, or stays at one where there is nothing to choose from. */
function equateWithin(ctx: EquationContext, axis: Term, term: Term | undefined): void {
  if (term) ctx.equal(axis, term);
  else ctx.freeze(axis, `every group of this ${ctx.node.opType} has one channel along this axis of its weight`);
}

/** Batch carries over; nothing may change along spatial and kernel axes. */
function equatePositions(ctx: EquationContext): void {
  const [x, w, y] = [ctx.in(0), ctx.in(1), ctx.out(0)];
  ctx.equal(x[0], y[0]);
  freezeAxes(ctx, [...x.slice(2), ...y.slice(2)], `it is a spatial axis of ${ctx.node.opType}`);
  freezeAxes(ctx, w.slice(2), `it is a kernel axis of ${ctx.node.opType}`);
}

function equateOutputs(ctx: EquationContext, channels: Term): void {
  ctx.equal(ctx.out(0)[1], channels);
  for (const term of ctx.in(2)) ctx.equal(term, channels);
}

/** Freezes all channel axes of a grouped node whose weight has a size that only the run decides. */
function freezeGrouped(ctx: EquationContext): void {
  const terms = [ctx.in(0)[1], ctx.in(1)[0], ctx.in(1)[1], ctx.out(0)[1], ...ctx.in(2)];
  freezeAxes(ctx, terms, 'the channels of its groups are only known at run time');
}

function equateConv(ctx: EquationContext): void {
  equatePositions(ctx);
  const [x, w] = [ctx.in(0), ctx.in(1)];
  if (groupsOf(ctx) === 1) {
    carry(ctx, x[1], w[1]);
    ctx.consumes(0, 1);
    equateOutputs(ctx, w[0]);
    return;
  }
  const [outputs, inner] = [w[0].size, w[1].size];
  if (typeof outputs !== 'number' || typeof inner !== 'number') {
    freezeGrouped(ctx);
    return;
  }
  const grouping = groupChannels(ctx, inner, outputs / groupsOf(ctx));
  carry(ctx, x[1], grouping.input);
  ctx.equal(w[0], grouping.output);
  equateWithin(ctx, w[1], grouping.inner);
  if (grouping.inner) ctx.consumes(0, 1);
  equateOutputs(ctx, grouping.output);
}

function equateTransposed(ctx: EquationContext): void {
  equatePositions(ctx);
  const [x, w] = [ctx.in(0), ctx.in(1)];
  if (groupsOf(ctx) === 1) {
    carry(ctx, x[1], w[0]);
    ctx.consumes(0, 1);
    equateOutputs(ctx, w[1]);
    return;
  }
  const [inputs, outer] = [w[0].size, w[1].size];
  if (typeof inputs !== 'number' || typeof outer !== 'number') {
    freezeGrouped(ctx);
    return;
  }
  const grouping = groupChannels(ctx, inputs / groupsOf(ctx), outer);
  carry(ctx, x[1], grouping.input);
  ctx.equal(w[0], grouping.input);
  equateWithin(ctx, w[1], grouping.outer);
  if (grouping.inner) ctx.consumes(0, 1);
  equateOutputs(ctx, grouping.output);
}

function setGroups(ctx: ResizeContext, groups: number): void {
  if (groups !== groupsOf(ctx)) ctx.setInt('group', groups);
}

/** W[1] counts the input channels of one group, so the groups that are left follow from X. */
function resizeConv(ctx: ResizeContext): void {
  const [channels, inner] = [ctx.newIn(0)[1], ctx.newIn(1)[1]];
  if (groupsOf(ctx) === 1 || typeof channels !== 'number' || typeof inner !== 'number') return;
  setGroups(ctx, channels / inner);
}

/** W[1] counts the output channels of one group, so the groups that are left follow from Y. */
function resizeTransposed(ctx: ResizeContext): void {
  const [channels, outer] = [ctx.newOut(0)[1], ctx.newIn(1)[1]];
  if (groupsOf(ctx) === 1 || typeof channels !== 'number' || typeof outer !== 'number') return;
  setGroups(ctx, channels / outer);
}

/**
 * Output positions x weight elements, without bias, for both kinds: Torch-Pruning's count. For a transposed convolution
 * that counts the products with zeros that a literal implementation would make.
 */
function convMacs(ctx: CostContext): number {
  const [batch, , ...positions] = ctx.outDims(0);
  return [batch, ...positions, ...ctx.inDims(1)].reduce((n, size) => n * size, 1);
}

/** One for each output element where there is a bias. */
function biasOverhead(ctx: ModuleContext): number {
  return ctx.node.input[2] ? perOutputElement(ctx) : 0;
}

function withBias(view: NodeView, weight: ParameterSpec): ParameterSpec[] {
  return view.constant(2) ? [weight, { input: 2, role: 'bias', out: 0 }] : [weight];
}

function convLayer(view: NodeView): LayerSpec | null {
  if (!view.constant(1)) return null;
  const depthwise = groupsOf(view) > 1 && view.inputs[1]?.dims?.[1] === 1;
  if (depthwise) return { kind: 'depthwiseConv', parameters: withBias(view, { input: 1, role: 'weight', out: 0 }) };
  return { kind: 'conv', parameters: withBias(view, { input: 1, role: 'weight', out: 0, in: 1 }) };
}

/** With one input and one output channel per group, axis 0 of W is both, as in a depthwise convolution. */
function transposedLayer(view: NodeView): LayerSpec | null {
  const dims = view.inputs[1]?.dims;
  if (!view.constant(1) || !dims) return null;
  const depthwise = groupsOf(view) > 1 && dims[0] === groupsOf(view) && dims[1] === 1;
  const weight: ParameterSpec = depthwise
    ? { input: 1, role: 'weight', out: 0 }
    : { input: 1, role: 'weight', out: 1, in: 0 };
  return { kind: 'convTranspose', parameters: withBias(view, weight) };
}

/** Conv and ConvTranspose; opsets 11 and 22 changed wording and types only. */
export const convOperators: readonly OperatorRecord[] = [
  {
    domain: '',
    opType: 'Conv',
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: inferConv,
    equations: equateConv,
    resize: resizeConv,
    macs: convMacs,
    overhead: biasOverhead,
    layer: convLayer,
    algebra: linearInWeight(convolutionMap),
  },
  {
    domain: '',
    opType: 'ConvTranspose',
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: inferTransposed,
    equations: equateTransposed,
    resize: resizeTransposed,
    macs: convMacs,
    overhead: biasOverhead,
    layer: transposedLayer,
    algebra: linearInWeight(transposedConvolutionMap),
  },
];
