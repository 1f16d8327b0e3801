/** Sums of Euclidean distances between rows, through one Gram matrix computed in cache-sized blocks. */

/** Rows of one block of the Gram matrix; two blocks of rows stay in cache. */
const BLOCK = 32;

/**
 * For every row the sum of its Euclidean distances to all rows: |a - b|^2 = |a|^2 + |b|^2 - 2 a.b.
 * @param rows `count` rows of equal length, row-major
 */
export function pairwiseDistanceSums(rows: Float32Array, count: number): Float64Array {
  const length = count === 0 ? 0 : rows.length / count;
  const squares = new Float64Array(count);
  for (let r = 0; r < count; r++) squares[r] = dot(rows, r * length, r * length, length);
  const sums = new Float64Array(count);
  for (let i0 = 0; i0 < count; i0 += BLOCK) {
    for (let j0 = i0; j0 < count; j0 += BLOCK) addBlock(rows, length, squares, sums, i0, j0, count);
  }
  return sums;
}

function addBlock(
  rows: Float32Array,
  length: number,
  squares: Float64Array,
  sums: Float64Array,
  i0: number,
  j0: number,
  count: number,
): void {
  const iEnd = Math.min(i0 + BLOCK, count);
  const jEnd = Math.min(j0 + BLOCK, count);
  for (let i = i0; i < iEnd; i++) {
    for (let j = Math.max(j0, i + 1); j < jEnd; j++) {
      const product = dot(rows, i * length, j * length, length);
      const distance = Math.sqrt(Math.max(0, squares[i] + squares[j] - 2 * product));
      sums[i] += distance;
      sums[j] += distance;
    }
  }
}

function dot(rows: Float32Array, a: number, b: number, length: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const whole = length - (length % 4);
  for (let k = 0; k < whole; k += 4) {
    s0 += rows[a + k] * rows[b + k];
    s1 += rows[a + k + 1] * rows[b + k + 1];
    s2 += rows[a + k + 2] * rows[b + k + 2];
    s3 += rows[a + k + 3] * rows[b + k + 3];
  }
  for (let k = whole; k < length; k++) s0 += rows[a + k] * rows[b + k];
  return s0 + s1 + s2 + s3;
}
