/**
 * Cast and CastLike: the same elements in another type. A size that becomes a floating-point number is calculated with,
 * as in the scale of attention or the divisor of a mean: it stays what it was, so that pruning changes nothing else.
 */
import { bitsPerElement, DataType } from '@onnx-pruning/onnx';
import { carryAll } from '../axes.ts';
import { isKnown } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import {
  type Dim,
  type InferContext,
  type NodeView,
  noLayer,
  noMacs,
  noOverhead,
  type OperatorRecord,
  type ResizeContext,
  type ValueInfo,
} from '../record.ts';
import { elemTypeOf, isFloat, isInteger, knownValue, valueInfo } from '../values.ts';

/** One element in another type; undefined where this file does not follow the conversion. */
function converted(element: Dim | undefined, elemType: number): Dim | undefined {
  if (element === undefined) return undefined;
  if (elemType === DataType.BOOL) return isKnown(element) ? Number(element !== 0) : undefined;
  if (isInteger(elemType)) return isKnown(element) ? wholeNumber(Math.trunc(element), elemType) : element;
  if (elemType === DataType.FLOAT) return isKnown(element) ? Math.fround(element) : element;
  return elemType === DataType.DOUBLE ? element : undefined;
}

/** Integers that do not fit would wrap around; those beyond 2^53 are only known to be large. */
function wholeNumber(element: number, elemType: number): number | undefined {
  const bits = bitsPerElement(elemType);
  const [least, most] = isSigned(elemType) ? [-(2 ** (bits - 1)), 2 ** (bits - 1)] : [0, 2 ** bits];
  // INT64_MAX was read as 2^63, and stays that.
  const fits = element >= least && (bits === 64 ? element <= most : element < most);
  return fits ? element : undefined;
}

const SIGNED: ReadonlySet<number> = new Set([
  DataType.INT64,
  DataType.INT32,
  DataType.INT16,
  DataType.INT8,
  DataType.INT4,
  DataType.INT2,
]);

const isSigned = (elemType: number): boolean => SIGNED.has(elemType);

function inferCast(ctx: InferContext, elemType: number): ValueInfo[] {
  const dims = ctx.dims(0);
  if (dims === undefined) return [{ elemType }];
  const value = knownValue(ctx, 0)?.map((element) => converted(element, elemType));
  return [valueInfo(elemType, dims, value)];
}

/** States computed sizes again where they become floating-point numbers; the others depend on no channels. */
function keepSizes(ctx: ResizeContext, elemType: number): void {
  const converts = isInteger(elemTypeOf(ctx, 0)) && isFloat(elemType) && ctx.constant(0) === undefined;
  const sizes = converts ? knownValue(ctx, 0)?.map((size) => (isKnown(size) ? size : undefined)) : undefined;
  if (sizes === undefined) return;
  // Where the tensor itself loses channels, its elements belong to channels and are no sizes.
  const loses = ctx.oldIn(0).some((_, axis) => ctx.keptIn(0, axis) !== undefined);
  if (!loses) ctx.setInput(0, sizes);
}

function castRecord(opType: string, since: number, target: (ctx: NodeView) => number): OperatorRecord {
  return {
    domain: '',
    opType,
    opsets: [since, NEWEST_OPSET],
    infer: (ctx) => inferCast(ctx, target(ctx)),
    equations: (ctx) => carryAll(ctx, ctx.in(0), ctx.out(0)),
    resize: (ctx) => keepSizes(ctx, target(ctx)),
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

/** Cast, CastLike. The second input of CastLike gives its type and nothing else. */
export const castOperators: readonly OperatorRecord[] = [
  castRecord('Cast', OLDEST_OPSET, (ctx) => ctx.int('to', DataType.UNDEFINED)),
  castRecord('CastLike', 15, (ctx) => elemTypeOf(ctx, 1)),
];
