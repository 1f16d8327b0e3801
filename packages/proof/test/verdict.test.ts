/**
 * The proof does not pass vacuously: pruned models that were ruined where no output shows it are found out, and runs that
 * cannot show anything are called inconclusive.
 */
import {
  DependencyGraph,
  pruneConvOutChannels,
  pruneEmbeddingOutChannels,
  pruneLinearOutChannels,
} from '@onnx-pruning/depgraph';
import {
  createRandom,
  DataType,
  GraphBuilder,
  type Model,
  makeTensor,
  readNumbers,
  tensorDims,
} from '@onnx-pruning/onnx';
import type { EquationContext, OperatorRecord } from '@onnx-pruning/ops';
import { standardOperators } from '@onnx-pruning/ops';
import { createPlan, type Plan } from '@onnx-pruning/pruning';
import { makeValue } from '@onnx-pruning/runtime';
import { assertVerified, InconclusiveError, verify, WeightError } from '../src/index.ts';

type Tail = (b: GraphBuilder, value: string) => string;

/** x [1, 3, 4, 4] -> Conv c1 (8) -> Relu -> Conv c2 (4) -> what `tail` adds -> y. */
function network(tail: Tail = (_, value) => value, scale = 1): Model {
  const b = new GraphBuilder({ opset: 17 });
  const random = createRandom(3);
  const conv = (name: string, x: string, from: number, to: number): string =>
    b.node(
      'Conv',
      [
        x,
        b.initializer(`${name}.w`, [to, from, 1, 1], (n) =>
          Float32Array.from({ length: n }, () => scale * random.normal()),
        ),
      ],
      {},
      { name },
    );
  const c1 = conv('c1', b.input('x', [1, 3, 4, 4]), 3, 8);
  b.output(tail(b, conv('c2', b.node('Relu', [c1]), 8, 4)), [1, 4, 4, 4]);
  return b.build();
}

function prunedBy(
  model: Model,
  layer = 'c1',
  prune: typeof pruneConvOutChannels = pruneConvOutChannels,
): { model: Model; plan: Plan } {
  const graph = new DependencyGraph().buildDependency(model);
  graph.getPruningGroup(layer, prune, [1, 6]).prune();
  return { model, plan: createPlan(graph) };
}

/** Changes one element of one initializer. */
function ruin(model: Model, name: string, element = 0): void {
  const at = model.graph.initializer.findIndex((tensor) => tensor.name === name);
  const before = model.graph.initializer[at]!;
  const numbers = Float32Array.from(readNumbers(before));
  numbers[element] = numbers[element]! + 1;
  model.graph.initializer[at] = makeTensor(name, DataType.FLOAT, tensorDims(before), numbers);
}

const constant = (b: GraphBuilder, value: number): string =>
  b.initializer(`k${value}`, [], () => Float32Array.of(value));
const TAILS: Record<string, Tail> = {
  'a dead Relu': (b, v) => b.node('Relu', [b.node('Sub', [v, constant(b, 1000)])]),
  'a saturated Sigmoid': (b, v) => b.node('Sigmoid', [b.node('Add', [v, constant(b, 1000)])]),
  'not a number': (b, v) => b.node('Sqrt', [b.node('Sub', [v, constant(b, 1000)])]),
};

describe.each(Object.entries(TAILS))('behind %s', (_, tail) => {
  it('a right model holds, since the values in front agree', async () => {
    const { model, plan } = prunedBy(network(tail));
    expect(await verify(network(tail), model, plan)).toMatchObject({ verdict: 'holds', reasons: [], ok: true });
  });

  it.each(['file', 'runs'] as const)('a ruined weight is found out by the %s alone', async (parts) => {
    const { model, plan } = prunedBy(network(tail));
    ruin(model, 'c2.w');
    const { verdict, reasons } = await verify(network(tail), model, plan, { parts });
    expect(verdict).toBe('differs');
    if (parts === 'file')
      expect(reasons[0]).toMatch(/^initializer 'c2.w': element 0 of \[4, 6, 1, 1\]: expected .*, found/);
  });
});

/** ids [1, 4] -> Gather of 50 rows of 8 -> MatMul -> y. */
function embedding(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const random = createRandom(4);
  const weights = (name: string, dims: number[]): string =>
    b.initializer(name, dims, (n) => Float32Array.from({ length: n }, () => random.normal()));
  const rows = b.node(
    'Gather',
    [weights('table', [50, 8]), b.input('ids', [1, 4], DataType.INT64)],
    {},
    { name: 'emb' },
  );
  b.output(b.node('MatMul', [rows, weights('w', [8, 3])], {}, { name: 'fc' }), [1, 4, 3]);
  return b.build();
}

