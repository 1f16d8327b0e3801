/** Makes tensors from numbers: the inverse of tensor-view.ts. */
import { checkArguments, kinds, listOf } from './arguments.ts';
import { bitsPerElement, byteLength, DataType, dataTypeName } from './data-type.ts';
import { TensorError } from './errors.ts';
import { saturated } from './int64.ts';
import type { TensorProto } from './proto.ts';
import { encoderOf } from './small-floats.ts';

/** Elements (row-major). BigInts only for 64-bit integer types. */
export type TensorData = ArrayLike<number> | BigInt64Array | BigUint64Array;

export interface MakeTensorOptions {
  /** `data` is the little-endian content itself (a Uint8Array, kept without copying), not one number per element. */
  raw?: boolean;
}

/**
 * A tensor with raw content. Numbers are rounded to the data type (ties to even); beyond 64 bits they become the largest
 * or smallest 64-bit integer.
 * @param dims sizes of the axes; their product is the number of elements. `[]` is a scalar.
 * @throws TensorError when the number of elements does not fit, or the data type holds no numbers.
 */
export function makeTensor(
  name: string,
  dataType: number,
  dims: readonly number[],
  data: TensorData,
  options: MakeTensorOptions = {},
): TensorProto {
  checkArguments('makeTensor', {
    name: [name, kinds.text],
    dataType: [dataType, kinds.count],
    dims: [dims, listOf(kinds.count)],
    data: [data, listOf(kinds.anything)],
  });
  const size = dims.reduce((product, dim) => product * dim, 1);
  const rawData = options.raw === true ? rawBytes(data) : encodeElements(name, dataType, data);
  const complex = dataType === DataType.COMPLEX64 || dataType === DataType.COMPLEX128;
  const count = complex ? size * 2 : size;
  if (rawData.length !== byteLength(dataType, size) || (options.raw !== true && data.length !== count)) {
    throw new TensorError('TENSOR_SIZE', `Content of the wrong size for dims [${dims.join(', ')}]`, {
      value: name,
      expected: options.raw ? `${byteLength(dataType, size)} bytes` : `${count} elements`,
      actual: data.length,
    });
  }
  return { dims: [...dims], dataType, name, rawData };
}

function rawBytes(data: TensorData): Uint8Array {
  if (data instanceof Uint8Array) return data;
  throw new TensorError('TENSOR_RAW', 'Raw content must be bytes', { expected: 'a Uint8Array', actual: typeof data });
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

function encodeElements(name: string, dataType: number, data: TensorData): Uint8Array {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return bytesOf(data.slice());
  switch (dataType) {
    case DataType.FLOAT:
    case DataType.COMPLEX64:
      return bytesOf(Float32Array.from(data));
    case DataType.DOUBLE:
    case DataType.COMPLEX128:
      return bytesOf(Float64Array.from(data));
    case DataType.INT64:
      return bytesOf(BigInt64Array.from(data, (x) => wholeNumber(name, x, false)));
    case DataType.UINT64:
      return bytesOf(BigUint64Array.from(data, (x) => wholeNumber(name, x, true)));
    case DataType.INT32:
    case DataType.UINT32:
      return bytesOf(Uint32Array.from(data));
    case DataType.BOOL:
      return Uint8Array.from(data, (x) => (x ? 1 : 0));
    default:
      return encodeNarrow(name, dataType, data);
  }
}

/** Numbers beyond 64 bits become the largest or smallest: a double next to INT64_MAX is 2^63. */
function wholeNumber(name: string, x: number, unsigned: boolean): bigint {
  if (Number.isInteger(x)) return saturated(x, unsigned);
  throw new TensorError('TENSOR_NOT_INTEGER', 'A tensor of integers cannot be made from this number', {
    value: name,
    expected: 'an integer',
    actual: x,
  });
}

/** Types of 16 bits and fewer: integers keep their low bits, floats are rounded. */
function encodeNarrow(name: string, dataType: number, data: ArrayLike<number>): Uint8Array {
  const bits = bitsPerElement(dataType);
  if (bits === 0) {
    throw new TensorError('TENSOR_NOT_NUMERIC', 'A tensor of this data type cannot be made from numbers', {
      value: name,
      actual: dataTypeName(dataType),
    });
  }
  const encode = encoderOf(dataType) ?? ((x: number) => x);
  if (bits === 16) return bytesOf(Uint16Array.from(data, encode));
  const bytes = new Uint8Array(Math.ceil((data.length * bits) / 8));
  const mask = 2 ** bits - 1;
  for (let i = 0; i < data.length; i++) {
    const at = Math.floor((i * bits) / 8);
    bytes[at] = (bytes[at] ?? 0) | ((encode(data[i] ?? 0) & mask) << ((i * bits) % 8));
  }
  return bytes;
}
