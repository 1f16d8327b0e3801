/**
 * Operators that work along axes of their input: the Reduce family, ArgMax, ArgMin, TopK and CumSum. Where a channel
 * that is zero adds nothing to the result, removing it is exact; where it takes part in a statistic, it is not.
 */
import { DataType } from '@onnx-pruning/onnx';
import {
  axisOf,
  carry,
  carryAll,
  checkedAxes,
  checkedAxis,
  freezeAxes,
  freezeControl,
  freezeNode,
  range,
} from '../axes.ts';
import { isKnown } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import {
  type Dim,
  type EquationContext,
  type InferContext,
  type NodeView,
  noLayer,
  noMacs,
  noOverhead,
  nothing,
  type OperatorRecord,
  type ValueInfo,
} from '../record.ts';
import { add, type Fold, maximum, minimum, multiply } from '../scalars.ts';
import { type Elements, elementsOf, elemTypeOf, hasInput, knownValue, numbersOf, valueInfo } from '../values.ts';

/** How one Reduce operator treats what it reduces. */
interface Reduction {
  readonly opType: string;
  /** First opset in which the axes are an input. */
  readonly axesAreInputSince: number;
  /** Name of the statistic; undefined where channels that are zero add nothing. */
  readonly statistic: string | undefined;
  /** Folds small tensors; undefined where shape arithmetic has no use for it. */
  readonly fold: Fold | undefined;
}

const AXES = 1;

/** The reduced axes as stated; `all` when the node leaves them out, undefined when only the run knows them. */
function reducedAxes({ axesAreInputSince }: Reduction, view: NodeView): readonly number[] | 'all' | 'none' | undefined {
  const byInput = view.opset >= axesAreInputSince;
  const stated = byInput ? hasInput(view, AXES) : view.has('axes');
  const axes = byInput ? numbersOf(view, AXES) : view.ints('axes');
  if (stated && axes === undefined) return undefined;
  if (axes !== undefined && axes.length > 0) return axes;
  return byInput && view.int('noop_with_empty_axes', 0) !== 0 ? 'none' : 'all';
}

/** The reduced axes, counted from the front. */
function axesList(reduction: Reduction, view: NodeView, rank: number): readonly number[] | undefined {
  const axes = reducedAxes(reduction, view);
  if (axes === 'all') return range(rank);
  if (axes === 'none') return [];
  return axes?.map((axis) => axisOf(axis, rank));
}

function keepsDims(view: NodeView): boolean {
  return view.int('keepdims', 1) !== 0;
}

/** Only the number of reduced axes may be known: then the rank is, and no size. */
function inferUnknownAxes(ctx: InferContext, elemType: number, rank: number): ValueInfo[] {
  const count = elementsOf(ctx, AXES)?.length;
  if (!keepsDims(ctx) && count === undefined) return [{ elemType }];
  const left = keepsDims(ctx) ? rank : rank - count!;
  return [{ elemType, dims: range(left).map(() => ctx.symbol('reduce')) }];
}

function reducedDims(dims: readonly Dim[], axes: readonly number[], keep: boolean): Dim[] {
  return dims.flatMap((size, axis) => {
    if (!axes.includes(axis)) return [size];
    return keep ? [1] : [];
  });
}

/** The whole of a small 1-D tensor folded into one element. */
function foldedValue({ fold }: Reduction, ctx: InferContext, axes: readonly number[]): Elements | undefined {
  const value = knownValue(ctx, 0);
  if (fold === undefined || value === undefined || ctx.dims(0)?.length !== 1 || axes.length !== 1) return undefined;
  const [first, ...rest] = value;
  const combine = (a: Dim | undefined, b: Dim | undefined): Dim | undefined =>
    a === undefined || b === undefined ? undefined : fold(a, b);
  return value.length === 0 ? undefined : [rest.reduce(combine, first)];
}

function inferReduce(reduction: Reduction, ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const dims = ctx.dims(0);
  if (dims === undefined) return [{ elemType }];
  const stated = reducedAxes(reduction, ctx);
  if (stated === undefined) return inferUnknownAxes(ctx, elemType, dims.length);
  if (Array.isArray(stated)) checkedAxes(ctx, stated, dims.length);
  const axes = axesList(reduction, ctx, dims.length)!;
  return [valueInfo(elemType, reducedDims(dims, axes, keepsDims(ctx)), foldedValue(reduction, ctx, axes))];
}

/** Axes that are not reduced carry over; a reduced axis that stays is of one element. */
function equateReduced(ctx: EquationContext, output: number, axes: readonly number[]): void {
  const keep = keepsDims(ctx);
  const out = ctx.out(output);
  let position = 0;
  ctx.in(0).forEach((term, axis) => {
    if (!axes.includes(axis)) carry(ctx, term, out[position]);
    else if (keep) freezeAxes(ctx, [out[position]], 'a reduced axis has one element');
    if (keep || !axes.includes(axis)) position++;
  });
}

