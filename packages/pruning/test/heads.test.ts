/** Attention heads: found in the graph, pruned whole or inside, and never half. */
import { DependencyGraph, LayerError, pruneLinearOutChannels, pruneParameterOutChannels } from '@onnx-pruning/depgraph';
import { createRandom, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import { BasePruner, GroupMagnitudeImportance, OptionError, type PrunerOptions } from '../src/index.ts';

const FEATURES = 12;
const HEAD_DIM = 6;

interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  /** Scale of the value weights of each query head, so that their order of importance is known. */
  readonly scales?: readonly number[];
}

/** Self-attention over 5 tokens: q, k, v, softmax(q k^T) v, projection. */
function attention({ heads, kvHeads, scales = [] }: Shape): Model {
  const random = createRandom(7);
  const b = new GraphBuilder({ opset: 17 });
  const normal =
    (scale: (i: number) => number) =>
    (n: number): Float32Array =>
      Float32Array.from({ length: n }, (_, i) => random.normal() * 0.3 * scale(i));
  const linear = (name: string, x: string, inner: number, out: number, scale = (_: number): number => 1): string =>
    b.node(
      'MatMul',
      [
        x,
        b.initializer(
          `${name}.weight`,
          [inner, out],
          normal((i) => scale(i % out)),
        ),
      ],
      {},
      { name },
    );
  const split = (x: string, count: number): string =>
    b.node('Transpose', [b.node('Reshape', [x, b.ints(`${x}_heads`, [0, 0, count, HEAD_DIM])])], {
      perm: [0, 2, 1, 3],
    });
  const repeat = (x: string): string => {
    if (heads === kvHeads) return x;
    const spread = b.node('Expand', [
      b.node('Unsqueeze', [x, b.ints(`${x}_axis`, [2])]),
      b.ints(`${x}_repeat`, [1, kvHeads, heads / kvHeads, 5, HEAD_DIM]),
    ]);
    return b.node('Reshape', [spread, b.ints(`${x}_all`, [0, heads, 5, HEAD_DIM])]);
  };
  const x = b.input('x', [1, 5, FEATURES]);
  const q = split(
    linear('q', x, FEATURES, heads * HEAD_DIM, (c) => scales[Math.floor(c / HEAD_DIM)] ?? 1),
    heads,
  );
  const k = repeat(split(linear('k', x, FEATURES, kvHeads * HEAD_DIM), kvHeads));
  const v = repeat(split(linear('v', x, FEATURES, kvHeads * HEAD_DIM), kvHeads));
  const scores = b.node('Softmax', [b.node('MatMul', [q, b.node('Transpose', [k], { perm: [0, 1, 3, 2] })])], {
    axis: -1,
  });
  const mixed = b.node('Transpose', [b.node('MatMul', [scores, v])], { perm: [0, 2, 1, 3] });
  const joined = b.node('Reshape', [mixed, b.ints('joined', [0, 0, -1])]);
  b.output(linear('proj', joined, heads * HEAD_DIM, FEATURES));
  return b.build();
}

function prune(shape: Shape, options: Partial<PrunerOptions>): { model: Model; pruner: BasePruner } {
  const model = attention(shape);
  const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), ...options });
  pruner.step();
  return { model, pruner };
}

const plain: Shape = { heads: 4, kvHeads: 4, scales: [1, 0.1, 1, 0.2] };
const grouped: Shape = { heads: 4, kvHeads: 2 };

