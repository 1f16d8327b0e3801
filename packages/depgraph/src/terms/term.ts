/**
 * Dim terms: what the engine knows of one axis. A term is a free dimension (leaf), a dimension that may not change
 * (fixed), the concatenation of terms (sum), axes merged in row-major order (product), or the inner channels of groups
 * that choose independently (family: one leaf per group, all of one size). Terms are union-find nodes: unification
 * aliases them to other terms. This file holds the data and the one way to fold them; `unify.ts` holds the laws.
 */
import type { Dim, Term, TermRole } from '@onnx-pruning/ops';
import { mulDims } from '@onnx-pruning/ops';

/** Why a dimension may not change, and where that was decided. */
export interface FixedReason {
  readonly because: string;
  readonly node?: string;
  readonly operator?: string;
  /** Set where the dimension is fixed because shapes behind that node are not known. */
  readonly behind?: true;
}

/** One axis as the engine knows it. Read it through `find`: it may have been aliased to another term. */
export type DimTerm = Leaf | Fixed | Sum | Product | Family;

abstract class TermNode implements Term {
  /** What this term was aliased to by unification. */
  alias: DimTerm | undefined;
  readonly id: number;

  constructor(id: number) {
    this.id = id;
  }

  get size(): Dim {
    return sizeOf(this as TermNode as DimTerm);
  }
}

/** A free dimension: channels that are chosen together. */
export class Leaf extends TermNode {
  readonly kind = 'leaf';
  /** Channels now. */
  count: Dim;
  role: TermRole | undefined;
  /** Surviving channels, as indices into the original ones; undefined while none was removed. */
  survivors: Int32Array | undefined;
  /** Channels before anything was removed; undefined while none was removed. */
  originalCount: number | undefined;

  constructor(id: number, count: Dim, role?: TermRole) {
    super(id);
    this.count = count;
    this.role = role;
  }
}

/** A dimension that may not change. */
export class Fixed extends TermNode {
  readonly kind = 'fixed';
  readonly count: Dim;
  readonly reason: FixedReason;
  /** How it was meant before it was fixed. */
  readonly role: TermRole | undefined;

  constructor(id: number, count: Dim, reason: FixedReason, role?: TermRole) {
    super(id);
    this.count = count;
    this.reason = reason;
    this.role = role;
  }
}

/** A concatenation: the channels of the parts, one after the other. Sizes of parts are always numbers. */
export class Sum extends TermNode {
  readonly kind = 'sum';
  readonly parts: readonly DimTerm[];

  constructor(id: number, parts: readonly DimTerm[]) {
    super(id);
    this.parts = parts;
  }
}

/** Axes merged in row-major order: the last factor varies fastest. */
export class Product extends TermNode {
  readonly kind = 'product';
  readonly factors: readonly DimTerm[];

  constructor(id: number, factors: readonly DimTerm[]) {
    super(id);
    this.factors = factors;
  }
}

/** Inner channels of groups that choose independently: one leaf per group, all of one size. */
export class Family extends TermNode {
  readonly kind = 'family';
  readonly members: readonly Leaf[];
  /** The number of groups that the members stand behind. */
  readonly outer: DimTerm;

