import { createRandom } from '../src/index.ts';

const draw = (n: number, next: () => number): number[] => Array.from({ length: n }, next);
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

describe('createRandom', () => {
  it('gives the same sequence for the same seed, and another for another', () => {
    const sequence = (seed: number): number[] => draw(5, createRandom(seed).next);
    expect(sequence(1)).toEqual(sequence(1));
    expect(sequence(1)).not.toEqual(sequence(2));
  });

  it('does not share state between generators', () => {
    const a = createRandom(1);
    const expected = draw(4, createRandom(1).next);
    createRandom(1).next();
    expect(draw(4, a.next)).toEqual(expected);
  });

  // Bounds are about five standard errors of 20000 draws.
  it('is uniform in [0, 1)', () => {
    const values = draw(20000, createRandom(3).next);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(Math.abs(mean(values) - 0.5)).toBeLessThan(0.011);
    expect(Math.abs(mean(values.map((x) => (x - 0.5) ** 2)) - 1 / 12)).toBeLessThan(0.003);
  });

  it('is standard normal', () => {
    const values = draw(20000, createRandom(4).normal);
    expect(Math.abs(mean(values))).toBeLessThan(0.036);
    expect(Math.abs(mean(values.map((x) => x * x)) - 1)).toBeLessThan(0.05);
    expect(Math.abs(mean(values.map((x) => x ** 4)) - 3)).toBeLessThan(0.35);
  });

  it('draws every integer below n', () => {
    const random = createRandom(5);
    expect(new Set(draw(200, () => random.int(6)))).toEqual(new Set([0, 1, 2, 3, 4, 5]));
  });
});
