/**
 * Systems of linear equations with a symmetric positive definite matrix, solved by a blocked Cholesky factorization in
 * float64 (Golub and Van Loan, Matrix Computations, 4.2.9). Products of blocks, which are nearly all of the work, are
 * computed by onnxruntime. It must not know where the equations come from.
 */
import { OnnxPruningError } from '@onnx-pruning/onnx';
import { type Matrix, type MatrixProducts, matrix } from './matrix.ts';

/** A matrix that is not positive definite, also not with a little added to its diagonal. */
export class NotPositiveDefiniteError extends OnnxPruningError {}

/** Rows of a block: what is left to JavaScript grows with its square, the number of calls falls with it. */
const BLOCK = 128;

/** What is added to the diagonal, as a share of its mean, before a matrix is given up: none, then ten times as much at each step. */
const JITTERS: readonly number[] = [0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6];

// Looking up a global in every step of a loop is slow where tests run it in a context of their own.
const { sqrt, min } = Math;

/** A factor L with L L' = A. */
export interface CholeskyFactor {
  /** What was added to the diagonal of A, so that it could be factorized; mostly 0. */
  readonly jitter: number;
  /** X with A X = B. */
  solve(b: Matrix): Promise<Matrix>;
}

/**
 * Factorizes a symmetric positive definite matrix. Where rounding makes it indefinite, a little is added to its diagonal.
 * @param a only its lower triangle is read; it is not changed
 * @throws NotPositiveDefiniteError
 */
export async function factorize(a: Matrix, products: MatrixProducts): Promise<CholeskyFactor> {
  const n = a.rows;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += a.data[i * n + i]! / n;
  for (const share of JITTERS) {
    const factor = new Factor(a, share * mean, products);
    if (await factor.factorize()) return factor;
  }
  throw new NotPositiveDefiniteError('NOT_POSITIVE_DEFINITE', 'a matrix of normal equations is not positive definite', {
    expected: `a positive definite ${n} x ${n} matrix`,
    actual: Number.isFinite(mean) ? `mean of its diagonal ${mean}` : 'numbers that are not finite',
    repair: 'Give more calibration data, or a larger lambda.',
  });
}

class Factor implements CholeskyFactor {
  readonly jitter: number;
  readonly #n: number;
  readonly #a: Matrix;
  readonly #products: MatrixProducts;
  /** Rows of L: of each block of rows, what stands left of its diagonal block. */
  readonly #left: Matrix[] = [];
  /** Inverses of the diagonal blocks of L. */
  readonly #inverses: Matrix[] = [];
  /** L, row-major; what stands right of the diagonal is not read. */
  readonly #l: Float64Array;

  constructor(a: Matrix, jitter: number, products: MatrixProducts) {
    this.#a = a;
    this.#n = a.rows;
    this.jitter = jitter;
    this.#products = products;
    this.#l = new Float64Array(a.data.length);
  }

  /** @returns false where a pivot is not positive */
  async factorize(): Promise<boolean> {
    const n = this.#n;
    for (let from = 0; from < n; from += BLOCK) {
      const size = min(BLOCK, n - from);
      const column = part(this.#a.data, n, from, n, from, from + size);
      for (let i = 0; i < size; i++) column.data[i * size + i]! += this.jitter;
      if (from > 0) {
        const rows = part(this.#l, n, from, n, 0, from);
        const top = matrix(size, from, rows.data.subarray(0, size * from));
        const product = await this.#products.multiply(rows, top, 'second');
        for (let i = 0; i < column.data.length; i++) column.data[i]! -= product.data[i]!;
        this.#left.push(top);
      } else this.#left.push(matrix(size, 0));
      const diagonal = matrix(size, size, column.data.slice(0, size * size));
      if (!factorizeHere(diagonal)) return false;
      const inverse = invertLower(diagonal);
      this.#inverses.push(inverse);
      put(this.#l, n, from, from, diagonal);
      if (from + size === n) break;
      const below = matrix(n - from - size, size, column.data.slice(size * size));
      put(this.#l, n, from + size, from, await this.#products.multiply(below, inverse, 'second'));
    }
    return true;
  }

  async solve(b: Matrix): Promise<Matrix> {
    const n = this.#n;
    const x = matrix(n, b.columns, b.data.slice());
    for (const [block, inverse] of this.#inverses.entries()) {
      const from = block * BLOCK;
      const rows = rowsOf(x, from, from + inverse.rows);
      if (from > 0) subtract(rows, await this.#products.multiply(this.#left[block]!, rowsOf(x, 0, from)));
      rows.data.set((await this.#products.multiply(inverse, rows)).data);
    }
    for (const [block, inverse] of [...this.#inverses.entries()].reverse()) {
      const from = block * BLOCK;
      const end = from + inverse.rows;
      const rows = rowsOf(x, from, end);
      if (end < n) {
        const below = part(this.#l, n, end, n, from, end);
        subtract(rows, await this.#products.multiply(below, rowsOf(x, end, n), 'first'));
      }
      rows.data.set((await this.#products.multiply(inverse, rows, 'first')).data);
    }
    return x;
  }
}

/** A copy of a part of a square matrix. */
function part(data: Float64Array, n: number, row: number, rowEnd: number, column: number, columnEnd: number): Matrix {
  const columns = columnEnd - column;
  const found = matrix(rowEnd - row, columns);
  for (let i = row; i < rowEnd; i++) {
    found.data.set(data.subarray(i * n + column, i * n + columnEnd), (i - row) * columns);
  }
  return found;
}

function put(data: Float64Array, n: number, row: number, column: number, piece: Matrix): void {
  for (let i = 0; i < piece.rows; i++) {
    data.set(piece.data.subarray(i * piece.columns, (i + 1) * piece.columns), (row + i) * n + column);
  }
}

/** Rows of a matrix, not copied. */
const rowsOf = ({ columns, data }: Matrix, from: number, to: number): Matrix =>
  matrix(to - from, columns, data.subarray(from * columns, to * columns));

function subtract(from: Matrix, what: Matrix): void {
  for (let i = 0; i < from.data.length; i++) from.data[i]! -= what.data[i]!;
}

/** L in place of a small matrix, zeros right of its diagonal. @returns false where a pivot is not positive */
function factorizeHere({ rows: n, data }: Matrix): boolean {
  for (let j = 0; j < n; j++) {
    let pivot = data[j * n + j]!;
    for (let k = 0; k < j; k++) pivot -= data[j * n + k]! * data[j * n + k]!;
    // NaN is not positive either.
    if (!(pivot > 0)) return false;
    const root = sqrt(pivot);
    data[j * n + j] = root;
    for (let i = j + 1; i < n; i++) {
      let sum = data[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= data[i * n + k]! * data[j * n + k]!;
      data[i * n + j] = sum / root;
      data[j * n + i] = 0;
    }
  }
  return true;
}

/** The inverse of a small lower triangular matrix. */
function invertLower({ rows: n, data }: Matrix): Matrix {
  const inverse = matrix(n, n);
  const out = inverse.data;
  for (let i = 0; i < n; i++) {
    const root = data[i * n + i]!;
    for (let k = 0; k < i; k++) {
      const factor = data[i * n + k]!;
      for (let j = 0; j <= k; j++) out[i * n + j]! -= factor * out[k * n + j]!;
    }
    for (let j = 0; j < i; j++) out[i * n + j]! /= root;
    out[i * n + i] = 1 / root;
  }
  return inverse;
}
