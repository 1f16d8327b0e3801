/** What else has to change when channels go: declared shapes, sizes that nodes state, constants that several nodes share. */
import {
  constantTensors,
  encodeModel,
  GraphBuilder,
  type Model,
  parseModel,
  readInts,
  tensorDims,
} from '@onnx-pruning/onnx';
import { conv, lastConv, lastLinear } from '../../ops/cases/blocks.ts';
import { DependencyGraph, pruneConvOutChannels } from '../src/index.ts';

const graphOf = (model: Model): DependencyGraph => new DependencyGraph().buildDependency(model);
const declared = (model: Model, name: string): (number | string | undefined)[] | undefined =>
  [...model.graph.input, ...model.graph.valueInfo]
    .find((entry) => entry.name === name)
    ?.type?.tensorType?.shape?.dim.map((dim) => dim.dimParam ?? Number(dim.dimValue));
const ints = (model: Model, name: string): number[] => readInts(constantTensors(model.graph).get(name)!);
const names = (model: Model): string[] => model.graph.node.map(({ name }) => name ?? '');
const node = (model: Model, name: string) => model.graph.node.find((candidate) => candidate.name === name)!;

function prune(model: Model, layer: string, idxs: readonly number[]): DependencyGraph {
  const graph = graphOf(model);
  graph.getPruningGroup(layer, pruneConvOutChannels, idxs).prune();
  return graph;
}

describe('declared shapes', () => {
  /** conv1 (6) -> relu -> last, with shapes declared for what lies between. */
  function declaring(irVersion?: number): Model {
    const b = new GraphBuilder({ opset: 9, irVersion });
    const relu = b.node('Relu', [conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 6)], {}, { outputs: ['r'] });
    lastConv(b, relu, 6);
    const model = b.build();
    const dim = [{ dimParam: 'batch' }, { dimValue: 6 }, { dimValue: 2 }, { dimValue: 2 }];
    model.graph.valueInfo.push({ name: 'r', type: { tensorType: { elemType: 1, shape: { dim } } } });
    return model;
  }

  it('of intermediate values follow, symbols and the rest stay', () => {
    const model = declaring();
    prune(model, 'conv1', [0, 5]);
    expect(declared(model, 'r')).toEqual(['batch', 4, 2, 2]);
    expect(declared(model, 'x')).toEqual(['batch', 3, 2, 2]);
  });

  it('of initializers that IR 3 lists among the inputs follow', () => {
    const model = declaring(3);
    for (const tensor of model.graph.initializer) {
      const dim = tensorDims(tensor).map((dimValue) => ({ dimValue }));
      model.graph.input.push({ name: tensor.name, type: { tensorType: { elemType: 1, shape: { dim } } } });
    }
    prune(model, 'conv1', [0, 5]);
    expect(declared(model, 'conv1.weight')).toEqual([4, 3, 1, 1]);
    expect(declared(model, 'last.weight')).toEqual([2, 4, 1, 1]);
    expect(declared(model, 'last.bias')).toEqual([2]);
  });
});