describe('heads', () => {
  it('are found in the graph', () => {
    const graph = new DependencyGraph().buildDependency(attention(plain));
    expect([...graph.numHeads()].sort()).toEqual([
      ['k', 4],
      ['q', 4],
      ['v', 4],
    ]);
  });

  it('of grouped-query attention are two dimensions: key-value heads, and query heads of each', () => {
    const graph = new DependencyGraph().buildDependency(attention(grouped));
    expect([...graph.numHeads()].sort()).toEqual([
      ['k', 2],
      ['q', 4],
      ['v', 2],
    ]);
  });

  it('stay as they are by default: channels inside go, equally many from every head', async () => {
    const { model, pruner } = prune(plain, { pruningRatio: 0.5 });
    const { graph } = pruner;
    expect(['q', 'k', 'v'].map((name) => graph.channelsOf(name, 'out'))).toEqual([12, 12, 12]);
    expect([...graph.numHeads().values()]).toEqual([4, 4, 4]);
    expect(await verify(attention(plain), model, pruner.plan())).toMatchObject({ ok: true });
  });

  it('keep the same channels inside with groupSelection same', async () => {
    const { model, pruner } = prune(plain, { pruningRatio: 0.5, groupSelection: 'same' });
    expect([...pruner.graph.numHeads()].sort()).toEqual([
      ['k', 4],
      ['q', 4],
      ['v', 4],
    ]);
    const kept = pruner.plan().groups.find((group) => group.members.some((member) => member.layer === 'q'))!.kept;
    const local = [0, 1, 2, 3].map((head) =>
      kept.filter((c) => Math.floor(c / HEAD_DIM) === head).map((c) => c % HEAD_DIM),
    );
    expect(local).toEqual([local[0], local[0], local[0], local[0]]);
    expect(await verify(attention(plain), model, pruner.plan())).toMatchObject({ ok: true });
  });

  it('go whole with pruneNumHeads, the least important first', async () => {
    const { model, pruner } = prune(plain, { pruneNumHeads: true, headPruningRatio: 0.5, pruneHeadDims: false });
    expect([...pruner.graph.numHeads()].sort()).toEqual([
      ['k', 2],
      ['q', 2],
      ['v', 2],
    ]);
    // Query weights of heads 1 and 3 are a tenth and a fifth of the others.
    const heads = (first: number, second: number): number[] =>
      [first, second].flatMap((head) => Array.from({ length: HEAD_DIM }, (_, d) => head * HEAD_DIM + d));
    expect(pruner.plan().initializers['q.weight'].kept).toEqual({ '1': heads(0, 2) });
    expect(await verify(attention(plain), model, pruner.plan())).toMatchObject({ ok: true });
  });

  it('and the channels inside them can go together', async () => {
    const { model, pruner } = prune(plain, { pruneNumHeads: true, headPruningRatio: 0.25, pruningRatio: 0.5 });
    expect([...pruner.graph.numHeads()].sort()).toEqual([
      ['k', 3],
      ['q', 3],
      ['v', 3],
    ]);
    expect(pruner.graph.channelsOf('q', 'out')).toBe(9);
    expect(await verify(attention(plain), model, pruner.plan())).toMatchObject({ ok: true });
  });

  it('take their ratio from headPruningRatioDict', () => {
    const { pruner } = prune(plain, { pruneNumHeads: true, headPruningRatioDict: { q: 0.75 }, pruneHeadDims: false });
    expect(pruner.graph.numHeads().get('q')).toBe(1);
  });

  it.each([
    // Query heads and key-value heads before, share to remove, and what is left: the share is cut once.
    [4, 2, 0.5, 2, 1],
    [8, 4, 0.5, 4, 2],
    [8, 4, 0.25, 6, 3],
    [12, 4, 0.75, 3, 1],
    // One key-value head for all queries: the queries go by themselves.
    [8, 1, 0.5, 4, 1],
  ])(
    'of grouped-query attention, %d with %d key-value heads at %d: %d and %d are left',
    async (heads, kvHeads, ratio, q, kv) => {
      const shape: Shape = { heads, kvHeads };
      const { model, pruner } = prune(shape, { pruneNumHeads: true, headPruningRatio: ratio, pruneHeadDims: false });
      const left = pruner.graph.numHeads();
      expect([left.get('q'), left.get('k') ?? 1, left.get('v') ?? 1]).toEqual([q, kv, kv]);
      expect(await verify(attention(shape), model, pruner.plan())).toMatchObject({ ok: true });
    },
  );

  it('are replayed from a history', () => {
    const { pruner } = prune(plain, { pruneNumHeads: true, headPruningRatio: 0.5, pruneHeadDims: false });
    const replayed = new DependencyGraph().buildDependency(attention(plain));
    replayed.loadPruningHistory(pruner.pruningHistory());
    expect([...replayed.numHeads()]).toEqual([...pruner.graph.numHeads()]);
  });

  it('stay when their layers are ignored', () => {
    const { pruner } = prune(plain, { pruneNumHeads: true, headPruningRatio: 0.5, ignoredLayers: ['k'] });
    expect(pruner.graph.numHeads().get('q')).toBe(4);
  });
});

