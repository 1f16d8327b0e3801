/**
 * The laws of dim terms: how two terms are made equal. Leaves are aliased, sums are refined at the union of their cut
 * points, products are matched factor by factor. Where no law applies both sides become fixed: the group is then not
 * offered, but never wrong.
 */
import type { Dim, TermRole } from '@onnx-pruning/ops';
import { DimTerm, type FixedReason, find, numericSize, sizeOf } from './term.ts';

/** Creates terms and unifies them. One per analysed model. */
export class TermUniverse {
  #nextId = 0;

  leaf(size: Dim, role?: TermRole): DimTerm {
    const t = new DimTerm(this.#nextId++, 'leaf', size);
    t.role = role;
    return t;
  }

  fixed(size: Dim, reason: FixedReason): DimTerm {
    const t = new DimTerm(this.#nextId++, 'fixed', size);
    t.reason = reason;
    return t;
  }

  /** Concatenation. Empty parts vanish; a single part is itself. */
  sum(parts: readonly DimTerm[]): DimTerm {
    const kept = parts.map(find).filter((t) => sizeOf(t) !== 0);
    if (kept.length === 1) return kept[0];
    return new DimTerm(this.#nextId++, 'sum', 0, kept);
  }

  /** Row-major merge. Fixed factors of size 1 vanish; nested products are flattened. */
  product(factors: readonly DimTerm[]): DimTerm {
    const flat = flattenProduct(factors).filter((t) => !(t.kind === 'fixed' && t.count === 1));
    if (flat.length === 1) return flat[0];
    if (flat.length === 0) return this.fixed(1, { because: 'it has one element' });
    return new DimTerm(this.#nextId++, 'product', 0, flat);
  }

  /** Forbids any change of the term. */
  freeze(t: DimTerm, reason: FixedReason): void {
    const root = find(t);
    if (root.kind === 'leaf') {
      root.kind = 'fixed';
      root.reason = reason;
    } else {
      for (const child of root.children) this.freeze(child, reason);
    }
  }

  /** Makes two terms equal; `where` names the node that demands it, for the reasons of what cannot be expressed. */
  unify(a: DimTerm, b: DimTerm, where: Omit<FixedReason, 'because'>): void {
    const x = find(a);
    const y = find(b);
    if (x === y) return;
    if (sizeOf(x) !== sizeOf(y)) {
      this.#giveUp(x, y, where, `axes of ${sizeOf(x)} and ${sizeOf(y)} channels meet`);
    } else if (x.kind === 'leaf' || y.kind === 'leaf') {
      this.#unifyLeaf(x, y);
    } else if (x.kind === 'fixed' || y.kind === 'fixed') {
      const [fixed, other] = x.kind === 'fixed' ? [x, y] : [y, x];
      this.freeze(other, fixed.reason ?? { because: 'it meets a fixed dimension', ...where });
    } else if (x.kind === 'product' && y.kind === 'product') {
      if (!this.#unifyProducts(x, y, where)) this.#giveUp(x, y, where, 'the axes factor in ways that do not match');
    } else if (!this.#unifySums(x, y, where)) {
      this.#giveUp(x, y, where, 'the cut points of the axes do not fall between whole channels');
    }
  }

  #giveUp(a: DimTerm, b: DimTerm, where: Omit<FixedReason, 'because'>, because: string): void {
    this.freeze(a, { because, ...where });
    this.freeze(b, { because, ...where });
  }

  #unifyLeaf(x: DimTerm, y: DimTerm): void {
    const [leaf, other] = x.kind === 'leaf' && !(y.kind === 'leaf' && y.id > x.id) ? [x, y] : [y, x];
    if (other.kind === 'leaf') other.role = strongerRole(leaf.role, other.role);
    leaf.alias = other;
    leaf.children = [];
  }

  #unifySums(a: DimTerm, b: DimTerm, where: Omit<FixedReason, 'because'>): boolean {
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
      const halves = this.split(larger[0], Math.min(sx, sy));
      if (!halves) return false;
      larger.splice(0, 1, ...halves);
    }
    return true;
  }

  /** Cuts a term in two after `at` channels; undefined where the cut would go through a channel. */
  split(t: DimTerm, at: number): [DimTerm, DimTerm] | undefined {
    const root = find(t);
    const n = numericSize(root);
    if (root.kind === 'fixed') {
      const reason = root.reason ?? { because: 'it is fixed' };
      return [this.fixed(at, reason), this.fixed(n - at, reason)];
    }
    if (root.kind === 'leaf') {
      const halves: [DimTerm, DimTerm] = [this.leaf(at, root.role), this.leaf(n - at, root.role)];
      root.alias = this.sum(halves);
      return halves;
    }
    if (root.kind === 'sum') return this.#splitSum(root, at);
    const [outer, ...inner] = root.children;
    const innerSize = n / numericSize(outer);
    if (at % innerSize !== 0) return undefined;
    const halves = this.split(outer, at / innerSize);
    return halves && [this.product([halves[0], ...inner]), this.product([halves[1], ...inner])];
  }

  #splitSum(root: DimTerm, at: number): [DimTerm, DimTerm] | undefined {
    let offset = 0;
    for (const [i, part] of root.children.entries()) {
      const size = numericSize(part);
      const before = root.children.slice(0, i);
      const after = root.children.slice(i + 1);
      if (offset === at) return [this.sum(before), this.sum([part, ...after])];
      if (offset + size > at) {
        const halves = this.split(part, at - offset);
        return halves && [this.sum([...before, halves[0]]), this.sum([halves[1], ...after])];
      }
      offset += size;
    }
    return undefined;
  }

