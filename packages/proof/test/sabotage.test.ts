/**
 * Changes made on purpose to attention and recurrent networks that were pruned right: one number of a rewritten weight,
 * one kept index, one size. The proof catches every one, also by its runs alone.
 */
import { type Change, changeIndex, changeNumber, changeSize } from '@onnx-pruning/bench';
import { createRandom, DataType, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance, type Plan } from '@onnx-pruning/pruning';
import { SessionError } from '@onnx-pruning/runtime';
import { type VerifyOptions, verify } from '../src/index.ts';

type Layers = {
  readonly b: GraphBuilder;
  readonly weights: (name: string, dims: number[]) => string;
  readonly linear: (name: string, x: string, from: number, to: number) => string;
};

function modelOf(build: (layers: Layers) => string): Model {
  const b = new GraphBuilder({ opset: 17 });
  const random = createRandom(11);
  const weights = (name: string, dims: number[]): string =>
    b.initializer(name, dims, (n) => Float32Array.from({ length: n }, () => 0.5 * random.normal()));
  const linear = (name: string, x: string, from: number, to: number): string =>
    b.node('Add', [
      b.node('MatMul', [x, weights(`${name}.weight`, [from, to])], {}, { name }),
      weights(`${name}.bias`, [to]),
    ]);
  b.output(build({ b, weights, linear }));
  return b.build();
}

/** tokens [1, 5, 6] -> embedding (8) -> attention with 2 heads of 4 -> feed-forward layer of 16 -> 3. */
const attention = (): Model =>
  modelOf(({ b, linear }) => {
    const x = linear('embed', b.input('tokens', [1, 5, 6]), 6, 8);
    const heads = (name: string, perm: number[]): string => {
      const split = b.node('Reshape', [linear(name, x, 8, 8), b.ints(`${name}.heads`, [1, 5, 2, 4])]);
      return b.node('Transpose', [split], { perm });
    };
    const scores = b.node('MatMul', [heads('query', [0, 2, 1, 3]), heads('key', [0, 2, 3, 1])]);
    const mixed = b.node('MatMul', [b.node('Softmax', [scores], { axis: -1 }), heads('value', [0, 2, 1, 3])]);
    const joined = b.node('Reshape', [
      b.node('Transpose', [mixed], { perm: [0, 2, 1, 3] }),
      b.ints('joined', [1, 5, 8]),
    ]);
    const attended = b.node('Add', [x, linear('project', joined, 8, 8)]);
    const hidden = b.node('Tanh', [linear('up', attended, 8, 16)]);
    return linear('out', linear('down', hidden, 16, 8), 8, 3);
  });

/** steps [5, 2, 6] -> linear (8) -> recurrent layer of 8 units -> linear (3). */
const recurrent = (opType: 'LSTM' | 'GRU', gates: number): Model =>
  modelOf(({ b, weights, linear }) => {
    const x = linear('embed', b.input('steps', [5, 2, 6]), 6, 8);
    const parameters = [
      weights('w', [1, 8 * gates, 8]),
      weights('r', [1, 8 * gates, 8]),
      weights('b', [1, 16 * gates]),
    ];
    const lengths = b.input('lengths', [2], DataType.INT32);
    const y = b.node(opType, [x, ...parameters, lengths], { hidden_size: 8 }, { name: 'cell', outputs: ['y'] });
    return linear('out', b.node('Squeeze', [y, b.ints('direction', [1])]), 8, 3);
  });

const NETWORKS: Record<string, () => Model> = {
  attention,
  LSTM: () => recurrent('LSTM', 4),
  GRU: () => recurrent('GRU', 3),
};
const CHANGES: Record<string, Change> = {
  'one number of one weight': changeNumber,
  'one kept index': changeIndex,
  'one size': changeSize,
};
const SEEDS = 4;

function pruned(build: () => Model): { original: Model; model: Model; plan: Plan } {
  const [original, model] = [build(), build()];
  const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio: 0.5 });
  pruner.step();
  return { original, model, plan: pruner.plan() };
}

/** `refused` where onnxruntime does not take the changed model at all. */
async function verdictOf(original: Model, model: Model, plan: Plan, options: VerifyOptions): Promise<string> {
  try {
    return (await verify(original, model, plan, options)).verdict;
  } catch (error) {
    if (error instanceof SessionError) return 'refused';
    throw error;
  }
}

describe.each(Object.entries(NETWORKS))('%s', (name, build) => {
  it('that was pruned right holds', async () => {
    const { original, model, plan } = pruned(build);
    const parts = name === 'attention' ? ['query.weight', 'up.weight'] : ['w', 'r', 'b', 'out.weight'];
    expect(Object.keys(plan.initializers)).toEqual(expect.arrayContaining(parts));
    expect(await verify(original, model, plan)).toMatchObject({ verdict: 'holds', reasons: [] });
  });

  it.each(Object.entries(CHANGES))('%s', async (_, change) => {
    const right = pruned(build);
    const uncaught: string[] = [];
    for (let seed = 0; seed < SEEDS; seed++) {
      const model = right.model.clone();
      const what = change({ ...right, model }, createRandom(seed));
      expect(what).toBeDefined();
      for (const parts of ['both', 'runs'] as const) {
        const verdict = await verdictOf(right.original, model, right.plan, { parts });
        if (verdict !== 'differs' && verdict !== 'refused') uncaught.push(`${what}: ${verdict} by ${parts}`);
      }
    }
    expect(uncaught).toEqual([]);
  });
});
