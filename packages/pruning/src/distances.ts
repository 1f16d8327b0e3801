/** Sums of Euclidean distances between rows, through their Gram matrix, computed in cache-sized blocks. */
import { createGramKernel, TILE } from './gram-kernel.ts';

/** Rows of a block, and columns that are multiplied at once: two panels of these stay in cache. */
const ROWS = 128;
const COLUMNS = 256;
const DOUBLE = Float64Array.BYTES_PER_ELEMENT;

/** Computes sums of distances. Holds memory of its own, which serves many sets of rows. */
export class PairwiseDistances {
  readonly #gram = new GramBlock();

  /**
   * For every row the sum of its Euclidean distances to all rows: |a - b|^2 = |a|^2 + |b|^2 - 2 a.b.
   * @param rows `count` rows of equal length, row-major
   */
  sums(rows: Float32Array, count: number): Float64Array {
    const length = count === 0 ? 0 : rows.length / count;
    const squares = Float64Array.from({ length: count }, (_, row) => squareOf(rows, row * length, length));
    const sums = new Float64Array(count);
    const tiled = inTiles(rows, count, length);
    for (let i0 = 0; i0 < count; i0 += ROWS) {
      for (let j0 = i0; j0 < count; j0 += ROWS) {
        this.#gram.compute(tiled, length, i0, j0);
        this.#addDistances(squares, sums, i0, j0);
      }
    }
    return sums;
  }

  #addDistances(squares: Float64Array, sums: Float64Array, i0: number, j0: number): void {
    const iEnd = Math.min(i0 + ROWS, sums.length);
    const jEnd = Math.min(j0 + ROWS, sums.length);
    for (let i = i0; i < iEnd; i++) {
      const products = this.#gram.productsOf(i - i0);
      for (let j = Math.max(j0, i + 1); j < jEnd; j++) {
        const distance = Math.sqrt(Math.max(0, squares[i] + squares[j] - 2 * products[j - j0]));
        sums[i] += distance;
        sums[j] += distance;
      }
    }
  }
}

/** The rows, with rows of zeros behind them to make whole tiles. */
function inTiles(rows: Float32Array, count: number, length: number): Float32Array {
  if (count % TILE === 0) return rows;
  const padded = new Float32Array(Math.ceil(count / TILE) * TILE * length);
  padded.set(rows);
  return padded;
}

/** Added up in the order of the kernel: equal rows are at distance 0 exactly. */
function squareOf(rows: Float32Array, from: number, length: number): number {
  let square = 0;
  for (let k0 = 0; k0 < length; k0 += COLUMNS) {
    let part = 0;
    for (let k = k0; k < Math.min(k0 + COLUMNS, length); k++) part += rows[from + k] * rows[from + k];
    square += part;
  }
  return square;
}

/** Inner products of two stretches of rows. The kernel's memory holds a panel of each, and the products. */
class GramBlock {
  readonly #kernel = createGramKernel((2 * ROWS * COLUMNS + ROWS * ROWS) * DOUBLE);
  readonly #x = new Float64Array(this.#kernel.memory.buffer, 0, ROWS * COLUMNS);
  readonly #y = new Float64Array(this.#kernel.memory.buffer, ROWS * COLUMNS * DOUBLE, ROWS * COLUMNS);
  readonly #products = new Float64Array(this.#kernel.memory.buffer, 2 * ROWS * COLUMNS * DOUBLE, ROWS * ROWS);

  /** Multiplies the rows from `i0` on with those from `j0` on, in whole tiles; of one stretch with itself, each once. */
  compute(rows: Float32Array, length: number, i0: number, j0: number): void {
    const count = rows.length / length;
    const iEnd = Math.min(ROWS, count - i0);
    const jEnd = Math.min(ROWS, count - j0);
    this.#products.fill(0);
    for (let k0 = 0; k0 < length; k0 += COLUMNS) {
      const columns = { first: k0, count: Math.min(COLUMNS, length - k0), of: length };
      for (let i = 0; i < iEnd; i += TILE) pack(rows, i0 + i, columns, this.#x, i * columns.count);
      for (let j = 0; j < jEnd; j += TILE) pack(rows, j0 + j, columns, this.#y, j * columns.count);
      for (let i = 0; i < iEnd; i += TILE) {
        for (let j = i0 === j0 ? i : 0; j < jEnd; j += TILE) this.#multiply(i, j, columns.count);
      }
    }
  }

  /** Products of row i of the first stretch with those of the second. */
  productsOf(i: number): Float64Array {
    return this.#products.subarray(i * ROWS, (i + 1) * ROWS);
  }

  #multiply(i: number, j: number, columns: number): void {
    const x = this.#x.byteOffset + i * columns * DOUBLE;
    const y = this.#y.byteOffset + j * columns * DOUBLE;
    const products = this.#products.byteOffset + (i * ROWS + j) * DOUBLE;
    this.#kernel.addProducts(x, x + TILE * columns * DOUBLE, y, products, ROWS * DOUBLE);
  }
}

/** Columns `first` to `first + count` of rows of `of` columns. */
interface Columns {
  readonly first: number;
  readonly count: number;
  readonly of: number;
}

/** Brings the rows of a tile into the kernel's form: column by column. */
function pack(rows: Float32Array, first: number, columns: Columns, panel: Float64Array, at: number): void {
  let from = first * columns.of + columns.first;
  let to = at;
  for (const end = from + columns.count; from < end; from++) {
    for (let r = 0; r < TILE; r++) panel[to++] = rows[from + r * columns.of];
  }
}