it('rows of a table that no input draws are compared, too', async () => {
  const { model, plan } = prunedBy(embedding(), 'emb', pruneEmbeddingOutChannels);
  for (let row = 2; row < 50; row++) ruin(model, 'table', 6 * row);
  expect((await verify(embedding(), model, plan)).verdict).toBe('differs');
  // Eight ids out of 50 rows, of which 48 are wrong: the runs see it as well.
  expect((await verify(embedding(), model, plan, { parts: 'runs' })).verdict).toBe('differs');
});

describe('runs that show nothing', () => {
  it('are inconclusive where the weights see nothing but zeros', async () => {
    const dead = (): Model => {
      const b = new GraphBuilder({ opset: 17 });
      const ones = (name: string, dims: number[]): string =>
        b.initializer(name, dims, (n) => new Float32Array(n).fill(1));
      const zero = b.node('Mul', [b.input('x', [1, 3, 4, 4]), constant(b, 0)]);
      const c1 = b.node('Conv', [zero, ones('c1.w', [8, 3, 1, 1])], {}, { name: 'c1' });
      b.output(b.node('Conv', [c1, ones('c2.w', [4, 8, 1, 1])], {}, { name: 'c2' }), [1, 4, 4, 4]);
      return b.build();
    };
    const { model, plan } = prunedBy(dead());
    const verification = await verify(dead(), model, plan);
    expect(verification).toMatchObject({ verdict: 'inconclusive', ok: false });
    expect(verification.reasons).toContainEqual(expect.stringContaining("the weights 'c1.w' were not put to the test"));
    expect(() => assertVerified(verification)).toThrow(InconclusiveError);
  });

  it('are inconclusive where all the inputs that were given are the same', async () => {
    const { model, plan } = prunedBy(network());
    const x = makeValue(DataType.FLOAT, [1, 3, 4, 4], new Float32Array(48).fill(1));
    expect(await verify(network(), model, plan, { feeds: [{ x }, { x }] })).toMatchObject({ verdict: 'inconclusive' });
  });
});

describe('real inputs of a model that does not run on random ones', () => {
  // |ids| - 1000 is a row of a table of five; what a model allows in front of Abs is not worked out.
  const picky = (): Model =>
    network((b, v) => {
      const id = b.node('Abs', [b.input('ids', [1], DataType.INT64)]);
      const row = b.node('Sub', [id, b.ints('first', [1000])]);
      const table = b.initializer('table', [5], () => Float32Array.of(1, 2, 3, 4, 5));
      return b.node('Add', [v, b.node('Gather', [table, row])]);
    });
  const set = (seed: number, id: number) => ({
    x: makeValue(
      DataType.FLOAT,
      [1, 3, 4, 4],
      Float32Array.from({ length: 48 }, (_, i) => Math.sin(i + seed)),
    ),
    ids: makeValue(DataType.INT64, [1], [id]),
  });

  it('holds on two sets, and one set alone is inconclusive', async () => {
    const { model, plan } = prunedBy(picky());
    await expect(verify(picky(), model, plan)).rejects.toThrow('indices element out of data bounds');
    expect(await verify(picky(), model, plan, { feeds: [set(1, 1001), set(2, 1004)] })).toMatchObject({
      verdict: 'holds',
      notes: [],
    });
    expect(await verify(picky(), model, plan, { feeds: set(1, 1001) })).toMatchObject({
      verdict: 'inconclusive',
      notes: ['the model does not run on random values of x [1, 3, 4, 4], ids [1]: not compared there'],
    });
  });

  it('hide no ruined weight', async () => {
    const { model, plan } = prunedBy(picky());
    ruin(model, 'c2.w');
    const feeds = [set(1, 1001), set(2, 1004)];
    expect((await verify(picky(), model, plan, { feeds, parts: 'runs' })).verdict).toBe('differs');
  });
});

