/**
 * The laws of dim terms: how two terms are made equal. Leaves are aliased, sums are refined at the union of their cut
 * points, products are matched factor by factor. Where no law applies both sides become fixed: the group is then not
 * offered, but never wrong.
 */
import type { Dim, TermRole } from '@onnx-pruning/ops';
import {
  childrenOf,
  type DimTerm,
  Family,
  Fixed,
  type FixedReason,
  find,
  forEachLeaf,
  Leaf,
  numericSize,
  Product,
  Sum,
  sizeOf,
} from './term.ts';

/** Creates terms and unifies them. One per analysed model. */
export class TermUniverse {
  #nextId = 0;

  leaf(size: Dim, role?: TermRole): Leaf {
    return new Leaf(this.#nextId++, size, role);
  }

  fixed(size: Dim, reason: FixedReason, role?: TermRole): Fixed {
    return new Fixed(this.#nextId++, size, reason, role);
  }

  /** The inner channels of `outer` groups, one member per group. */
  family(members: readonly Leaf[], outer: DimTerm): Family {
    return new Family(this.#nextId++, members, outer);
  }

  /** Concatenation. Empty parts vanish; a single part is itself. */
  sum(parts: readonly DimTerm[]): DimTerm {
    const kept = parts.map(find).filter((t) => sizeOf(t) !== 0);
    if (kept.length === 1) return kept[0];
    return new Sum(this.#nextId++, kept);
  }

  /** Row-major merge. Factors of size 1 have to stay, and vanish; nested products are flattened. */
  product(factors: readonly DimTerm[]): DimTerm {
    const all = flattenProduct(factors);
    for (const t of all)
      if (sizeOf(t) === 1) this.freeze(t, { because: 'without it nothing of a merged axis is left' });
    const flat = all.filter((t) => sizeOf(t) !== 1);
    if (flat.length === 1) return flat[0];
    if (flat.length === 0) return this.fixed(1, { because: 'it has one element' });
    return new Product(this.#nextId++, flat);
  }

  /** Forbids any change of the term. */
  freeze(t: DimTerm, reason: FixedReason): void {
    forEachLeaf(t, (leaf) => {
      leaf.alias = this.fixed(leaf.count, reason, leaf.role);
    });
  }

  /** Makes two terms equal; `where` names the node that demands it, for the reasons of what cannot be expressed. */
  unify(a: DimTerm, b: DimTerm, where: Omit<FixedReason, 'because'>): void {
    const x = find(a);
    const y = find(b);
    if (x === y) return;
    if (sizeOf(x) === 0 && sizeOf(y) === 0) {
      // Nothing to remove, and the only size of which a product may equal a part of itself.
      this.#giveUp(x, y, where, 'it has no channels');
    } else if (sizeOf(x) !== sizeOf(y)) {
      this.#giveUp(x, y, where, `axes of ${sizeOf(x)} and ${sizeOf(y)} channels meet`);
    } else if (x.kind === 'leaf' && !(y.kind === 'leaf' && y.id > x.id)) {
      alias(x, y);
    } else if (y.kind === 'leaf') {
      alias(y, x);
    } else if (x.kind === 'fixed') {
      this.freeze(y, x.reason);
    } else if (y.kind === 'fixed') {
      this.freeze(x, y.reason);
    } else if (x.kind === 'product' && y.kind === 'product') {
      if (!this.#unifyProducts(x, y, where)) this.#giveUp(x, y, where, 'the axes factor in ways that do not match');
    } else {
      this.#unifySums(x, y, where);
    }
  }

  #giveUp(a: DimTerm, b: DimTerm, where: Omit<FixedReason, 'because'>, because: string): void {
    this.freeze(a, { because, ...where });
    this.freeze(b, { because, ...where });
  }

  #unifySums(a: DimTerm, b: DimTerm, where: Omit<FixedReason, 'because'>): void {
    const left = [a];
    const right = [b];
    while (left.length > 0 && right.length > 0) {
      expandHead(left);
      expandHead(right);
      const x = left[0];
      const y = right[0];
      const sx = numericSize(x);
      const sy = numericSize(y);
      if (sx === sy) {
        left.shift();
        right.shift();
        this.unify(x, y, where);
        continue;
      }
      const larger = sx > sy ? left : right;
      larger.splice(0, 1, ...this.split(larger[0], Math.min(sx, sy)));
    }
  }

  /** Cuts a term in two after `at` channels; neither half is empty. */
  split(t: DimTerm, at: number): [DimTerm, DimTerm] {
    const root = find(t);
    const n = numericSize(root);
    if (root.kind === 'fixed') {
      return [this.fixed(at, root.reason), this.fixed(n - at, root.reason)];
    }
    if (root.kind === 'leaf') {
      const halves: [DimTerm, DimTerm] = [this.leaf(at, root.role), this.leaf(n - at, root.role)];
      root.alias = this.sum(halves);
      return halves;
    }
    if (root.kind === 'sum') return this.#splitSum(root, at);
    if (root.kind === 'product') return this.#splitProduct(root, at);
    throw new Error('internal: families are made when nothing is split any more');
  }

  #splitSum({ parts }: Sum, at: number): [DimTerm, DimTerm] {
    let offset = 0;
    let i = 0;
    for (; offset + numericSize(parts[i]) < at; i++) offset += numericSize(parts[i]);
    const before = parts.slice(0, i);
    const after = parts.slice(i + 1);
    const part = parts[i];
    if (offset + numericSize(part) === at) return [this.sum([...before, part]), this.sum(after)];
    const halves = this.split(part, at - offset);
    return [this.sum([...before, halves[0]]), this.sum([halves[1], ...after])];
  }

  /** Cuts between two outer channels, or through one: that one has to stay then, and the inner channels are cut. */
  #splitProduct(root: Product, at: number): [DimTerm, DimTerm] {
    const [outer, ...rest] = root.factors;
    const inner = this.product(rest);
    const whole = Math.floor(at / numericSize(inner));
    const through = at % numericSize(inner);
    const [before, behind] = this.#splitOff(outer, whole);
    if (through === 0) return [this.product([...before, inner]), this.product([...behind, inner])];
    const [[one], after] = this.#splitOff(behind[0], 1);
    this.freeze(one, { because: 'its channels are cut apart' });
    const halves = this.split(inner, through);
    const around = (term: DimTerm[]): DimTerm[] => (term.length > 0 ? [this.product([...term, inner])] : []);
    return [this.sum([...around(before), halves[0]]), this.sum([halves[1], ...around(after)])];
  }

  /** As `split`, where either half may be empty. */
  #splitOff(t: DimTerm, at: number): [DimTerm[], DimTerm[]] {
    if (at === 0) return [[], [t]];
    if (at === numericSize(t)) return [[t], []];
    const [before, after] = this.split(t, at);
    return [[before], [after]];
  }

  #unifyProducts(a: Product, b: Product, where: Omit<FixedReason, 'because'>): boolean {
    const left = flattenProduct(a.factors);
    const right = flattenProduct(b.factors);
    while (left.length > 0 && right.length > 0) {
      const x = left.pop()!;
      const y = right.pop()!;
      const sx = sizeOf(x);
      const sy = sizeOf(y);
      if (sx === sy) {
        this.unify(x, y, where);
        continue;
      }
      if (typeof sx !== 'number' || typeof sy !== 'number') return false;
      const [larger, smaller, rest] = sx > sy ? [x, y, left] : [y, x, right];
      const factors = this.factor(larger, numericSize(smaller), where);
      if (!factors) return false;
      rest.push(factors[0]);
      this.unify(factors[1], smaller, where);
    }
    return true;
  }

