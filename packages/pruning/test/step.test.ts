/** What a step does, says and leaves alone: groups that cannot be pruned, units of several channels, multiples. */
import { DependencyGraph, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { encodeModel, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { noLayer, noMacs, noOverhead, nothing, type OperatorRecord } from '@onnx-pruning/ops';
import { verify } from '@onnx-pruning/proof';
import { BasePruner, GroupMagnitudeImportance, type PrunerOptions } from '../src/index.ts';
import { chain, convOf } from './networks.ts';

const importance = new GroupMagnitudeImportance({ p: 1, normalizer: null });
const rising = (rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, (_, i) => new Array<number>(columns).fill(i + 1));

function prunerOf(model: Model, options: Partial<PrunerOptions> = {}): BasePruner {
  return new BasePruner(model, { importance, ...options });
}

/** x -> Stubborn -> y, of a record that contradicts itself: its axes may change, but its output has four features. */
const stubborn: OperatorRecord = {
  domain: 'com.acme',
  opType: 'Stubborn',
  opsets: [1, 1],
  infer: ({ inputs: [x] }) => [{ elemType: x!.elemType, dims: x!.dims!.with(1, 4) }],
  equations: (ctx) => {
    for (const [axis, term] of ctx.in(0).entries()) ctx.equal(term, ctx.out(0)[axis]);
  },
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** x -> a (6) -> b (4) -> Stubborn -> c (8) -> d (2). */
function withStubbornNode(): Model {
  const b = new GraphBuilder({ opset: 17, opsets: { 'com.acme': 1 } });
  const first = convOf(b, 'a', b.input('x', [1, 3, 2, 2]), rising(6, 3));
  const second = b.node(
    'Stubborn',
    [convOf(b, 'b', first, rising(4, 6))],
    {},
    { name: 'stubborn', domain: 'com.acme' },
  );
  b.output(convOf(b, 'd', convOf(b, 'c', second, rising(8, 4)), rising(2, 8)));
  return b.build();
}

describe('a step', () => {
  it('returns what it did', () => {
    const summary = prunerOf(chain(), { pruningRatio: 0.5 }).step();
    expect(summary).toEqual({
      groups: [
        { root: 'c', side: 'out', channels: 4, removed: 2 },
        { root: 'b', side: 'out', channels: 8, removed: 4 },
        { root: 'a', side: 'out', channels: 8, removed: 4 },
      ],
      channels: 10,
      skipped: [],
    });
  });

  it('leaves out a group that cannot be rewritten, with the reason, and prunes the others', () => {
    const model = withStubbornNode();
    const pruner = prunerOf(model, { pruningRatio: 0.5, customizedOperators: [stubborn] });
    const { groups, channels, skipped } = pruner.step();
    expect(groups.map(({ root, removed }) => [root, removed])).toEqual([
      ['c', 4],
      ['a', 3],
    ]);
    expect(channels).toBe(7);
    expect(skipped).toEqual([
      { root: 'b', side: 'out', reason: expect.stringMatching(/'stubborn'.*Ignore the layers/) },
    ]);
    expect(['a', 'b', 'c'].map((layer) => pruner.graph.channelsOf(layer, 'out'))).toEqual([3, 4, 4]);
    // What is said to have happened is what happened: a replay gives the same bytes.
    const replayed = withStubbornNode();
    const graph = new DependencyGraph().buildDependency(replayed, { customizedOperators: [stubborn] });
    graph.loadPruningHistory(pruner.pruningHistory());
    expect(Buffer.compare(encodeModel(replayed), encodeModel(model))).toBe(0);
  });

  it('that fails leaves pruner and model as they were', () => {
    const model = chain();
    const before = encodeModel(model);
    let broken = true;
    const moody: PrunerOptions['importance'] = (group) => {
      if (broken && group.root.layer.name === 'a') throw new Error('no scores today');
      return importance.score(group);
    };
    const pruner = prunerOf(model, { importance: moody, pruningRatio: 0.5, iterativeSteps: 2 });
    expect(() => pruner.step()).toThrow('no scores today');
    expect(pruner.currentStep).toBe(0);
    expect(pruner.pruningHistory()).toEqual([]);
    expect(Buffer.compare(encodeModel(model), before)).toBe(0);
    broken = false;
    // 8 channels, a quarter of them in the first of two steps.
    expect(pruner.step().groups.find(({ root }) => root === 'a')?.removed).toBe(2);
  });

  it('keeps the one channel that an output of a split needs, and removes others instead', async () => {
    const b = new GraphBuilder({ opset: 13 });
    const a = convOf(b, 'a', b.input('x', [1, 2, 2, 2]), rising(8, 2));
    const [one, seven] = b.nodeOutputs(
      'Split',
      [a, b.ints('sizes', [1, 7])],
      { axis: 1 },
      { name: 'split', outputs: 2 },
    );
    b.output(convOf(b, 'left', one, rising(2, 1)));
    b.output(convOf(b, 'right', seven, rising(2, 7)));
    const model = b.build();
    const original = model.clone();
    const pruner = prunerOf(model, { pruningRatio: 0.5, importance: { score: (group) => group.idxs } });
    // Channel 0 is the least important one, but the left output has no other.
    expect(pruner.step().groups).toEqual([{ root: 'a', side: 'out', channels: 8, removed: 4 }]);
    expect(pruner.plan().groups[0].kept).toEqual([0, 5, 6, 7]);
    expect((await verify(original, model, pruner.plan())).ok).toBe(true);
  });
});

/**
 * x (2) -> a -> P(a) + a -> b, where P swaps and turns channels: 0 stays, 1 and 2 change places, 3, 4 and 5 go round.
 * What is added couples the channels of a cycle.
 */
function withPermutation(): Model {
  const b = new GraphBuilder({ opset: 13 });
  const a = convOf(b, 'a', b.input('x', [1, 2, 2, 2]), rising(6, 2));
  const moved = b.node('Gather', [a, b.ints('permutation', [0, 2, 1, 4, 5, 3])], { axis: 1 });
  b.output(convOf(b, 'b', b.node('Add', [a, moved]), rising(2, 6)));
  return b.build();
}

describe('cycles of a permutation go as a whole, and only where they fit', () => {
  it.each([
    [0.2, [0]], // two channels may go: the cheapest is alone, and the next cycle has two
    [0.5, [0, 1, 2]],
    [0.7, [0, 1, 2]], // five may go: the cycle of three does not fit beside the other two
    [0.9, [0, 1, 2]],
  ])('at %d', async (pruningRatio, gone) => {
    const model = withPermutation();
    const original = model.clone();
    const pruner = prunerOf(model, { pruningRatio });
    const { channels } = pruner.step();
    expect(channels).toBe(gone.length);
    expect(channels).toBeLessThanOrEqual(Math.ceil(6 * pruningRatio));
    expect(pruner.plan().groups[0].kept).toEqual([0, 1, 2, 3, 4, 5].filter((channel) => !gone.includes(channel)));
    expect((await verify(original, model, pruner.plan())).ok).toBe(true);
  });
});

/** x (4) -> a (32) -> grouped (32 in `groups` groups) -> b (2). */
function grouped(groups: number): Model {
  const b = new GraphBuilder({ opset: 13 });
  const a = convOf(b, 'a', b.input('x', [1, 4, 2, 2]), rising(32, 4));
  b.initializer('grouped.weight', [32, 32 / groups, 1, 1], rising(32, 32 / groups).flat());
  const middle = b.node('Conv', [a, 'grouped.weight'], { group: groups }, { name: 'grouped' });
  b.output(convOf(b, 'b', middle, rising(2, 32)));
  return b.build();
}

describe('roundTo counts the channels of the layer', () => {
  it.each([
    // Groups, multiple, channels left of 32 at a ratio of 0.6 (13 without rounding, in whole groups).
    [8, 8, 8], // 8 groups of 4: one channel of each is a multiple already
    [2, 8, 8], // 2 groups of 16: 12 are left without it, 8 is the multiple below
    [4, 16, 16],
    [16, 8, 16], // 16 groups of 2: one of each must stay
  ])('%d groups, multiples of %d leave %d channels', async (groups, roundTo, left) => {
    const model = grouped(groups);
    const original = model.clone();
    const pruner = prunerOf(model, { pruningRatio: 0.6, roundTo });
    pruner.step();
    expect(['a', 'grouped'].map((layer) => pruner.graph.channelsOf(layer, 'out'))).toEqual([left, left]);
    expect((await verify(original, model, pruner.plan())).ok).toBe(true);
  });

  it('says where no multiple fits', () => {
    const { groups, skipped } = prunerOf(chain(), { pruningRatio: 0.5, roundTo: 16 }).step();
    expect(groups).toEqual([]);
    expect(skipped).toEqual([
      { root: 'c', side: 'out', reason: 'no multiple of 16 fits below its 4 channels' },
      { root: 'b', side: 'out', reason: 'no multiple of 16 fits below its 8 channels' },
      { root: 'a', side: 'out', reason: 'no multiple of 16 fits below its 8 channels' },
    ]);
  });
});

it('buildDependency again starts a new history', () => {
  const graph = new DependencyGraph().buildDependency(chain());
  graph.getPruningGroup('a', pruneConvOutChannels, [0]).prune();
  expect(graph.pruningHistory()).toHaveLength(1);
  expect(graph.buildDependency(chain()).pruningHistory()).toEqual([]);
});
