/**
 * Normalisations with parameters or statistics of their own. Each record says which axes a statistic is taken over, so
 * that pruning such an axis is marked as inexact, and which axes the parameters share with the input.
 * GroupNormalization is stated in group-normalization.ts, Softmax and its kin in softmax.ts.
 */
import { DataType, readNumbers } from '@onnx-pruning/onnx';
import type { Algebra } from '../algebra.ts';
import { axisOf, carryAll, checkedAxis, freezeAxes } from '../axes.ts';
import { equateBroadcast } from '../broadcast.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import { scaleAndShift } from '../overhead.ts';
import type {
  Dim,
  EquationContext,
  InferContext,
  LayerKind,
  LayerSpec,
  NodeView,
  OperatorRecord,
  ParameterSpec,
  ValueInfo,
} from '../record.ts';
import { noLayer, noMacs, noOverhead, nothing } from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { groupNormalization } from './group-normalization.ts';
import { expectDims, expectRank, expectStretches, shapeInfo } from './operands.ts';

/** With statistics that are constants, a factor and a summand for each channel. */
function batchNormAlgebra(view: NodeView): Algebra | null {
  const tensors = [1, 2, 3, 4].map((input) => view.constant(input));
  if (tensors.some((tensor) => tensor === undefined)) return null;
  if (view.int('training_mode', 0) !== 0 || view.int('spatial', 1) === 0) return null;
  const [scale, shift, mean, variance] = tensors.map((tensor) => readNumbers(tensor!));
  const epsilon = view.float('epsilon', 1e-5);
  const factors = Float64Array.from(scale!, (x, c) => x / Math.sqrt(variance![c]! + epsilon));
  const of = { scale: factors, shift: factors.map((x, c) => shift![c]! - mean![c]! * x) };
  return { kind: 'affine', statistics: { mean: 3, variance: 4, epsilon }, of };
}

/** A layer whose constant inputs among `inputs` hold the channels on axis 0; null where the first is computed. */
function channelParameters(kind: LayerKind, view: NodeView, inputs: readonly ParameterSpec[]): LayerSpec | null {
  if (!view.constant(1)) return null;
  return { kind, parameters: inputs.filter(({ input }) => view.constant(input)) };
}

const SCALE_AND_BIAS: readonly ParameterSpec[] = [
  { input: 1, role: 'weight', out: 0 },
  { input: 2, role: 'bias', out: 0 },
];

const SCALE_BIAS_AND_STATISTICS: readonly ParameterSpec[] = [
  ...SCALE_AND_BIAS,
  { input: 3, role: 'statistic', out: 0 },
  { input: 4, role: 'statistic', out: 0 },
];

function mixAxes(ctx: EquationContext, axes: readonly number[], statistic: string): void {
  for (const axis of axes) ctx.mixes(0, axis, statistic);
}

/** Axis numbers from `first` to the last. */
function axesFrom(first: number, rank: number): number[] {
  return Array.from({ length: Math.max(0, rank - first) }, (_, i) => first + i);
}

/** The shape of the input, and nothing to check. */
function inferSame(ctx: InferContext): ValueInfo[] {
  return [shapeInfo(elemTypeOf(ctx, 0), ctx.dims(0))];
}

// BatchNormalization

/** Up to opset 8, `spatial` = 0 keeps statistics per position: parameters then have the shape of one sample. */
function isPerPosition(view: NodeView): boolean {
  return view.opset < 9 && view.int('spatial', 1) === 0;
}

/** An input of rank 1 is a batch of samples with one channel. */
function batchNormParameterDims(view: NodeView, x: readonly Dim[]): readonly Dim[] {
  if (x.length < 2) return [1];
  return isPerPosition(view) ? x.slice(1) : [x[1]];
}

