/**
 * The contents of small tensors, as far as they are known before the run: what shape arithmetic folds.
 * Elements are row-major; an unknown element is undefined. It knows no operator.
 */
import { DataType, readNumbers, tensorSize } from '@onnx-pruning/onnx';
import { isKnown } from './dims.ts';
import type { Dim, NodeView, ValueInfo } from './record.ts';

/** Tensors with more elements than this are weights or data, not shapes: their contents are not followed. */
export const VALUE_LIMIT = 4096;

/** Elements of a small tensor, row-major. */
export type Elements = readonly (Dim | undefined)[];

/** The dimensions as numbers, or undefined when one of them is symbolic. */
export function knownDims(dims: readonly Dim[] | undefined): readonly number[] | undefined {
  return dims?.every(isKnown) ? dims : undefined;
}

/** The number of elements when it is known and small enough to follow the contents. */
export function foldableSize(dims: readonly Dim[] | undefined): number | undefined {
  const known = knownDims(dims);
  const size = known?.reduce((product, dim) => product * dim, 1);
  return size !== undefined && size >= 0 && size <= VALUE_LIMIT ? size : undefined;
}

/** What is known of the contents of input `i`. */
export function knownValue(view: NodeView, i: number): Elements | undefined {
  const value = view.inputs[i]?.value;
  if (value !== undefined) return value;
  const tensor = view.constant(i);
  if (tensor === undefined || tensor.dataType === DataType.STRING || tensorSize(tensor) > VALUE_LIMIT) return undefined;
  return Array.from(readNumbers(tensor));
}

/** The contents of input `i` when all of it is known. */
export function numbersOf(view: NodeView, i: number): readonly number[] | undefined {
  const value = knownValue(view, i);
  return value?.every(isKnown) ? value : undefined;
}

/** Whether the node has input `i` (an empty name is an absent input). */
export function hasInput(view: NodeView, i: number): boolean {
  return (view.node.input?.[i] ?? '') !== '';
}

/**
 * What is known of a 1-D input, element by element: all undefined when only its length is known, undefined when not
 * even that is, or when it is longer than shapes are.
 */
export function elementsOf(view: NodeView, i: number): Elements | undefined {
  const length = view.inputs[i]?.dims?.[0];
  const isShort = isKnown(length) && length >= 0 && length <= VALUE_LIMIT;
  return knownValue(view, i) ?? (isShort ? Array.from({ length }, () => undefined) : undefined);
}

/** A result, with its contents where they are known and few. */
export function valueInfo(elemType: number, dims: readonly Dim[], value: Elements | undefined): ValueInfo {
  const size = foldableSize(dims);
  return size !== undefined && value?.length === size ? { elemType, dims, value } : { elemType, dims };
}

/** Element type of input `i`; UNDEFINED when it is not known. */
export function elemTypeOf(view: NodeView, i: number): number {
  return view.inputs[i]?.elemType ?? DataType.UNDEFINED;
}

const INTEGERS: ReadonlySet<number> = new Set([
  DataType.UINT8,
  DataType.INT8,
  DataType.UINT16,
  DataType.INT16,
  DataType.INT32,
  DataType.INT64,
  DataType.UINT32,
  DataType.UINT64,
  DataType.UINT4,
  DataType.INT4,
  DataType.UINT2,
  DataType.INT2,
]);

const FLOATS: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.DOUBLE, DataType.FLOAT16, DataType.BFLOAT16]);

/** Whether elements are integers (bool is not). */
export function isInteger(elemType: number): boolean {
  return INTEGERS.has(elemType);
}

/** Whether elements are of a floating-point type that layers have their weights in. */
export function isFloat(elemType: number): boolean {
  return FLOATS.has(elemType);
}

/** Row-major strides of a tensor with these dimensions. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let axis = dims.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * dims[axis + 1]!;
  return strides;
}

/**
 * A new tensor of dimensions `dims` whose element at each position is `source`'s element at
 * `offset + sum(position[axis] * strides[axis])`: transposes, slices and stretching are all of this form.
 */
export function pick(source: Elements, dims: readonly number[], strides: readonly number[], offset = 0): Elements {
  let positions = [offset];
  dims.forEach((size, axis) => {
    positions = positions.flatMap((at) => Array.from({ length: size }, (_, index) => at + index * strides[axis]!));
  });
  return positions.map((at) => source[at]);
}

/** The elements of a tensor stretched to the dimensions it broadcasts to. */
export function stretch(source: Elements, from: readonly number[], to: readonly number[]): Elements {
  const missing = to.length - from.length;
  const own = stridesOf(from);
  const strides = to.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : own[axis - missing]!));
  return pick(source, to, strides);
}