it('real inputs that are alone in their sizes get a random draw beside them, and sets of equal sizes none', async () => {
  const wide = (dims: (number | string)[]): Model => {
    const b = new GraphBuilder({ opset: 17 });
    const w = (name: string, shape: number[]): string =>
      b.initializer(name, shape, (n) => Float32Array.from({ length: n }, (_, i) => Math.cos(i)));
    const c1 = b.node('Conv', [b.input('x', dims), w('c1.w', [8, 3, 1, 1])], {}, { name: 'c1' });
    b.output(b.node('Conv', [c1, w('c2.w', [4, 8, 1, 1])], {}, { name: 'c2' }), [1, 4, 'h', 'w']);
    return b.build();
  };
  const set = (size: number, seed: number) => ({
    x: makeValue(
      DataType.FLOAT,
      [1, 3, size, size],
      Float32Array.from({ length: 3 * size ** 2 }, (_, i) => i + seed),
    ),
  });
  const build = (): Model => wide([1, 3, 'h', 'w']);
  const { model, plan } = prunedBy(build());
  const runsOf = async (...feeds: ReturnType<typeof set>[]) => {
    const { verdict, runs } = await verify(build(), model, plan, { feeds });
    expect(verdict).toBe('holds');
    return runs.map(({ x }) => x!.at(-1));
  };
  expect(await runsOf(set(2, 0))).toEqual([2, 2]);
  expect(await runsOf(set(2, 0), set(4, 0))).toEqual([2, 4, 2]);
  expect(await runsOf(set(2, 0), set(4, 0), set(2, 5))).toEqual([2, 4, 2]);
});

it('a mistake of the equations is found by the runs: an operator that mixes channels, called elementwise', async () => {
  // Reverses the channels, and is said to leave them in place.
  const build = (): Model =>
    network((b, v) => {
      const flipped = b.node('Gather', [v, b.ints('order', [3, 2, 1, 0])], { axis: 1 });
      return b.node(
        'Conv',
        [flipped, b.initializer('c3.w', [4, 4, 1, 1], (n) => Float32Array.from({ length: n }, (_, i) => Math.sin(i)))],
        {},
        { name: 'c3' },
      );
    });
  const gather = standardOperators.find(({ opType }) => opType === 'Gather')!;
  const wrong: OperatorRecord = {
    ...gather,
    opsets: [13, gather.opsets[1]],
    equations(ctx: EquationContext) {
      for (const [axis, term] of ctx.in(0).entries()) ctx.equal(term, ctx.out(0)[axis]!);
      for (const term of ctx.in(1)) ctx.equal(term, ctx.out(0)[1]!);
    },
    resize: (ctx) => ctx.replaceConstant(1, [1, 0], [2]),
  };
  const customizedOperators = [wrong];
  const model = build();
  const graph = new DependencyGraph().buildDependency(model, { customizedOperators });
  graph.getPruningGroup('c2', pruneConvOutChannels, [0, 1]).prune();
  const verified = { customizedOperators };
  expect((await verify(build(), model, createPlan(graph), { ...verified, parts: 'file' })).verdict).toBe('holds');
  expect((await verify(build(), model, createPlan(graph), verified)).verdict).toBe('differs');
});

describe('noise is the same on both sides', () => {
  const NOISE: Record<string, (b: GraphBuilder, value: string) => string> = {
    RandomNormalLike: (b, v) => b.node('Add', [v, b.node('RandomNormalLike', [v])]),
    Bernoulli: (b, v) => b.node('Mul', [v, b.node('Bernoulli', [b.node('Sigmoid', [v])])]),
    'Dropout that trains': (b, v) => {
      const training = b.initializer('training', [], () => Uint8Array.of(1), DataType.BOOL);
      const inputs = [v, constant(b, 0.5), training];
      return b.nodeOutputs('Dropout', inputs, {}, { outputs: ['kept', 'mask'] })[0]!;
    },
  };
  /** x [1, 3, 4, 4] -> c1 (8) -> noise -> c2 (4) -> y, with noise as wide as c1 or as c2. */
  const noisy = (noise: (b: GraphBuilder, value: string) => string, behind: 'c1' | 'c2'): Model => {
    const b = new GraphBuilder({ opset: 17 });
    const random = createRandom(3);
    const conv = (name: string, x: string, from: number, to: number): string => {
      const weight = b.initializer(`${name}.w`, [to, from, 1, 1], (n) =>
        Float32Array.from({ length: n }, () => random.normal()),
      );
      const y = b.node('Conv', [x, weight], {}, { name });
      return behind === name ? noise(b, y) : y;
    };
    b.output(conv('c2', conv('c1', b.input('x', [1, 3, 4, 4]), 3, 8), 8, 4), [1, 4, 4, 4]);
    return b.build();
  };

  // What a Dropout drops stays with its channel; other noise is drawn in order, and keeps the channels that it is added to.
  it.each([
    ['RandomNormalLike', 'c2'],
    ['Bernoulli', 'c2'],
    ['Dropout that trains', 'c2'],
    ['Dropout that trains', 'c1'],
  ] as const)('%s behind %s', async (name, behind) => {
    const noise = NOISE[name]!;
    const model = noisy(noise, behind);
    const graph = new DependencyGraph().buildDependency(model);
    graph.getPruningGroup('c1', pruneConvOutChannels, [1, 6]).prune();
    const plan = createPlan(graph);
    expect(await verify(noisy(noise, behind), model, plan)).toMatchObject({ verdict: 'holds', reasons: [] });
    for (const weight of ['c1.w', 'c2.w']) {
      const ruined = model.clone();
      ruin(ruined, weight);
      expect((await verify(noisy(noise, behind), ruined, plan, { parts: 'runs' })).verdict).toBe('differs');
    }
  });
});

