/** Layers whose equations of every weight would take too much memory are fitted by whole channels. */
import { pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { DataType, GraphBuilder, type Model, readNumbers } from '@onnx-pruning/onnx';
import { compareModels, verify } from '@onnx-pruning/proof';
import { makeValue } from '@onnx-pruning/runtime';
import { reconstruct } from '../src/index.ts';
import { batchesFor, FREE, prunedBy, random, withCopies } from './planted.ts';

const numbersOf = (model: Model, name: string): number[] =>
  Array.from(readNumbers(model.graph.initializer.find((tensor) => tensor.name === name)!));

// 6 channels: 48 x 36 bytes; every layer here has more weights than that.
const NARROW = { ...FREE, memoryLimit: 1728 } as const;

type Tail = (b: GraphBuilder, value: string) => string;
const LAYERS: Readonly<Record<string, [spatial: number[], tail: Tail]>> = {
  'a convolution with padding and strides': [
    [7, 6],
    (b, x) => b.node('Conv', [x, b.initializer('w', [4, 6, 3, 3], random(2))], { pads: [1, 1, 1, 1], strides: [2, 1] }),
  ],
  'a transposed convolution with a bias': [
    [4, 4],
    (b, x) =>
      b.node('ConvTranspose', [x, b.initializer('w', [6, 2, 3, 3], random(2)), b.initializer('b', [2], random(3))]),
  ],
  'a fully connected layer behind a Flatten': [
    [3, 3],
    (b, x) =>
      b.node(
        'Gemm',
        [b.node('Flatten', [x]), b.initializer('w', [5, 54], random(2)), b.initializer('b', [5], random(3))],
        {
          transB: 1,
          alpha: 0.5,
          beta: 1.5,
        },
      ),
  ],
};

test.each(Object.entries(LAYERS))('%s gets weights that give what the original gives', async (_, [spatial, tail]) => {
  const original = withCopies(spatial, tail);
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [3, 4, 5]);
  const { model, layers, left, plan: told } = await reconstruct(original, pruned, plan, batchesFor(original), NARROW);
  expect(left).toEqual([]);
  expect(layers).toMatchObject([{ method: 'channels', lambda: 1e-9 }]);
  expect(told.changedWeights?.w?.method).toBe('channels');
  expect((await compareModels(original, model, { batch: 3, seed: 99, tolerance: 1e-5 })).ok).toBe(true);
  expect((await verify(original, model, told)).verdict).toBe('holds');
});

test('layers that read the same channels are each fitted, one making up for the other', async () => {
  const original = withCopies([6, 6], (b, x) => {
    const one = b.node('Conv', [x, b.initializer('w', [3, 6, 3, 3], random(2))], { pads: [1, 1, 1, 1] });
    const other = b.node('Conv', [x, b.initializer('v', [3, 6, 3, 3], random(3))], { pads: [1, 1, 1, 1] });
    return b.node('Add', [one, other]);
  });
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [3, 4, 5]);
  const { model, layers } = await reconstruct(original, pruned, plan, batchesFor(original), NARROW);
  expect(layers.map(({ method }) => method)).toEqual(['channels', 'channels']);
  expect((await compareModels(original, model, { batch: 3, seed: 99, tolerance: 1e-5 })).ok).toBe(true);
});

