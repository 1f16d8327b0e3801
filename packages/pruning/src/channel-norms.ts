/**
 * Per-channel sums of |w|^p of parameter tensors. One pass over a tensor gives the sums along its first two axes, which
 * are the output and input channels of most layers; they are kept as long as the tensor's content is, because every
 * group that shares the tensor asks for its part of them.
 */
import { contentKey, NumberBlocks, type Numbers, type TensorProto, tensorDims } from '@onnx-pruning/onnx';

/** Elements read at once: few enough to stay in the processor's first caches. */
const BLOCK = 8192;

/** Sums of |w|^p of one p. */
export class ChannelNorms {
  readonly #p: number;
  readonly #blocks = new NumberBlocks();
  /** Sums by axis. */
  readonly #known = new WeakMap<object, Float64Array[]>();

  constructor(p: number) {
    this.#p = p;
  }

  /** @returns one sum for every index along `axis`, over all other axes */
  of(tensor: TensorProto, axis: number): Float64Array {
    const content = contentKey(tensor);
    let sums = this.#known.get(content);
    if (!sums) {
      sums = [];
      this.#known.set(content, sums);
    }
    if (!sums[axis]) this.#sum(tensor, axis, sums);
    return sums[axis];
  }

  #sum(tensor: TensorProto, axis: number, sums: Float64Array[]): void {
    const dims = tensorDims(tensor);
    const split = Math.max(axis, 1);
    const matrix: PowerSums = {
      p: this.#p,
      rows: new Float64Array(product(dims.slice(0, split))),
      columns: new Float64Array(dims[split] ?? 1),
      inner: product(dims.slice(split + 1)),
    };
    const row = matrix.columns.length * matrix.inner;
    const rowsAtOnce = 2 * Math.max(1, Math.floor(BLOCK / (2 * row)));
    if (row > 0) this.#blocks.forEach(tensor, rowsAtOnce * row, (block, from) => addPowers(matrix, block, from / row));
    if (split === 1) sums[0] = matrix.rows;
    if (split > 0 && dims.length > split) sums[split] = matrix.columns;
  }
}

/** Sums of a tensor that is seen as rows of columns of `inner` elements. */
interface PowerSums {
  readonly p: number;
  readonly rows: Float64Array;
  readonly columns: Float64Array;
  readonly inner: number;
}

/**
 * Adds whole rows, the first of which is `firstRow`. Two at a time: every addition to a sum has to wait for the one
 * before, and those of two rows wait together. The order of additions to one sum is that of its elements.
 */
function addPowers(sums: PowerSums, block: Numbers, firstRow: number): void {
  const { p, rows, columns, inner } = sums;
  const length = columns.length * inner;
  for (let row = firstRow, start = 0; start < block.length; row += 2, start += 2 * length) {
    // A last row without a second one is its own second, which counts nothing.
    const single = start + length === block.length;
    const apart = single ? 0 : length;
    let ofFirst = 0;
    let ofSecond = 0;
    let at = start;
    for (let c = 0; c < columns.length; c++) {
      let first = 0;
      let second = 0;
      for (const end = at + inner; at < end; at++) {
        const a = powerOf(block[at], p);
        const b = powerOf(block[at + apart], p);
        first += a;
        ofFirst += a;
        second += b;
        ofSecond += b;
      }
      columns[c] = columns[c] + first + (single ? 0 : second);
    }
    rows[row] = ofFirst;
    if (!single) rows[row + 1] = ofSecond;
  }
}

function powerOf(w: number, p: number): number {
  if (p === 2) return w * w;
  return p === 1 ? Math.abs(w) : Math.abs(w) ** p;
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}