function reduceEquations(reduction: Reduction, ctx: EquationContext): void {
  const axes = axesList(reduction, ctx, ctx.in(0).length);
  freezeControl(ctx, AXES);
  if (axes === undefined) {
    freezeNode(ctx, 'which axes are reduced is only known at run time');
    return;
  }
  equateReduced(ctx, 0, axes);
  for (const axis of axes) {
    if (reduction.statistic === undefined) ctx.consumes(0, axis);
    else ctx.mixes(0, axis, reduction.statistic);
  }
}

function reduce(reduction: Reduction): OperatorRecord {
  return {
    domain: '',
    opType: reduction.opType,
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: (ctx) => inferReduce(reduction, ctx),
    equations: (ctx) => reduceEquations(reduction, ctx),
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

const reductions: readonly Reduction[] = [
  { opType: 'ReduceSum', axesAreInputSince: 13, statistic: undefined, fold: add },
  { opType: 'ReduceSumSquare', axesAreInputSince: 18, statistic: undefined, fold: undefined },
  { opType: 'ReduceL1', axesAreInputSince: 18, statistic: undefined, fold: undefined },
  { opType: 'ReduceL2', axesAreInputSince: 18, statistic: undefined, fold: undefined },
  { opType: 'ReduceLogSum', axesAreInputSince: 18, statistic: undefined, fold: undefined },
  { opType: 'ReduceLogSumExp', axesAreInputSince: 18, statistic: 'sum of exponentials', fold: undefined },
  { opType: 'ReduceMean', axesAreInputSince: 18, statistic: 'mean', fold: undefined },
  { opType: 'ReduceMax', axesAreInputSince: 18, statistic: 'maximum', fold: maximum },
  { opType: 'ReduceMin', axesAreInputSince: 18, statistic: 'minimum', fold: minimum },
  { opType: 'ReduceProd', axesAreInputSince: 18, statistic: 'product', fold: multiply },
];

/** ArgMax and ArgMin give positions along the axis: removing channels would change what they mean. */
function argExtremum(opType: string): OperatorRecord {
  return {
    domain: '',
    opType,
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: (ctx) => {
      const dims = ctx.dims(0);
      if (dims === undefined) return [{ elemType: DataType.INT64 }];
      const axis = checkedAxis(ctx, ctx.int('axis', 0), dims.length);
      return [{ elemType: DataType.INT64, dims: reducedDims(dims, [axis], keepsDims(ctx)) }];
    },
    equations: (ctx) => {
      const axes = ctx.in(0);
      const axis = axisOf(ctx.int('axis', 0), axes.length);
      equateReduced(ctx, 0, [axis]);
      ctx.freeze(axes[axis]!, `${opType} gives positions along this axis`);
    },
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

const COUNT = 1;

/** The number of elements that TopK gives: an attribute until opset 9, an input from opset 10. */
function topCount(view: NodeView): Dim | undefined {
  return view.opset < 10 ? view.int('k', 0) : knownValue(view, COUNT)?.[0];
}

const topK: OperatorRecord = {
  domain: '',
  opType: 'TopK',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: (ctx) => {
    const elemType = elemTypeOf(ctx, 0);
    const dims = ctx.dims(0);
    if (dims === undefined) return [{ elemType }, { elemType: DataType.INT64 }];
    const axis = checkedAxis(ctx, ctx.int('axis', -1), dims.length);
    const count = topCount(ctx) ?? ctx.symbol('topk');
    const size = dims[axis]!;
    if (isKnown(count) && isKnown(size) && count > size) ctx.fail(`at most ${size} elements`, `${count}`);
    const out = dims.with(axis, count);
    return [
      { elemType, dims: out },
      { elemType: DataType.INT64, dims: out },
    ];
  },
  equations: (ctx) => {
    const axes = ctx.in(0);
    const top = axisOf(ctx.int('axis', -1), axes.length);
    freezeControl(ctx, COUNT);
    for (const out of [ctx.out(0), ctx.out(1)]) {
      axes.forEach((term, axis) => {
        if (axis !== top) carry(ctx, term, out[axis]);
      });
      freezeAxes(ctx, [axes[top], out[top]], 'TopK orders the elements along this axis');
    }
  },
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

const cumSum: OperatorRecord = {
  domain: '',
  opType: 'CumSum',
  opsets: [11, NEWEST_OPSET],
  infer: (ctx) => {
    const dims = ctx.dims(0);
    const elemType = elemTypeOf(ctx, 0);
    return [dims ? { elemType, dims } : { elemType }];
  },
  equations: (ctx) => {
    const axes = ctx.in(0);
    const stated = numbersOf(ctx, AXES)?.[0];
    freezeControl(ctx, AXES);
    if (stated === undefined) return freezeNode(ctx, 'which axis is summed is only known at run time');
    carryAll(ctx, axes, ctx.out(0));
    // A channel that is zero adds nothing to the running sum of the others.
    ctx.consumes(0, axisOf(stated, axes.length));
  },
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** The Reduce family, ArgMax, ArgMin, TopK, CumSum. */
export const reduceOperators: readonly OperatorRecord[] = [
  ...reductions.map(reduce),
  argExtremum('ArgMax'),
  argExtremum('ArgMin'),
  topK,
  cumSum,
];
