/**
 * Attention over channels with several heads (XCiT, Restormer): the map of the attention is queries x keys of channels, and
 * the heads may keep different ones. Weights are such that they want to.
 */
import { createRandom, DataType, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import { BasePruner, GroupMagnitudeImportance, type Plan, type StepSummary } from '../src/index.ts';

const [HEADS, CHANNELS, SIZE] = [2, 6, 4];
const WIDTH = HEADS * CHANNELS;

interface Variant {
  readonly softmax?: boolean;
  /** What is done to the queries, of shape [1, heads, channels, positions]. */
  readonly queries?: (b: GraphBuilder, q: string) => string;
  /** What is done to the map of the attention, of shape [1, heads, channels, channels]. */
  readonly map?: (b: GraphBuilder, map: string) => string;
}

/** Channels of the second head are as important as those of the first in reverse order. */
function attention({ softmax = true, queries = (_, q) => q, map = (_, m) => m }: Variant): Model {
  const b = new GraphBuilder();
  const random = createRandom(3);
  const x = b.input('x', [1, 3, SIZE, SIZE]);
  const importance = (channel: number): number => (channel < CHANNELS ? 1 + channel : WIDTH - channel);
  const weight = (name: string, shape: number[], scale: (row: number) => number): string =>
    b.initializer(name, shape, (n) => {
      const row = n / shape[0];
      return Float32Array.from(
        { length: n },
        (_, i) => (scale(Math.floor(i / row)) * (random.next() < 0.5 ? -1 : 1)) / 8,
      );
    });
  const heads = b.ints('heads', [1, HEADS, -1, SIZE * SIZE]);
  const [q, k, v] = ['q', 'k', 'v'].map((name) =>
    b.node('Reshape', [b.node('Conv', [x, weight(`${name}.weight`, [WIDTH, 3, 1, 1], importance)]), heads]),
  );
  const scores = b.node('MatMul', [queries(b, q), b.node('Transpose', [k], { perm: [0, 1, 3, 2] })]);
  const attended = map(b, softmax ? b.node('Softmax', [scores], { axis: -1 }) : scores);
  const mixed = b.node('Reshape', [b.node('MatMul', [attended, v]), b.ints('image', [1, -1, SIZE, SIZE])]);
  b.output(b.node('Conv', [mixed, weight('out.weight', [3, WIDTH, 1, 1], () => 1)]));
  return b.build();
}

function prune(model: Model): { summary: StepSummary; plan: Plan; pruned: Model } {
  const pruned = model.clone();
  const importance = new GroupMagnitudeImportance({ groupReduction: 'first' });
  const pruner = new BasePruner(pruned, { importance, pruningRatio: 0.5 });
  const summary = pruner.step();
  return { summary, plan: pruner.plan(), pruned };
}

/** Channels that the queries keep, head by head. */
function queryChannels({ initializers }: Plan): number[][] {
  const rows = initializers['q.weight'].kept[0];
  return [rows.filter((row) => row < CHANNELS), rows.filter((row) => row >= CHANNELS).map((row) => row - CHANNELS)];
}

describe('channel attention with heads', () => {
  it.each<[string, Variant]>([
    ['over a softmax', {}],
    ['without a softmax', { softmax: false }],
    ['with queries in another precision for a moment', { queries: (b, q) => castTwice(b, q) }],
    [
      'with a constant of its own for every query and key',
      {
        softmax: false,
        map: (b, m) =>
          b.node('Add', [
            m,
            b.initializer('bias', [HEADS, CHANNELS, CHANNELS], (n) =>
              Float32Array.from({ length: n }, (_, i) => i / n),
            ),
          ]),
      },
    ],
  ])('%s: heads keep channels of their own, and the result is proven', async (_, variant) => {
    const model = attention(variant);
    const { summary, plan, pruned } = prune(model);
    expect(summary.skipped).toEqual([]);
    // The largest three of 1..6 in the first head, of 6..1 in the second.
    expect(queryChannels(plan)).toEqual([
      [3, 4, 5],
      [0, 1, 2],
    ]);
    expect((await verify(model, pruned, plan)).verdict).toBe('holds');
  });

  it('keeps the same channels in every head where a node on the way cannot tell heads apart', async () => {
    // All channels, as exporters write x[:, :, 0:6]: the end of the slice is a number of channels.
    const slice = (b: GraphBuilder, q: string): string => {
      const bounds = [0, CHANNELS, 2].map((n, i) => b.ints(`slice${i}`, [n]));
      return b.node('Slice', [q, ...bounds]);
    };
    const model = attention({ queries: slice });
    const { summary, plan, pruned } = prune(model);
    expect(summary.skipped).toEqual([]);
    const [first, second] = queryChannels(plan);
    expect(first).toHaveLength(CHANNELS / 2);
    expect(second).toEqual(first);
    expect((await verify(model, pruned, plan)).verdict).toBe('holds');
  });

  it('is proven where training-mode dropout draws noise over heads that keep different channels', async () => {
    const model = attention({
      queries: (b, q) => {
        const ratio = b.initializer('ratio', [], [0.25]);
        const training = b.initializer('training', [], [1], DataType.BOOL);
        return b.node('Dropout', [q, ratio, training], { seed: 1 });
      },
    });
    const { plan, pruned } = prune(model);
    expect(queryChannels(plan)[0]).not.toEqual(queryChannels(plan)[1]);
    expect((await verify(model, pruned, plan)).verdict).toBe('holds');
  });
});

function castTwice(b: GraphBuilder, value: string): string {
  return b.node('Cast', [b.node('Cast', [value], { to: DataType.DOUBLE })], { to: DataType.FLOAT });
}
