/** Masking: on exact groups the masked model computes what the reference does, and what the pruned model does. */
import { DependencyGraph, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import {
  createRandom,
  DataType,
  GraphBuilder,
  type Model,
  makeTensor,
  readNumbers,
  tensorBytes,
} from '@onnx-pruning/onnx';
import { compareModels, referenceModel } from '@onnx-pruning/proof';
import { conv, lastConv, linear } from '../../ops/cases/blocks.ts';
import { createPlan, maskModel, type Plan, PlanError } from '../src/index.ts';

/** conv1 (8) -> bn -> relu -> grouped (8, 2 groups) added to it -> flatten -> fc. */
function network(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const random = createRandom(3);
  const vector = (name: string, from: number): string =>
    b.initializer(name, [8], (n) => Float32Array.from({ length: n }, () => from + random.next()));
  const x = conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 8);
  const norm = [vector('bn.weight', 0.5), vector('bn.bias', -0.5), vector('bn.running_mean', -0.5)];
  const bn = b.node('BatchNormalization', [x, ...norm, vector('bn.running_var', 0.5)], {}, { name: 'bn' });
  const relu = b.node('Relu', [bn]);
  b.initializer('grouped.weight', [8, 4, 1, 1], (n) => Float32Array.from({ length: n }, () => random.normal()));
  const grouped = b.node('Conv', [relu, 'grouped.weight'], { group: 2 }, { name: 'grouped' });
  b.output(linear(b, 'fc', b.node('Flatten', [b.node('Add', [grouped, relu])]), 32, 3));
  return b.build();
}

function prune(model: Model, idxs: readonly number[], layer = 'conv1'): Plan {
  const graph = new DependencyGraph().buildDependency(model);
  graph.getPruningGroup(layer, pruneConvOutChannels, idxs).prune();
  return createPlan(graph);
}

const numbers = (model: Model, name: string): number[] =>
  Array.from(readNumbers(model.graph.initializer.find((tensor) => tensor.name === name)!));

describe('on an exact group', () => {
  it('mask, reference and pruned model compute the same', async () => {
    const pruned = network();
    const plan = prune(pruned, [1, 6]);
    const masked = maskModel(network(), plan);
    const reference = referenceModel(network(), plan);
    expect(await compareModels(reference, masked)).toMatchObject({ ok: true });
    expect(await compareModels(reference, pruned)).toMatchObject({ ok: true });
    // And the original does not: the channels were worth something.
    expect(await compareModels(reference, network())).toMatchObject({ ok: false });
  });
});

describe('maskModel', () => {
  it('zeroes exactly the slices that the plan removes, and keeps all shapes', () => {
    const plan = prune(network(), [1, 6]);
    const masked = maskModel(network(), plan);
    // Two groups of four: with channel 1 goes 5, with 6 goes 2.
    const gone = new Set([1, 2, 5, 6]);
    numbers(masked, 'conv1.bias').forEach((value, i) => {
      expect(value === 0).toBe(gone.has(i));
    });
    const original = numbers(network(), 'fc.weight');
    numbers(masked, 'fc.weight').forEach((value, i) => {
      expect(value).toBe(gone.has(Math.floor((i % 32) / 4)) ? 0 : original[i]);
    });
    expect(masked.graph.initializer.map(({ dims }) => dims)).toEqual(
      network().graph.initializer.map(({ dims }) => dims),
    );
  });

  it('leaves its model alone, and the parameters that are to be kept', () => {
    const model = network();
    const before = numbers(model, 'conv1.bias');
    const masked = maskModel(model, prune(network(), [0]), new Set(['conv1.bias']));
    expect(numbers(model, 'conv1.bias')).toEqual(before);
    expect(numbers(masked, 'conv1.bias')).toEqual(before);
    expect(numbers(masked, 'bn.bias')[0]).toBe(0);
  });

  it('works on the bits of packed 4-bit weights', () => {
    // Nine elements of 4 bits: the middle row of a 3 x 3 matrix lies in parts of bytes 1 and 2.
    const b = new GraphBuilder({ opset: 21 });
    b.output(b.input('x', [1]));
    b.tensor(makeTensor('conv1.weight', DataType.INT4, [3, 3], [1, 2, 3, 4, 5, 6, 7, -1, -2]));
    const model = b.build();
    const plan = {
      version: 1,
      graph: {},
      groups: [],
      initializers: { 'conv1.weight': { shape: [3, 3], newShape: [2, 3], kept: { '0': [0, 2] } } },
    } satisfies Plan;
    const masked = maskModel(model, plan);
    expect(numbers(masked, 'conv1.weight')).toEqual([1, 2, 3, 0, 0, 0, 7, -1, -2]);
    expect(tensorBytes(masked.graph.initializer[0])).toHaveLength(5);
  });

  it('refuses a plan of another model', () => {
    const plan = prune(network(), [0]);
    const b = new GraphBuilder({ opset: 17 });
    lastConv(b, conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 6), 6);
    expect(() => maskModel(b.build(), plan)).toThrow(PlanError);
  });
});
