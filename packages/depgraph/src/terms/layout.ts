/**
 * Where the channels of each leaf lie along an axis. An axis is laid out once and then serves every group that it
 * belongs to: a concatenation of many parts belongs to as many groups. What survives is the business of kept.ts.
 */
import { forEachPlace } from './kept.ts';
import { type DimTerm, find, type Leaf } from './term.ts';

/** Where one leaf lies: each of its channels covers `stride` indices in a row, at every one of `starts`. */
export interface LeafPlaces {
  /** Index of the leaf's first channel, for every time that the leaf occurs. */
  readonly starts: readonly number[];
  /** Indices of one channel, for every time that the leaf occurs. */
  readonly strides: readonly number[];
  /** Indices that one channel covers in all. */
  readonly repeats: number;
}

/** Places of all leaves of an axis. */
export type AxisLayout = ReadonlyMap<Leaf, LeafPlaces>;

/** Layouts of the axes of one graph as it is now. */
export class AxisLayouts {
  readonly #known = new Map<DimTerm, AxisLayout>();

  of(term: DimTerm): AxisLayout {
    const root = find(term);
    let layout = this.#known.get(root);
    if (!layout) {
      layout = layoutOf(root);
      this.#known.set(root, layout);
    }
    return layout;
  }

  /** Must be called when channels were removed. */
  forget(): void {
    this.#known.clear();
  }
}

/** The n-th of the indices that a channel covers. */
export function indexOfChannel({ starts, strides }: LeafPlaces, channel: number, n: number): number {
  let rest = n;
  let i = 0;
  while (rest >= strides[i]) rest -= strides[i++];
  return starts[i] + channel * strides[i] + rest;
}

interface OpenPlaces {
  readonly starts: number[];
  readonly strides: number[];
  repeats: number;
}

function layoutOf(root: DimTerm): AxisLayout {
  const layout = new Map<Leaf, OpenPlaces>();
  forEachPlace(root, (leaf, start, stride) => {
    const places = layout.get(leaf);
    if (places) {
      places.starts.push(start);
      places.strides.push(stride);
      places.repeats += stride;
    } else {
      layout.set(leaf, { starts: [start], strides: [stride], repeats: stride });
    }
  });
  return layout;
}
