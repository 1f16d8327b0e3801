/** Intervals and tests for measured scores. It must not know what is scored. */
import { createRandom } from '@onnx-pruning/onnx';

/** That of every interval, unless another is asked for. */
export const CONFIDENCE = 0.95;
const RESAMPLES = 2000;

const { sqrt, min, max, floor, ceil, exp, log, abs, PI } = Math;

/** Lower and upper end. */
export type Interval = readonly [number, number];

/**
 * How many standard deviations to either side of the mean hold such a share of a normal distribution: Newton's method on
 * the series of Marsaglia (Evaluating the Normal Distribution, Journal of Statistical Software 2004).
 * @param confidence from 0 on, below 1
 */
export function normalQuantile(confidence: number): number {
  let z = 0;
  for (let step = Number.POSITIVE_INFINITY; abs(step) > 1e-12 * (1 + z); z += step) {
    const density = exp((-z * z) / 2) / sqrt(2 * PI);
    let [sum, term] = [z, z];
    for (let k = 3; abs(term) > 1e-17 * sum; k += 2) {
      term *= z ** 2 / k;
      sum += term;
    }
    step = (confidence / 2 - sum * density) / density;
  }
  return z;
}

/**
 * The interval of a share (Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 1927):
 * right also near 0 and 1, where few samples are wrong or right.
 */
export function wilsonInterval(successes: number, n: number, confidence = CONFIDENCE): Interval {
  const [share, z] = [successes / n, normalQuantile(confidence)];
  const shrink = 1 + z ** 2 / n;
  const centre = (share + z ** 2 / (2 * n)) / shrink;
  const half = (z / shrink) * sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2));
  return [max(0, centre - half), min(1, centre + half)];
}

/** The interval of a mean by the percentile bootstrap (Efron 1979), seeded. */
export function bootstrapInterval(scores: ArrayLike<number>, seed = 0, confidence = CONFIDENCE): Interval {
  const random = createRandom(seed);
  const n = scores.length;
  const means = Float64Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += scores[floor(random.next() * n)]!;
    return sum / n;
  }).sort();
  const tail = (1 - confidence) / 2;
  return [means[floor(tail * RESAMPLES)]!, means[ceil((1 - tail) * RESAMPLES) - 1]!];
}

/**
 * The interval of the difference of two shares of the same samples (Agresti and Min, Simple improved confidence
 * intervals for comparing matched proportions, Statistics in Medicine 2005).
 * @param gained samples that only the second one is right in
 * @param lost samples that only the first one is right in
 */
export function pairedShareInterval(gained: number, lost: number, n: number, confidence = CONFIDENCE): Interval {
  const [b, c, all] = [gained + 0.5, lost + 0.5, n + 2];
  const difference = (b - c) / all;
  const half = (normalQuantile(confidence) * sqrt(max(0, b + c - (b - c) ** 2 / all))) / all;
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