function inferBatchNorm(ctx: InferContext): ValueInfo[] {
  const x = ctx.dims(0);
  const statistics = shapeInfo(elemTypeOf(ctx, 3), x && batchNormParameterDims(ctx, x));
  const outputs = ctx.node.output.map((_, i) => (i === 0 ? shapeInfo(elemTypeOf(ctx, 0), x) : statistics));
  if (!x) return outputs;
  expectRank(ctx, x, 1);
  const dims = batchNormParameterDims(ctx, x);
  for (const [i, name] of ['scale', 'B', 'mean', 'var'].entries()) expectDims(ctx, name, i + 1, dims);
  return outputs;
}

function equateBatchNorm(ctx: EquationContext): void {
  const x = ctx.in(0);
  carryAll(ctx, x, ctx.out(0));
  const shared = [
    ctx.in(1),
    ctx.in(2),
    ctx.in(3),
    ctx.in(4),
    ...ctx.node.output.slice(1).map((_, i) => ctx.out(i + 1)),
  ];
  for (const parameter of shared) {
    if (x.length < 2) freezeAxes(ctx, parameter, 'an input of rank 1 has one channel');
    else carryAll(ctx, parameter, x.slice(1));
  }
  const usesBatch = ctx.opset < 14 ? ctx.out(1).length > 0 : ctx.int('training_mode', 0) !== 0;
  if (usesBatch) mixAxes(ctx, [0, ...axesFrom(isPerPosition(ctx) ? x.length : 2, x.length)], 'batch mean and variance');
}

// InstanceNormalization

function inferInstanceNorm(ctx: InferContext): ValueInfo[] {
  const x = ctx.dims(0);
  if (x) {
    expectRank(ctx, x, 3);
    expectDims(ctx, 'scale', 1, [x[1]]);
    expectDims(ctx, 'B', 2, [x[1]]);
  }
  return [shapeInfo(elemTypeOf(ctx, 0), x)];
}

function equateInstanceNorm(ctx: EquationContext): void {
  const x = ctx.in(0);
  carryAll(ctx, x, ctx.out(0));
  for (const term of [...ctx.in(1), ...ctx.in(2)]) ctx.equal(term, x[1]);
  mixAxes(ctx, axesFrom(2, x.length), 'mean and variance of each channel');
}

// LayerNormalization and RMSNormalization

function inferTrailingNorm(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const stash = ctx.int('stash_type', DataType.FLOAT);
  const x = ctx.dims(0);
  if (!x) return [{ elemType }, { elemType: stash }, { elemType: stash }];
  const first = checkedAxis(ctx, ctx.int('axis', -1), x.length);
  expectStretches(ctx, 'scale', 1, x);
  expectStretches(ctx, 'B', 2, x);
  const statistic = { elemType: stash, dims: x.map((dim, axis) => (axis < first ? dim : 1)) };
  return [{ elemType, dims: x }, statistic, statistic].slice(0, ctx.node.output.length);
}

function equateTrailingNorm(ctx: EquationContext, statistic: string): void {
  const x = ctx.in(0);
  const first = axisOf(ctx.int('axis', -1), x.length);
  equateBroadcast(ctx);
  for (let i = 1; i < ctx.node.output.length; i++) {
    carryAll(ctx, x.slice(0, first), ctx.out(i));
    freezeAxes(ctx, ctx.out(i).slice(first), 'it holds one statistic of all channels');
  }
  mixAxes(ctx, axesFrom(first, x.length), statistic);
}

/**
 * The channel axis of the parameters: the one beside axis 1 of an image (rank 4 or more, normalised from axis 1 on),
 * else the last. None where the parameter is stretched along it.
 */
function trailingParameter(view: NodeView, input: number, role: ParameterSpec['role']): ParameterSpec[] {
  const rank = view.inputs[0]?.dims?.length;
  const dims = view.inputs[input]?.dims;
  if (!view.constant(input) || rank === undefined || !dims) return [];
  const image = rank >= 4 && axisOf(view.int('axis', -1), rank) === 1;
  const axis = (image ? 1 : rank - 1) - (rank - dims.length);
  return [dims[axis] === undefined || dims[axis] === 1 ? { input, role } : { input, role, out: axis }];
}

