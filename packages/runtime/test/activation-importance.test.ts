/** Activations of small models by hand arithmetic, and of a network against its intermediate values in onnxruntime. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DependencyGraph, type Group, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import {
  DataType,
  GraphBuilder,
  type Model,
  makeTensor,
  parseModel,
  readNumbers,
  replaceConstant,
  tensorDims,
} from '@onnx-pruning/onnx';
import { BasePruner } from '@onnx-pruning/pruning';
import {
  ActivationImportance,
  type ActivationImportanceOptions,
  makeValue,
  randomInputs,
  runWithIntermediates,
  type TensorValues,
  valueNumbers,
} from '../src/index.ts';

/** Puts the channels of a value to use. */
type Consumer = (b: GraphBuilder, value: string) => string;

const intoConv: Consumer = (b, value) =>
  b.node('Conv', [value, b.initializer('b.weight', [1, 3, 1, 1], [1, 1, 1])], {}, { name: 'b' });

/** One channel of 2 x 2 -> a: times 1, -1 and 2 -> ReLU -> the consumer. */
function threeChannels(consumer: Consumer = intoConv): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', ['batch', 1, 2, 2]);
  b.initializer('a.weight', [3, 1, 1, 1], [1, -1, 2]);
  const a = b.node('Conv', ['x', 'a.weight'], {}, { name: 'a' });
  b.output(consumer(b, b.node('Relu', [a], {}, { name: 'relu' })));
  return b.build();
}

const image = (...pixels: number[]): TensorValues => ({
  x: makeValue(DataType.FLOAT, [pixels.length / 4, 1, 2, 2], pixels),
});
/** After ReLU: 1 0 3 0 in the first channel, 0 2 0 4 in the second, 2 0 6 0 in the third. */
const mixed = image(1, -2, 3, -4);
/** After ReLU: 1 1 1 1, 0 0 0 0, 2 2 2 2. */
const even = image(1, 1, 1, 1);

const groupOf = (model: Model, layer = 'a'): Group => {
  const graph = new DependencyGraph().buildDependency(model);
  return graph.getFullGroup(layer, pruneConvOutChannels);
};

async function scores(
  model: Model,
  inputs: readonly TensorValues[],
  options: ActivationImportanceOptions = {},
  layer = 'a',
): Promise<number[]> {
  const importance = await ActivationImportance.measure(model, inputs, { normalizer: null, ...options });
  return Array.from(importance.score(groupOf(model, layer)) ?? []);
}

const expectClose = (found: readonly number[], expected: readonly number[]): void => {
  expect(found).toHaveLength(expected.length);
  found.forEach((x, i) => {
    expect(x).toBeCloseTo(expected[i]!, 5);
  });
};