  constructor(id: number, members: readonly Leaf[], outer: DimTerm) {
    super(id);
    this.members = members;
    this.outer = outer;
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

const NONE: readonly DimTerm[] = [];

/** The terms that a term is made of: parts, factors or members; none for leaves and fixed dimensions. */
export function childrenOf(t: DimTerm): readonly DimTerm[] {
  const root = find(t);
  switch (root.kind) {
    case 'sum':
      return root.parts;
    case 'product':
      return root.factors;
    case 'family':
      return root.members;
    default:
      return NONE;
  }
}

/** What each kind of term is folded into; the values of what it is made of come first. */
export interface TermCases<T> {
  leaf(t: Leaf): T;
  fixed(t: Fixed): T;
  sum(parts: readonly T[], t: Sum): T;
  product(factors: readonly T[], t: Product): T;
  /** All members have one size; they may hold different channels. */
  family(members: readonly T[], t: Family): T;
}

/**
 * The one recursion over terms: folds a term bottom-up. What goes down through a term instead (positions along an axis)
 * is in kept.ts.
 * @param known results by term, for folds that meet the same terms again and again; filled here
 */
export function foldTerm<T>(t: DimTerm, cases: TermCases<T>, known?: Map<DimTerm, T>): T {
  const root = find(t);
  if (root.kind === 'leaf') return cases.leaf(root);
  if (root.kind === 'fixed') return cases.fixed(root);
  const before = known?.get(root);
  if (before !== undefined) return before;
  const values = childrenOf(root).map((child) => foldTerm(child, cases, known));
  const value =
    root.kind === 'sum'
      ? cases.sum(values, root)
      : root.kind === 'product'
        ? cases.product(values, root)
        : cases.family(values, root);
  known?.set(root, value);
  return value;
}

const sizeOfMany: Pick<TermCases<Dim>, 'sum' | 'product' | 'family'> = {
  sum: (parts) => parts.reduce<number>((total, part) => total + known(part), 0),
  product: (factors) => factors.reduce(mulDims, 1),
  family: ([member]) => member,
};

/** Cases for a size that is the sum of parts, the product of factors, and that of any member of a family. */
export function sizeCases(ofLeaf: (leaf: Leaf) => Dim): TermCases<Dim> {
  return { ...sizeOfMany, leaf: ofLeaf, fixed: ({ count }) => count };
}

const SIZE_NOW = sizeCases(({ count }) => count);
const SIZE_BEFORE = sizeCases(({ originalCount, count }) => originalCount ?? count);

/**
 * Number of channels of a term now.
 * @param known sizes by term, for whoever asks for those of many
 */
export function sizeOf(t: DimTerm, known?: Map<DimTerm, Dim>): Dim {
  return foldTerm(t, SIZE_NOW, known);
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
  return foldTerm(t, SIZE_BEFORE);
}

/** As `originalDim`, of a term whose size is known to be a number. */
export function originalSize(t: DimTerm): number {
  return known(originalDim(t));
}

/** Calls `visit` for every leaf in `t`, in order, as often as it occurs. */
export function forEachLeaf(t: DimTerm, visit: (leaf: Leaf) => void): void {
  const root = find(t);
  if (root.kind === 'leaf') visit(root);
  else for (const child of childrenOf(root)) forEachLeaf(child, visit);
}

/** Distinct leaves of a term in order of first occurrence. */
export function leavesOf(t: DimTerm): Leaf[] {
  const seen = new Set<Leaf>();
  forEachLeaf(t, (leaf) => seen.add(leaf));
  return [...seen];
}

/** Whether a term has a leaf that `is` accepts. */
export function someLeaf(t: DimTerm, is: (leaf: Leaf) => boolean): boolean {
  const root = find(t);
  return root.kind === 'leaf' ? is(root) : childrenOf(root).some((child) => someLeaf(child, is));
}

/** Reasons of the fixed parts of a term, each once. */
export function fixedReasons(t: DimTerm, into = new Set<FixedReason>()): Set<FixedReason> {
  const root = find(t);
  if (root.kind === 'fixed') into.add(root.reason);
  for (const child of childrenOf(root)) fixedReasons(child, into);
  return into;
}

/** Readable form: `#3(64)`, `Fixed 10`, `Sum(#1(64), #2(32))`, `Product(#4(8), Fixed 49)`. */
export function printTerm(t: DimTerm): string {
  return foldTerm<string>(t, {
    leaf: ({ id, count }) => `#${id}(${count})`,
    fixed: ({ count }) => `Fixed ${count}`,
    sum: (parts) => `Sum(${parts.join(', ')})`,
    product: (factors) => `Product(${factors.join(', ')})`,
    family: (members) => `Family(${members.join(', ')})`,
  });
}
