/**
 * Pooling over windows and over all positions: channels carry over, spatial axes never change. No pool sums over
 * channels, so nothing here is a consumer.
 */
import { DataType } from '@onnx-pruning/onnx';
import { carryAll, freezeAxes } from '../axes.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import { perInputElement } from '../overhead.ts';
import type { Dim, EquationContext, InferContext, OperatorRecord, ValueInfo } from '../record.ts';
import { noLayer, noMacs, noOverhead, nothing } from '../record.ts';
import { checkSpatial, readWindows, slidingDim, type Window } from '../spatial.ts';
import { elemTypeOf } from '../values.ts';
import { expectRank, wantsOutput } from './operands.ts';

/** `ceil_mode` and `dilations` came with later opsets (10, 18 or 19 by operator); before, they are absent. */
function pooledDims(ctx: InferContext, x: readonly Dim[]): Dim[] {
  expectRank(ctx, x, 3);
  const kernel = ctx.ints('kernel_shape') ?? [];
  if (kernel.length !== x.length - 2) ctx.fail(`kernel_shape of ${x.length - 2} sizes`, `${kernel.length}`);
  const rounding = ctx.int('ceil_mode', 0) === 0 ? 'floor' : 'ceil';
  const windows = readWindows(ctx, kernel);
  const spatial = windows.map((w, i) =>
    isDisputed(w) ? ctx.symbol('windows') : slidingDim(ctx, x[i + 2], w, rounding),
  );
  return [x[0], x[1], ...checkSpatial(ctx, spatial)];
}

/**
 * SAME padding with dilation: the specification pads for ceil(input / stride) windows, onnxruntime pads as if the
 * window were not dilated. The size is left to the run.
 */
function isDisputed(w: Window): boolean {
  return w.autoPad === 'SAME' && w.dilation > 1;
}

function inferPool(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const x = ctx.dims(0);
  const dims = x && pooledDims(ctx, x);
  const output: ValueInfo = dims ? { elemType, dims } : { elemType };
  return wantsOutput(ctx, 1) ? [output, { ...output, elemType: DataType.INT64 }] : [output];
}

function inferGlobalPool(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const x = ctx.dims(0);
  if (!x) return [{ elemType }];
  expectRank(ctx, x, 3);
  return [{ elemType, dims: [x[0], x[1], ...x.slice(2).map(() => 1)] }];
}

function equatePool(ctx: EquationContext): void {
  const [x, y] = [ctx.in(0), ctx.out(0)];
  carryAll(ctx, x.slice(0, 2), y.slice(0, 2));
  freezeAxes(ctx, [...x.slice(2), ...y.slice(2)], `it is a spatial axis of ${ctx.node.opType}`);
}

function equateMaxPool(ctx: EquationContext): void {
  equatePool(ctx);
  if (!wantsOutput(ctx, 1)) return;
  carryAll(ctx, ctx.out(0), ctx.out(1));
  freezeAxes(ctx, ctx.in(0), 'the second output of MaxPool counts positions over all channels');
}

function pool(opType: string, changes: Partial<OperatorRecord> = {}): OperatorRecord {
  return {
    domain: '',
    opType,
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: inferPool,
    equations: equatePool,
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
    ...changes,
  };
}

export const poolingOperators: readonly OperatorRecord[] = [
  pool('MaxPool', { equations: equateMaxPool, overhead: perInputElement }),
  pool('AveragePool', { overhead: perInputElement }),
  pool('LpPool'),
  pool('GlobalAveragePool', { infer: inferGlobalPool, overhead: perInputElement }),
  pool('GlobalMaxPool', { infer: inferGlobalPool, overhead: perInputElement }),
  pool('GlobalLpPool', { infer: inferGlobalPool }),
];
