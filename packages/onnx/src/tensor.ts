/**
 * Shape and content of a TensorProto, whatever field holds it. Content is handed out as little-endian bytes, as views
 * of the file where it can be, and never changes. What the bytes mean as numbers is the business of tensor-view.ts.
 */
import { checkArgument, kinds } from './arguments.ts';
import { shallowCloneProto } from './clone.ts';
import { asArray, type Bytes } from './content/bytes.ts';
import { type Content, forEachPiece, StoredBytes } from './content/stored-bytes.ts';
import { bitsPerElement, byteLength, DataType, dataTypeName } from './data-type.ts';
import { TensorError } from './errors.ts';
import { toBigInt, toNumber } from './int64.ts';
import type { TensorProto } from './proto.ts';

/** `TensorProto.DataLocation.EXTERNAL` */
const EXTERNAL = 1;

/** Sizes of the axes; empty for a scalar. */
export function tensorDims(t: TensorProto): number[] {
  checkArgument('tensorDims', 'tensor', t, kinds.tensor);
  return t.dims.map(toNumber);
}

/** Number of elements; 1 for a scalar. */
export function tensorSize(t: TensorProto): number {
  checkArgument('tensorSize', 'tensor', t, kinds.tensor);
  return t.dims.reduce<number>((size, dim) => size * toNumber(dim), 1);
}

/** True while the content lies in another file that nobody looked for. */
export function isExternal(t: TensorProto): boolean {
  return t.dataLocation === EXTERNAL && t.rawData === undefined;
}

/** True when the tensor is kept in another file when saved. */
export function isStoredExternally(t: TensorProto): boolean {
  return t.dataLocation === EXTERNAL;
}

/**
 * The content as little-endian bytes, elements in row-major order, elements below 8 bits packed from the low bits on.
 * A view of the tensor's own bytes when they are in memory; read from the file, or converted, otherwise.
 * @throws TensorError for strings, and when the content is in a file that was not loaded; ModelFileError when the file
 * was changed
 */
export function tensorBytes(t: TensorProto): Bytes {
  const content = tensorContent(t);
  return content instanceof StoredBytes ? content.read() : content;
}

/**
 * Fills `target` with a part of what `tensorBytes` gives, from byte `from` on; no more than that is read.
 * @throws as `tensorBytes`; RangeError when there are not as many bytes
 */
export function copyTensorBytes(t: TensorProto, from: number, target: Uint8Array): void {
  const content = tensorContent(t);
  if (content instanceof StoredBytes) {
    content.readInto(target, from);
    return;
  }
  const part = content.subarray(from, from + target.length);
  if (part.length < target.length)
    throw new RangeError(`bytes ${from} to ${from + target.length} of ${content.length}`);
  target.set(asArray(part));
}

/**
 * Calls `visit` with the bytes of `tensorBytes` in order, piece by piece, so that a tensor in a file need not be in memory.
 * @param visit gets a piece, which may be overwritten afterwards
 * @throws as `tensorBytes`
 */
export function forEachTensorBytes(t: TensorProto, visit: (piece: Bytes) => void): void {
  forEachPiece(tensorContent(t), visit);
}

/** True when some field holds content. */
export function hasContent(t: TensorProto): boolean {
  return (t.rawData !== undefined && t.rawData.length > 0) || typedContent(t) !== undefined;
}

/** True when the content lies in a file, and every access reads from it. */
export function isInFile(t: TensorProto): boolean {
  return t.rawData instanceof StoredBytes;
}

/**
 * An object that stands for the content: the key of a cache. Tensors with the same key hold the same bytes; a key is never
 * used for other content.
 */
export function contentKey(t: TensorProto): object {
  return t.rawData ?? typedContent(t) ?? t;
}

/** internal: the content as it is kept, converted to bytes where a typed field holds it. */
export function tensorContent(t: TensorProto): Content {
  checkArgument('tensorBytes', 'tensor', t, kinds.tensor);
  if (t.rawData !== undefined && (t.rawData.length > 0 || typedContent(t) === undefined)) return t.rawData;
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

function typedContent(t: TensorProto): object | undefined {
  const fields = [t.floatData, t.int32Data, t.int64Data, t.doubleData, t.uint64Data, t.stringData];
  return fields.find((field) => field !== undefined && field.length > 0);
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
 * The tensor with other content: a new one, to be put where the old one was (`replaceConstant`). Name, data type,
 * documentation and unknown fields are the same. A tensor that was stored externally is again when saved.
 * @param bytes the content, kept and not copied: do not change it afterwards
 * @throws TensorError when the number of bytes does not fit the dims
 */
export function withContent(t: TensorProto, dims: readonly number[], bytes: Bytes): TensorProto {
  const size = dims.reduce((product, dim) => product * dim, 1);
  const expected = byteLength(t.dataType, size);
  if (bytes.length !== expected) {
    throw new TensorError('TENSOR_SIZE', `Content of the wrong size for dims [${dims.join(', ')}]`, {
      value: t.name ?? '',
      expected: `${expected} bytes of ${dataTypeName(t.dataType)}`,
      actual: `${bytes.length} bytes`,
    });
  }
  return withFields(t, { dims: [...dims], rawData: bytes });
}

/** The tensor with dims and content of another of the same data type; name and everything else are the same. */
export function withContentOf(t: TensorProto, other: TensorProto): TensorProto {
  return withFields(t, { dims: [...other.dims], rawData: tensorContent(other) });
}

function withFields(t: TensorProto, fields: Partial<StoredFields>): TensorProto {
  const copy: StoredFields = shallowCloneProto(t);
  for (const field of CONTENT_FIELDS) delete copy[field];
  return Object.assign(copy, fields);
}

/** What says where content is; writable only while a tensor is made. */
type StoredFields = { -readonly [Field in keyof TensorProto]: TensorProto[Field] };

const CONTENT_FIELDS = [
  'rawData',
  'floatData',
  'int32Data',
  'stringData',
  'int64Data',
  'doubleData',
  'uint64Data',
  'externalData',
  'segment',
] as const;

/** internal: gives a tensor that was just decoded or copied the content that its external data says it has, or takes it. */
export function attachContent(t: TensorProto, content: Content | undefined): void {
  (t as { rawData?: Content }).rawData = content;
}