  #unifyProducts(a: DimTerm, b: DimTerm, where: Omit<FixedReason, 'because'>): boolean {
    const left = flattenProduct(a.children);
    const right = flattenProduct(b.children);
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
    for (const t of [...left, ...right]) this.freeze(t, { because: 'an axis of one element is merged away', ...where });
    return true;
  }

  /** Writes a term as outer x inner channels in row-major order; undefined where the sizes do not divide. */
  factor(t: DimTerm, inner: number, where: Omit<FixedReason, 'because'>): [DimTerm, DimTerm] | undefined {
    const root = find(t);
    const n = numericSize(root);
    if (n % inner !== 0) return undefined;
    if (root.kind === 'fixed') {
      const reason = root.reason ?? { because: 'it is fixed' };
      return [this.fixed(n / inner, reason), this.fixed(inner, reason)];
    }
    if (root.kind === 'sum') return this.#factorSum(root, inner, where);
    const factors: [DimTerm, DimTerm] = [this.leaf(n / inner, 'group'), this.leaf(inner, root.role)];
    const product = new DimTerm(this.#nextId++, 'product', 0, factors);
    if (root.kind === 'leaf') root.alias = product;
    else if (!this.#unifyProducts(root, product, where)) return undefined;
    return factors;
  }

  #factorSum(root: DimTerm, inner: number, where: Omit<FixedReason, 'because'>): [DimTerm, DimTerm] | undefined {
    if (root.children.some((part) => numericSize(part) % inner !== 0)) return undefined;
    const shared = this.leaf(inner);
    const outer: DimTerm[] = [];
    for (const part of root.children) {
      const factors = this.factor(part, inner, where);
      if (!factors) return undefined;
      this.unify(factors[1], shared, where);
      outer.push(factors[0]);
    }
    return [this.sum(outer), shared];
  }
}

function strongerRole(a: TermRole | undefined, b: TermRole | undefined): TermRole | undefined {
  return a === 'channel' || b === 'channel' ? 'channel' : (a ?? b);
}

function expandHead(terms: DimTerm[]): void {
  for (let head = find(terms[0]); ; head = find(terms[0])) {
    terms[0] = head;
    if (head.kind !== 'sum') return;
    terms.splice(0, 1, ...head.children);
  }
}

function flattenProduct(factors: readonly DimTerm[]): DimTerm[] {
  return factors.flatMap((t) => {
    const root = find(t);
    return root.kind === 'product' ? flattenProduct(root.children) : [root];
  });
}
