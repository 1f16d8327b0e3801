/**
 * `reconstruct` finds the right weights wherever they exist: the channels that go can be computed from those that stay, so
 * that the refitted model gives what the original gives, in onnxruntime and to the last digits; or as arithmetic says.
 */
import { pruneConvOutChannels, pruneLinearOutChannels } from '@onnx-pruning/depgraph';
import { GraphBuilder, type Model, readNumbers } from '@onnx-pruning/onnx';
import { compareModels } from '@onnx-pruning/proof';
import { makeValue } from '@onnx-pruning/runtime';
import { reconstruct } from '../src/index.ts';
import { batchesFor, FREE, prunedBy, random, withCopies } from './planted.ts';

const initializer = (model: Model, name: string): number[] =>
  Array.from(readNumbers(model.graph.initializer.find((tensor) => tensor.name === name)!));

type Tail = (b: GraphBuilder, value: string) => string;

/** A consumer of the six channels, or several behind each other. */
const CONSUMERS: Readonly<Record<string, { spatial: number[]; tail: Tail }>> = {
  'a convolution of an image': {
    spatial: [5, 6],
    tail: (b, x) =>
      b.node('Conv', [x, b.initializer('w', [4, 6, 3, 3], random(2)), b.initializer('b', [4], random(3))]),
  },
  'a convolution with strides, dilations and uneven padding': {
    spatial: [9, 8],
    tail: (b, x) =>
      b.node('Conv', [x, b.initializer('w', [4, 6, 3, 2], random(2))], {
        strides: [2, 1],
        dilations: [1, 2],
        pads: [0, 1, 2, 1],
      }),
  },
  'a convolution that pads by itself': {
    spatial: [7, 7],
    tail: (b, x) =>
      b.node('Conv', [x, b.initializer('w', [4, 6, 3, 3], random(2))], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
  },
  'a convolution of a signal': {
    spatial: [11],
    tail: (b, x) => b.node('Conv', [x, b.initializer('w', [4, 6, 5], random(2))], { pads: [2, 2] }),
  },
  'a convolution of a volume': {
    spatial: [3, 4, 4],
    tail: (b, x) => b.node('Conv', [x, b.initializer('w', [2, 6, 2, 3, 3], random(2))]),
  },
  'a transposed convolution': {
    spatial: [4, 5],
    tail: (b, x) =>
      b.node('ConvTranspose', [x, b.initializer('w', [6, 3, 3, 3], random(2)), b.initializer('b', [3], random(3))], {
        strides: [2, 2],
        pads: [1, 1, 0, 1],
        output_padding: [1, 0],
      }),
  },
  'a fully connected layer behind a Flatten': {
    spatial: [2, 2],
    tail: (b, x) =>
      b.node(
        'Gemm',
        [b.node('Flatten', [x]), b.initializer('w', [5, 24], random(2)), b.initializer('b', [5], random(3))],
        {
          transB: 1,
        },
      ),
  },
  'a fully connected layer with factors': {
    spatial: [1, 1],
    tail: (b, x) =>
      b.node(
        'Gemm',
        [b.node('Flatten', [x]), b.initializer('w', [6, 5], random(2)), b.initializer('b', [5], random(3))],
        {
          alpha: 0.5,
          beta: 1.5,
        },
      ),
  },
  'a MatMul with an Add behind it': {
    spatial: [3, 3],
    tail: (b, x) => {
      const last = b.node('Transpose', [x], { perm: [0, 2, 3, 1] });
      return b.node('Add', [
        b.node('MatMul', [last, b.initializer('w', [6, 4], random(2))]),
        b.initializer('b', [4], random(3)),
      ]);
    },
  },
  'a MatMul alone': {
    spatial: [3, 3],
    tail: (b, x) =>
      b.node('MatMul', [b.node('Transpose', [x], { perm: [0, 2, 3, 1] }), b.initializer('w', [6, 4], random(2))]),
  },
  'a convolution with a BatchNormalization behind it': {
    spatial: [5, 5],
    tail: (b, x) => {
      const y = b.node('Conv', [x, b.initializer('w', [4, 6, 3, 3], random(2))]);
      const positive = (size: number) => random(4)(size).map((value) => 0.5 + Math.abs(value));
      const parts = [
        b.initializer('scale', [4], random(5)),
        b.initializer('shift', [4], random(6)),
        b.initializer('mean', [4], random(7)),
      ];
      return b.node('BatchNormalization', [y, ...parts, b.initializer('var', [4], positive)]);
    },
  },
  'channels at several depths behind a depthwise convolution': {
    spatial: [6, 6],
    tail: (b, x) => {
      // The same kernel for a channel and its multiple, so that the multiple stays one.
      const kernels = random(8)(27);
      const depthwise = b.initializer('d', [6, 1, 3, 3], Float32Array.from([...kernels, ...kernels]));
      const y = b.node('Relu', [b.node('Conv', [x, depthwise], { group: 6 }, { name: 'depthwise' })]);
      return b.node('Conv', [y, b.initializer('w', [4, 6, 1, 1], random(2))]);
    },
  },
  'a Concat with what is not pruned': {
    spatial: [4, 4],
    tail: (b, x) => {
      const joined = b.node('Concat', [x, 'x'], { axis: 1 });
      return b.node('Conv', [joined, b.initializer('w', [4, 8, 3, 3], random(2))]);
    },
  },
};

describe('weights that give exactly what the original gives are found for', () => {
  test.each(Object.entries(CONSUMERS))('%s', async (_, { spatial, tail }) => {
    const original = withCopies(spatial, tail);
    const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [3, 4, 5]);
    const { model, layers, left } = await reconstruct(original, pruned, plan, batchesFor(original), FREE);

    const unseen = { batch: 3, seed: 99 };
    expect((await compareModels(original, pruned, unseen)).outputs[0]!.maxRel).toBeGreaterThan(0.01);
    expect((await compareModels(original, model, { ...unseen, tolerance: 1e-5 })).outputs[0]!.reason).toBeUndefined();
    expect(left).toEqual([]);
    expect(layers.length).toBeGreaterThan(0);
    for (const { errorBefore, errorAfter } of layers) expect(errorAfter).toBeLessThan(errorBefore);
  });
});

