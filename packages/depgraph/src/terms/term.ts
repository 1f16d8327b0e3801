/**
 * Dim terms: what the engine knows of one axis. A term is a free dimension (leaf), a dimension that may not change
 * (fixed), the concatenation of terms (sum), axes merged in row-major order (product), or the inner channels of groups
 * that choose independently (family: one leaf per group, all of one size). Leaves are union-find nodes: unification
 * aliases them to other terms. This file holds the data; `unify.ts` holds the laws.
 */
import type { Dim, Term, TermRole } from '@onnx-pruning/ops';
import { mulDims } from '@onnx-pruning/ops';

/** Why a dimension may not change, and where that was decided. */
export interface FixedReason {
  readonly because: string;
  readonly node?: string;
  readonly operator?: string;
}

export class DimTerm implements Term {
  /** What this term was aliased to by unification. */
  alias: DimTerm | undefined;
  kind: 'leaf' | 'fixed' | 'sum' | 'product' | 'family';
  /** Channels of a leaf or fixed term now; sums and products are computed. */
  count: Dim;
  children: readonly DimTerm[];
  role: TermRole | undefined;
  /** Of a family: the number of groups that its members stand behind. */
  outer: DimTerm | undefined;
  reason: FixedReason | undefined;
  /** Surviving channels of a leaf, as indices into its original channels; undefined while none was removed. */
  survivors: Int32Array | undefined;
  /** Channels of the leaf before anything was removed; undefined while none was removed. */
  originalCount: number | undefined;
  readonly id: number;

  constructor(id: number, kind: DimTerm['kind'], count: Dim, children: readonly DimTerm[] = []) {
    this.id = id;
    this.kind = kind;
    this.count = count;
    this.children = children;
  }

  get size(): Dim {
    return sizeOf(this);
  }
}

/** The term that `t` stands for, with path compression. */
export function find(t: DimTerm): DimTerm {
  let root = t;
  while (root.alias) root = root.alias;
  let walk = t;
  while (walk.alias) {
    const next: DimTerm = walk.alias;
    walk.alias = root;
    walk = next;
  }
  return root;
}

/** Number of channels of a term now. */
export function sizeOf(t: DimTerm): Dim {
  const root = find(t);
  if (root.kind === 'leaf' || root.kind === 'fixed') return root.count;
  if (root.kind === 'family') return sizeOf(root.children[0]);
  if (root.kind === 'sum') {
    let total = 0;
    for (const part of root.children) total += numericSize(part);
    return total;
  }
  return root.children.reduce<Dim>((size, factor) => mulDims(size, sizeOf(factor)), 1);
}

/** Size of a term that is known to be a number (parts of a sum always are). */
export function numericSize(t: DimTerm): number {
  return known(sizeOf(t));
}

function known(size: Dim): number {
  if (typeof size !== 'number')
    throw new Error(`internal: the size '${size}' of a term is symbolic where a number is needed`);
  return size;
}

/** Size of a term before anything was pruned. */
export function originalDim(t: DimTerm): Dim {
  const root = find(t);
  if (root.kind === 'family') return originalDim(root.children[0]);
  if (root.kind === 'sum') return root.children.reduce((n, part) => n + originalSize(part), 0);
  if (root.kind === 'product') return root.children.map(originalDim).reduce(mulDims, 1);
  return root.originalCount ?? root.count;
}

/** As `originalDim`, of a term whose size is known to be a number. */
export function originalSize(t: DimTerm): number {
  return known(originalDim(t));
}

/** Calls `visit` for every leaf in `t`, in order, as often as it occurs. */
export function forEachLeaf(t: DimTerm, visit: (leaf: DimTerm) => void): void {
  const root = find(t);
  if (root.kind === 'leaf') visit(root);
  else for (const child of root.children) forEachLeaf(child, visit);
}

/** Distinct leaves of a term in order of first occurrence. */
export function leavesOf(t: DimTerm): DimTerm[] {
  const seen = new Set<DimTerm>();
  forEachLeaf(t, (leaf) => seen.add(leaf));
  return [...seen];
}

/** Reasons of the fixed parts of a term, each once. */
export function fixedReasons(t: DimTerm, into = new Set<FixedReason>()): Set<FixedReason> {
  const root = find(t);
  if (root.kind === 'fixed' && root.reason) into.add(root.reason);
  for (const child of root.children) fixedReasons(child, into);
  return into;
}

/** Readable form: `#3(64)`, `Fixed 10`, `Sum(#1(64), #2(32))`, `Product(#4(8), Fixed 49)`. */
export function printTerm(t: DimTerm): string {
  const root = find(t);
  if (root.kind === 'leaf') return `#${root.id}(${root.count})`;
  if (root.kind === 'fixed') return `Fixed ${root.count}`;
  const name = { sum: 'Sum', product: 'Product', family: 'Family' }[root.kind];
  return `${name}(${root.children.map(printTerm).join(', ')})`;
}
