/** The laws of dim terms, one by one: what becomes of two terms that are made equal. */
import {
  childrenOf,
  type DimTerm,
  find,
  fixedReasons,
  leavesOf,
  numericSize,
  printTerm,
  TermUniverse,
} from '../src/index.ts';

const WHERE = { node: 'here', operator: 'Test' };

/** Sizes instead of numbered leaves: `4`, `=7` where fixed, `3 + 1` for a sum, `2 x 8` for a product. */
function shape(t: DimTerm): string {
  const root = find(t);
  if (root.kind === 'leaf') return `${root.count}`;
  if (root.kind === 'fixed') return `=${root.count}`;
  const parts = childrenOf(root).map((child) => (childrenOf(child).length > 0 ? `(${shape(child)})` : shape(child)));
  return parts.join(root.kind === 'sum' ? ' + ' : ' x ');
}

const reasons = (t: DimTerm): string[] => [...fixedReasons(t)].map(({ because }) => because);

const roleOf = (t: DimTerm): unknown => leavesOf(t)[0].role;

let u: TermUniverse;
beforeEach(() => {
  u = new TermUniverse();
});

describe('a leaf', () => {
  it('becomes whatever it meets', () => {
    for (const other of [u.leaf(6), u.sum([u.leaf(2), u.leaf(4)]), u.product([u.leaf(2), u.leaf(3)])]) {
      const leaf = u.leaf(6);
      u.unify(leaf, other, WHERE);
      expect(find(leaf)).toBe(find(other));
    }
  });

  it('that meets a fixed dimension is fixed, and so is everything that it was equal to', () => {
    const [a, b] = [u.leaf(4), u.leaf(4)];
    u.unify(a, b, WHERE);
    u.unify(b, u.fixed(4, { because: 'it is the batch' }), WHERE);
    expect([shape(a), shape(b)]).toEqual(['=4', '=4']);
    expect(reasons(a)).toEqual(['it is the batch']);
  });

  it('that has another size is given up together with the other, and the reason says where', () => {
    const [a, b] = [u.leaf(4), u.leaf(6)];
    u.unify(a, b, WHERE);
    expect([shape(a), shape(b)]).toEqual(['=4', '=6']);
    expect([...fixedReasons(a)]).toEqual([{ because: 'axes of 4 and 6 channels meet', ...WHERE }]);
    expect(reasons(b)).toEqual(reasons(a));
  });
});

describe('Sum = Sum', () => {
  it('cuts at the union of the cut points', () => {
    const [a, b, c, d] = [u.leaf(3), u.leaf(5), u.leaf(4), u.leaf(4)];
    const [left, right] = [u.sum([a, b]), u.sum([c, d])];
    u.unify(left, right, WHERE);
    // Cuts at 3 | 4: a is 3, b is 1 + 4, c is 3 + 1, d is 4.
    expect([a, b, c, d].map(shape)).toEqual(['3', '1 + 4', '3 + 1', '4']);
    expect(leavesOf(left)).toEqual(leavesOf(right));
    expect(leavesOf(left).map(numericSize)).toEqual([3, 1, 4]);
  });

  it('of the same parts in another order makes the parts equal, piece by piece', () => {
    // (a, b) = (b, a) with 2 and 4 channels shifts by 2 channels: all three pieces of 2 are the same.
    const [a, b] = [u.leaf(2), u.leaf(4)];
    u.unify(u.sum([a, b]), u.sum([b, a]), WHERE);
    expect(leavesOf(b)).toEqual([find(a)]);
    expect(shape(b)).toBe('2 + 2');
  });

  it('fixes only the part that meets something fixed', () => {
    const whole = u.leaf(6);
    const free = u.leaf(4);
    u.unify(whole, u.sum([u.fixed(2, { because: 'padding' }), free]), WHERE);
    expect(shape(whole)).toBe('=2 + 4');
    expect(leavesOf(whole)).toEqual([find(free)]);
  });

  it('of nested sums is the same as of flat ones', () => {
    const [a, b, c] = [u.leaf(1), u.leaf(2), u.leaf(3)];
    const whole = u.leaf(6);
    u.unify(u.sum([a, u.sum([b, c])]), u.sum([u.sum([a, b]), c]), WHERE);
    u.unify(whole, u.sum([u.sum([a, b]), c]), WHERE);
    expect(leavesOf(whole)).toEqual([a, b, c].map(find));
  });

  it('has no empty parts, and one part is itself', () => {
    const leaf = u.leaf(3);
    expect(u.sum([u.leaf(0), leaf])).toBe(leaf);
  });
});

