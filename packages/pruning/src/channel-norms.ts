/**
 * Per-channel sums of |w|^p of parameter tensors. One pass over a tensor gives the sums along one axis; they are kept
 * as long as the tensor's content is, because every group that shares the tensor asks for its part of them.
 */
import { readNumbers, type TensorProto, tensorDims } from '@onnx-pruning/onnx';

/** Sums of |w|^p for every index along `axis`. */
export class ChannelNorms {
  readonly #known = new WeakMap<object, Map<string, Float64Array>>();

  /** @returns one sum per index along `axis`, over all other axes */
  of(tensor: TensorProto, axis: number, p: number): Float64Array {
    const content = tensor.rawData ?? tensor.floatData ?? tensor.doubleData ?? tensor;
    let byAxis = this.#known.get(content);
    if (!byAxis) {
      byAxis = new Map();
      this.#known.set(content, byAxis);
    }
    const key = `${axis}:${p}`;
    let sums = byAxis.get(key);
    if (!sums) {
      sums = powerSums(readNumbers(tensor), tensorDims(tensor), axis, p);
      byAxis.set(key, sums);
    }
    return sums;
  }
}

function powerSums(data: ArrayLike<number>, dims: readonly number[], axis: number, p: number): Float64Array {
  const channels = dims[axis];
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const sums = new Float64Array(channels);
  const power = powerOf(p);
  for (let block = 0; block < data.length; block += channels * inner) {
    for (let c = 0; c < channels; c++) sums[c] += power(data, block + c * inner, block + (c + 1) * inner);
  }
  return sums;
}

type PowerSum = (data: ArrayLike<number>, from: number, to: number) => number;

function powerOf(p: number): PowerSum {
  if (p === 2) return sumOfSquares;
  if (p === 1) return sumOfMagnitudes;
  return (data, from, to) => {
    let sum = 0;
    for (let i = from; i < to; i++) sum += Math.abs(data[i]) ** p;
    return sum;
  };
}

function sumOfSquares(data: ArrayLike<number>, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += data[i] * data[i];
  return sum;
}

function sumOfMagnitudes(data: ArrayLike<number>, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += Math.abs(data[i]);
  return sum;
}