test('a layer whose fit is worse on held-out data keeps its weights', async () => {
  // What goes is twice channel 0 in what is fitted to, and minus twice in what is measured on.
  const b = new GraphBuilder();
  const identity = Array.from({ length: 144 }, (_, i) => (i % 13 === 0 ? 1 : 0));
  const x = b.input('x', ['batch', 12, 3]);
  const hidden = b.node('Conv', [x, b.initializer('h', [12, 12, 1], identity)], {}, { name: 'hidden' });
  b.output(b.node('Conv', [hidden, b.initializer('w', [3, 12, 2], random(2)), b.initializer('b', [3], random(3))]));
  const original = b.build();
  const { pruned, plan } = prunedBy(original, 'hidden', pruneConvOutChannels, [4]);
  const options = { lambda: 1e-9, holdOut: 0.5, mixtures: 0, memoryLimit: 48 * 12 ** 2 };
  const feeds = [2, -2].map((factor, i) => {
    const numbers = random(i + 1)(96 * 3);
    for (let at = 0; at < numbers.length; at++) {
      if (Math.floor(at / 3) % 12 === 4) numbers[at] = factor * numbers[at - 12]!;
    }
    return { x: makeValue(DataType.FLOAT, [8, 12, 3], numbers) };
  });
  const { model, layers, plan: told } = await reconstruct(original, pruned, plan, feeds, options);
  expect(layers).toMatchObject([{ method: 'channels', lambda: undefined, initializers: [] }]);
  expect(layers[0]!.errorAfter).toBe(layers[0]!.errorBefore);
  expect(numbersOf(model, 'w')).toEqual(numbersOf(pruned, 'w'));
  expect(told.changedWeights).toEqual({});
});

test('of such a layer the bias alone can be chosen', async () => {
  const original = withCopies([4, 4], (b, x) =>
    b.node('Conv', [x, b.initializer('w', [4, 6, 3, 3], random(2)), b.initializer('b', [4], random(3))]),
  );
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [0, 3]);
  const options = { memoryLimit: 1728, fit: 'bias' } as const;
  const { model, layers } = await reconstruct(original, pruned, plan, batchesFor(original), options);
  expect(layers).toMatchObject([{ method: 'bias', initializers: expect.arrayContaining(['b']) }]);
  for (const { errorBefore, errorAfter } of layers) expect(errorAfter).toBeLessThan(errorBefore);
  expect(numbersOf(model, 'w')).toEqual(numbersOf(pruned, 'w'));
});

test('what a multiple contributed moves to the channel that it is a multiple of, at every position of the kernel', async () => {
  // The second channel is twice the first: (1, 2, 3) + 2 (10, 20, -30) = (21, 42, -57).
  const b = new GraphBuilder();
  const hidden = b.node(
    'Conv',
    [b.input('x', ['batch', 1, 8]), b.initializer('h', [2, 1, 1], [1, 2])],
    {},
    { name: 'hidden' },
  );
  b.output(b.node('Conv', [hidden, b.initializer('w', [1, 2, 3], [1, 2, 3, 10, 20, -30])], { pads: [1, 1] }));
  const original = b.build();
  const { pruned, plan } = prunedBy(original, 'hidden', pruneConvOutChannels, [1]);
  const options = { ...FREE, memoryLimit: 48 * 2 ** 2 };
  const { model, layers } = await reconstruct(original, pruned, plan, batchesFor(original), options);
  expect(layers).toMatchObject([{ method: 'channels' }]);
  [21, 42, -57].forEach((value, i) => {
    expect(numbersOf(model, 'w')[i]).toBeCloseTo(value, 4);
  });
});

test('with a strong pull the weights stay where they are, and only the bias moves', async () => {
  // The first of three channels is 4 everywhere: its (1, 2) times 4 goes into the bias.
  const b = new GraphBuilder();
  const head = [b.initializer('h', [3, 2, 1], [0, 0, 1, 0, 0, 1]), b.initializer('hb', [3], [4, 0, 0])];
  const hidden = b.node('Conv', [b.input('x', ['batch', 2, 6]), ...head], {}, { name: 'hidden' });
  const weights = b.initializer('w', [1, 3, 2], [1, 2, 3, 4, 5, 6]);
  b.output(b.node('Conv', [hidden, weights, b.initializer('b', [1], [0.5])]));
  const original = b.build();
  const { pruned, plan } = prunedBy(original, 'hidden', pruneConvOutChannels, [0]);
  const options = { lambda: 1e9, memoryLimit: 48 * 3 ** 2 };
  const { model, layers } = await reconstruct(original, pruned, plan, batchesFor(original), options);
  expect(layers).toMatchObject([{ method: 'channels' }]);
  [3, 4, 5, 6].forEach((value, i) => {
    expect(numbersOf(model, 'w')[i]).toBeCloseTo(value, 5);
  });
  expect(numbersOf(model, 'b')[0]).toBeCloseTo(0.5 + (1 + 2) * 4, 4);
});
