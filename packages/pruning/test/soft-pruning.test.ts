/** Masking in place of removal: the bytes that are zeroed, their return, and the pruned model as the oracle. */
import { DependencyGraph, type Group, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { buildDenseNet, buildResNet } from '@onnx-pruning/models';
import { DataType, encodeModel, GraphBuilder, type Model, makeAttribute, readNumbers } from '@onnx-pruning/onnx';
import { compareModels, verify } from '@onnx-pruning/proof';
import { applyPlan, BasePruner, GroupMagnitudeImportance, softPrune } from '../src/index.ts';

const counting = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => i + 1);

/** a (3 filters of 2) -> bn -> relu -> b (1 filter of 3), weights 1, 2, 3, ... */
function chain(): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', ['batch', 2, 4, 4]);
  b.initializer('a.weight', [3, 2, 1, 1], counting);
  b.initializer('a.bias', [3], counting);
  for (const name of ['weight', 'bias', 'mean', 'var']) b.initializer(`bn.${name}`, [3], counting);
  b.initializer('b.weight', [1, 3, 1, 1], counting);
  const a = b.node('Conv', ['x', 'a.weight', 'a.bias'], {}, { name: 'a' });
  const bn = b.node('BatchNormalization', [a, 'bn.weight', 'bn.bias', 'bn.mean', 'bn.var'], {}, { name: 'bn' });
  b.output(b.node('Conv', [b.node('Relu', [bn]), 'b.weight'], {}, { name: 'b' }));
  return b.build();
}

const graphOf = (model: Model): DependencyGraph => new DependencyGraph().buildDependency(model);
const parameters = (model: Model): Record<string, number[]> =>
  Object.fromEntries(model.graph.initializer.map((tensor) => [tensor.name, Array.from(readNumbers(tensor))]));
/** Every second channel of every group. */
const halves = (graph: DependencyGraph): Group[] =>
  [...graph.getAllGroups()].map((group) =>
    graph.groupOf(
      group.root,
      Array.from(group.idxs).filter((_, i) => i % 2 === 0),
    ),
  );

