/**
 * Tensor values that go into and come out of a session, in ONNX's terms. Everything outside this package sees these and
 * never onnxruntime's own tensors. It must not know about sessions, nor load onnxruntime.
 */
import {
  byteLength,
  checkArguments,
  DataType,
  dataTypeName,
  kinds,
  listOf,
  makeTensor,
  readNumbers,
  tensorBytes,
} from '@onnx-pruning/onnx';
import { FeedError } from './errors.ts';

/** Elements in row-major order. FLOAT16 is its bits in a Uint16Array; BOOL is 0 or 1 in a Uint8Array. */
export type ValueData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | readonly string[];

/** One tensor: an ONNX data type, its dimensions and its elements. */
export interface TensorValue {
  /** A member of `DataType`. */
  readonly dataType: number;
  /** Sizes of the axes; empty for a scalar. */
  readonly dims: readonly number[];
  /** The elements in row-major order, as many as the product of `dims`; 16-bit floats as their bits. */
  readonly data: ValueData;
}

/** Tensors by value name: what is fed to a model, or what it returns. */
export type TensorValues = Readonly<Record<string, TensorValue>>;

/** The types of elements that onnxruntime-node passes in and out, as it spells them. */
type OrtType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool'
  | 'string';

interface Carrier {
  /** As onnxruntime-node spells the type. */
  readonly name: OrtType;
  readonly array?: {
    readonly BYTES_PER_ELEMENT: number;
    new (buffer: ArrayBuffer, byteOffset: number, length: number): Exclude<ValueData, readonly string[]>;
  };
}

/** How onnxruntime-node carries each ONNX data type. BFLOAT16, the 8-bit floats and the 4-bit types it cannot carry. */
const CARRIERS: ReadonlyMap<number, Carrier> = new Map<number, Carrier>([
  [DataType.FLOAT, { name: 'float32', array: Float32Array }],
  [DataType.UINT8, { name: 'uint8', array: Uint8Array }],
  [DataType.INT8, { name: 'int8', array: Int8Array }],
  [DataType.UINT16, { name: 'uint16', array: Uint16Array }],
  [DataType.INT16, { name: 'int16', array: Int16Array }],
  [DataType.INT32, { name: 'int32', array: Int32Array }],
  [DataType.INT64, { name: 'int64', array: BigInt64Array }],
  [DataType.STRING, { name: 'string' }],
  [DataType.BOOL, { name: 'bool', array: Uint8Array }],
  [DataType.FLOAT16, { name: 'float16', array: Uint16Array }],
  [DataType.DOUBLE, { name: 'float64', array: Float64Array }],
  [DataType.UINT32, { name: 'uint32', array: Uint32Array }],
  [DataType.UINT64, { name: 'uint64', array: BigUint64Array }],
]);

/** Whether a value of this data type can be fed to, and fetched from, a session. */
export function isCarried(dataType: number): boolean {
  return CARRIERS.has(dataType);
}

/** Number of elements of a tensor with these dimensions. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((size, dim) => size * dim, 1);
}

/**
 * A value from plain numbers (or bigints, or strings), converted to the data type.
 *
 * @throws FeedError when the number of elements is not the product of the dimensions, or no session can carry the type
 */
export function makeValue(
  dataType: number,
  dims: readonly number[],
  elements: ArrayLike<number> | BigInt64Array | readonly string[],
): TensorValue {
  checkArguments('makeValue', {
    dataType: [dataType, kinds.count],
    dims: [dims, listOf(kinds.count)],
    elements: [elements, listOf(kinds.anything)],
  });
  const carrier = carrierOf(dataType);
  if (elements.length !== elementCount(dims)) {
    throw new FeedError('FEED_SIZE', `a ${dataTypeName(dataType)} value has the wrong number of elements`, {
      expected: `${elementCount(dims)} for dimensions [${dims.join(', ')}]`,
      actual: elements.length,
    });
  }
  if (carrier.array === undefined) return { dataType, dims, data: Array.from(elements as readonly string[]) };
  const tensor = makeTensor('', dataType, [...dims], elements as ArrayLike<number> | BigInt64Array);
  return valueOfBytes(dataType, dims, Uint8Array.from(tensorBytes(tensor)));
}

/**
 * A value from its bytes: little-endian, elements in row-major order.
 *
 * @param bytes kept, not copied, where they are aligned: do not change them afterwards
 * @throws FeedError when there are more or fewer bytes than the dimensions ask for, or no session can carry the type
 */
export function valueOfBytes(dataType: number, dims: readonly number[], bytes: Uint8Array<ArrayBuffer>): TensorValue {
  const { array } = carrierOf(dataType);
  const expected = byteLength(dataType, elementCount(dims));
  if (array === undefined || bytes.length !== expected) {
    throw new FeedError('FEED_SIZE', `a ${dataTypeName(dataType)} value has the wrong number of bytes`, {
      expected: `${expected} for dimensions [${dims.join(', ')}]`,
      actual: bytes.length,
    });
  }
  const { buffer, byteOffset } = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return { dataType, dims, data: new array(buffer, byteOffset, bytes.length / array.BYTES_PER_ELEMENT) };
}

/** The elements as JavaScript numbers, FLOAT16 decoded; 64-bit integers beyond 2^53 are rounded. */
export function valueNumbers(value: TensorValue): ArrayLike<number> {
  const { data, dataType, dims } = value;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float64Array.from(data, Number);
  if (!ArrayBuffer.isView(data)) throw new TypeError('a STRING value has no numbers');
  if (dataType !== DataType.FLOAT16) return data;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return readNumbers(makeTensor('', dataType, [...dims], bytes, { raw: true }));
}

/** internal: the ONNX data type with this name in onnxruntime's JavaScript API. */
export function dataTypeOfOrt(name: string): number {
  for (const [dataType, carrier] of CARRIERS) if (carrier.name === name) return dataType;
  return DataType.UNDEFINED;
}

/** internal: onnxruntime-node's name for a data type. @throws FeedError where it has none */
export function ortTypeOf(dataType: number): OrtType {
  return carrierOf(dataType).name;
}

function carrierOf(dataType: number): Carrier {
  const carrier = CARRIERS.get(dataType);
  if (carrier !== undefined) return carrier;
  throw new FeedError('FEED_TYPE', `onnxruntime-node cannot pass ${dataTypeName(dataType)} values in or out`, {
    repair: 'Add a Cast to FLOAT at this boundary of the model.',
  });
}
