/** Statistics of BatchNormalization, taken again: what they are, which nodes keep theirs, and what `verify` says of it. */
import { pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { constantTensors, encodeModel, GraphBuilder, type Model, readNumbers } from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import { makeValue, type TensorValues } from '@onnx-pruning/runtime';
import { RecoveryError, recalibrateBatchNorm } from '../src/index.ts';
import { batchesFor, prunedBy, random } from './planted.ts';

const numbers = (model: Model, name: string): number[] =>
  Array.from(readNumbers(constantTensors(model.graph).get(name)!));

/** Two samples of two numbers each: 1, 3 and 5, 7. Mean 4, variance (9 + 1 + 1 + 9) / 4 = 5. */
const feeds: TensorValues[] = [makeValue(1, [1, 1, 2], [1, 3]), makeValue(1, [1, 1, 2], [5, 7])].map((x) => ({ x }));

/**
 * x -> Conv `head` [x, 2x] -> Conv `mix` a + b, 10 a -> BatchNormalization `bn` -> Conv `next`, 3 times the first channel
 * -> BatchNormalization `last`.
 * Without channel b: a and 10 a, with means 4 and 40, variances 5 and 500.
 */
function twoNormalizations(): Model {
  const b = new GraphBuilder();
  const x = b.input('x', ['batch', 1, 2]);
  const normalized = (name: string, value: string, parts: readonly number[][]): string => {
    const [scale, bias, mean, variance] = parts.map((of, i) => b.initializer(`${name}.${i}`, [of.length], of));
    return b.node('BatchNormalization', [value, scale!, bias!, mean!, variance!], { epsilon: 1e-12 }, { name });
  };
  const head = b.node('Conv', [x, b.initializer('w0', [2, 1, 1], [1, 2])], {}, { name: 'head' });
  const mix = b.node('Conv', [head, b.initializer('w1', [2, 2, 1], [1, 1, 10, 0])], {}, { name: 'mix' });
  const parts = [
    [2, 1],
    [1, 0],
    [12, 40],
    [45, 500],
  ];
  const bn = normalized('bn', mix, parts);
  const next = b.node('Conv', [bn, b.initializer('w2', [1, 2, 1], [3, 0])], {}, { name: 'next' });
  b.output(normalized('last', next, [[1], [0], [0], [1]]));
  return b.build();
}

test('are those of what the pruned model feeds each node, the new statistics of earlier nodes included', async () => {
  const original = twoNormalizations();
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [1]);
  const { model, layers, left } = await recalibrateBatchNorm(original, pruned, plan, feeds);
  expect(numbers(model, 'bn.2')).toEqual([4, 40]);
  expect(numbers(model, 'bn.3')).toEqual([5, 500]);
  // bn gives 2 (a - 4) / sqrt 5 + 1, of mean 1 and variance 4; next gives three times that.
  expect(numbers(model, 'last.2')[0]).toBeCloseTo(3, 5);
  expect(numbers(model, 'last.3')[0]).toBeCloseTo(36, 4);
  expect(left).toEqual([]);
  // From 12 to 4 by standard deviations of sqrt 45, and not at all: the root of half of 64 / 45.
  expect(layers[0]).toMatchObject({ layer: 'bn', initializers: ['bn.2', 'bn.3'] });
  expect(layers[0]!.shift).toBeCloseTo(Math.sqrt(64 / 45 / 2), 6);
  // A third and one: their geometric mean.
  expect(layers[0]!.spread).toBeCloseTo(Math.sqrt(1 / 3), 6);
});

test('leave the structure as it was: it is proven, and the plan names what was changed', async () => {
  const original = twoNormalizations();
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [1]);
  const { model, plan: told } = await recalibrateBatchNorm(original, pruned, plan, feeds);
  expect(told.changedWeights).toMatchObject({ 'bn.2': { method: 'bn' }, 'last.3': { method: 'bn' } });
  expect((await verify(original, model, told)).verdict).toBe('holds');
  expect((await verify(original, model, plan)).verdict).toBe('differs');
});