describe('hand-solvable cases', () => {
  test('what a multiple contributed moves to the channel that it is a multiple of', async () => {
    // y = 1 a + 3 b + 10 (2 a) + 20 (0.5 b): without the last two, 21 a + 13 b.
    const b = new GraphBuilder();
    const head = b.initializer('head', [4, 2], [1, 0, 0, 1, 2, 0, 0, 0.5]);
    const hidden = b.node('Gemm', [b.input('x', ['batch', 2]), head], { transB: 1 }, { name: 'hidden' });
    b.output(
      b.node('Gemm', [hidden, b.initializer('w', [1, 4], [1, 3, 10, 20]), b.initializer('b', [1], [7])], { transB: 1 }),
    );
    const original = b.build();
    const { pruned, plan } = prunedBy(original, 'hidden', pruneLinearOutChannels, [2, 3]);
    const { model } = await reconstruct(original, pruned, plan, batchesFor(original), FREE);
    const [first, second] = initializer(model, 'w');
    expect(first).toBeCloseTo(21, 4);
    expect(second).toBeCloseTo(13, 4);
    expect(initializer(model, 'b')[0]).toBeCloseTo(7, 4);
  });

  test('what a constant channel contributed moves into the bias, or into the mean of the BatchNormalization', async () => {
    // The second hidden channel is 3 everywhere: 5 x 3 goes into the bias, and out of the running mean.
    const build = (normalized: boolean): Model => {
      const b = new GraphBuilder();
      const x = b.input('x', ['batch', 1, 2, 2]);
      const hidden = b.node(
        'Conv',
        [x, b.initializer('h', [2, 1, 1, 1], [1, 0]), b.initializer('hb', [2], [0, 3])],
        {},
        { name: 'hidden' },
      );
      const w = b.initializer('w', [1, 2, 1, 1], [2, 5]);
      if (!normalized) b.output(b.node('Conv', [hidden, w, b.initializer('b', [1], [0.5])]));
      else {
        const parts = [1, 0, 0.25, 1].map((value, i) => b.initializer(`n${i}`, [1], [value]));
        b.output(b.node('BatchNormalization', [b.node('Conv', [hidden, w]), ...parts], { epsilon: 1e-12 }));
      }
      return b.build();
    };
    const results = [false, true].map(async (normalized) => {
      const original = build(normalized);
      const { pruned, plan } = prunedBy(original, 'hidden', pruneConvOutChannels, [1]);
      return (await reconstruct(original, pruned, plan, batchesFor(original), FREE)).model;
    });
    const [plain, normalized] = await Promise.all(results);
    expect(initializer(plain!, 'w')[0]).toBeCloseTo(2, 5);
    expect(initializer(plain!, 'b')[0]).toBeCloseTo(0.5 + 5 * 3, 5);
    expect(initializer(normalized!, 'w')[0]).toBeCloseTo(2, 5);
    expect(initializer(normalized!, 'n2')[0]).toBeCloseTo(0.25 - 5 * 3, 5);
  });

  test('with a strong pull the weights stay where they are, and only the bias moves', async () => {
    const b = new GraphBuilder();
    const head = b.initializer('head', [2, 1], [1, 1]);
    const hidden = b.node(
      'Gemm',
      [b.input('x', ['batch', 1]), head, b.initializer('hb', [2], [0, 4])],
      { transB: 1 },
      { name: 'hidden' },
    );
    b.output(b.node('Gemm', [hidden, b.initializer('w', [1, 2], [1, 1]), b.initializer('b', [1], [0])], { transB: 1 }));
    const original = b.build();
    const { pruned, plan } = prunedBy(original, 'hidden', pruneLinearOutChannels, [1]);
    // The original gives 2 x + 4. With the weight 1 what is missing is x + 4, whose mean the bias takes.
    const feeds = [
      [0, 2],
      [1, 1],
      [0, 2],
      [1, 1],
    ].map((x) => ({ x: makeValue(1, [2, 1], x) }));
    const { model } = await reconstruct(original, pruned, plan, feeds, { lambda: 1e9, mixtures: 0 });
    expect(initializer(model, 'w')[0]).toBeCloseTo(1, 5);
    expect(initializer(model, 'b')[0]).toBeCloseTo(1 + 4, 5);
    const { model: biased } = await reconstruct(original, pruned, plan, feeds, { fit: 'bias' });
    expect(initializer(biased, 'w')).toEqual([1]);
    expect(initializer(biased, 'b')[0]).toBeCloseTo(5, 5);
  });

  test('a branch makes up for what the shorter one beside it could not', async () => {
    // stream = s(x) + t(relu(x)): s sees one channel too few to give its part, t sees what is missing.
    const b = new GraphBuilder();
    const x = b.input('x', ['batch', 2]);
    const hidden = b.node('Gemm', [x, b.initializer('h', [2, 2], [1, 0, 0, 1])], { transB: 1 }, { name: 'hidden' });
    const short = b.node('Gemm', [hidden, b.initializer('s', [1, 2], [3, 4])], { transB: 1 }, { name: 'short' });
    const long = b.node('Identity', [b.node('Identity', [b.node('Identity', [x])])]);
    const branch = b.node(
      'Gemm',
      [b.node('Concat', [long, hidden], { axis: 1 }), b.initializer('t', [1, 4], [1, 1, 0, 0])],
      { transB: 1 },
      { name: 'long' },
    );
    b.output(b.node('Add', [branch, short]));
    const original = b.build();
    const { pruned, plan } = prunedBy(original, 'hidden', pruneLinearOutChannels, [1]);
    const { model, layers } = await reconstruct(original, pruned, plan, batchesFor(original), FREE);
    expect(layers.map(({ layer }) => layer)).toEqual(['short', 'long']);
    // x1 contributes 4 through `short` and 1 through `long` in the original.
    expect((await compareModels(original, model, { batch: 4, seed: 9, tolerance: 1e-5 })).ok).toBe(true);
  });
});