function trailingLayer(view: NodeView): LayerSpec | null {
  const parameters = [...trailingParameter(view, 1, 'weight'), ...trailingParameter(view, 2, 'bias')];
  return parameters.length > 0 ? { kind: 'layernorm', parameters } : null;
}

// Operators without parameters

function inferLrn(ctx: InferContext): ValueInfo[] {
  const x = ctx.dims(0);
  if (x) expectRank(ctx, x, 2);
  return inferSame(ctx);
}

function equateLrn(ctx: EquationContext): void {
  carryAll(ctx, ctx.in(0), ctx.out(0));
  ctx.freeze(ctx.in(0)[1], 'LRN sums over neighbouring channels');
}

function inferLpNorm(ctx: InferContext): ValueInfo[] {
  const x = ctx.dims(0);
  if (x) checkedAxis(ctx, ctx.int('axis', -1), x.length);
  return inferSame(ctx);
}

/** A norm is a sum of powers, to which channels that are zero add nothing: removing them is exact. */
function equateLpNorm(ctx: EquationContext): void {
  const x = ctx.in(0);
  carryAll(ctx, x, ctx.out(0));
  ctx.consumes(0, axisOf(ctx.int('axis', -1), x.length));
}

/** Axes beyond the rank are left out: the default lists four, and runtimes accept it for smaller inputs. */
function equateMeanVariance(ctx: EquationContext): void {
  const x = ctx.in(0);
  carryAll(ctx, x, ctx.out(0));
  const axes = (ctx.ints('axes') ?? [0, 2, 3]).map((axis) => axisOf(axis, x.length));
  const present = axes.filter((axis) => axis >= 0 && axis < x.length);
  mixAxes(ctx, present, 'mean and variance');
}

/** All normalisations; opsets differ in types only where no comment says otherwise. */
export const normalizationOperators: readonly OperatorRecord[] = [
  groupNormalization,
  {
    domain: '',
    opType: 'BatchNormalization',
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: inferBatchNorm,
    equations: equateBatchNorm,
    resize: nothing,
    macs: noMacs,
    overhead: scaleAndShift,
    layer: (view) => channelParameters('batchnorm', view, SCALE_BIAS_AND_STATISTICS),
    algebra: batchNormAlgebra,
  },
  {
    domain: '',
    opType: 'InstanceNormalization',
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: inferInstanceNorm,
    equations: equateInstanceNorm,
    resize: nothing,
    macs: noMacs,
    overhead: scaleAndShift,
    layer: (view) => channelParameters('instancenorm', view, SCALE_AND_BIAS),
  },
  {
    domain: '',
    opType: 'LayerNormalization',
    opsets: [17, NEWEST_OPSET],
    infer: inferTrailingNorm,
    equations: (ctx) => equateTrailingNorm(ctx, 'mean and variance'),
    resize: nothing,
    macs: noMacs,
    overhead: scaleAndShift,
    layer: trailingLayer,
  },
  {
    domain: '',
    opType: 'RMSNormalization',
    opsets: [23, NEWEST_OPSET],
    infer: inferTrailingNorm,
    equations: (ctx) => equateTrailingNorm(ctx, 'root mean square'),
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: trailingLayer,
  },
  // What onnxruntime's optimizer wrote before RMSNormalization was a standard operator, in the standard domain.
  {
    domain: '',
    opType: 'SimplifiedLayerNormalization',
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: inferTrailingNorm,
    equations: (ctx) => equateTrailingNorm(ctx, 'root mean square'),
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: trailingLayer,
  },
  {
    domain: '',
    opType: 'LRN',
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: inferLrn,
    equations: equateLrn,
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  },
  {
    domain: '',
    opType: 'LpNormalization',
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: inferLpNorm,
    equations: equateLpNorm,
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  },
  {
    domain: '',
    opType: 'MeanVarianceNormalization',
    opsets: [9, NEWEST_OPSET],
    infer: inferSame,
    equations: equateMeanVariance,
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  },
];
