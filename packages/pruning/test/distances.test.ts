import { PairwiseDistances } from '../src/distances.ts';

/** The definition, one pair at a time. */
function sumsByDefinition(rows: Float32Array, count: number): number[] {
  const length = rows.length / count;
  const row = (i: number): Float32Array => rows.subarray(i * length, (i + 1) * length);
  const distance = (a: Float32Array, b: Float32Array): number => Math.hypot(...a.map((x, k) => x - b[k]!));
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: count }, (_, j) => distance(row(i), row(j))).reduce((a, b) => a + b, 0),
  );
}

/** Multiples of 1/4: all sums below are exact in float32. */
function rowsOf(count: number, length: number): Float32Array {
  return Float32Array.from({ length: count * length }, (_, i) => ((i * 7919) % 31) / 4);
}

describe('sums of distances between rows', () => {
  const distances = new PairwiseDistances();

  it('adds the distances of a row to all others', () => {
    // (0, 0), (3, 4) and (3, 0) lie 5, 4 and 3 apart.
    expect([...distances.sums(Float32Array.of(0, 0, 3, 4, 3, 0), 3)]).toEqual([8, 9, 7]);
  });

  it('finds equal rows at distance 0 exactly', () => {
    const row = Array.from({ length: 700 }, (_, k) => Math.fround(Math.sin(k)));
    expect([...distances.sums(Float32Array.from([...row, ...row, ...row]), 3)]).toEqual([0, 0, 0]);
  });

  it.each([
    [0, 0],
    [1, 3],
    [4, 1],
    [5, 256],
    [127, 2],
    [128, 300],
    [131, 5],
    [260, 17],
  ])('agrees with the definition for %i rows of %i', (count, length) => {
    const rows = rowsOf(count, length);
    const sums = distances.sums(rows, count);
    const expected = count === 0 ? [] : sumsByDefinition(rows, count);
    expect(sums).toHaveLength(count);
    for (const [i, sum] of sums.entries()) expect(sum).toBeCloseTo(expected[i]!, 6);
  });
});