describe('softPrune', () => {
  it('zeroes weights and biases of the removed channels, and leaves statistics and shapes', () => {
    const model = chain();
    const graph = graphOf(model);
    softPrune(graph, [graph.getPruningGroup('a', pruneConvOutChannels, [1])]);
    expect(parameters(model)).toEqual({
      'a.weight': [1, 2, 0, 0, 5, 6],
      'a.bias': [1, 0, 3],
      'bn.weight': [1, 0, 3],
      'bn.bias': [1, 0, 3],
      'bn.mean': [1, 2, 3],
      'bn.var': [1, 2, 3],
      'b.weight': [1, 0, 3],
    });
    expect(graph.channelsOf('a', 'out')).toBe(3);
  });

  it.each([
    ['ResNet', () => buildResNet({ blocks: [1, 1], width: 8, imageSize: 32, classes: 5, seed: 1 })],
    ['ResNeXt', () => buildResNet({ block: 'bottleneck', blocks: [1], width: 8, groups: 2, imageSize: 32, seed: 2 })],
    ['DenseNet', () => buildDenseNet({ blocks: [2, 2], growth: 4, initFeatures: 8, imageSize: 32, seed: 3 })],
  ])('computes on a %s what the pruned model computes', async (_, build) => {
    const [masked, pruned] = [build(), build()];
    const [before, after] = [graphOf(masked), graphOf(pruned)];
    softPrune(before, halves(before));
    after.pruneGroups(halves(after));
    expect(encodeModel(pruned).length).toBeLessThan(encodeModel(masked).length);
    expect(await compareModels(masked, pruned)).toMatchObject({ ok: true });
  });

  it('masks other channels in every group of a grouped convolution', async () => {
    const build = (): Model =>
      buildResNet({ block: 'bottleneck', blocks: [1], width: 8, groups: 2, imageSize: 32, seed: 4 });
    const [masked, pruned] = [build(), build()];
    const options = { importance: new GroupMagnitudeImportance(), groupSelection: 'independent' } as const;
    const pruner = new BasePruner(pruned, options);
    pruner.step();
    const soft = new BasePruner(masked, options);
    softPrune(soft.graph, soft.step({ interactive: true }));
    expect(await compareModels(masked, pruned)).toMatchObject({ ok: true });
  });

  it('leaves a divisor, because zero over zero is no number', async () => {
    const build = (): Model => {
      const b = new GraphBuilder({ opset: 17 });
      b.input('x', ['batch', 2, 4, 4]);
      for (const [name, dims] of [
        ['a.weight', [3, 2, 1, 1]],
        ['divisor', [3, 1, 1]],
        ['b.weight', [2, 3, 1, 1]],
      ] as const)
        b.initializer(name, dims, counting);
      const scaled = b.node('Div', [b.node('Conv', ['x', 'a.weight'], {}, { name: 'a' }), 'divisor']);
      b.output(b.node('Conv', [scaled, 'b.weight'], {}, { name: 'b' }));
      return b.build();
    };
    const [masked, pruned] = [build(), build()];
    const [before, after] = [graphOf(masked), graphOf(pruned)];
    softPrune(before, [before.getPruningGroup('a', pruneConvOutChannels, [0, 2])]);
    after.getPruningGroup('a', pruneConvOutChannels, [0, 2]).prune();
    expect(parameters(masked).divisor).toEqual([1, 2, 3]);
    expect(await compareModels(masked, pruned)).toMatchObject({ ok: true });
  });

  it('says where the masked model may differ from the pruned one', async () => {
    // A sigmoid makes one half of every masked zero, and a mean divides by the masked channels too.
    const build = (reduce: string): Model => {
      const b = new GraphBuilder({ opset: 12 });
      b.input('x', ['batch', 2, 4, 4]);
      b.initializer('a.weight', [3, 2, 1, 1], counting);
      const a = b.node('Sigmoid', [b.node('Conv', ['x', 'a.weight'], {}, { name: 'a' })]);
      b.output(b.node(reduce, [a], { axes: [1] }, { name: 'reduced' }));
      return b.build();
    };
    const because = async (reduce: string): Promise<readonly string[]> => {
      const [masked, pruned] = [build(reduce), build(reduce)];
      const [before, after] = [graphOf(masked), graphOf(pruned)];
      const soft = softPrune(before, [before.getPruningGroup('a', pruneConvOutChannels, [1])]);
      after.getPruningGroup('a', pruneConvOutChannels, [1]).prune();
      expect(await compareModels(masked, pruned)).toMatchObject({ ok: false });
      return soft.inexactBecause;
    };
    expect(await because('ReduceSum')).toEqual(["ReduceSum 'reduced' sums over masked channels as they reach it"]);
    expect(await because('ReduceMean')).toEqual([expect.stringMatching(/ in ReduceMean 'reduced'$/)]);
    const graph = graphOf(chain());
    expect(softPrune(graph, [graph.getPruningGroup('a', pruneConvOutChannels, [1])]).inexactBecause).toEqual([]);
  });

  it('refuses to mask all channels, and changes nothing', () => {
    const model = chain();
    const graph = graphOf(model);
    const before = encodeModel(model);
    const group = graph.getPruningGroup('a', pruneConvOutChannels, [0, 1, 2]);
    expect(() => softPrune(graph, [group])).toThrow(/leave an axis without channels/);
    expect(encodeModel(model)).toEqual(before);
  });

  it('refuses a group that is out of date', () => {
    const graph = graphOf(chain());
    const group = graph.getPruningGroup('a', pruneConvOutChannels, [0]);
    graph.getPruningGroup('a', pruneConvOutChannels, [2]).prune();
    expect(() => softPrune(graph, [group])).toThrow(/Ask the dependency graph for the group again/);
  });
});