describe('Product = Product', () => {
  it('matches factors from the innermost on', () => {
    const [heads, size] = [u.leaf(4), u.leaf(8)];
    const [groups, inner] = [u.leaf(4), u.leaf(8)];
    u.unify(u.product([heads, size]), u.product([groups, inner]), WHERE);
    expect(find(heads)).toBe(find(groups));
    expect(find(size)).toBe(find(inner));
  });

  it('splits a factor where the sizes divide', () => {
    // 2 x 12 = 8 x 3: 12 is 4 x 3 and 8 is 2 x 4.
    const [a, b, c, d] = [u.leaf(2), u.leaf(12), u.leaf(8), u.leaf(3)];
    const [left, right] = [u.product([a, b]), u.product([c, d])];
    u.unify(left, right, WHERE);
    expect([a, b, c, d].map(shape)).toEqual(['2', '4 x 3', '2 x 4', '3']);
    expect(leavesOf(left)).toEqual(leavesOf(right));
  });

  it('gives up both sides where the sizes do not divide', () => {
    const [left, right] = [u.product([u.leaf(3), u.leaf(4)]), u.product([u.leaf(2), u.leaf(6)])];
    u.unify(left, right, WHERE);
    expect([...leavesOf(left), ...leavesOf(right)]).toEqual([]);
    expect([...fixedReasons(left)]).toEqual([{ because: 'the axes factor in ways that do not match', ...WHERE }]);
  });

  it('carries symbolic factors along', () => {
    const [c, channels] = [u.leaf(8), u.leaf(8)];
    const places = u.fixed('h*w', { because: 'the size is only known at run time' });
    u.unify(u.product([c, places]), u.product([channels, places]), WHERE);
    expect(find(c)).toBe(find(channels));
    expect(u.product([c, places]).size).toBe('8*h*w');
  });

  it('is flat, and a factor of one channel vanishes but has to stay', () => {
    const [a, b, c, one] = [u.leaf(2), u.leaf(3), u.leaf(5), u.leaf(1)];
    const product = u.product([u.product([a, b]), one, c]);
    expect(childrenOf(product)).toEqual([a, b, c]);
    expect(shape(one)).toBe('=1');
  });
});

describe('Sum = Product', () => {
  it('cuts the outer factor where whole blocks fall into the parts', () => {
    // C x 4 places = 8 + 12 columns: 2 and 3 channels.
    const [channels, first, second] = [u.leaf(5), u.leaf(8), u.leaf(12)];
    const places = u.fixed(4, { because: 'spatial' });
    u.unify(u.product([channels, places]), u.sum([first, second]), WHERE);
    expect(shape(channels)).toBe('2 + 3');
    expect([shape(first), shape(second)]).toEqual(['2 x =4', '3 x =4']);
    expect(leavesOf(channels)).toEqual([...leavesOf(first), ...leavesOf(second)]);
  });

  it('of a fixed number of copies makes every part a copy', () => {
    const copy = u.leaf(4);
    const parts = [u.leaf(4), u.leaf(4), u.leaf(4)];
    u.unify(u.product([u.fixed(3, { because: 'tiled' }), copy]), u.sum(parts), WHERE);
    expect(parts.map(find)).toEqual([copy, copy, copy].map(find));
  });

  it('distributes: a sum of channels times places is the sum of the channels times places', () => {
    const [a, b] = [u.leaf(2), u.leaf(3)];
    const places = u.fixed(4, { because: 'spatial' });
    const [first, second] = [u.leaf(8), u.leaf(12)];
    u.unify(u.product([u.sum([a, b]), places]), u.sum([first, second]), WHERE);
    expect([leavesOf(first), leavesOf(second)]).toEqual([[find(a)], [find(b)]]);
  });

  it('cuts the inner channels where a cut goes through a group, and that group has to stay', () => {
    // 3 groups of 4 channels, cut at 5: through the second group, behind its first channel.
    const [groups, inner] = [u.leaf(3, 'group'), u.leaf(4, 'channel')];
    const [first, second] = [u.leaf(5), u.leaf(7)];
    u.unify(u.product([groups, inner]), u.sum([first, second]), WHERE);
    expect(shape(inner)).toBe('1 + 3');
    expect(fixedReasons(groups).size).toBeGreaterThan(0);
    const [one, three] = leavesOf(inner);
    expect(new Set(leavesOf(first))).toEqual(new Set([one, three]));
    expect(new Set(leavesOf(second))).toEqual(new Set([one, three]));
  });
});

describe('Fixed', () => {
  it('reaches every leaf of what it meets', () => {
    const [a, b, c] = [u.leaf(2), u.leaf(3), u.leaf(4)];
    u.unify(u.product([u.sum([a, b]), c]), u.fixed(20, { because: 'it is an output' }), WHERE);
    expect([a, b, c].flatMap(reasons)).toEqual(['it is an output', 'it is an output', 'it is an output']);
  });

  it('keeps the first reason that it was given', () => {
    const a = u.leaf(2);
    u.freeze(a, { because: 'first' });
    u.freeze(a, { because: 'second' });
    expect(reasons(a)).toEqual(['first']);
  });
});

describe('roles', () => {
  it('do not depend on whether an axis is refined before or after it gets its role', () => {
    const roles = (order: 'before' | 'after'): unknown[] => {
      const [axis, outer, inner, channels] = [u.leaf(8), u.leaf(2), u.leaf(4), u.leaf(8, 'channel')];
      const refine = (): void => u.unify(axis, u.product([outer, inner]), WHERE);
      if (order === 'before') refine();
      u.unify(axis, channels, WHERE);
      if (order === 'after') refine();
      return [outer, inner].map(roleOf);
    };
    expect(roles('before')).toEqual(['group', 'channel']);
    expect(roles('after')).toEqual(roles('before'));
  });

  it('of a number of groups is outweighed by that of channels', () => {
    const groups = u.leaf(4, 'group');
    u.unify(groups, u.leaf(4, 'channel'), WHERE);
    expect(roleOf(groups)).toBe('channel');
  });
});

describe('printTerm', () => {
  it('shows structure, leaves with their sizes, and what is fixed', () => {
    const term = u.sum([u.leaf(3), u.product([u.leaf(4), u.fixed(49, { because: 'spatial' })])]);
    expect(printTerm(term)).toMatchInlineSnapshot(`"Sum(#0(3), Product(#1(4), Fixed 49))"`);
  });
});
