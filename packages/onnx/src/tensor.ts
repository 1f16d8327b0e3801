/**
 * Shape and content of a TensorProto, whatever field holds it. Content is handed out as little-endian bytes, as views
 * of the file where it can be. What the bytes mean as numbers is the business of tensor-view.ts.
 */
import { bitsPerElement, byteLength, DataType, dataTypeName } from './data-type.ts';
import { TensorError } from './errors.ts';
import { toBigInt, toNumber } from './int64.ts';
import type { TensorProto } from './proto.ts';

/** `TensorProto.DataLocation.EXTERNAL` */
const EXTERNAL = 1;

/** Sizes of the axes; empty for a scalar. */
export function tensorDims(t: TensorProto): number[] {
  return t.dims.map(toNumber);
}

/** Number of elements; 1 for a scalar. */
export function tensorSize(t: TensorProto): number {
  return t.dims.reduce<number>((size, dim) => size * toNumber(dim), 1);
}

/** True while the content lies in another file and was not read. */
export function isExternal(t: TensorProto): boolean {
  return t.dataLocation === EXTERNAL && t.rawData === undefined;
}

/** True when the tensor is kept in another file when saved, whether or not its content has been read. */
export function isStoredExternally(t: TensorProto): boolean {
  return t.dataLocation === EXTERNAL;
}

/**
 * The content as little-endian bytes, elements in row-major order, elements below 8 bits packed from the low bits on.
 * A view of the tensor's own bytes (do not write to it) when it has raw data; converted otherwise.
 * @throws TensorError for strings, and when the content is in a file that was not loaded.
 */
export function tensorBytes(t: TensorProto): Uint8Array {
  if (t.rawData !== undefined && (t.rawData.length > 0 || !hasTypedContent(t))) return t.rawData;
  if (isExternal(t)) {
    throw new TensorError('TENSOR_EXTERNAL', 'The content of a tensor lies in another file and was not loaded', {
      value: t.name ?? '',
      repair: 'Load the model by its path, or pass baseDir.',
    });
  }
  if (t.dataType === DataType.STRING || bitsPerElement(t.dataType) === 0) {
    throw new TensorError('TENSOR_NOT_NUMERIC', 'The elements of a tensor have no bytes of fixed width', {
      value: t.name ?? '',
      expected: 'a numeric data type',
      actual: dataTypeName(t.dataType),
    });
  }
  return bytesOfTypedFields(t);
}

function hasTypedContent(t: TensorProto): boolean {
  return [t.floatData, t.int32Data, t.int64Data, t.doubleData, t.uint64Data, t.stringData].some(
    (field) => field !== undefined && field.length > 0,
  );
}

function bytesOf(array: { readonly buffer: ArrayBufferLike; byteOffset: number; byteLength: number }): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Each data type has one typed field that may hold it (ONNX IR, comments of TensorProto). */
function bytesOfTypedFields(t: TensorProto): Uint8Array {
  switch (t.dataType) {
    case DataType.FLOAT:
    case DataType.COMPLEX64:
      return bytesOf(Float32Array.from(t.floatData ?? []));
    case DataType.DOUBLE:
    case DataType.COMPLEX128:
      return bytesOf(Float64Array.from(t.doubleData ?? []));
    case DataType.INT64:
      return bytesOf(BigInt64Array.from(t.int64Data ?? [], toBigInt));
    case DataType.UINT64:
      return bytesOf(BigUint64Array.from(t.uint64Data ?? [], toBigInt));
    case DataType.UINT32:
      return bytesOf(Uint32Array.from(t.uint64Data ?? [], toNumber));
    case DataType.INT32:
      return bytesOf(Int32Array.from(t.int32Data ?? []));
    default:
      // 16-bit types one element per int32; 8-bit types one, packed types one byte per int32.
      return bitsPerElement(t.dataType) === 16
        ? bytesOf(Uint16Array.from(t.int32Data ?? []))
        : Uint8Array.from(t.int32Data ?? []);
  }
}

/**
 * Replaces shape and content: raw data becomes `bytes` (kept, not copied), every other place of content is cleared.
 * Name, data type, documentation and unknown fields stay. A tensor that was stored externally is again when saved.
 * @throws TensorError when the number of bytes does not fit the dims.
 */
export function setTensorBytes(t: TensorProto, dims: readonly number[], bytes: Uint8Array): void {
  const size = dims.reduce((product, dim) => product * dim, 1);
  const expected = byteLength(t.dataType, size);
  if (bytes.length !== expected) {
    throw new TensorError('TENSOR_SIZE', `Content of the wrong size for dims [${dims.join(', ')}]`, {
      value: t.name ?? '',
      expected: `${expected} bytes of ${dataTypeName(t.dataType)}`,
      actual: `${bytes.length} bytes`,
    });
  }
  clearContent(t);
  t.dims = [...dims];
  t.rawData = bytes;
}

/** Removes all content and where it came from, but not the fact that it is to be stored externally. */
function clearContent(t: TensorProto): void {
  delete t.rawData;
  delete t.floatData;
  delete t.int32Data;
  delete t.stringData;
  delete t.int64Data;
  delete t.doubleData;
  delete t.uint64Data;
  delete t.externalData;
  delete t.segment;
}