describe('ActivationImportance', () => {
  it.each([
    ['meanAbs', [4 / 4, 6 / 4, 8 / 4]],
    ['l2', [Math.sqrt(10 / 4), Math.sqrt(20 / 4), Math.sqrt(40 / 4)]],
    ['variance', [(0 + 1 + 4 + 1) / 4, (2.25 + 0.25 + 2.25 + 6.25) / 4, (0 + 4 + 16 + 4) / 4]],
    ['apoz', [2 / 4, 2 / 4, 2 / 4]],
  ] as const)('measures %s of the activations that the next layer sums', async (statistic, expected) => {
    expectClose(await scores(threeChannels(), [mixed], { statistic }), expected);
  });

  it.each([
    ['meanAbs', [8 / 8, 6 / 8, 16 / 8]],
    ['l2', [Math.sqrt(14 / 8), Math.sqrt(20 / 8), Math.sqrt(56 / 8)]],
    ['variance', [14 / 8 - 1, 20 / 8 - (6 / 8) ** 2, 56 / 8 - 4]],
    ['apoz', [6 / 8, 2 / 8, 6 / 8]],
  ] as const)('measures %s over all batches, however they are cut', async (statistic, expected) => {
    expectClose(await scores(threeChannels(), [mixed, even], { statistic }), expected);
    expectClose(await scores(threeChannels(), [image(1, -2, 3, -4, 1, 1, 1, 1)], { statistic }), expected);
  });

  it('takes its inputs one by one', async () => {
    async function* stream() {
      yield mixed;
      yield even;
    }
    const importance = await ActivationImportance.measure(threeChannels(), stream(), { normalizer: 'none' });
    expectClose(Array.from(importance.score(groupOf(threeChannels()))!), [1, 0.75, 2]);
  });

  it('knows small variances of large activations', async () => {
    // 4096 and 4097: their squares differ by one part in two thousand, their variance is a quarter.
    const pixels = Array.from({ length: 4000 }, (_, i) => 4096 + (i % 2));
    expectClose(
      await scores(threeChannels(), [image(...pixels), image(...pixels)], { statistic: 'variance' }),
      [0.25, 0, 1],
    );
  });

  it('averages the positions of a channel that is flattened', async () => {
    const intoGemm: Consumer = (b, value) => {
      const flat = b.node('Flatten', [value], {}, { name: 'flatten' });
      return b.node('Gemm', [flat, b.initializer('fc.weight', [12, 2], new Float32Array(24))], {}, { name: 'fc' });
    };
    expectClose(await scores(threeChannels(intoGemm), [mixed, even]), [8 / 8, 6 / 8, 16 / 8]);
  });

  it('finds the channels of a layer in a concatenation', async () => {
    const model = threeChannels((b, value) => {
      b.initializer('c.weight', [2, 1, 1, 1], [10, -10]);
      const c = b.node('Conv', ['x', 'c.weight'], {}, { name: 'c' });
      const both = b.node('Concat', [c, value], { axis: 1 }, { name: 'cat' });
      b.initializer('b.weight', [1, 5, 1, 1], new Float32Array(5));
      return b.node('Conv', [both, 'b.weight'], {}, { name: 'b' });
    });
    expectClose(await scores(model, [mixed]), [1, 1.5, 2]);
    expectClose(await scores(model, [mixed], {}, 'c'), [25, 25]);
  });

  it('combines several consumers as asked, one value once', async () => {
    // The ReLU feeds b and c, which is one value; its negative feeds d.
    const model = threeChannels((b, value) => {
      const conv = (name: string, from: string): string =>
        b.node('Conv', [from, b.initializer(`${name}.weight`, [1, 3, 1, 1], new Float32Array(3))], {}, { name });
      const shifted = b.node('Add', [value, b.initializer('ten', [], [10])], {}, { name: 'add' });
      return b.node('Sum', [conv('b', value), conv('c', value), conv('d', shifted)], {}, { name: 'sum' });
    });
    expectClose(await scores(model, [mixed]), [(1 + 11) / 2, (1.5 + 11.5) / 2, (2 + 12) / 2]);
    expectClose(await scores(model, [mixed], { groupReduction: 'max' }), [11, 11.5, 12]);
    expectClose(await scores(model, [mixed], { groupReduction: 'sum' }), [12, 13, 14]);
  });

  it('sees both factors of a product of two activations', async () => {
    // x of 1 x 2 in rows -> q = x * [1, 2, 3], k = x * [3, 2, 1]; scores = q k^T. Channels of q and k are one group.
    const b = new GraphBuilder({ opset: 17 });
    b.input('x', ['batch', 2, 1]);
    const project = (name: string, factors: number[]): string =>
      b.node('MatMul', ['x', b.initializer(`${name}.weight`, [1, 3], factors)], {}, { name });
    const k = b.node('Transpose', [project('k', [3, 2, 1])], { perm: [0, 2, 1] }, { name: 'turn' });
    b.output(b.node('MatMul', [project('q', [1, 2, 3]), k], {}, { name: 'scores' }));
    const model = b.build();
    const inputs = [{ x: makeValue(DataType.FLOAT, [1, 2, 1], [1, -3]) }];
    const importance = await ActivationImportance.measure(model, inputs, { normalizer: null });
    const [group] = new DependencyGraph().buildDependency(model).getAllGroups();
    expectClose(Array.from(importance.score(group!)!), [(2 + 6) / 2, (4 + 4) / 2, (6 + 2) / 2]);
  });

  it('measures the layer itself where nothing sums over its channels', async () => {
    const model = threeChannels((b, value) => b.node('ReduceMean', [value], { axes: [1] }, { name: 'mean' }));
    // Before ReLU: all four pixels count, in size.
    expectClose(await scores(model, [mixed]), [2.5, 2.5, 5]);
  });

  it('normalizes by the mean unless asked otherwise', async () => {
    const importance = await ActivationImportance.measure(threeChannels(), [mixed]);
    expect(importance).toMatchObject({ statistic: 'meanAbs', groupReduction: 'mean', normalizer: 'mean' });
    expectClose(Array.from(importance.score(groupOf(threeChannels()))!), [1 / 1.5, 1, 2 / 1.5]);
  });

  it('scores a group that is silent altogether with zeros', async () => {
    const importance = await ActivationImportance.measure(threeChannels(), [image(0, 0, 0, 0)]);
    expect(Array.from(importance.score(groupOf(threeChannels()))!)).toEqual([0, 0, 0]);
  });

  it('leaves the model as it was', async () => {
    const model = threeChannels();
    const before = JSON.stringify(model.graph);
    await ActivationImportance.measure(model, [mixed]);
    expect(JSON.stringify(model.graph)).toBe(before);
  });

  it('agrees with the intermediate values of a network', async () => {
    const load = (): Model =>
      parseModel(readFileSync(join(__dirname, '..', '..', '..', 'bench', 'reference', 'tiny-resnet.onnx')));
    const feeds = randomInputs(load(), { batch: 3, seed: 7 });
    const values = await runWithIntermediates(load(), feeds);
    const group = groupOf(load(), 'layer2.1.conv1');
    const consumer = group.items.find(({ axis }) => axis.side === 'in')!.axis.layer;
    expect(consumer.name).toBe('layer2.1.conv2');
    const value = values[consumer.node.input[0]!]!;
    expect(value.dims).toEqual([3, 32, 8, 8]);
    const data = valueNumbers(value);
    const sums = new Array<number>(32).fill(0);
    for (let i = 0; i < data.length; i++) sums[Math.floor(i / 64) % 32]! += Math.abs(data[i]!);
    const importance = await ActivationImportance.measure(load(), [feeds], { normalizer: null });
    expectClose(
      Array.from(importance.score(group)!),
      sums.map((sum) => sum / (3 * 64)),
    );
  });
});

