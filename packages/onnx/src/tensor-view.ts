/**
 * Tensor content as numbers: typed arrays where JS has one, small views with `get(i)` where it has none.
 * Views share memory with the tensor when its bytes are in memory and aligned; their types leave out what would change them.
 */
import { checkArgument, kinds } from './arguments.ts';
import { asArray, type Bytes, type Numbers } from './content/bytes.ts';
import { type Content, StoredBytes } from './content/stored-bytes.ts';
import { bitsPerElement, byteLength, DataType, dataTypeName } from './data-type.ts';
import { TensorError } from './errors.ts';
import type { TensorProto } from './proto.ts';
import { decoderOf } from './small-floats.ts';
import { tensorContent, tensorSize } from './tensor.ts';

/** Elements of a type that JS has no typed array for, read one at a time. */
export interface ElementView {
  readonly length: number;
  get(i: number): number;
}

/** A typed array to be read. */
export interface Elements<T extends number | bigint> {
  readonly length: number;
  readonly byteLength: number;
  readonly [index: number]: T;
  [Symbol.iterator](): ArrayIterator<T>;
}

type TypedView =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export type TensorView = Elements<number> | Elements<bigint> | ElementView;

type TypedConstructor = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): TypedView;
};

const TYPED: ReadonlyMap<number, TypedConstructor> = new Map<number, TypedConstructor>([
  [DataType.FLOAT, Float32Array],
  [DataType.DOUBLE, Float64Array],
  [DataType.INT8, Int8Array],
  [DataType.UINT8, Uint8Array],
  [DataType.BOOL, Uint8Array],
  [DataType.INT16, Int16Array],
  [DataType.UINT16, Uint16Array],
  [DataType.INT32, Int32Array],
  [DataType.UINT32, Uint32Array],
  [DataType.INT64, BigInt64Array],
  [DataType.UINT64, BigUint64Array],
  [DataType.COMPLEX64, Float32Array],
  [DataType.COMPLEX128, Float64Array],
]);

/**
 * The elements in row-major order. Complex types give pairs (real, imaginary) as one typed array of twice the size.
 * float16, bfloat16, float8, float4 and packed integers give an `ElementView`.
 * @throws TensorError for strings, unloaded external content, or content of the wrong size.
 */
export function tensorView(t: TensorProto): TensorView {
  checkArgument('tensorView', 'tensor', t, kinds.tensor);
  return viewOf(t);
}

function viewOf(t: TensorProto): TypedView | ElementView {
  const bytes = checkedBytes(t);
  const typed = TYPED.get(t.dataType ?? 0);
  return typed === undefined ? elementView(t, bytes) : typedView(typed, bytes);
}

/** The tensor's bytes. @throws TensorError when there are more or fewer than its dims say. */
export function checkedBytes(t: TensorProto): Bytes {
  const content = checkedContent(t);
  return content instanceof StoredBytes ? content.read() : content;
}

/** The tensor's content, where it is. @throws TensorError when it is more or less than the dims say. */
export function checkedContent(t: TensorProto): Content {
  const content = tensorContent(t);
  const size = tensorSize(t);
  const expected = byteLength(t.dataType, size);
  if (content.length !== expected) {
    throw new TensorError('TENSOR_SIZE', 'A tensor holds more or less content than its dims say', {
      value: t.name ?? '',
      expected: `${expected} bytes for ${size} elements of ${dataTypeName(t.dataType)}`,
      actual: `${content.length} bytes`,
    });
  }
  return content;
}

function typedView(Typed: TypedConstructor, bytes: Bytes): TypedView {
  const array = asArray(bytes);
  const aligned = array.byteOffset % Typed.BYTES_PER_ELEMENT === 0 ? array : array.slice();
  return new Typed(aligned.buffer, aligned.byteOffset, aligned.byteLength / Typed.BYTES_PER_ELEMENT);
}

function elementView(t: TensorProto, bytes: Bytes): ElementView {
  const dataType = t.dataType ?? 0;
  const bits = bitsPerElement(dataType);
  const pattern = patternReader(bytes, bits);
  const decode = decoderOf(dataType) ?? (isSigned(dataType) ? signExtend(bits) : (x: number) => x);
  return { length: tensorSize(t), get: (i) => decode(pattern(i)) };
}

const isSigned = (dataType: number): boolean => dataType === DataType.INT4 || dataType === DataType.INT2;

const signExtend =
  (bits: number) =>
  (x: number): number =>
    (x << (32 - bits)) >> (32 - bits);

/** Reads the bits of element i; below 8 bits the first element is in the lowest bits (ONNX IR, raw_data). */
function patternReader(bytes: Bytes, bits: number): (i: number) => number {
  if (bits === 16) return (i) => (bytes[2 * i] ?? 0) | ((bytes[2 * i + 1] ?? 0) << 8);
  const perByte = 8 / bits;
  const mask = 2 ** bits - 1;
  return (i) => ((bytes[Math.floor(i / perByte)] ?? 0) >> ((i % perByte) * bits)) & mask;
}

/**
 * Every numeric tensor as JS numbers: floats of 32 bits and fewer as Float32Array, everything else as Float64Array.
 * 64-bit integers are exact up to 2^53.
 * @throws TensorError as `tensorView`, and for complex types.
 */
export function readNumbers(t: TensorProto): Numbers {
  checkArgument('readNumbers', 'tensor', t, kinds.tensor);
  if (t.dataType === DataType.COMPLEX64 || t.dataType === DataType.COMPLEX128) {
    throw new TensorError('TENSOR_NOT_REAL', 'A complex tensor cannot be read as real numbers', {
      value: t.name ?? '',
      actual: dataTypeName(t.dataType),
    });
  }
  const view = viewOf(t);
  if (view instanceof Float32Array || view instanceof Float64Array) return view;
  if (view instanceof BigInt64Array || view instanceof BigUint64Array) return Float64Array.from(view, Number);
  if (!('get' in view)) return Float64Array.from(view);
  const numbers = decoderOf(t.dataType ?? 0) ? new Float32Array(view.length) : new Float64Array(view.length);
  for (let i = 0; i < view.length; i++) numbers[i] = view.get(i);
  return numbers;
}

/**
 * An integer (or bool) tensor as an array of numbers, exact up to 2^53.
 * @throws TensorError for float, complex and string tensors.
 */
export function readInts(t: TensorProto): number[] {
  checkArgument('readInts', 'tensor', t, kinds.tensor);
  const isFloat = decoderOf(t.dataType ?? 0) !== undefined;
  const numbers =
    isFloat || t.dataType === DataType.FLOAT || t.dataType === DataType.DOUBLE ? undefined : readNumbers(t);
  if (numbers === undefined) {
    throw new TensorError('TENSOR_NOT_INTEGER', 'A tensor cannot be read as integers', {
      value: t.name ?? '',
      expected: 'an integer data type',
      actual: dataTypeName(t.dataType),
    });
  }
  return Array.from(numbers);
}