it('values behind an operator that the engine does not know are compared, though it knows no type of them', async () => {
  const build = (): Model => {
    const b = new GraphBuilder({ opset: 17, opsets: { 'com.microsoft': 1 } });
    const inverse = b.node('Inverse', [b.input('x', [1, 3, 4, 4])], {}, { domain: 'com.microsoft' });
    const image = b.node('Reshape', [inverse, b.ints('shape', [1, 3, 4, 4])]);
    const weights = (name: string, dims: number[]): string =>
      b.initializer(name, dims, (n) => Float32Array.from({ length: n }, (_, i) => Math.sin(i)));
    const c1 = b.node('Relu', [b.node('Conv', [image, weights('c1.w', [8, 3, 1, 1])], {}, { name: 'c1' })]);
    b.output(b.node('Conv', [c1, weights('c2.w', [4, 8, 1, 1])], {}, { name: 'c2' }), [1, 4, 4, 4]);
    return b.build();
  };
  const { model, plan } = prunedBy(build());
  const right = await verify(build(), model, plan);
  expect(right).toMatchObject({ verdict: 'holds', reasons: [] });
  // Between output and input: the convolved and the rectified value.
  expect(right.intermediates.length).toBeGreaterThanOrEqual(2);
  ruin(model, 'c2.w');
  expect((await verify(build(), model, plan, { parts: 'runs' })).verdict).toBe('differs');
});

describe('token ids of which two mean padding, so that these two alone give the same output always', () => {
  /** ids [1, 12] -> 30 rows of 16 -> MatMul -> Relu -> MatMul -> a softmax over the tokens that are no padding. */
  const scores = (): Model => {
    const b = new GraphBuilder({ opset: 17 });
    const random = createRandom(6);
    const weights = (name: string, dims: number[]): string =>
      b.initializer(name, dims, (n) => Float32Array.from({ length: n }, () => random.normal()));
    const ids = b.input('ids', [1, 12], DataType.INT64);
    const rows = b.node('Gather', [weights('table', [30, 16]), ids]);
    const hidden = b.node('Relu', [b.node('MatMul', [rows, weights('w1', [16, 8])], {}, { name: 'fc1' })]);
    const score = b.node('MatMul', [hidden, weights('w2', [8, 1])], {}, { name: 'fc2' });
    const isPadding = b.node('Less', [ids, b.initializer('two', [], [2], DataType.INT64)]);
    const masked = b.node('Where', [isPadding, constant(b, -1e9), b.node('Squeeze', [score, b.ints('last', [2])])]);
    b.output(b.node('Softmax', [masked], { axis: -1 }), [1, 12]);
    return b.build();
  };

  it('are drawn from all rows, and put all weights to the test', async () => {
    const { model, plan } = prunedBy(scores(), 'fc1', pruneLinearOutChannels);
    expect(await verify(scores(), model, plan)).toMatchObject({ verdict: 'holds', reasons: [] });
    for (const name of ['w1', 'w2']) {
      const ruined = model.clone();
      ruin(ruined, name);
      const { verdict, outputs } = await verify(scores(), ruined, plan, { parts: 'runs' });
      expect([verdict, outputs[0]!.ok]).toEqual(['differs', false]);
    }
  });
});

it('a weight that is no number is named, and is no mistake of the engine', async () => {
  const broken = network(undefined, Number.NaN);
  const { model, plan } = prunedBy(network());
  const { fingerprint: _, ...unmarked } = plan;
  const verified = verify(broken, model, unmarked);
  await expect(verified).rejects.toThrow(WeightError);
  await expect(verified).rejects.toThrow(/'c1\.w'/);
});