describe('ActivationImportance and pruning', () => {
  it('lets a pruner remove what is silent', async () => {
    const model = threeChannels();
    const importance = await ActivationImportance.measure(model, [mixed, even], { statistic: 'apoz' });
    const pruner = new BasePruner(model, { importance, pruningRatio: 0.3 });
    pruner.step();
    expect(pruner.pruningHistory()).toEqual([['a', true, [1]]]);
  });

  it('remembers channels by what they were while the same graph is pruned', async () => {
    const model = threeChannels();
    const importance = await ActivationImportance.measure(model, [mixed], { normalizer: null });
    const graph = new DependencyGraph().buildDependency(model);
    graph.getPruningGroup('a', pruneConvOutChannels, [1]).prune();
    expectClose(Array.from(importance.score(graph.getFullGroup('a', pruneConvOutChannels))!), [1, 2]);
  });

  it('does not score another state of the model', async () => {
    const model = threeChannels();
    const importance = await ActivationImportance.measure(model, [mixed]);
    groupOf(model).graph.getPruningGroup('a', pruneConvOutChannels, [0]).prune();
    expect(() => importance.score(groupOf(model))).toThrow(
      'the activations were not measured on this model as it is now: ' +
        'expected the weights that the model had when its activations were measured, found another model. Measure again',
    );
    const again = await ActivationImportance.measure(model, [mixed], { normalizer: null });
    expectClose(Array.from(again.score(groupOf(model))!), [1.5, 2]);
  });

  it('does not score weights that were replaced since', async () => {
    const model = threeChannels();
    const importance = await ActivationImportance.measure(model, [mixed]);
    const group = groupOf(model);
    const weight = model.graph.initializer.find(({ name }) => name === 'a.weight')!;
    replaceConstant(
      model.graph,
      'a.weight',
      makeTensor('a.weight', DataType.FLOAT, tensorDims(weight), readNumbers(weight)),
    );
    expect(() => importance.score(group)).toThrow(/found weights that were replaced since\. Measure again/);
  });

  it('does not score another model', async () => {
    const other = threeChannels((b, value) => intoConv(b, b.node('Neg', [value], {}, { name: 'neg' })));
    const importance = await ActivationImportance.measure(threeChannels(), [mixed]);
    expect(() => importance.score(groupOf(other))).toThrow(/found another model\. Measure again/);
  });
});

describe('bad input', () => {
  const measure = (inputs: readonly TensorValues[], options?: object) =>
    expect(ActivationImportance.measure(threeChannels(), inputs, options)).rejects;

  it('names inputs that do not fit', async () => {
    await measure([]).toMatchObject({ name: 'FeedError', code: 'FEED_NONE' });
    await measure([{}]).toMatchObject({ code: 'FEED_MISSING', details: { value: 'x' } });
    await measure([{ x: makeValue(DataType.FLOAT, [1, 4], [1, 2, 3, 4]) }]).toMatchObject({ code: 'FEED_DIMS' });
    await measure([{ ...mixed, y: mixed.x! }]).toMatchObject({ code: 'FEED_UNKNOWN', details: { value: 'y' } });
  });

  it('names activations that are not finite', async () => {
    await measure([image(1, 2, 3, Number.NaN)]).toMatchObject({
      name: 'CriterionError',
      code: 'ACTIVATION_NOT_FINITE',
      details: { value: 'relu_out', axis: 1 },
    });
  });

  it('names options that do not exist', async () => {
    await measure([mixed], { statistic: 'median' }).toThrow(
      "the option statistic has a value that is not allowed: expected one of meanAbs, l2, variance, apoz, found 'median'",
    );
    await measure([mixed], { groupReduction: 'median' }).toThrow(/groupReduction/);
    await measure([mixed], { normalizer: 'median' }).toThrow(/normalizer/);
    await measure([mixed], { executionProvider: 'abacus' }).toMatchObject({ name: 'ExecutionProviderError' });
  });
});
