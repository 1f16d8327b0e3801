/** Cast and CastLike: the same elements in another type. */
import { DataType } from '@onnx-pruning/onnx';
import { carryAll } from '../axes.ts';
import { isKnown } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import {
  type Dim,
  type InferContext,
  noLayer,
  noMacs,
  nothing,
  type OperatorRecord,
  type ValueInfo,
} from '../record.ts';
import { elemTypeOf, isInteger, valueInfo, valueOf } from '../values.ts';

/** One element in another type; undefined where this file does not follow the conversion. */
function converted(element: Dim | undefined, elemType: number): Dim | undefined {
  if (element === undefined) return undefined;
  if (elemType === DataType.BOOL) return isKnown(element) ? Number(element !== 0) : undefined;
  if (isInteger(elemType)) return isKnown(element) ? Math.trunc(element) : element;
  if (elemType === DataType.FLOAT) return isKnown(element) ? Math.fround(element) : element;
  return elemType === DataType.DOUBLE ? element : undefined;
}

function inferCast(ctx: InferContext, elemType: number): ValueInfo[] {
  const dims = ctx.dims(0);
  if (dims === undefined) return [{ elemType }];
  const value = valueOf(ctx, 0)?.map((element) => converted(element, elemType));
  return [valueInfo(elemType, dims, value)];
}

function castRecord(opType: string, since: number, target: (ctx: InferContext) => number): OperatorRecord {
  return {
    domain: '',
    opType,
    opsets: [since, NEWEST_OPSET],
    infer: (ctx) => inferCast(ctx, target(ctx)),
    equations: (ctx) => carryAll(ctx, ctx.in(0), ctx.out(0)),
    resize: nothing,
    macs: noMacs,
    layer: noLayer,
  };
}

/** Cast, CastLike. The second input of CastLike gives its type and nothing else. */
export const castOperators: readonly OperatorRecord[] = [
  castRecord('Cast', OLDEST_OPSET, (ctx) => ctx.int('to', DataType.UNDEFINED)),
  castRecord('CastLike', 15, (ctx) => elemTypeOf(ctx, 1)),
];
