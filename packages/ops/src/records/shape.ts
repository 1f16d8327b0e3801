/** Shape and Size: what a tensor's dimensions are. They read no channels, so they state nothing about them. */
import { DataType } from '@onnx-pruning/onnx';
import { freezeAxes } from '../axes.ts';
import { productOfDims } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import { type NodeView, noLayer, noMacs, noOverhead, nothing, type OperatorRecord } from '../record.ts';
import { valueInfo } from '../values.ts';

/** The range of axes that Shape lists; attributes `start` and `end` exist from opset 15. */
function listedAxes(view: NodeView, rank: number): [number, number] {
  const clamped = (axis: number): number => Math.min(Math.max(axis < 0 ? axis + rank : axis, 0), rank);
  return [clamped(view.int('start', 0)), clamped(view.int('end', rank))];
}

const shape: OperatorRecord = {
  domain: '',
  opType: 'Shape',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: (ctx) => {
    const dims = ctx.dims(0);
    if (dims === undefined) return [{ elemType: DataType.INT64, dims: [ctx.symbol('rank')] }];
    const listed = dims.slice(...listedAxes(ctx, dims.length));
    return [valueInfo(DataType.INT64, [listed.length], listed)];
  },
  // What is done with the sizes follows at run time: they are read off the pruned tensor.
  equations: (ctx) => freezeAxes(ctx, ctx.out(0), 'Shape has one element per axis'),
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
  algebra: () => ({ kind: 'sizes' }),
};

const size: OperatorRecord = {
  domain: '',
  opType: 'Size',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: (ctx) => {
    const dims = ctx.dims(0);
    return [valueInfo(DataType.INT64, [], dims && [productOfDims(dims)])];
  },
  equations: nothing,
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
  algebra: () => ({ kind: 'sizes' }),
};

/** Shape, Size. */
export const shapeOperators: readonly OperatorRecord[] = [shape, size];
