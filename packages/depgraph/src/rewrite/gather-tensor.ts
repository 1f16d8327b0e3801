/**
 * Gathers kept indices of a tensor's content, wherever that is. Of a tensor in a file, a few rows at a time are read: what
 * needs memory is the result alone.
 */
import { bitsPerElement, copyTensorBytes, isInFile, type TensorProto, tensorBytes, tensorDims } from '@onnx-pruning/onnx';
import { gatherAxes } from './gather.ts';

/** Sizes and bytes of what was kept. */
export interface GatheredContent {
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
}

/** Bytes that are read at once, where one row is not longer. */
const BYTES_AT_ONCE = 2 ** 22;

/**
 * Keeps the given ascending indices along each axis (undefined keeps all; at least one axis is given).
 * @throws ModelFileError when the file that holds the content was changed
 */
export function gatherTensor(tensor: TensorProto, kept: readonly (Int32Array | undefined)[]): GatheredContent {
  const dims = tensorDims(tensor);
  const bits = bitsPerElement(tensor.dataType);
  const after = dims.map((size, axis) => kept[axis]?.length ?? size);
  const rowBytes = (product(dims.slice(1)) * bits) / 8;
  const rowBytesAfter = (product(after.slice(1)) * bits) / 8;
  const wholeBytes = Number.isInteger(rowBytes) && Number.isInteger(rowBytesAfter);
  // Rows of packed elements may begin within a byte.
  if (!isInFile(tensor) || !wholeBytes) return copied(gatherAxes({ bytes: tensorBytes(tensor), dims, bits }, kept));
  const bytes = new Uint8Array(after[0] * rowBytesAfter);
  const rows = kept[0] ?? Int32Array.from({ length: dims[0] }, (_, row) => row);
  const buffer = new Uint8Array(Math.max(rowBytes, Math.min(BYTES_AT_ONCE, dims[0] * rowBytes)));
  for (let i = 0; i < rows.length; ) {
    const end = endOfStretch(rows, i, Math.floor(buffer.length / rowBytes));
    const first = rows[i];
    const count = rows[end - 1] - first + 1;
    const stretch = buffer.subarray(0, count * rowBytes);
    copyTensorBytes(tensor, first * rowBytes, stretch);
    const local = count === end - i ? undefined : rows.subarray(i, end).map((row) => row - first);
    const part = gatherAxes({ bytes: stretch, dims: dims.with(0, count), bits }, kept.with(0, local));
    bytes.set(part.bytes, i * rowBytesAfter);
    i = end;
  }
  return { dims: after, bytes };
}

/** Where the rows end that follow row `from` of the list and lie in `most` rows of the tensor. */
function endOfStretch(rows: Int32Array, from: number, most: number): number {
  let end = from + 1;
  while (end < rows.length && rows[end] - rows[from] < most) end++;
  return end;
}

function copied({ dims, bytes }: { dims: readonly number[]; bytes: ArrayLike<number> }): GatheredContent {
  return { dims, bytes: bytes as Uint8Array };
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}
