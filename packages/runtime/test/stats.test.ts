import { isSteady, mean, median, pairedRatios, percentile, quartiles, summarize } from '../src/stats.ts';

describe('order statistics', () => {
  it('takes the middle sample, or the mean of the two middle ones', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
  });

  it('interpolates linearly between neighbouring samples', () => {
    // Positions in the sorted sample 10 20 30 40 50 are percent / 100 * 4.
    const samples = [50, 10, 40, 20, 30];
    expect(percentile(samples, 0)).toBe(10);
    expect(percentile(samples, 25)).toBe(20);
    expect(percentile(samples, 90)).toBeCloseTo(46, 12); // position 3.6: 40 + 0.6 * 10
    expect(percentile(samples, 100)).toBe(50);
  });

  it('calls ratios steady whose quartiles lie within a factor of 1.5', () => {
    expect(isSteady({ q1: 2, median: 2.5, q3: 3 })).toBe(true);
    expect(isSteady({ q1: 2, median: 2.5, q3: 3.01 })).toBe(false);
    expect(isSteady({ q1: 0.4, median: 0.5, q3: 0.6 })).toBe(true);
  });

  it('gives quartiles', () => {
    // Positions 0.75, 1.5 and 2.25 of 1 2 3 4.
    expect(quartiles([4, 3, 2, 1])).toEqual({ q1: 1.75, median: 2.5, q3: 3.25 });
  });

  it('summarises a sample', () => {
    // p95 of 2 4 6 8 20 is at position 3.8: 8 + 0.8 * 12.
    const summary = summarize([20, 2, 8, 4, 6]);
    expect(summary).toMatchObject({ count: 5, min: 2, mean: 8, median: 6 });
    expect(summary.p95).toBeCloseTo(17.6, 12);
  });

  it('leaves the sample as it was', () => {
    const samples = [3, 1, 2];
    median(samples);
    expect(samples).toEqual([3, 1, 2]);
  });

  it('is not fooled by the textual order of numbers', () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  it('refuses what has no statistic', () => {
    expect(() => median([])).toThrow(RangeError);
    expect(() => mean([1, Number.NaN])).toThrow(RangeError);
    expect(() => percentile([1], 101)).toThrow(RangeError);
  });
});

describe('pairedRatios', () => {
  it('divides run by run', () => {
    expect(pairedRatios([6, 8, 10], [3, 2, 4])).toEqual([2, 4, 2.5]);
  });

  it('differs from the ratio of medians when the machine drifts', () => {
    // The machine slows down threefold halfway; each pair still says that the second model takes half the time.
    const reference = [2, 2, 6, 6, 6];
    const candidate = [1, 1, 3, 3, 3];
    expect(pairedRatios(reference, candidate)).toEqual([2, 2, 2, 2, 2]);
  });

  it('refuses unpaired samples and empty times', () => {
    expect(() => pairedRatios([1, 2], [1])).toThrow('equal lengths');
    expect(() => pairedRatios([1], [0])).toThrow('positive denominator');
  });
});
