/**
 * Gathers kept indices of a tensor's content, wherever that is. Of a tensor in a file, a few rows at a time are read: what
 * needs memory is the result alone.
 */
import {
  bitsPerElement,
  copyTensorBytes,
  isInFile,
  type TensorProto,
  tensorBytes,
  tensorDims,
} from '@onnx-pruning/onnx';
import { gatherAxes } from './gather.ts';

/** Sizes and bytes of what was kept. */
export interface GatheredContent {
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
}

/** Bytes that are read at once, where one row is not longer. */
const BYTES_AT_ONCE = 2 ** 18;

/** Gathers from many tensors, one after the other, through the same memory. */
export class TensorGatherer {
  readonly #atOnce: number;
  #buffer = new Uint8Array();

  constructor(bytesAtOnce = BYTES_AT_ONCE) {
    this.#atOnce = bytesAtOnce;
  }

  /**
   * Keeps the given ascending indices along each axis (undefined keeps all).
   * @throws ModelFileError when the file that holds the content was changed
   */
  gather(tensor: TensorProto, kept: readonly (Int32Array | undefined)[]): GatheredContent {
    const dims = tensorDims(tensor);
    const bits = bitsPerElement(tensor.dataType);
    const after = dims.map((size, axis) => kept[axis]?.length ?? size);
    const rowBytes = (product(dims.slice(1)) * bits) / 8;
    const rowBytesAfter = (product(after.slice(1)) * bits) / 8;
    // Rows of packed elements may begin within a byte.
    const isInRows = dims.length > 0 && Number.isInteger(rowBytes) && Number.isInteger(rowBytesAfter);
    if (!isInFile(tensor) || !isInRows) return gatherAxes({ bytes: tensorBytes(tensor), dims, bits }, kept);
    const bytes = new Uint8Array(after[0] * rowBytesAfter);
    const rows = kept[0] ?? Int32Array.from({ length: dims[0] }, (_, row) => row);
    const rowsAtOnce = Math.max(1, Math.floor(this.#atOnce / rowBytes));
    for (let i = 0; i < rows.length; ) {
      const end = endOfStretch(rows, i, rowsAtOnce);
      const first = rows[i];
      const count = rows[end - 1] - first + 1;
      const stretch = this.#bytes(count * rowBytes);
      copyTensorBytes(tensor, first * rowBytes, stretch);
      const local = count === end - i ? undefined : rows.subarray(i, end).map((row) => row - first);
      const target = bytes.subarray(i * rowBytesAfter, end * rowBytesAfter);
      gatherAxes({ bytes: stretch, dims: dims.with(0, count), bits }, kept.with(0, local), target);
      i = end;
    }
    return { dims: after, bytes };
  }

  #bytes(length: number): Uint8Array {
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
    return this.#buffer.subarray(0, length);
  }
}

/** Where the rows end that follow row `from` of the list and lie in `most` rows of the tensor. */
function endOfStretch(rows: Int32Array, from: number, most: number): number {
  let end = from + 1;
  while (end < rows.length && rows[end] - rows[from] < most) end++;
  return end;
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}
