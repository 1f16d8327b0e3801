/**
 * The scale that a difference is measured against: that of the element's own slices, never that of the whole tensor,
 * so that large coordinates do not hide what happens to the probabilities beside them. It must not judge.
 */
import { elementCount } from '@onnx-pruning/runtime';

/** Slices of fewer elements say nothing of their scale: one element alone may be small because terms cancel. */
const SMALLEST_SLICE = 4;

// Looking up a global in every step of a loop is slow where tests run it in a context of their own.
const { floor } = Math;

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
    const last = axes.at(-1);
    const row = last?.size ?? 1;
    const ofRows = this.#axes.filter((axis) => axis !== last);
    const ofPlaces = last && this.#axes.includes(last) ? last.maxima : undefined;
    let whole = 0;
    // Row by row of the last axis: all other axes need one look per row.
    for (let start = 0; start < count; start += row) {
      let most = 0;
      for (let k = 0; k < row; k++) {
        const x = magnitude(start + k);
        if (x - x !== 0) continue;
        if (x > most) most = x;
        if (ofPlaces && x > ofPlaces[k]!) ofPlaces[k] = x;
      }
      if (most > whole) whole = most;
      for (const { stride: step, size, maxima } of ofRows) {
        const at = floor(start / step) % size;
        if (most > maxima[at]!) maxima[at] = most;
      }
    }
    this.whole = whole;
  }

  /** The smallest of the maxima of the slices that the element lies in. */
  at(index: number): number {
    let least = this.whole;
    for (const { stride, size, maxima } of this.#axes) {
      const own = maxima[floor(index / stride) % size]!;
      if (own < least) least = own;
    }
    return least;
  }
}
