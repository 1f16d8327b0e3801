/**
 * What survives along a term, given what survives of its leaves: a leaf's own list, a sum's lists with offsets, a
 * product's cartesian product in row-major order, a family's lists group by group. This is the only place that maps channels to axis indices.
 */
import { type DimTerm, find, foldTerm, type Leaf, numericSize, type Product, type TermCases } from './term.ts';

/** What survives of one leaf: ascending indices, or undefined for all. `size` is the number of channels indexed into. */
export interface LeafSelection {
  size(leaf: Leaf): number;
  kept(leaf: Leaf): Int32Array | undefined;
}

/** What survives along a term. */
interface Survivors {
  /** Channels that the selection indexes into. */
  readonly size: number;
  /** Ascending indices that survive; undefined when all do. */
  readonly kept: Int32Array | undefined;
  /** Of a family whose groups keep different channels, what each of them keeps. */
  readonly perGroup?: readonly Int32Array[];
}

/** Computes kept indices of terms for one selection, each term once. */
export class KeptIndices {
  readonly #cases: TermCases<Survivors>;
  readonly #known = new Map<DimTerm, Survivors>();

  constructor(selection: LeafSelection) {
    this.#cases = {
      leaf: (leaf) => ({ size: selection.size(leaf), kept: selection.kept(leaf) }),
      // A size that only the run knows is no number: nothing goes along it, so nobody asks for it.
      fixed: ({ count }) => ({ size: Number(count), kept: undefined }),
      sum: (parts) => ({ size: parts.reduce((n, { size }) => n + size, 0), kept: keptOfSum(parts) }),
      product: (factors) => ({ size: factors.reduce((n, { size }) => n * size, 1), kept: keptOfProduct(factors) }),
      family: survivorsOfFamily,
    };
  }

  /** Ascending indices that survive along `t`; undefined when all do. */
  of(t: DimTerm): Int32Array | undefined {
    const { kept, perGroup } = this.#survivors(t);
    if (perGroup) throw new Error('internal: the groups of a family keep different channels');
    return kept;
  }

  /** For a family whose groups keep different channels, what each of them keeps; undefined for every other term. */
  perGroup(t: DimTerm): readonly Int32Array[] | undefined {
    return find(t).kind === 'family' ? this.#survivors(t).perGroup : undefined;
  }

  /** Whether anything along the term goes. */
  changes(t: DimTerm): boolean {
    return find(t).kind !== 'fixed' && (this.perGroup(t) !== undefined || this.of(t) !== undefined);
  }

  /** Number of channels that the selection indexes into. */
  sizeBefore(t: DimTerm): number {
    return this.#survivors(t).size;
  }

  #survivors(t: DimTerm): Survivors {
    return foldTerm(t, this.#cases, this.#known);
  }
}

function survivorsOfFamily(members: readonly Survivors[]): Survivors {
  const [first] = members;
  const lists = members.map(({ kept, size }) => kept ?? allOf(size));
  const alike = lists.every((list) => list.join() === lists[0].join());
  return alike ? first : { size: first.size, kept: undefined, perGroup: lists };
}

function keptOfSum(parts: readonly Survivors[]): Int32Array | undefined {
  if (parts.every(({ kept }) => kept === undefined)) return undefined;
  const all = new Int32Array(parts.reduce((n, part) => n + countOf(part), 0));
  let offset = 0;
  let at = 0;
  for (const part of parts) {
    const count = countOf(part);
    for (let k = 0; k < count; k++) all[at++] = offset + (part.kept ? part.kept[k] : k);
    offset += part.size;
  }
  return all;
}

function keptOfProduct(factors: readonly Survivors[]): Int32Array | undefined {
  if (factors.every(({ kept }) => kept === undefined)) return undefined;
  let all = new Int32Array([0]);
  for (const factor of factors) {
    const count = countOf(factor);
    const next = new Int32Array(all.length * count);
    for (let outer = 0, at = 0; outer < all.length; outer++) {
      for (let k = 0; k < count; k++) next[at++] = all[outer] * factor.size + (factor.kept ? factor.kept[k] : k);
    }
    all = next;
  }
  return all;
}

function countOf({ kept, size }: Survivors): number {
  return kept ? kept.length : size;
}

function allOf(size: number): Int32Array {
  return Int32Array.from({ length: size }, (_, i) => i);
}

/** One (leaf, channel) cell per axis index and wanted leaf; an axis index lies in several cells of a product. */
export function forEachCell(
  t: DimTerm,
  wanted: ReadonlySet<Leaf>,
  visit: (leaf: Leaf, channel: number, axisIndex: number) => void,
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
  visit: (leaf: Leaf, start: number, stride: number) => void,
  start = 0,
  stride = 1,
): void {
  const root = find(t);
  if (root.kind === 'leaf') {
    visit(root, start, stride);
  } else if (root.kind === 'sum') {
    let at = start;
    for (const part of root.parts) {
      forEachPlace(part, visit, at, stride);
      at += numericSize(part) * stride;
    }
  } else if (root.kind === 'family') {
    for (const leaf of root.members) forEachPlace(leaf, visit, start, stride);
  } else if (root.kind === 'product') {
    forEachPlaceOfProduct(root, visit, start, stride);
  }
}

function forEachPlaceOfProduct(
  root: Product,
  visit: (leaf: Leaf, start: number, stride: number) => void,
  start: number,
  stride: number,
): void {
  const sizes = root.factors.map(numericSize);
  let outer = 1;
  let inner = sizes.reduce((n, size) => n * size, stride);
  root.factors.forEach((factor, i) => {
    inner /= sizes[i];
    const block = sizes[i] * inner;
    for (let o = 0; o < outer; o++) forEachPlace(factor, visit, start + o * block, inner);
    outer *= sizes[i];
  });
}
