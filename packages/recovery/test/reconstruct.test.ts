/**
 * `reconstruct` finds the right weights wherever they exist: the channels that go can be computed from those that stay, so
 * that the refitted model gives what the original gives, in onnxruntime and to the last digits.
 */
import { pruneConvOutChannels, pruneLinearOutChannels } from '@onnx-pruning/depgraph';
import {
  encodeModel,
  GraphBuilder,
  type Model,
  makeTensor,
  readNumbers,
  replaceConstant,
  tensorDims,
} from '@onnx-pruning/onnx';
import { compareModels, verify } from '@onnx-pruning/proof';
import { PlanError, parsePlan } from '@onnx-pruning/pruning';
import { makeValue } from '@onnx-pruning/runtime';
import { RecoveryError, reconstruct } from '../src/index.ts';
import { batchesFor, prunedBy, random, rowsWithCopies, withCopies } from './planted.ts';

/** So little pull, and sums so exact, that the right solution is found. */
const FREE = { lambda: 1e-9, precision: 'float64' } as const;

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
    const { model } = await reconstruct(original, pruned, plan, feeds, { lambda: 1e9 });
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

describe('a fit that helps no more', () => {
  test('is no better on held-out data, to the last digits', async () => {
    // What goes contributes nothing, so the pruned weights are right already.
    const b = new GraphBuilder();
    const hidden = b.node(
      'Gemm',
      [b.input('x', ['batch', 3]), b.initializer('h', [4, 3], random(1))],
      { transB: 1 },
      { name: 'hidden' },
    );
    const weights = random(2)(8);
    for (const at of [3, 7]) weights[at] = 0;
    b.output(b.node('Gemm', [hidden, b.initializer('w', [2, 4], weights)], { transB: 1 }));
    const original = b.build();
    const { pruned, plan } = prunedBy(original, 'hidden', pruneLinearOutChannels, [3]);
    const { layers } = await reconstruct(original, pruned, plan, batchesFor(original), {
      lambda: 0.02,
      precision: 'float64',
    });
    for (const { errorBefore, errorAfter } of layers) {
      expect(errorBefore).toBeLessThan(1e-10);
      expect(errorAfter).toBeLessThanOrEqual(errorBefore);
    }
  });

  test('is not made: no layer of a model without structure gets worse on held-out data', async () => {
    const original = withCopies([4, 4], (b, x) => {
      const y = b.node('Relu', [
        b.node('Conv', [x, b.initializer('w1', [5, 6, 3, 3], random(5))], { pads: [1, 1, 1, 1] }),
      ]);
      return b.node('Conv', [y, b.initializer('w2', [3, 5, 3, 3], random(6))]);
    });
    const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [0, 1, 3]);
    const { layers } = await reconstruct(original, pruned, plan, batchesFor(original, 4, 4), {
      lambda: [0.001, 0.1, 10],
    });
    expect(layers).toHaveLength(2);
    for (const { errorBefore, errorAfter } of layers) expect(errorAfter).toBeLessThanOrEqual(errorBefore);
  });
});

describe('what is given', () => {
  const original = withCopies([5, 5], (b, x) => b.node('Conv', [x, b.initializer('w', [4, 6, 3, 3], random(2))]));
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [3, 4, 5]);

  test('is not changed, and gives the same bytes every time', async () => {
    const before = [original, pruned].map((model) => encodeModel(model));
    const options = { positions: 20, seed: 3 };
    const [one, other] = [
      await reconstruct(original, pruned, plan, batchesFor(original), options),
      await reconstruct(original, pruned, plan, batchesFor(original), options),
    ];
    expect([original, pruned].map((model) => encodeModel(model))).toEqual(before);
    expect(encodeModel(one.model)).toEqual(encodeModel(other.model));
    expect(encodeModel(one.model)).not.toEqual(before[1]);
  });

  test('may be more positions than are looked at', async () => {
    const { model } = await reconstruct(original, pruned, plan, batchesFor(original), { ...FREE, positions: 40 });
    expect((await compareModels(original, model, { batch: 2, seed: 5, tolerance: 1e-4 })).ok).toBe(true);
  });

  test('must be two batches at least, of finite numbers', async () => {
    await expect(reconstruct(original, pruned, plan, batchesFor(original, 1))).rejects.toThrow(RecoveryError);
    await expect(reconstruct(original, pruned, plan, batchesFor(original, 1))).rejects.toThrow(/at least two batches/);
    const [first, second] = batchesFor(original, 2);
    const spoilt = {
      x: { ...second!.x!, data: Float32Array.from(second!.x!.data as Float32Array).fill(Number.NaN, 0, 1) },
    };
    await expect(reconstruct(original, pruned, plan, [first!, spoilt])).rejects.toThrow(/not finite/);
    const same = { x: { ...first!.x!, data: new Float32Array(first!.x!.data.length).fill(3) } };
    await expect(reconstruct(original, pruned, plan, [same, same])).rejects.toThrow(/all samples are the same/);
  });

  test('must belong together', async () => {
    const other = withCopies([5, 5], (b, x) => b.node('Conv', [x, b.initializer('w', [4, 6, 3, 3], random(7))]));
    await expect(reconstruct(other, pruned, plan, batchesFor(other))).rejects.toThrow(PlanError);
    const swapped = reconstruct(original, original, plan, batchesFor(original));
    await expect(swapped).rejects.toThrow(
      /not what the plan makes of the original.*\[3, 2, 1, 1\], found \[6, 2, 1, 1\]/,
    );
  });

  test('can be stopped, and says how far it is', async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const onProgress = ({ done, total, layer }: { done: number; total: number; layer: string }): void => {
      seen.push(`${done} of ${total}: ${layer}`);
      stop.abort(new Error('enough'));
    };
    const job = reconstruct(original, pruned, plan, batchesFor(original), { signal: stop.signal, onProgress });
    await expect(job).rejects.toThrow('enough');
    expect(seen).toEqual(['0 of 1: Conv_0']);
  });

  test.each([
    [{ lambda: -1 }, 'lambda'],
    [{ holdOut: 0.9 }, 'holdOut'],
    [{ fit: 'everything' }, 'fit'],
    [{ lamda: 1 }, 'lamda'],
  ])('%j is refused by name', async (options, name) => {
    await expect(reconstruct(original, pruned, plan, [], options as object)).rejects.toThrow(name);
  });
});

