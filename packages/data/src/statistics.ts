/** Intervals and tests for measured scores. It must not know what is scored. */
import { createRandom } from '@onnx-pruning/onnx';

/** Two-sided quantile of the normal distribution for a confidence of 95 %. */
const Z = 1.959963984540054;
const RESAMPLES = 2000;

const { sqrt, min, max, floor, exp, log } = Math;

/** Lower and upper end. */
export type Interval = readonly [number, number];

/**
 * The 95 % interval of a share (Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 1927):
 * right also near 0 and 1, where few samples are wrong or right.
 */
export function wilsonInterval(successes: number, n: number): Interval {
  const share = successes / n;
  const shrink = 1 + Z ** 2 / n;
  const centre = (share + Z ** 2 / (2 * n)) / shrink;
  const half = (Z / shrink) * sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2));
  return [max(0, centre - half), min(1, centre + half)];
}

/** The 95 % interval of a mean by the percentile bootstrap (Efron 1979), seeded. */
export function bootstrapInterval(scores: ArrayLike<number>, seed = 0): Interval {
  const random = createRandom(seed);
  const n = scores.length;
  const means = Float64Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += scores[floor(random.next() * n)]!;
    return sum / n;
  }).sort();
  return [means[floor(0.025 * RESAMPLES)]!, means[floor(0.975 * RESAMPLES)]!];
}

/**
 * The 95 % interval of the difference of two shares of the same samples (Agresti and Min, Simple improved confidence
 * intervals for comparing matched proportions, Statistics in Medicine 2005).
 * @param gained samples that only the second one is right in
 * @param lost samples that only the first one is right in
 */
export function pairedShareInterval(gained: number, lost: number, n: number): Interval {
  const [b, c, all] = [gained + 0.5, lost + 0.5, n + 2];
  const difference = (b - c) / all;
  const half = (Z * sqrt(max(0, b + c - (b - c) ** 2 / all))) / all;
  return [max(-1, difference - half), min(1, difference + half)];
}

/**
 * How probable so uneven a split of the samples in which two models differ is, were neither better: McNemar's test with
 * the mid-p value (Fagerland, Lydersen and Laake, The McNemar test for binary matched-pairs data, BMC Medical Research
 * Methodology 2013).
 */
export function mcnemarMidP(gained: number, lost: number): number {
  const [n, fewer] = [gained + lost, min(gained, lost)];
  if (n === 0) return 1;
  let logProbability = -n * log(2);
  let tail = 0;
  for (let k = 0; k < fewer; k++) {
    tail += exp(logProbability);
    logProbability += log((n - k) / (k + 1));
  }
  return min(1, 2 * tail + exp(logProbability));
}
