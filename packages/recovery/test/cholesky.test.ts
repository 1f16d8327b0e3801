/** Equations are solved as arithmetic says, within blocks of the matrix and across them. */
import { createRandom } from '@onnx-pruning/onnx';
import { factorize, NotPositiveDefiniteError } from '../src/solve/cholesky.ts';
import { type Matrix, MatrixProducts, matrix } from '../src/solve/matrix.ts';

const products = new MatrixProducts();
afterAll(() => products.dispose());

const rows = (...lines: number[][]): Matrix => matrix(lines.length, lines[0]!.length, Float64Array.from(lines.flat()));

test('a matrix with the factor 2, 6 1, -8 5 3', async () => {
  const a = rows([4, 12, -16], [12, 37, -43], [-16, -43, 98]);
  const factor = await factorize(a, products);
  // A (1, 2, 3)' = (-20, -43, 192)'
  const x = await factor.solve(rows([-20], [-43], [192]));
  expect(factor.jitter).toBe(0);
  [1, 2, 3].forEach((value, i) => {
    expect(x.data[i]).toBeCloseTo(value, 10);
  });
});

test.each([1, 128, 129, 300])('%i unknowns: what is put in again gives the right side', async (n) => {
  const random = createRandom(n);
  const normal = (size: number): Float64Array => Float64Array.from({ length: size }, () => random.normal());
  const root = matrix(n, n + 5, normal(n * (n + 5)));
  const a = await products.multiply(root, root, 'second');
  const x = matrix(n, 3, normal(n * 3));
  const b = await products.multiply(a, x);
  const found = await (await factorize(a, products)).solve(b);
  const again = await products.multiply(a, found);
  const scale = Math.max(...b.data.map(Math.abs));
  expect(Math.max(...again.data.map((value, i) => Math.abs(value - b.data[i]!))) / scale).toBeLessThan(1e-11);
});

test('products agree with sums by hand, whoever computes them', async () => {
  const a = rows([1, 2], [3, 4], [5, 6]);
  expect([...(await products.multiply(a, rows([1, 0, 2], [0, 1, 1]))).data]).toEqual([1, 2, 4, 3, 4, 10, 5, 6, 16]);
  expect([...(await products.multiply(a, a, 'first')).data]).toEqual([35, 44, 44, 56]);
  expect([...(await products.multiply(a, a, 'second')).data]).toEqual([5, 11, 17, 11, 25, 39, 17, 39, 61]);
  const large = matrix(
    200,
    200,
    Float64Array.from({ length: 40_000 }, (_, i) => (i % 7) - 3),
  );
  const { data } = await products.multiply(large, large, 'second');
  let sum = 0;
  for (let k = 0; k < 200; k++) sum += large.data[3 * 200 + k]! * large.data[150 * 200 + k]!;
  expect(data[3 * 200 + 150]).toBeCloseTo(sum, 8);
});

test('a singular matrix gets a little on its diagonal; one that is indefinite, or no numbers, is refused', async () => {
  const singular = await factorize(rows([1, 1], [1, 1]), products);
  expect(singular.jitter).toBeGreaterThan(0);
  expect(singular.jitter).toBeLessThan(1e-6);
  await expect(factorize(rows([1, 2], [2, 1]), products)).rejects.toThrow(NotPositiveDefiniteError);
  await expect(factorize(rows([Number.NaN, 0], [0, 1]), products)).rejects.toThrow(/not finite/);
});