describe('numHeads', () => {
  it('states heads that the graph does not show: units are then the same channel of every head', () => {
    const b = new GraphBuilder();
    const weights = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => 1 + (i % 5));
    const x = b.input('x', [1, 4]);
    const y = b.node('MatMul', [x, b.initializer('fc1.weight', [4, 6], weights)]);
    b.output(b.node('MatMul', [y, b.initializer('fc2.weight', [6, 2], weights)]));
    const graph = new DependencyGraph().buildDependency(b.build(), { numHeads: { fc1: 3 } });
    expect([...graph.getPruningGroup('fc1', pruneLinearOutChannels, [1]).idxs]).toEqual([1, 3, 5]);
    expect([...graph.getPruningGroup('fc1', pruneLinearOutChannels, [2, 3]).idxs]).toEqual([2, 3]);
  });

  it('that does not divide the channels is refused', () => {
    expect(() => new DependencyGraph().buildDependency(attention(plain), { numHeads: { q: 5 } })).toThrow(LayerError);
    expect(() => new DependencyGraph().buildDependency(attention(plain), { numHeads: { q: 5 } })).toThrow(
      /a divisor of 24, found 5/,
    );
  });
});

describe('wrong head options', () => {
  it.each([
    [{ headPruningRatio: 1 }, /headPruningRatio.*\[0, 1\), found 1/],
    [{ headPruningRatioDict: { q: -1 } }, /headPruningRatioDict.*found -1/],
    [
      { pruneNumHeads: true, groupSelection: 'independent' as const },
      /groupSelection.*one of same, found 'independent'/,
    ],
  ])('%j', (options, message) => {
    expect(() => prune(plain, options)).toThrow(OptionError);
    expect(() => prune(plain, options)).toThrow(message);
  });
});

describe('unwrappedParameters', () => {
  const withEmbedding = (): Model => {
    const b = new GraphBuilder();
    const weights = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => 1 + (i % 5));
    const y = b.node('MatMul', [b.input('x', [1, 3, 4]), b.initializer('fc1.weight', [4, 6], weights)]);
    const z = b.node('Add', [y, b.initializer('position', [1, 3, 6], weights)]);
    b.output(b.node('MatMul', [z, b.initializer('fc2.weight', [6, 2], weights)]));
    return b.build();
  };

  it('are layers under their own names', () => {
    const graph = new DependencyGraph().buildDependency(withEmbedding(), {
      unwrappedParameters: [{ name: 'position', axis: 2 }],
    });
    const group = graph.getPruningGroup('position', pruneParameterOutChannels, [1, 4]);
    expect(group.items.map(({ axis }) => `${axis.layer.name} ${axis.side}`)).toEqual(
      expect.arrayContaining(['position out', 'fc1 out', 'fc2 in']),
    );
    group.prune();
    expect(graph.channelsOf('position', 'out')).toBe(4);
  });

  it('that do not exist are refused', () => {
    const build =
      (axis: number, name = 'position') =>
      () =>
        new DependencyGraph().buildDependency(withEmbedding(), { unwrappedParameters: [{ name, axis }] });
    expect(build(3)).toThrow(/unwrappedParameters.*'position', axis 3.*3 axes/);
    expect(build(0, 'nowhere')).toThrow(/no such initializer/);
  });
});