describe('a layer is left, with the reason,', () => {
  test('when its weights are shared', async () => {
    const original = withCopies([4, 4], (b, x) => {
      const w = b.initializer('w', [6, 6, 1, 1], rowsWithCopies(2, 6, 6, []));
      const shared = b.node('Conv', [b.node('Conv', [x, w]), w]);
      return b.node('Conv', [shared, b.initializer('last', [2, 6, 1, 1], random(3))]);
    });
    const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [3, 4, 5]);
    const { layers, left } = await reconstruct(original, pruned, plan, batchesFor(original, 2));
    expect(layers).toHaveLength(1);
    expect(left.map(({ reason }) => reason)).toEqual(Array(2).fill('its weights are shared by 2 nodes'));
  });

  test('when its equations would take more memory than they may', async () => {
    const original = withCopies([4, 4], (b, x) => b.node('Conv', [x, b.initializer('w', [2, 6, 3, 3], random(2))]));
    const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [3]);
    const { left } = await reconstruct(original, pruned, plan, batchesFor(original, 2), { memoryLimit: 1000 });
    expect(left).toEqual([
      {
        layer: 'Conv_0',
        reason: 'its equations for 45 weights of each output take 0.000097 GB, more than the limit of 0.0000010 GB',
      },
    ]);
  });
});

describe('the plan of a refitted model', () => {
  const original = withCopies([5, 5], (b, x) => {
    const y = b.node('Conv', [x, b.initializer('w', [4, 6, 3, 3], random(2)), b.initializer('b', [4], random(3))]);
    return b.node('Conv', [b.node('Relu', [y]), b.initializer('w2', [2, 4, 1, 1], random(4))]);
  });
  const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [3, 4, 5]);
  const refitted = () => reconstruct(original, pruned, plan, batchesFor(original), { lambda: 0.01, seed: 5 });

  test('names what was changed, how and with what; it holds no weights, and is a plan that can be saved', async () => {
    const { plan: told, layers } = await refitted();
    const names = Object.keys(told.changedWeights ?? {});
    expect(names).toEqual(layers.flatMap(({ initializers }) => initializers));
    expect(names).toEqual(expect.arrayContaining(['w', 'b']));
    expect(told.changedWeights?.w).toEqual({
      method: 'ridge',
      lambda: 0.01,
      seed: 5,
      data: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      fingerprint: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    });
    expect(parsePlan(JSON.stringify(told))).toEqual(told);
    const { plan: other } = await reconstruct(original, pruned, plan, batchesFor(original, 8, 16, 50), {
      lambda: 0.01,
    });
    expect(other.changedWeights?.w?.data).not.toBe(told.changedWeights?.w?.data);
  });

  test('proves the structure, and nothing about the numbers', async () => {
    const { model, plan: told } = await refitted();
    const verification = await verify(original, model, told);
    expect(verification.verdict).toBe('holds');
    expect([...verification.changedWeights].sort()).toEqual(Object.keys(told.changedWeights ?? {}).sort());
    expect((await verify(original, model, plan)).verdict).toBe('differs');
  });

  test('gives away numbers that are not those of the refit, and changes that it does not name', async () => {
    const { model, plan: told } = await refitted();
    const spoilt = (name: string): Model => {
      const copy = model.clone();
      const tensor = copy.graph.initializer.find((one) => one.name === name)!;
      const numbers = Float32Array.from(readNumbers(tensor));
      numbers[0]! += 1;
      replaceConstant(copy.graph, name, makeTensor(name, 1, tensorDims(tensor), numbers));
      return copy;
    };
    const refit = await verify(original, spoilt('w'), told);
    expect(refit.verdict).toBe('differs');
    expect(refit.reasons[0]).toMatch(/'w' is not what ridge made of it/);
    expect((await verify(original, spoilt('head.weight'), told)).verdict).toBe('differs');
    const { w: _, ...others } = told.changedWeights ?? {};
    expect((await verify(original, model, { ...told, changedWeights: others })).verdict).toBe('differs');
    const missing = { ...told, changedWeights: { nobody: told.changedWeights!.w! } };
    expect((await verify(original, model, missing)).reasons[0]).toMatch(/'nobody'.*is missing/);
  });
});
