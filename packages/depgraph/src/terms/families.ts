/**
 * Independent choice per group: where an axis is groups x channels (grouped convolutions, attention heads), every group
 * may keep channels of its own as long as all keep equally many. The inner channels become a family of leaves, one per
 * group: merged axes hold them one after the other, and an axis of inner channels alone is the family itself. Only
 * dimensions for which that is expressible everywhere are changed; all others keep the same local channels.
 */

import type { ShapeTable } from '../shapes/shapes.ts';
import type { SolvedTerms } from './equations.ts';
import { type DimTerm, find, forEachLeaf, numericSize } from './term.ts';

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
function carriersOf(terms: SolvedTerms, wanted: ReadonlySet<DimTerm>): Map<DimTerm, string[]> {
  const carriers = new Map<DimTerm, string[]>([...wanted].map((leaf) => [leaf, []]));
  if (wanted.size === 0) return carriers;
  for (const [name, axes] of terms.axes) {
    const leaves = new Set<DimTerm>();
    for (const term of axes) forEachLeaf(term, (leaf) => leaves.add(leaf));
    for (const leaf of leaves) carriers.get(leaf)?.push(name);
  }
  return carriers;
}

/** Pairs of a number of groups and the channels right behind it, each inner dimension once. */
function pairsIn(terms: SolvedTerms): [DimTerm, DimTerm][] {
  const pairs = new Map<DimTerm, DimTerm>();
  for (const product of productsIn([...terms.axes.values()].flat())) {
    const factors = product.children.map(find);
    factors.forEach((inner, i) => {
      const outer = factors[i - 1];
      const wanted = inner.kind === 'leaf' && outer?.role === 'group' && outer.children.length === 0;
      if (wanted && numericSize(inner) > 1 && numericSize(outer) > 1 && !pairs.has(inner)) pairs.set(inner, outer);
    });
  }
  return [...pairs].map(([inner, outer]) => [outer, inner]);
}

function productsIn(terms: readonly DimTerm[]): Set<DimTerm> {
  const products = new Set<DimTerm>();
  const seen = new Set<DimTerm>();
  const walk = (t: DimTerm): void => {
    const root = find(t);
    if (seen.has(root)) return;
    seen.add(root);
    if (root.kind === 'product') products.add(root);
    for (const child of root.children) walk(child);
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
  const mixed = terms.mixings.some((at) => find(terms.axes.get(at.node.input[at.input])?.[at.axis] ?? outer) === inner);
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
  return root === outer || (root.kind === 'product' && find(root.children[0]) === outer);
}

function occurrence(term: DimTerm, outer: DimTerm, inner: DimTerm): Occurrence {
  const root = find(term);
  if (root === inner) return 'alone';
  const parts = root.children.map((child) => occurrence(child, outer, inner));
  if (parts.every((part) => part === 'absent')) return 'absent';
  if (root.kind === 'sum') return parts.every((part) => part === 'absent' || part === 'paired') ? 'paired' : 'mixed';
  const present = parts.filter((part) => part !== 'absent');
  if (root.kind !== 'product' || present.length !== 1) return 'mixed';
  const at = parts.findIndex((part) => part !== 'absent');
  if (parts[at] === 'alone') return at > 0 && find(root.children[at - 1]) === outer ? 'paired' : 'mixed';
  return parts[at];
}

function makeFamily(terms: SolvedTerms, carriers: readonly string[], outer: DimTerm, inner: DimTerm): void {
  const size = numericSize(inner);
  const members = Array.from({ length: numericSize(outer) }, () => terms.universe.leaf(size, inner.role));
  const inRow = terms.universe.sum(members);
  for (const product of productsIn(carriers.flatMap((name) => terms.axes.get(name)!))) {
    const at = product.children.findIndex((child) => find(child) === inner);
    if (at < 0) continue;
    const children = [...product.children.slice(0, at - 1), inRow, ...product.children.slice(at + 1)];
    if (children.length === 1) product.alias = inRow;
    product.children = children.length === 1 ? [] : children;
  }
  terms.universe.freeze(outer, { because: 'its groups choose their channels independently' });
  inner.kind = 'family';
  inner.children = members;
  inner.outer = outer;
  terms.families.push(inner);
}
