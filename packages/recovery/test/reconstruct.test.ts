/** What `reconstruct` does with what it is given: what it keeps, refuses, leaves, and says in the plan. */
import { pruneConvOutChannels, pruneLinearOutChannels } from '@onnx-pruning/depgraph';
import {
  constantTensors,
  DataType,
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
import { batchesFor, FREE, prunedBy, random, rowsWithCopies, withCopies } from './planted.ts';

const identity = (n: number): Float32Array =>
  Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));

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

test('a layer whose fit is worse on held-out data keeps its bytes', async () => {
  // What goes is noise to everything else, and two samples say nothing about it.
  const b = new GraphBuilder();
  const x = b.input('x', ['batch', 12]);
  const hidden = b.node('Gemm', [x, b.initializer('h', [12, 12], identity(12))], { transB: 1 }, { name: 'hidden' });
  b.output(
    b.node('Gemm', [hidden, b.initializer('w', [3, 12], random(2)), b.initializer('b', [3], random(3))], { transB: 1 }),
  );
  const original = b.build();
  const { pruned, plan } = prunedBy(original, 'hidden', pruneLinearOutChannels, [4]);
  const options = { lambda: 1e-9, holdOut: 0.5, precision: 'float64' } as const;
  const { model, layers, plan: told } = await reconstruct(original, pruned, plan, batchesFor(original, 2, 2), options);
  expect(layers).toMatchObject([{ lambda: undefined, initializers: [] }]);
  expect(layers[0]!.errorAfter).toBe(layers[0]!.errorBefore);
  expect(encodeModel(model)).toEqual(encodeModel(pruned));
  expect(told.changedWeights).toEqual({});
});

describe('mixtures of samples', () => {
  /** x -> [x, 1 - |x - 1| where that is positive] `hidden` -> their sum. The second is 0 at the samples, 0 and 2, and nowhere between. */
  const b = new GraphBuilder();
  const gemm = (value: string, name: string, dims: [number, number], weights: number[], bias: number[]): string =>
    b.node(
      'Gemm',
      [value, b.initializer(`${name}.w`, dims, weights), b.initializer(`${name}.b`, [dims[0]], bias)],
      { transB: 1 },
      { name },
    );
  const parts = b.node('Relu', [gemm(b.input('x', ['batch', 1]), 'parts', [3, 1], [1, -1, 1], [0, 1, -1])]);
  const hidden = b.node('Relu', [gemm(parts, 'hidden', [2, 3], [1, 0, 0, 0, -1, -1], [0, 1])]);
  b.output(gemm(hidden, 'sum', [1, 2], [1, 1], [0]));
  const original = b.build();
  const { pruned, plan } = prunedBy(original, 'hidden', pruneLinearOutChannels, [1]);
  /** Of the second channel, they have 0, 0.5, 0 and 0.5. */
  const feeds = Array.from({ length: 8 }, () => ({ x: makeValue(1, [4, 1], [0, 0.5, 2, 1.5]) }));
  /** So strong a pull leaves the weight as it is; the bias becomes the mean of what is missing. */
  const biasWith = async (mixtures: number): Promise<number> => {
    const { model } = await reconstruct(original, pruned, plan, feeds, { mixtures, lambda: 1e9 });
    return readNumbers(constantTensors(model.graph).get('sum.b')!)[0]!;
  };

  test('show a layer more than the samples do: what lies between them', async () => {
    expect(await biasWith(0)).toBeCloseTo(0.25, 6);
    expect(await biasWith(1)).toBeGreaterThan(0.3);
  });

  test('are refused for inputs that are no real numbers, and left out unless asked for', async () => {
    const c = new GraphBuilder();
    const words = c.node('Gather', [
      c.initializer('table', [5, 4], random(1)),
      c.input('ids', ['batch', 2], DataType.INT64),
    ]);
    const inner = c.node('MatMul', [words, c.initializer('v', [4, 3], random(2))], {}, { name: 'inner' });
    c.output(c.node('MatMul', [inner, c.initializer('w', [3, 2], random(3))]));
    const language = c.build();
    const cut = prunedBy(language, 'inner', pruneLinearOutChannels, [1]);
    const ids = Array.from({ length: 8 }, (_, i) => ({ ids: makeValue(DataType.INT64, [2, 2], [i % 5, 1, 2, 3]) }));
    const run = reconstruct(language, cut.pruned, cut.plan, ids, { mixtures: 1 });
    await expect(run).rejects.toThrow(RecoveryError);
    await expect(run).rejects.toThrow(/these samples cannot be mixed/);
    expect((await reconstruct(language, cut.pruned, cut.plan, ids)).layers).toHaveLength(1);
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
  test('when its weights are computed, or stand on the left of a product', async () => {
    const original = withCopies([2, 2], (b, x) => {
      const turned = b.node('Transpose', [b.initializer('w', [4, 6], random(2))], { perm: [1, 0] });
      const last = b.node('Transpose', [x], { perm: [0, 2, 3, 1] });
      const right = b.node('MatMul', [last, turned], {}, { name: 'computed' });
      const flat = b.node('Reshape', [x, b.ints('shape', [0, 6, 4])]);
      const left = b.node('MatMul', [b.initializer('v', [4, 6], random(3)), flat], {}, { name: 'left' });
      return b.node('Add', [right, b.node('Reshape', [left, b.ints('image', [0, 2, 2, 4])])]);
    });
    const { pruned, plan } = prunedBy(original, 'head', pruneConvOutChannels, [3, 4, 5]);
    const { layers, left } = await reconstruct(original, pruned, plan, batchesFor(original, 2));
    expect(layers).toEqual([]);
    expect(left.map(({ reason }) => reason).sort()).toEqual([
      'its weights are computed by other nodes',
      'its weights are on the left',
    ]);
  });

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
