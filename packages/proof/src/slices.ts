/**
 * The scale that a difference is measured against: that of the element's own slices, never that of the whole tensor,
 * so that large coordinates do not hide what happens to the probabilities beside them. It must not judge.
 */
import { elementCount } from '@onnx-pruning/runtime';

/** Slices of fewer elements say nothing of their scale: one element alone may be small because terms cancel. */
const SMALLEST_SLICE = 4;

/** The largest finite magnitude in every slice of a tensor, along every axis that has slices of some elements. */
export class SliceMaxima {
  readonly #axes: readonly { readonly stride: number; readonly size: number; readonly maxima: Float64Array }[];
  readonly whole: number;

  /** @param magnitude of the element at a flat index; what is not finite does not count */
  constructor(dims: readonly number[], magnitude: (index: number) => number, smallest = SMALLEST_SLICE) {
    const count = elementCount(dims);
    let stride = count;
    const axes = dims.map((size) => {
      stride /= size || 1;
      return { stride, size, maxima: new Float64Array(size) };
    });
    this.#axes = axes.filter(({ size }) => size > 1 && count / size >= smallest);
    let whole = 0;
    for (let i = 0; i < count; i++) {
      const x = magnitude(i);
      if (!(x < Infinity)) continue;
      if (x > whole) whole = x;
      for (const { stride: step, size, maxima } of this.#axes) {
        const at = Math.floor(i / step) % size;
        if (x > maxima[at]!) maxima[at] = x;
      }
    }
    this.whole = whole;
  }

  /** The smallest of the maxima of the slices that the element lies in. */
  at(index: number): number {
    let least = this.whole;
    for (const { stride, size, maxima } of this.#axes) {
      const own = maxima[Math.floor(index / stride) % size]!;
      if (own < least) least = own;
    }
    return least;
  }
}
