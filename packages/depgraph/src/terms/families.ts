/**
 * Independent choice per group: where an axis is groups x channels (grouped convolutions, attention heads), every group
 * may keep channels of its own as long as all keep equally many. The inner channels become a family of leaves, one per
 * group: merged axes hold them one after the other, and an axis of inner channels alone is the family itself. Only
 * dimensions for which that is expressible everywhere are changed; all others keep the same local channels.
 */

import type { ShapeTable } from '../shapes/shapes.ts';
import type { SolvedTerms } from './equations.ts';
import { childrenOf, type DimTerm, find, foldTerm, forEachLeaf, type Leaf, numericSize, type Product } from './term.ts';

/** How a dimension occurs in a term: not at all, always behind its groups, alone, or in a way that cannot be split. */
type Occurrence = 'absent' | 'paired' | 'alone' | 'mixed';

/** Turns every eligible dimension into a family. Done once, before anything is pruned. */
export function chooseIndependently(terms: SolvedTerms, shapes: ShapeTable): void {
  const pairs = pairsIn(terms);
  const carriers = carriersOf(terms, new Set(pairs.map(([, inner]) => inner)));
  const eligible = pairs.filter(([outer, inner]) => isEligible(terms, shapes, carriers.get(inner) ?? [], outer, inner));
  for (const [outer, inner] of eligible) makeFamily(terms, carriers.get(inner) ?? [], outer, inner);
}

/** Values that carry one of the given leaves, by leaf. */
function carriersOf(terms: SolvedTerms, wanted: ReadonlySet<Leaf>): Map<Leaf, string[]> {
  const carriers = new Map<Leaf, string[]>([...wanted].map((leaf) => [leaf, []]));
  if (wanted.size === 0) return carriers;
  for (const [name, axes] of terms.axes) {
    const leaves = new Set<Leaf>();
    for (const term of axes) forEachLeaf(term, (leaf) => leaves.add(leaf));
    for (const leaf of leaves) carriers.get(leaf)?.push(name);
  }
  return carriers;
}

/** Pairs of a number of groups and the channels right behind it, each inner dimension once. */
function pairsIn(terms: SolvedTerms): [outer: DimTerm, inner: Leaf][] {
  const pairs = new Map<Leaf, DimTerm>();
  for (const product of productsIn([...terms.axes.values()].flat())) {
    const factors = product.factors.map(find);
    factors.forEach((inner, i) => {
      const outer = factors[i - 1];
      const counted =
        outer !== undefined && (outer.kind === 'leaf' || outer.kind === 'fixed') && outer.role === 'group';
      if (inner.kind === 'leaf' && counted && numericSize(inner) > 1 && numericSize(outer) > 1 && !pairs.has(inner)) {
        pairs.set(inner, outer);
      }
    });
  }
  return [...pairs].map(([inner, outer]) => [outer, inner]);
}

function productsIn(terms: readonly DimTerm[]): Set<Product> {
  const products = new Set<Product>();
  const seen = new Set<DimTerm>();
  const walk = (t: DimTerm): void => {
    const root = find(t);
    if (seen.has(root)) return;
    seen.add(root);
    if (root.kind === 'product') products.add(root);
    for (const child of childrenOf(root)) walk(child);
  };
  for (const term of terms) walk(term);
  return products;
}

function isEligible(
  terms: SolvedTerms,
  shapes: ShapeTable,
  carriers: readonly string[],
  outer: DimTerm,
  inner: DimTerm,
): boolean {
  const mixed = terms.mixings.some((at) => find(terms.axes.get(at.value)?.[at.axis] ?? outer) === inner);
  return !mixed && carriers.every((name) => fits(terms.axes.get(name)!, outer, inner, shapes.constants.has(name)));
}

/** Whether a tensor with these axes can hold other channels in every group. */
function fits(axes: readonly DimTerm[], outer: DimTerm, inner: DimTerm, isConstant: boolean): boolean {
  const occurrences = axes.map((term) => occurrence(term, outer, inner));
  if (occurrences.includes('mixed')) return false;
  if (!occurrences.includes('alone')) return true;
  // Alone, the channels of a group are told apart by another axis: of a constant the first one, which is sliced with it.
  return isConstant ? startsWith(axes[0], outer) : axes.some((term) => find(term) === outer);
}

function startsWith(term: DimTerm, outer: DimTerm): boolean {
  const root = find(term);
  return root === outer || (root.kind === 'product' && find(root.factors[0]) === outer);
}

function occurrence(term: DimTerm, outer: DimTerm, inner: DimTerm): Occurrence {
  return foldTerm<Occurrence>(term, {
    leaf: (leaf) => (leaf === inner ? 'alone' : 'absent'),
    fixed: () => 'absent',
    sum: (parts) => {
      if (parts.every((part) => part === 'absent')) return 'absent';
      return parts.every((part) => part === 'absent' || part === 'paired') ? 'paired' : 'mixed';
    },
    product: (parts, { factors }) => {
      const present = parts.filter((part) => part !== 'absent');
      if (present.length === 0) return 'absent';
      if (present.length > 1) return 'mixed';
      const at = parts.findIndex((part) => part !== 'absent');
      if (parts[at] !== 'alone') return parts[at];
      return at > 0 && find(factors[at - 1]) === outer ? 'paired' : 'mixed';
    },
    family: (members) => (members.every((part) => part === 'absent') ? 'absent' : 'mixed'),
  });
}

function makeFamily(terms: SolvedTerms, carriers: readonly string[], outer: DimTerm, inner: Leaf): void {
  const { universe } = terms;
  const size = numericSize(inner);
  const members = Array.from({ length: numericSize(outer) }, () => universe.leaf(size, inner.role));
  const inRow = universe.sum(members);
  for (const product of productsIn(carriers.flatMap((name) => terms.axes.get(name)!))) {
    const { factors } = product;
    const at = factors.findIndex((factor) => find(factor) === inner);
    if (at >= 0) product.alias = universe.product([...factors.slice(0, at - 1), inRow, ...factors.slice(at + 1)]);
  }
  universe.freeze(outer, { because: 'its groups choose their channels independently' });
  const family = universe.family(members, outer);
  inner.alias = family;
  terms.families.push(family);
}
