/**
 * The least-squares errors of a group's consumers as channels go: what both criteria on covariances are made of, and the
 * order in which channels go greedily. It must not run models.
 */
import { CriterionError } from '@onnx-pruning/pruning';
import type { Observer } from '@onnx-pruning/runtime';
import { factorize } from '../solve/cholesky.ts';
import { type Matrix, type MatrixProducts, matrix } from '../solve/matrix.ts';
import { type ChannelMoments, channelMoments } from './channel-moments.ts';
import { COVARIANCE_OPTIONS, type CovarianceImportanceOptions } from './data-importance-options.ts';
import type { MeasuredReading, Rule } from './measured-scores.ts';
import type { Reading } from './readings.ts';

const RIDGE = 0.01;
const MEMORY_LIMIT = 2e9;
/** Variance of numbers that are equal but for rounding to float32, over their square: below the square of 2^-20. */
const ROUNDING = 1e-12;

/** One reading of n channels: what remains of the errors' arithmetic as channels go. Both matrices are symmetric. */
export interface Errors {
  /** The inverse of the covariance, with the ridge. */
  readonly inverse: Matrix;
  /** W W', where the consumers' weights W are scaled so that the variance of what each computes is 1. */
  readonly weights: Matrix;
}

/** A rule whose scores follow from the errors of all consumers. */
export function errorRule(
  criterion: string,
  { ridge = RIDGE, memoryLimit = MEMORY_LIMIT }: CovarianceImportanceOptions,
  score: (errors: readonly Errors[], channels: number) => Float64Array,
): Rule<ChannelMoments> {
  return {
    criterion,
    options: COVARIANCE_OPTIONS,
    normalizer: 'none',
    check: (readings) => checkMemory(readings, memoryLimit),
    observer: (reading): Observer<ChannelMoments> => channelMoments(reading),
    score: async (readings, channels, products) => {
      const errors: Errors[] = [];
      for (const reading of readings) {
        const found = await errorsOf(reading, ridge, products);
        if (found) errors.push(found);
      }
      return score(errors, channels);
    },
  };
}

/** The sums over positions and the covariances that follow from them are there at once. */
function checkMemory(readings: readonly Reading[], limit: number): void {
  const bytesOf = ({ channels }: Reading): number => 16 * channels ** 2;
  const bytes = readings.reduce((sum, reading) => sum + bytesOf(reading), 0);
  if (bytes <= limit) return;
  const widest = readings.reduce((a, b) => (bytesOf(b) > bytesOf(a) ? b : a));
  throw new CriterionError('CRITERION_MEMORY', 'the covariances of the channels take more memory than is allowed', {
    value: widest.point.value,
    axis: widest.point.axis,
    expected: `at most ${limit} bytes`,
    actual: `${bytes} bytes, ${bytesOf(widest)} of them for ${widest.channels} channels of this value`,
    repair: 'Raise memoryLimit, or take WandaImportance, which needs no covariances.',
  });
}

/** Undefined where the channels do not vary: a bias makes up for all of them. */
async function errorsOf(
  { measured: { mean, covariance }, weights }: MeasuredReading<ChannelMoments>,
  ridge: number,
  products: MatrixProducts,
): Promise<Errors | undefined> {
  const n = covariance.rows;
  let variance = 0;
  for (let i = 0; i < n; i++) variance += covariance.data[i * (n + 1)]! / n;
  const square = mean.reduce((sum, x) => sum + x ** 2 / n, variance);
  if (!(variance > ROUNDING * square)) return undefined;
  const sum = await scaledWeights(covariance, weights, products);
  const damped = matrix(n, n, covariance.data.slice());
  const identity = matrix(n, n);
  for (let i = 0; i < n; i++) {
    damped.data[i * (n + 1)]! += ridge * variance;
    identity.data[i * (n + 1)] = 1;
  }
  const inverse = await (await factorize(damped, products)).solve(identity);
  return { inverse, weights: sum };
}

/** The sum over consumers of W W' / tr(W' G W): the variance of what a consumer computes is that trace. */
async function scaledWeights(
  covariance: Matrix,
  weights: readonly Matrix[],
  products: MatrixProducts,
): Promise<Matrix> {
  const n = covariance.rows;
  const sum = matrix(n, n);
  for (const each of weights) {
    const { data } = await products.multiply(each, each, 'second');
    const variance = data.reduce((total, x, i) => total + x * covariance.data[i]!, 0);
    // Weights that are all zero compute nothing.
    if (variance > 0) for (let i = 0; i < data.length; i++) sum.data[i]! += data[i]! / variance;
  }
  return sum;
}

/** What each channel adds to the errors when it alone goes, and the others make up for it as far as they can. */
export function errorsOfRemoval(errors: readonly Errors[], channels: number): Float64Array {
  const found = new Float64Array(channels);
  for (const each of errors) {
    for (let j = 0; j < channels; j++) found[j]! += errorOfRemoval(each, j);
  }
  return found;
}

function errorOfRemoval({ inverse, weights }: Errors, channel: number): number {
  const at = channel * (inverse.rows + 1);
  return Math.max(0, weights.data[at]!) / inverse.data[at]!;
}

/** Two scores of a group differ at least by this share, so that their order is that of removal. */
const STEP = 2 ** -40;

/**
 * What each channel adds to the errors when channels go one after the other, each time the one that adds least; never
 * less than what went before. The matrices are changed.
 */
export function greedyErrors(errors: readonly Errors[], channels: number): Float64Array {
  const left = Array.from({ length: channels }, (_, channel) => channel);
  const found = new Float64Array(channels);
  let last = 0;
  while (left.length > 0) {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const [at, channel] of left.entries()) {
      const added = errors.reduce((sum, each) => sum + errorOfRemoval(each, channel), 0);
      if (added < least) [best, least] = [at, added];
    }
    const [channel] = left.splice(best, 1);
    last = Math.max(least, last * (1 + STEP));
    found[channel!] = last;
    for (const each of errors) eliminate(each, channel!, left);
  }
  return found;
}

/**
 * Takes a channel j out of the equations; what the others are read with makes up for it. With h the row of the inverse H
 * divided by h_jj, H becomes H - h_jj h h', and the weights W - h w_j', where w_j is the row of the channel (Hassibi and
 * Stork, Second Order Derivatives for Network Pruning: Optimal Brain Surgeon, NeurIPS 1992).
 */
function eliminate({ inverse, weights }: Errors, channel: number, left: readonly number[]): void {
  const n = inverse.rows;
  const [h, a] = [inverse.data, weights.data];
  const start = channel * n;
  const pivot = h[start + channel]!;
  const own = a[start + channel]!;
  for (const k of left) {
    const share = h[start + k]! / pivot;
    const [ofInverse, ofWeights] = [share, a[start + k]! - share * own];
    const row = k * n;
    for (const l of left) {
      h[row + l]! -= ofInverse * h[start + l]!;
      a[row + l]! -= share * a[start + l]! + (ofWeights * h[start + l]!) / pivot;
    }
  }
}
