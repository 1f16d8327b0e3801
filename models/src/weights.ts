/**
 * Seeded random weights, as new networks and trained statistics have them. Fast enough for tens of millions of weights.
 * Knows nothing of graphs or layers.
 */
import type { Random } from '@onnx-pruning/onnx';

// Looked up once: where globals are slow to reach (jest's contexts), millions of calls would take seconds.
const { log, sqrt } = Math;

/**
 * Normal values with mean 0. Method: Marsaglia's polar method (1964), which needs no sine or cosine and gives two
 * values at a time.
 */
export function normalValues(random: Random, size: number, deviation: number): Float32Array {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    let u: number;
    let v: number;
    let s: number;
    do {
      u = 2 * random.next() - 1;
      v = 2 * random.next() - 1;
      s = u * u + v * v;
    } while (s >= 1 || s === 0);
    const scale = deviation * sqrt((-2 * log(s)) / s);
    values[i] = u * scale;
    // Writing past the end of a typed array does nothing: an odd size drops the last value of the pair.
    values[i + 1] = v * scale;
  }
  return values;
}

/** Values uniform in [low, high). */
export function uniformValues(random: Random, size: number, low: number, high: number): Float32Array {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = low + (high - low) * random.next();
  return values;
}

/**
 * Weights that keep the variance of activations through a layer followed by ReLU: normal, with variance 2 / fan-in.
 * Source: He et al., "Delving Deep into Rectifiers" (2015), section 2.2.
 * @param fanIn how many inputs one output sums over.
 */
export function kaimingValues(random: Random, size: number, fanIn: number): Float32Array {
  return normalValues(random, size, sqrt(2 / fanIn));
}

/** The four per-channel tensors of a batch normalization in inference. */
export interface BatchNormTensors {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** Statistics as after some training: none is 0 or 1 throughout, and the variance is positive. */
export function batchNormValues(random: Random, channels: number): BatchNormTensors {
  return {
    weight: uniformValues(random, channels, 0.5, 1.5),
    bias: normalValues(random, channels, 0.1),
    mean: normalValues(random, channels, 0.1),
    variance: uniformValues(random, channels, 0.5, 1.5),
  };
}

/**
 * The convolution that computes `batchNorm(conv(x))`, for a convolution without bias.
 * @param weight of the convolution, output channels first; it is changed in place.
 * @returns the bias of the new convolution.
 */
export function foldBatchNorm(weight: Float32Array, norm: BatchNormTensors, epsilon: number): Float32Array {
  const channels = norm.weight.length;
  const perChannel = weight.length / channels;
  const bias = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    const scale = norm.weight[c]! / sqrt(norm.variance[c]! + epsilon);
    for (let i = c * perChannel; i < (c + 1) * perChannel; i++) weight[i]! *= scale;
    bias[c] = norm.bias[c]! - norm.mean[c]! * scale;
  }
  return bias;
}