test('stay where nothing in front has changed, and what is given stays in any case', async () => {
  const b = new GraphBuilder();
  const x = b.input('x', ['batch', 3, 4, 4]);
  const statistics = (name: string, size: number): string[] =>
    ['scale', 'bias', 'mean'].map((of, i) => b.initializer(`${name}.${of}`, [size], random(i)(size)));
  const variance = (name: string, size: number): string =>
    b.initializer(`${name}.var`, [size], random(9)(size).map(Math.abs));
  const early = b.node('BatchNormalization', [x, ...statistics('early', 3), variance('early', 3)]);
  const head = b.node('Conv', [early, b.initializer('w0', [4, 3, 1, 1], random(4))], {}, { name: 'head' });
  const next = b.node('Conv', [head, b.initializer('w1', [2, 4, 1, 1], random(5))]);
  b.output(b.node('BatchNormalization', [next, ...statistics('late', 2), variance('late', 2)]));
  const original = b.build();
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [0, 2]);
  const before = [original, pruned].map((model) => encodeModel(model));
  const { model, layers } = await recalibrateBatchNorm(original, pruned, plan, batchesFor(original));
  expect(layers.flatMap(({ initializers }) => initializers)).toEqual(['late.mean', 'late.var']);
  expect(numbers(model, 'early.mean')).toEqual(numbers(original, 'early.mean'));
  expect([original, pruned].map((one) => encodeModel(one))).toEqual(before);
});

test('are taken where scale and bias are copies of other constants, as exporters share equal tensors', async () => {
  const b = new GraphBuilder();
  const head = b.node(
    'Conv',
    [b.input('x', ['batch', 1, 2]), b.initializer('w0', [2, 1, 1], [1, 2])],
    {},
    { name: 'head' },
  );
  const mix = b.node('Conv', [head, b.initializer('w1', [1, 2, 1], [1, 1])]);
  const [zero, mean, variance] = [0, 12, 45].map((value, i) => b.initializer(`n${i}`, [1], [value]));
  const copy = (): string => b.node('Identity', [zero!]);
  b.output(b.node('BatchNormalization', [mix, copy(), copy(), mean!, variance!]));
  const original = b.build();
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [1]);
  const { model } = await recalibrateBatchNorm(original, pruned, plan, feeds);
  expect(['n0', 'n1', 'n2'].map((name) => numbers(model, name)[0])).toEqual([0, 4, 5]);
});

test('stay where two nodes share them, which is said', async () => {
  const b = new GraphBuilder();
  const x = b.input('x', ['batch', 1, 2]);
  const [scale, bias, mean, variance] = [1, 0, 2, 1].map((value, i) => b.initializer(`n${i}`, [1], [value]));
  let value = b.node('Conv', [x, b.initializer('w0', [2, 1, 1], [1, 2])], {}, { name: 'head' });
  value = b.node('Conv', [value, b.initializer('w1', [1, 2, 1], [1, 1])]);
  for (const name of ['one', 'two']) {
    value = b.node('BatchNormalization', [value, scale!, bias!, mean!, variance!], {}, { name });
  }
  b.output(value);
  const original = b.build();
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [1]);
  const { layers, left, plan: told } = await recalibrateBatchNorm(original, pruned, plan, feeds);
  expect(layers).toEqual([]);
  const reason = 'its statistics are shared with another node';
  expect(left).toEqual([
    { layer: 'one', reason },
    { layer: 'two', reason },
  ]);
  expect(told.changedWeights).toEqual({});
});

describe('nothing comes of', () => {
  const original = twoNormalizations();
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [1]);
  test.each<[string, TensorValues[], RegExp]>([
    ['no samples', [], /too little data.*at least one batch/s],
    ['samples that are all the same', [{ x: makeValue(1, [2, 1, 2], [1, 1, 1, 1]) }], /all samples are the same/],
    ['samples with a NaN', [{ x: makeValue(1, [1, 1, 2], [1, Number.NaN]) }], /batch 0 holds a number.*not finite/],
  ])('%s', async (_, data, message) => {
    const run = recalibrateBatchNorm(original, pruned, plan, data);
    await expect(run).rejects.toThrow(RecoveryError);
    await expect(run).rejects.toThrow(message);
  });

  test('another pruned model than the plan makes', async () => {
    const run = recalibrateBatchNorm(original, original, plan, feeds);
    await expect(run).rejects.toThrow(/not what the plan makes of the original/);
  });

  test('a signal that was aborted', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(recalibrateBatchNorm(original, pruned, plan, feeds, { signal })).rejects.toThrow('enough');
  });
});
