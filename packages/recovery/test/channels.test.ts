/** Layers whose equations of every weight would take too much memory are fitted by whole channels. */
import { pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { GraphBuilder, type Model, readNumbers } from '@onnx-pruning/onnx';
import { compareModels, verify } from '@onnx-pruning/proof';
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

test('a fit that is worse on held-out data is not made, and biases alone can be chosen', async () => {
  // Nothing predicts what goes, and few samples say little.
  const original = withCopies([4, 4], (b, x) =>
    b.node('Conv', [x, b.initializer('w', [4, 6, 3, 3], random(2)), b.initializer('b', [4], random(3))]),
  );
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [0, 3]);
  for (const fit of ['weights', 'bias'] as const) {
    const options = { memoryLimit: 1728, fit, lambda: [1e-6, 0.1] };
    const { model, layers } = await reconstruct(original, pruned, plan, batchesFor(original, 2, 1), options);
    expect(layers).toMatchObject([{ method: fit === 'bias' ? 'bias' : 'channels' }]);
    for (const { errorBefore, errorAfter } of layers) expect(errorAfter).toBeLessThanOrEqual(errorBefore);
    if (fit === 'bias') expect(numbersOf(model, 'w')).toEqual(numbersOf(pruned, 'w'));
  }
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