describe('a Reshape target', () => {
  it('that is a constant of this node alone is rewritten in place', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = conv(b, 'conv1', b.input('x', [2, 3, 2, 2]), 3, 6);
    lastLinear(b, b.node('Reshape', [x, b.ints('target', [2, 24])]), 24);
    const model = b.build();
    prune(model, 'conv1', [1, 4]);
    expect(ints(model, 'target')).toEqual([2, 16]);
    expect(model.graph.initializer).toHaveLength(5);
  });

  it('that says -1 for what shrinks is left alone', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 6);
    lastLinear(b, b.node('Reshape', [x, b.ints('target', [0, -1])]), 24);
    const model = b.build();
    prune(model, 'conv1', [1, 4]);
    expect(ints(model, 'target')).toEqual([0, -1]);
  });

  it('that two nodes share and that only one of them needs otherwise is given to that one anew', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.input('x', [2, 3, 2, 2]);
    const target = b.ints('target', [2, 24]);
    const flat = (name: string): string =>
      b.node('Reshape', [conv(b, name, x, 3, 6), target], {}, { name: `${name}/flat` });
    lastLinear(b, flat('conv1'), 24);
    b.initializer('other.weight', [24, 1], new Float32Array(24).fill(1));
    b.output(b.node('MatMul', [flat('conv2'), 'other.weight'], {}, { name: 'other' }));
    const model = b.build();
    prune(model, 'conv1', [0, 1, 2]);
    expect(ints(model, 'target')).toEqual([2, 24]);
    expect(node(model, 'conv2/flat').input[1]).toBe('target');
    expect(ints(model, node(model, 'conv1/flat').input[1])).toEqual([2, 12]);
  });

  it('that a subgraph reads as well is given to the node anew', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = conv(b, 'conv1', b.input('x', [2, 3, 2, 2]), 3, 6);
    const flat = b.node('Reshape', [x, b.ints('target', [2, 24])], {}, { name: 'flat' });
    lastLinear(b, flat, 24);
    const body = (): GraphBuilder => {
      const branch = new GraphBuilder({ opset: 17 });
      branch.output(branch.node('Identity', ['target'], {}, { name: 'read' }), [2], 7);
      return branch;
    };
    const branches = { then_branch: body().graph(), else_branch: body().graph() };
    b.output(b.node('If', [b.input('condition', [], 9)], branches, { name: 'choose' }), [2], 7);
    const model = b.build();
    prune(model, 'conv1', [0]);
    expect(ints(model, 'target')).toEqual([2, 24]);
    expect(ints(model, node(model, 'flat').input[1])).toEqual([2, 20]);
  });

  it('that is stated by numbers in an attribute of a Constant node is rewritten there', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = conv(b, 'conv1', b.input('x', [2, 3, 2, 2]), 3, 6);
    const target = b.node('Constant', [], { value_ints: [2, 24] }, { name: 'target', outputs: ['target'] });
    lastLinear(b, b.node('Reshape', [x, target]), 24);
    const model = b.build();
    prune(model, 'conv1', [1, 4]);
    expect(ints(parseModel(encodeModel(model)), 'target')).toEqual([2, 16]);
  });
});

