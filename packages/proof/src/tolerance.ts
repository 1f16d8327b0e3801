/**
 * How far two results may lie apart and still count as the same computation, per data type. It must not know how a
 * difference is measured.
 */
import { anyOf, DataType, instanceOf, type Kind, kinds } from '@onnx-pruning/onnx';

/**
 * Largest accepted difference, relative to the scale of the slice. Integers, booleans and
 * strings must agree exactly. The figures are some tens to hundreds of units in the last place: removing channels
 * changes the order in which onnxruntime adds, and nothing else.
 */
const RELATIVE_TOLERANCE: ReadonlyMap<number, number> = new Map<number, number>([
  [DataType.DOUBLE, 1e-8],
  [DataType.FLOAT, 1e-4],
  [DataType.FLOAT16, 2e-2],
  [DataType.BFLOAT16, 1e-1],
]);

/** One tolerance for every floating-point type, or one per ONNX data type number. */
export type Tolerance = number | ReadonlyMap<number, number>;

/** What a tolerance may be. */
export const TOLERANCE: Kind = anyOf(kinds.number, instanceOf(Map, 'a Map of tolerances by data type'));

/**
 * The tolerance that holds for an output of this data type: what was asked for, else this project's default, and
 * always 0 for types without rounding.
 */
export function toleranceFor(dataType: number, asked?: Tolerance): number {
  const byDefault = RELATIVE_TOLERANCE.get(dataType);
  if (byDefault === undefined) return 0;
  if (typeof asked === 'number') return asked;
  return asked?.get(dataType) ?? byDefault;
}

/** Four steps of the smallest magnitudes of a type (its subnormals): what is nearer than that is the same number. */
export function unitOf(dataType: number): number {
  return dataType === DataType.FLOAT16 ? 4 * 2 ** -24 : 0;
}
