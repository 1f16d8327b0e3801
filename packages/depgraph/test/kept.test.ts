/** From channels of leaves to indices along an axis, and back. */
import fc from 'fast-check';
import {
  type DimTerm,
  forEachCell,
  KeptIndices,
  type Leaf,
  leavesOf,
  numericSize,
  TermUniverse,
} from '../src/index.ts';

// A fixed seed: a failure is a failure everywhere.
fc.configureGlobal({ seed: 2024 });

const u = new TermUniverse();
const keeping = (kept: ReadonlyMap<Leaf, readonly number[]>): KeptIndices =>
  new KeptIndices({
    size: numericSize,
    kept: (leaf) => (kept.has(leaf) ? Int32Array.from(kept.get(leaf)!) : undefined),
  });
const list = (indices: Int32Array | undefined): number[] | undefined => indices && Array.from(indices);

describe('kept indices', () => {
  it('of a leaf are its own', () => {
    const leaf = u.leaf(5);
    expect(list(keeping(new Map([[leaf, [0, 3]]])).of(leaf))).toEqual([0, 3]);
    expect(keeping(new Map()).of(leaf)).toBeUndefined();
  });

  it('of a sum are those of its parts, shifted', () => {
    const [a, b, c] = [u.leaf(4), u.leaf(2), u.leaf(3)];
    const kept = keeping(
      new Map([
        [a, [1]],
        [c, [0, 2]],
      ]),
    );
    expect(list(kept.of(u.sum([a, b, c])))).toEqual([1, 4, 5, 6, 8]);
  });

  it('of a product are all combinations, the last factor fastest', () => {
    const [a, b] = [u.leaf(3), u.leaf(4)];
    const kept = keeping(
      new Map([
        [a, [0, 2]],
        [b, [1, 3]],
      ]),
    );
    // 4 * {0, 2} + {1, 3}
    expect(list(kept.of(u.product([a, b])))).toEqual([1, 3, 9, 11]);
  });

  it('of channels merged with places keep all places of a channel together', () => {
    const channels = u.leaf(3);
    const term = u.product([channels, u.fixed(4, { because: 'spatial' })]);
    expect(list(keeping(new Map([[channels, [1]]])).of(term))).toEqual([4, 5, 6, 7]);
  });

  it('of an axis that holds a leaf twice lose it twice', () => {
    const leaf = u.leaf(3);
    expect(list(keeping(new Map([[leaf, [0, 2]]])).of(u.sum([leaf, leaf])))).toEqual([0, 2, 3, 5]);
  });

  it('of something fixed are all', () => {
    expect(keeping(new Map()).of(u.fixed(7, { because: 'batch' }))).toBeUndefined();
  });
});

/** A tree of leaves of 1 to 4 channels. */
type Tree = number | { readonly kind: 'sum' | 'product'; readonly parts: readonly Tree[] };

const trees: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree; leaf: Tree; node: Tree }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3 }, tie('leaf'), tie('node')),
  leaf: fc.integer({ min: 1, max: 4 }),
  node: fc.record({
    kind: fc.constantFrom('sum' as const, 'product' as const),
    parts: fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
  }),
})).tree;

function build(universe: TermUniverse, tree: Tree): DimTerm {
  if (typeof tree === 'number') return universe.leaf(tree);
  const parts = tree.parts.map((part) => build(universe, part));
  return tree.kind === 'sum' ? universe.sum(parts) : universe.product(parts);
}

/** Channels by index: a map from every index to the cells that it lies in. */
function cellsByIndex(term: DimTerm): Map<number, [Leaf, number][]> {
  const cells = new Map<number, [Leaf, number][]>();
  forEachCell(term, new Set(leavesOf(term)), (leaf, channel, index) => {
    cells.set(index, [...(cells.get(index) ?? []), [leaf, channel]]);
  });
  return cells;
}

describe('for random terms', () => {
  const choices = fc.array(fc.nat(15), { minLength: 6, maxLength: 6 });

  it('an index is kept exactly when all channels are that it lies in', () => {
    fc.assert(
      fc.property(trees, choices, (tree, numbers) => {
        const term = build(new TermUniverse(), tree);
        const stays = new Map(
          leavesOf(term).map((leaf, i) => {
            const all = Array.from({ length: numericSize(leaf) }, (_, channel) => channel);
            return [leaf, all.filter((channel) => (numbers[i % numbers.length] >> channel) & 1)] as const;
          }),
        );
        const cells = cellsByIndex(term);
        const expected = Array.from({ length: numericSize(term) }, (_, index) => index).filter((index) =>
          (cells.get(index) ?? []).every(([leaf, channel]) => stays.get(leaf)!.includes(channel)),
        );
        const kept = keeping(stays).of(term);
        expect(list(kept) ?? expected).toEqual(expected);
      }),
    );
  });

  it('kept and removed indices partition the axis, in ascending order', () => {
    fc.assert(
      fc.property(trees, choices, (tree, numbers) => {
        const term = build(new TermUniverse(), tree);
        const [leaf] = leavesOf(term);
        fc.pre(leaf !== undefined);
        const all = Array.from({ length: numericSize(leaf) }, (_, channel) => channel);
        const stay = all.filter((channel) => (numbers[0] >> channel) & 1);
        const kept = list(keeping(new Map([[leaf, stay]])).of(term))!;
        const removed = new Set<number>();
        forEachCell(term, new Set([leaf]), (_, channel, index) => {
          if (!stay.includes(channel)) removed.add(index);
        });
        const both = [...kept, ...removed].sort((a, b) => a - b);
        expect(both).toEqual(Array.from({ length: numericSize(term) }, (_, index) => index));
        expect(kept).toEqual([...kept].sort((a, b) => a - b));
      }),
    );
  });

  it('map then inverse is identity: the indices of a channel lie in that channel and no other of its leaf', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const term = build(new TermUniverse(), tree);
        for (const leaf of leavesOf(term)) {
          const channelOf = new Map<number, number>();
          forEachCell(term, new Set([leaf]), (_, channel, index) => {
            expect(channelOf.get(index) ?? channel).toBe(channel);
            channelOf.set(index, channel);
          });
          const found = new Set(channelOf.values());
          expect([...found].sort((a, b) => a - b)).toEqual(Array.from({ length: numericSize(leaf) }, (_, c) => c));
        }
      }),
    );
  });
});
