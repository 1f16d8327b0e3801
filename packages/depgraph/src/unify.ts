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
    const flat = flattenProduct(factors);
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
    } else {
      this.#unifySums(x, y, where);
    }
  }

  #giveUp(a: DimTerm, b: DimTerm, where: Omit<FixedReason, 'because'>, because: string): void {
    this.freeze(a, { because, ...where });
    this.freeze(b, { because, ...where });
  }

  #unifyLeaf(x: DimTerm, y: DimTerm): void {
    const [leaf, other] = x.kind === 'leaf' && !(y.kind === 'leaf' && y.id > x.id) ? [x, y] : [y, x];
    giveRole(other, leaf.role);
    const factors = other.kind === 'product' ? flattenProduct([other]) : [];
    if (factors.includes(leaf)) {
      // The sizes are equal, so the other factors have size 1: the leaf has channels as long as they are there.
      for (const one of factors) if (one !== leaf) this.freeze(one, { because: 'the axis is the same without it' });
      return;
    }
    leaf.alias = other;
    leaf.children = [];
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
      const reason = root.reason ?? { because: 'it is fixed' };
      return [this.fixed(at, reason), this.fixed(n - at, reason)];
    }
    if (root.kind === 'leaf') {
      const halves: [DimTerm, DimTerm] = [this.leaf(at, root.role), this.leaf(n - at, root.role)];
      root.alias = this.sum(halves);
      return halves;
    }
    return root.kind === 'sum' ? this.#splitSum(root, at) : this.#splitProduct(root, at);
  }

  #splitSum(root: DimTerm, at: number): [DimTerm, DimTerm] {
    let offset = 0;
    let i = 0;
    for (; offset + numericSize(root.children[i]) < at; i++) offset += numericSize(root.children[i]);
    const before = root.children.slice(0, i);
    const after = root.children.slice(i + 1);
    const part = root.children[i];
    if (offset + numericSize(part) === at) return [this.sum([...before, part]), this.sum(after)];
    const halves = this.split(part, at - offset);
    return [this.sum([...before, halves[0]]), this.sum([halves[1], ...after])];
  }

  /** Cuts the outer channels, and through one of them where the cut falls there: then the inner ones are cut as well. */
  #splitProduct(root: DimTerm, at: number): [DimTerm, DimTerm] {
    const [outer, ...rest] = root.children;
    const inner = this.product(rest);
    const through = at % numericSize(inner);
    const [before, behind] = this.#splitOff(outer, Math.floor(at / numericSize(inner)));
    const whole = (outers: readonly DimTerm[]): DimTerm[] => outers.map((t) => this.product([t, inner]));
    if (through === 0) return [this.sum(whole(before)), this.sum(whole(behind))];
    const [[one], after] = this.#splitOff(behind[0], 1);
    const [left, right] = this.split(inner, through);
    const [first, second] = [this.product([one, left]), this.product([one, right])];
    return [this.sum([...whole(before), first]), this.sum([second, ...whole(after)])];
  }

  /** As `split`, where either half may be empty. */
  #splitOff(t: DimTerm, at: number): [DimTerm[], DimTerm[]] {
    if (at === 0) return [[], [t]];
    if (at === numericSize(t)) return [[t], []];
    const [before, after] = this.split(t, at);
    return [[before], [after]];
  }

  /** Matches factors from the innermost on; false where their sizes do not divide. */
  #unifyProducts(a: DimTerm, b: DimTerm, where: Omit<FixedReason, 'because'>): boolean {
    const left = columnsOf(a);
    const right = columnsOf(b);
    for (let x = left.pop(), y = right.pop(); x && y; x = left.pop(), y = right.pop()) {
      const sx = sizeOf(x.main);
      const sy = sizeOf(y.main);
      if (sx === sy) {
        this.#unifyColumns(x, y, where);
        continue;
      }
      if (typeof sx !== 'number' || typeof sy !== 'number') return false;
      const [larger, smaller, rest] = sx > sy ? [x, y, left] : [y, x, right];
      const factors = this.factor(larger.main, numericSize(smaller.main), where);
      if (!factors) return false;
      rest.push({ main: factors[0], ones: larger.ones });
      this.unify(factors[1], this.#merged(smaller), where);
    }
    return true;
  }

  #unifyColumns(x: Column, y: Column, where: Omit<FixedReason, 'because'>): void {
    if (x.ones.length > 0 && y.ones.length > 0) {
      for (const one of [...x.ones, ...y.ones]) this.unify(one, x.ones[0], where);
      this.unify(x.main, y.main, where);
    } else {
      this.unify(this.#merged(x), this.#merged(y), where);
    }
  }

  #merged({ main, ones }: Column): DimTerm {
    return this.product([...ones, main]);
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

/**
 * Adds what is known of the role of a whole axis to its leaves, so that it does not matter whether an axis gets its role
 * before or after it is refined. Of channels in row-major order the innermost factor counts channels, the others groups.
 */
function giveRole(t: DimTerm, role: TermRole | undefined): void {
  const root = find(t);
  if (root.kind === 'leaf') root.role = strongerRole(root.role, role);
  if (!role) return;
  root.children.forEach((child, i) => {
    const outer = root.kind === 'product' && i < root.children.length - 1;
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
    terms.splice(0, 1, ...head.children);
  }
}

/** Factors that are not products, but for fixed ones of size 1. */
function flattenProduct(factors: readonly DimTerm[]): DimTerm[] {
  return factors.flatMap((t) => {
    const root = find(t);
    if (root.kind === 'fixed' && root.count === 1) return [];
    return root.kind === 'product' ? flattenProduct(root.children) : [root];
  });
}

/** A factor of a product, and the free factors of size 1 before it (behind it, for the last). */
interface Column {
  readonly main: DimTerm;
  readonly ones: readonly DimTerm[];
}

function columnsOf(product: DimTerm): Column[] {
  const columns: Column[] = [];
  let ones: DimTerm[] = [];
  for (const factor of flattenProduct([product])) {
    if (sizeOf(factor) === 1) {
      ones.push(factor);
    } else {
      columns.push({ main: factor, ones });
      ones = [];
    }
  }
  const last = columns.pop();
  if (last) return [...columns, { main: last.main, ones: [...last.ones, ...ones] }];
  return ones.length > 0 ? [{ main: ones[0], ones: ones.slice(1) }] : [];
}