test('what is missing in a sum is turned back through the BatchNormalization in between', async () => {
  // The same with convolutions: y = short(hidden) + 2 (long(x, hidden) - 0.5) + 3.
  const b = new GraphBuilder();
  const x = b.input('x', ['batch', 2, 3, 3]);
  const conv = (name: string, from: string, dims: number[], weights: number[]): string =>
    b.node('Conv', [from, b.initializer(name, [...dims, 1, 1], weights)], {}, { name });
  const hidden = conv('hidden', x, [2, 2], [1, 0, 0, 1]);
  const short = conv('short', hidden, [1, 2], [3, 4]);
  const later = b.node('Identity', [b.node('Identity', [x])]);
  const long = conv('long', b.node('Concat', [later, hidden], { axis: 1 }), [1, 4], [1, 1, 0, 0]);
  const parts = [2, 3, 0.5, 1].map((value, i) => b.initializer(`n${i}`, [1], [value]));
  b.output(b.node('Add', [b.node('BatchNormalization', [long, ...parts], { epsilon: 1e-12 }), short]));
  const original = b.build();
  const { pruned, plan } = prunedBy(original, 'hidden', pruneConvOutChannels, [1]);
  const { model, layers } = await reconstruct(original, pruned, plan, batchesFor(original), FREE);
  expect(layers.map(({ layer }) => layer)).toEqual(['short', 'long']);
  expect((await compareModels(original, model, { batch: 4, seed: 9, tolerance: 1e-5 })).ok).toBe(true);
});

describe('inputs that never vary', () => {
  test('leave the weights as they are, and set the bias', async () => {
    // Whatever x is, the hidden channels are 1000 and 3: what goes, 3 times 5, is a constant.
    const b = new GraphBuilder();
    const zero = b.node('Mul', [b.input('x', ['batch', 1]), b.initializer('zero', [1], [0])]);
    const inputs = [zero, b.initializer('h', [2, 1], [1, 1]), b.initializer('hb', [2], [1000, 3])];
    const hidden = b.node('Gemm', inputs, { transB: 1 }, { name: 'hidden' });
    b.output(b.node('Gemm', [hidden, b.initializer('w', [1, 2], [2, 5]), b.initializer('b', [1], [1])], { transB: 1 }));
    const original = b.build();
    const { pruned, plan } = prunedBy(original, 'hidden', pruneLinearOutChannels, [1]);
    const { model } = await reconstruct(original, pruned, plan, batchesFor(original));
    expect(initializer(model, 'w')).toEqual([2]);
    expect(initializer(model, 'b')[0]).toBeCloseTo(1 + 3 * 5, 2);
  });
});