describe('a Reshape target that is computed', () => {
  /** conv1 (6) -> Reshape to [batch, 3, 2, places] -> Transpose -> Reshape to [batch, 6, places], as shuffles export. */
  function shuffle(): Model {
    const b = new GraphBuilder({ opset: 17 });
    const x = conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 6);
    const shape = b.node('Shape', [x]);
    const batch = b.node('Gather', [shape, b.ints('zero', [0])], { axis: 0 });
    const spread = b.node('Concat', [batch, b.ints('parts', [3, 2, 2, 2])], { axis: 0 }, { name: 'spread' });
    const view = b.node('Reshape', [x, spread], {}, { name: 'view' });
    const turned = b.node('Transpose', [view], { perm: [0, 2, 1, 3, 4] });
    const joined = b.node('Concat', [batch, b.ints('whole', [6, 2, 2])], { axis: 0 }, { name: 'joined' });
    lastConv(b, b.node('Reshape', [turned, joined], {}, { name: 'back' }), 6);
    return b.build();
  }

  it('and follows by itself is left alone', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 6);
    const shape = b.node('Shape', [x]);
    const pick = (name: string, i: number): string => b.node('Gather', [shape, b.ints(name, [i])], { axis: 0 });
    const target = b.node('Concat', [pick('i0', 0), pick('i1', 1), b.ints('rest', [-1])], { axis: 0 });
    lastLinear(b, b.node('Flatten', [b.node('Reshape', [x, target], {}, { name: 'view' })]), 24);
    const model = b.build();
    const before = names(model);
    prune(model, 'conv1', [0]);
    expect(names(model)).toEqual(before);
  });

  it('and holds constants is composed anew in front of the node, with the run-time sizes kept', () => {
    const model = shuffle();
    // Channels are 3 groups of 2; 0, 2 and 4 are the first of each group.
    prune(model, 'conv1', [0, 2, 4]);
    const view = names(model).indexOf('view');
    expect(model.graph.node[view - 1].opType).toBe('Concat');
    expect(model.graph.node[view].input[1]).toBe(model.graph.node[view - 1].output[0]);
    const reloaded = graphOf(parseModel(encodeModel(model)));
    expect(reloaded.channelsOf('last', 'in')).toBe(3);
    expect(reloaded.analysis.shapes.values.get(node(model, 'view').output[0])?.dims).toEqual(['batch', 3, 1, 2, 2]);
  });

  it('gives the same bytes in several steps as at once: nothing piles up', () => {
    const wide = (): Model => {
      const b = new GraphBuilder({ opset: 17 });
      const x = conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 12);
      const batch = b.node('Gather', [b.node('Shape', [x]), b.ints('zero', [0])], { axis: 0 });
      const spread = b.node('Concat', [batch, b.ints('parts', [3, 4, 4])], { axis: 0 });
      const turned = b.node('Transpose', [b.node('Reshape', [x, spread])], { perm: [0, 2, 1, 3] });
      const joined = b.node('Concat', [batch, b.ints('whole', [12, 2, 2])], { axis: 0 });
      lastConv(b, b.node('Reshape', [turned, joined]), 12);
      return b.build();
    };
    const atOnce = wide();
    prune(atOnce, 'conv1', [0, 2, 3]);
    const inSteps = wide();
    const graph = graphOf(inSteps);
    for (const channel of [3, 2, 0]) graph.getPruningGroup('conv1', pruneConvOutChannels, [channel]).prune();
    expect(names(inSteps)).toEqual(names(atOnce));
    expect(Buffer.from(encodeModel(inSteps)).equals(encodeModel(atOnce))).toBe(true);
  });
});

describe('a Split into equal parts', () => {
  it('states its parts while they are unequal, and no longer than that', () => {
    const b = new GraphBuilder({ opset: 18 });
    const x = conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 8);
    const [p, q] = b.nodeOutputs('Split', [x], { axis: 1, num_outputs: 2 }, { name: 'halves', outputs: 2 });
    lastConv(b, p, 4);
    b.initializer('other.weight', [1, 4, 1, 1], [1, 2, 3, 4]);
    b.output(b.node('Conv', [q, 'other.weight'], {}, { name: 'other' }));
    const model = b.build();
    const graph = prune(model, 'conv1', [0]);
    expect(ints(model, node(model, 'halves').input[1])).toEqual([3, 4]);
    expect(node(model, 'halves').attribute.map(({ name }) => name)).toEqual(['axis']);
    graph.getPruningGroup('conv1', pruneConvOutChannels, [3]).prune();
    expect(node(model, 'halves').input).toEqual(['conv1_out']);
    expect(node(model, 'halves').attribute.map(({ name }) => name)).toEqual(['axis', 'num_outputs']);
    expect(model.graph.initializer.map(({ name }) => name)).toEqual([
      'conv1.weight',
      'conv1.bias',
      'last.weight',
      'last.bias',
      'other.weight',
    ]);
  });
});

describe('a bound of a Slice', () => {
  it('is restated only while it is wrong', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 8);
    const bounds = [b.ints('start', [-4]), b.ints('end', [100]), b.ints('axis', [1])];
    lastConv(b, b.node('Slice', [x, ...bounds]), 4);
    const model = b.build();
    const graph = prune(model, 'conv1', [7]);
    // 7 channels are left, of which 4, 5 and 6 are taken.
    expect([ints(model, 'start'), ints(model, 'end')]).toEqual([[4], [7]]);
    graph.getPruningGroup('conv1', pruneConvOutChannels, [0, 1, 2, 3]).prune();
    // All 3 that are left are taken: the last four of them, as was stated first.
    expect([ints(model, 'start'), ints(model, 'end')]).toEqual([[-4], [100]]);
    expect(graph.channelsOf('last', 'in')).toBe(3);
  });
});
