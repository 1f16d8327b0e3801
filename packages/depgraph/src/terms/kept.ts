/**
 * What survives along a term, given what survives of its leaves: a leaf's own list, a sum's lists with offsets, a
 * product's cartesian product in row-major order, a family's lists group by group. This is the only place that maps channels to axis indices.
 */
import { type DimTerm, find, numericSize } from './term.ts';

/** What survives of one leaf: ascending indices, or undefined for all. `size` is the number of channels indexed into. */
export interface LeafSelection {
  size(leaf: DimTerm): number;
  kept(leaf: DimTerm): Int32Array | undefined;
}

/** Computes kept indices of terms for one selection, each term once. */
export class KeptIndices {
  readonly #selection: LeafSelection;
  readonly #cache = new Map<DimTerm, Int32Array | undefined>();

  constructor(selection: LeafSelection) {
    this.#selection = selection;
  }

  /** Ascending indices that survive along `t`; undefined when all do. */
  of(t: DimTerm): Int32Array | undefined {
    const root = find(t);
    if (root.kind === 'fixed') return undefined;
    if (root.kind === 'leaf') return this.#selection.kept(root);
    if (this.#cache.has(root)) return this.#cache.get(root);
    const kept = this.#compute(root);
    this.#cache.set(root, kept);
    return kept;
  }

  #compute(root: DimTerm): Int32Array | undefined {
    if (root.kind === 'sum') return this.#ofSum(root);
    if (root.kind === 'product') return this.#ofProduct(root);
    if (this.perGroup(root)) throw new Error('internal: the groups of a family keep different channels');
    return this.of(root.children[0]);
  }

  /** For a family whose groups keep different channels, what each of them keeps; undefined for every other term. */
  perGroup(t: DimTerm): readonly Int32Array[] | undefined {
    const root = find(t);
    if (root.kind !== 'family') return undefined;
    const lists = root.children.map((leaf) => this.of(leaf) ?? allOf(this.sizeBefore(leaf)));
    return lists.some((list) => list.join() !== lists[0].join()) ? lists : undefined;
  }

  /** Whether anything along the term goes. */
  changes(t: DimTerm): boolean {
    return this.perGroup(t) !== undefined || this.of(t) !== undefined;
  }

  /** Number of channels that the selection indexes into. */
  sizeBefore(t: DimTerm): number {
    const root = find(t);
    if (root.kind === 'leaf') return this.#selection.size(root);
    if (root.kind === 'fixed') return numericSize(root);
    if (root.kind === 'family') return this.sizeBefore(root.children[0]);
    if (root.kind === 'sum') return root.children.reduce((n, part) => n + this.sizeBefore(part), 0);
    return root.children.reduce((n, factor) => n * this.sizeBefore(factor), 1);
  }

  #ofSum(root: DimTerm): Int32Array | undefined {
    const lists = root.children.map((part) => this.of(part));
    if (lists.every((list) => list === undefined)) return undefined;
    const sizes = root.children.map((part) => this.sizeBefore(part));
    const kept = new Int32Array(lists.reduce((n, list, i) => n + (list ? list.length : sizes[i]), 0));
    let offset = 0;
    let at = 0;
    lists.forEach((list, i) => {
      const count = list ? list.length : sizes[i];
      for (let k = 0; k < count; k++) kept[at++] = offset + (list ? list[k] : k);
      offset += sizes[i];
    });
    return kept;
  }

  #ofProduct(root: DimTerm): Int32Array | undefined {
    const lists = root.children.map((factor) => this.of(factor));
    if (lists.every((list) => list === undefined)) return undefined;
    let kept = new Int32Array([0]);
    root.children.forEach((factor, i) => {
      const size = this.sizeBefore(factor);
      const list = lists[i];
      const count = list ? list.length : size;
      const next = new Int32Array(kept.length * count);
      for (let outer = 0, at = 0; outer < kept.length; outer++) {
        for (let k = 0; k < count; k++) next[at++] = kept[outer] * size + (list ? list[k] : k);
      }
      kept = next;
    });
    return kept;
  }
}

function allOf(size: number): Int32Array {
  return Int32Array.from({ length: size }, (_, i) => i);
}

/** One (leaf, channel) cell per axis index and wanted leaf; an axis index lies in several cells of a product. */
export function forEachCell(
  t: DimTerm,
  wanted: ReadonlySet<DimTerm>,
  visit: (leaf: DimTerm, channel: number, axisIndex: number) => void,
): void {
  forEachPlace(t, (leaf, start, stride) => {
    if (!wanted.has(leaf)) return;
    const n = numericSize(leaf);
    for (let c = 0; c < n; c++) for (let k = 0; k < stride; k++) visit(leaf, c, start + c * stride + k);
  });
}

/**
 * Every place along an axis where a leaf lies: each of its channels covers `stride` indices in a row there, and those of
 * the first channel begin at `start`. The groups of a product repeat a leaf; the members of a family share a place.
 */
export function forEachPlace(
  t: DimTerm,
  visit: (leaf: DimTerm, start: number, stride: number) => void,
  start = 0,
  stride = 1,
): void {
  const root = find(t);
  if (root.kind === 'leaf') {
    visit(root, start, stride);
  } else if (root.kind === 'sum') {
    let at = start;
    for (const part of root.children) {
      forEachPlace(part, visit, at, stride);
      at += numericSize(part) * stride;
    }
  } else if (root.kind === 'family') {
    for (const leaf of root.children) forEachPlace(leaf, visit, start, stride);
  } else if (root.kind === 'product') {
    forEachPlaceOfProduct(root, visit, start, stride);
  }
}

function forEachPlaceOfProduct(
  root: DimTerm,
  visit: (leaf: DimTerm, start: number, stride: number) => void,
  start: number,
  stride: number,
): void {
  const sizes = root.children.map(numericSize);
  let outer = 1;
  let inner = sizes.reduce((n, size) => n * size, stride);
  root.children.forEach((factor, i) => {
    inner /= sizes[i];
    const block = sizes[i] * inner;
    for (let o = 0; o < outer; o++) forEachPlace(factor, visit, start + o * block, inner);
    outer *= sizes[i];
  });
}
