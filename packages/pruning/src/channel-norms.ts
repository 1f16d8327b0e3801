/**
 * Per-channel sums of |w|^p of parameter tensors. One pass over a tensor gives the sums along its first two axes, which
 * are the output and input channels of most layers; they are kept as long as the tensor's content is, because every
 * group that shares the tensor asks for its part of them.
 */
import { NumberBlocks, type TensorProto, tensorDims } from '@onnx-pruning/onnx';

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
    const content = tensor.rawData ?? tensor.floatData ?? tensor.doubleData ?? tensor;
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
    const rowsAtOnce = Math.max(1, Math.floor(BLOCK / row));
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

/** Adds whole rows, the first of which is `firstRow`. */
function addPowers(sums: PowerSums, block: Float32Array | Float64Array, firstRow: number): void {
  const { p, rows, columns, inner } = sums;
  let row = firstRow;
  for (let at = 0; at < block.length; row++) {
    let ofRow = 0;
    for (let c = 0; c < columns.length; c++) {
      let ofColumn = 0;
      for (const end = at + inner; at < end; at++) {
        const w = block[at];
        const power = p === 2 ? w * w : p === 1 ? Math.abs(w) : Math.abs(w) ** p;
        ofColumn += power;
        ofRow += power;
      }
      columns[c] += ofColumn;
    }
    rows[row] += ofRow;
  }
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}