describe('restore', () => {
  it('brings the very bytes back', () => {
    const model = chain();
    const graph = graphOf(model);
    const before = encodeModel(model);
    const soft = softPrune(graph, [graph.getPruningGroup('a', pruneConvOutChannels, [0, 2])]);
    expect(encodeModel(model)).not.toEqual(before);
    soft.restore();
    expect(soft.state).toBe('restored');
    expect(encodeModel(model)).toEqual(before);
  });

  it('brings back content in typed fields and in attributes of Constant nodes', () => {
    const model = chain();
    const [weight, bias] = model.graph.initializer;
    const typed = { ...weight, rawData: undefined, floatData: [1, 2, 3, 4, 5, 6] };
    model.graph.initializer = model.graph.initializer.map((tensor) => (tensor === weight ? typed : tensor));
    model.graph.initializer = model.graph.initializer.filter((tensor) => tensor !== bias);
    const attribute = [makeAttribute('value_floats', [1, 2, 3], 'floats')];
    model.graph.node.unshift({ input: [], output: ['a.bias'], name: 'c', opType: 'Constant', attribute });
    const graph = graphOf(model);
    const before = encodeModel(model);
    const soft = softPrune(graph, [graph.getPruningGroup('a', pruneConvOutChannels, [1])]);
    const constant = model.graph.node[0].attribute.find(({ name }) => name === 'value')?.t;
    expect(Array.from(readNumbers(constant!))).toEqual([1, 0, 3]);
    soft.restore();
    expect(encodeModel(model)).toEqual(before);
    expect(model.graph.initializer[0]).toMatchObject({ dataType: DataType.FLOAT, floatData: [1, 2, 3, 4, 5, 6] });
  });

  it('undoes several masks in reverse order, and refuses any other', () => {
    const model = chain();
    const graph = graphOf(model);
    const before = encodeModel(model);
    const mask = (channel: number) => softPrune(graph, [graph.getPruningGroup('a', pruneConvOutChannels, [channel])]);
    const [first, second] = [mask(0), mask(2)];
    expect(parameters(model)['b.weight']).toEqual([0, 2, 0]);
    expect(() => first.restore()).toThrow("a masked parameter was changed since (value 'a.weight')");
    second.restore();
    expect(parameters(model)['b.weight']).toEqual([0, 2, 3]);
    first.restore();
    expect(encodeModel(model)).toEqual(before);
  });

  it('is for masks that are there', () => {
    const graph = graphOf(chain());
    const soft = softPrune(graph, [graph.getPruningGroup('a', pruneConvOutChannels, [0])]);
    soft.restore();
    for (const again of [() => soft.restore(), () => soft.commit(), () => soft.plan()]) {
      expect(again).toThrow('these channels are no longer masked: they were restored');
    }
  });
});

describe('commit', () => {
  it('leaves the bytes that pruning leaves', () => {
    const [masked, pruned] = [chain(), chain()];
    const [before, after] = [graphOf(masked), graphOf(pruned)];
    const soft = softPrune(before, [before.getPruningGroup('a', pruneConvOutChannels, [1])]);
    soft.commit();
    after.getPruningGroup('a', pruneConvOutChannels, [1]).prune();
    expect(encodeModel(masked)).toEqual(encodeModel(pruned));
    expect(before.pruningHistory()).toEqual([['a', true, [1]]]);
    expect(() => soft.restore()).toThrow('they were committed');
  });
});

describe('plan', () => {
  it('is the plan of the removal, before it is done', async () => {
    const original = buildResNet({ blocks: [1], width: 8, imageSize: 32, classes: 5, seed: 5 });
    const [masked, pruned] = [original.clone(), original.clone()];
    const graph = graphOf(masked);
    const plan = softPrune(graph, halves(graph)).plan('masked for a test');
    applyPlan(pruned, plan);
    expect(plan.groups.map(({ reason }) => reason)).toEqual(plan.groups.map(() => 'masked for a test'));
    expect(await verify(original, pruned, plan)).toMatchObject({ ok: true });
    expect(await compareModels(masked, pruned)).toMatchObject({ ok: true });
  });

  it('counts what was pruned before, in indices of the original', () => {
    const graph = graphOf(chain());
    graph.getPruningGroup('a', pruneConvOutChannels, [0]).prune();
    const soft = softPrune(graph, [graph.getPruningGroup('a', pruneConvOutChannels, [0])]);
    expect(soft.plan().initializers['b.weight']).toEqual({
      shape: [1, 3, 1, 1],
      newShape: [1, 1, 1, 1],
      kept: { '1': [2] },
    });
    const [group, ...others] = soft.plan().groups;
    expect(others).toEqual([]);
    expect(group).toMatchObject({ channels: 3, kept: [2] });
    expect(group.members.map(({ layer, channels, kept }) => [layer, channels, kept]).sort()).toEqual([
      ['a', 3, 1],
      ['b', 3, 1],
      ['bn', 3, 1],
    ]);
  });
});