  /** Writes a term as outer x inner channels in row-major order; undefined where the sizes do not divide. */
  factor(t: DimTerm, inner: number, where: Omit<FixedReason, 'because'>): [DimTerm, DimTerm] | undefined {
    const n = numericSize(t);
    if (n % inner !== 0) return undefined;
    if (n === inner) return [this.product([]), t];
    const factors: [DimTerm, DimTerm] = [this.leaf(n / inner), this.leaf(inner)];
    this.unify(t, this.product(factors), where);
    return factors;
  }
}

/** Lets a leaf stand for another term from now on. */
function alias(leaf: Leaf, other: DimTerm): void {
  giveRole(other, leaf.role);
  leaf.alias = other;
}

/**
 * Adds what is known of the role of a whole axis to its leaves, so that it does not matter whether an axis gets its role
 * before or after it is refined. Of channels in row-major order the innermost factor counts channels, the others groups.
 */
function giveRole(t: DimTerm, role: TermRole | undefined): void {
  const root = find(t);
  if (root.kind === 'leaf') root.role = strongerRole(root.role, role);
  if (!role) return;
  childrenOf(root).forEach((child, i) => {
    const outer = root.kind === 'product' && i < root.factors.length - 1;
    giveRole(child, outer ? 'group' : role);
  });
}

function strongerRole(a: TermRole | undefined, b: TermRole | undefined): TermRole | undefined {
  return a === 'channel' || b === 'channel' ? 'channel' : (a ?? b);
}

function expandHead(terms: DimTerm[]): void {
  for (let head = find(terms[0]); ; head = find(terms[0])) {
    terms[0] = head;
    if (head.kind !== 'sum') return;
    terms.splice(0, 1, ...head.parts);
  }
}

function flattenProduct(factors: readonly DimTerm[]): DimTerm[] {
  return factors.flatMap((t) => {
    const root = find(t);
    return root.kind === 'product' ? flattenProduct(root.factors) : [root];
  });
}
