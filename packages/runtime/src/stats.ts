/**
 * Order statistics and means of timing samples. Pure arithmetic, so that every number in a latency report can be
 * checked by hand. It must not know what the samples measure.
 */

/** The statistics that a latency report gives of one sample, in the unit of the sample. */
export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly median: number;
  readonly p95: number;
}

/** Median and quartiles of a sample. */
export interface Quartiles {
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
}

/**
 * The value below which `percent` percent of the samples lie, interpolated linearly between the two nearest order
 * statistics (definition 7 of Hyndman and Fan, "Sample quantiles in statistical packages", 1996).
 *
 * @param samples at least one finite number, in any order; not modified
 * @param percent from 0 to 100
 * @throws RangeError for an empty or non-finite sample or a percentage outside [0, 100]
 */
export function percentile(samples: readonly number[], percent: number): number {
  if (!(percent >= 0 && percent <= 100)) throw new RangeError(`a percentage lies in [0, 100], found ${percent}`);
  const sorted = sortedSample(samples);
  const position = (percent / 100) * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

/** The middle of the sorted samples; the mean of the two middle ones when their number is even. */
export function median(samples: readonly number[]): number {
  return percentile(samples, 50);
}

/** Arithmetic mean. */
export function mean(samples: readonly number[]): number {
  const sorted = sortedSample(samples);
  return sorted.reduce((sum, sample) => sum + sample, 0) / sorted.length;
}

/** First quartile, median and third quartile. */
export function quartiles(samples: readonly number[]): Quartiles {
  return { q1: percentile(samples, 25), median: median(samples), q3: percentile(samples, 75) };
}

/** Count, minimum, mean, median and 95th percentile of one sample. */
export function summarize(samples: readonly number[]): Summary {
  return {
    count: samples.length,
    min: percentile(samples, 0),
    mean: mean(samples),
    median: median(samples),
    p95: percentile(samples, 95),
  };
}

/**
 * `numerator[i] / denominator[i]`: the ratios of runs that were made one right after the other, so that a slow or fast
 * moment of the machine weighs on both.
 *
 * @throws RangeError when the samples differ in length or a denominator is not positive
 */
export function pairedRatios(numerator: readonly number[], denominator: readonly number[]): number[] {
  if (numerator.length !== denominator.length) {
    throw new RangeError(`paired samples have equal lengths, found ${numerator.length} and ${denominator.length}`);
  }
  return numerator.map((value, index) => {
    const divisor = denominator[index]!;
    if (!(divisor > 0)) throw new RangeError(`a ratio needs a positive denominator, found ${divisor} at run ${index}`);
    return value / divisor;
  });
}

/** How far apart the quartiles of paired ratios may lie for their median to mean something. */
const STEADY = 1.5;

/**
 * Whether paired ratios agree well enough for their median to be told as a result: the third quartile is at most 1.5
 * times the first. On an idle machine the middle half of the ratios lies within some percent; where it does not, other
 * work took the processor for a part of the runs.
 */
export function isSteady({ q1, q3 }: Quartiles): boolean {
  return q3 <= STEADY * q1;
}

function sortedSample(samples: readonly number[]): number[] {
  if (samples.length === 0) throw new RangeError('a statistic needs at least one sample');
  if (!samples.every(Number.isFinite)) throw new RangeError('a statistic needs finite samples');
  return [...samples].sort((a, b) => a - b);
}
