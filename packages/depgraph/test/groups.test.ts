/** Groups as users ask for them: members and indices, how they print, and what happens to them when they are pruned. */
import { encodeModel, GraphBuilder, type Model, parseModel } from '@onnx-pruning/onnx';
import { conv, linear, parameter } from '../../ops/cases/blocks.ts';
import {
  DependencyGraph,
  type Group,
  pruneBatchnormOutChannels,
  pruneConvInChannels,
  pruneConvOutChannels,
  pruneLinearInChannels,
} from '../src/index.ts';

/** conv1 (8) -> bn1 -> relu -> conv2 (8), added to relu -> conv3 (4) -> flatten over 2 x 2 places -> fc. */
function network(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const x = b.input('x', ['batch', 3, 2, 2]);
  const norm = ['weight', 'bias', 'running_mean', 'running_var'].map((name) =>
    b.initializer(`bn1.${name}`, [8], (n) => Float32Array.from({ length: n }, (_, i) => 1 + i / 8)),
  );
  const relu = b.node('Relu', [
    b.node('BatchNormalization', [conv(b, 'conv1', x, 3, 8), ...norm], {}, { name: 'bn1' }),
  ]);
  const sum = b.node('Add', [conv(b, 'conv2', relu, 8, 8), relu]);
  const flat = b.node('Flatten', [conv(b, 'conv3', sum, 8, 4)]);
  b.output(linear(b, 'fc', flat, 16, 5));
  return b.build();
}

const graphOf = (model = network()): DependencyGraph => new DependencyGraph().buildDependency(model);
const members = (group: Group): string[] =>
  group.items.map(({ axis, idxs }) => `${axis.layer.name} ${axis.side} ${Array.from(idxs).join(',')}`).sort();
const shapes = (model: Model): Record<string, string> =>
  Object.fromEntries(model.graph.initializer.map((t) => [t.name, t.dims.join(' x ')]));

describe('getPruningGroup', () => {
  it('takes along everything that holds the same channels, and nothing else', () => {
    const group = graphOf().getPruningGroup('conv1', pruneConvOutChannels, [2, 6]);
    expect(members(group)).toEqual(['bn1 out 2,6', 'conv1 out 2,6', 'conv2 in 2,6', 'conv2 out 2,6', 'conv3 in 2,6']);
  });

  it('is the same group from every member', () => {
    const graph = graphOf();
    const fromRoot = members(graph.getPruningGroup('conv1', pruneConvOutChannels, [2, 6]));
    for (const [layer, fn] of [
      ['bn1', pruneBatchnormOutChannels],
      ['conv2', pruneConvInChannels],
      ['conv2', pruneConvOutChannels],
      ['conv3', pruneConvInChannels],
    ] as const) {
      expect(members(graph.getPruningGroup(layer, fn, [6, 2]))).toEqual(fromRoot);
    }
  });

  it('maps a channel to all its places behind a flatten, and back', () => {
    const graph = graphOf();
    const group = graph.getPruningGroup('conv3', pruneConvOutChannels, [1]);
    expect(members(group)).toEqual(['conv3 out 1', 'fc in 4,5,6,7']);
    expect(members(graph.getPruningGroup('fc', pruneLinearInChannels, [5]))).toEqual(members(group));
    const fc = group.items.find(({ axis }) => axis.layer.name === 'fc');
    expect(Array.from(fc!.rootIdxs)).toEqual([1, 1, 1, 1]);
  });

  it('takes a layer by name or as an object', () => {
    const graph = graphOf();
    const byObject = graph.getPruningGroup(graph.model.layer('conv1'), pruneConvOutChannels, [0]);
    expect(members(byObject)).toEqual(members(graph.getPruningGroup('conv1', pruneConvOutChannels, [0])));
  });

  it('lists the root first, once', () => {
    const group = graphOf().getPruningGroup('conv2', pruneConvOutChannels, [3]);
    expect(group.items[0].axis).toBe(group.root);
    expect(new Set(group.items.map(({ axis }) => axis)).size).toBe(group.length);
  });
});

describe('how a group prints', () => {
  it('details: numbered lines, root first, with the indices of every member', () => {
    const group = graphOf().getPruningGroup('conv1', pruneConvOutChannels, [2, 6, 7]);
    expect(group.details()).toMatchInlineSnapshot(`
"[0] pruneConvOutChannels on conv1 => pruneConvOutChannels on conv1, idxs (3) = [2, 6, 7]  (pruning root)
[1] pruneConvOutChannels on conv1 => pruneBatchnormOutChannels on bn1, idxs (3) = [2, 6, 7]
[2] pruneBatchnormOutChannels on bn1 => pruneConvInChannels on conv2, idxs (3) = [2, 6, 7]
[3] pruneBatchnormOutChannels on bn1 => pruneConvOutChannels on conv2, idxs (3) = [2, 6, 7]
[4] pruneBatchnormOutChannels on bn1 => pruneConvInChannels on conv3, idxs (3) = [2, 6, 7]"
`);
  });

  it('says which statistic makes it inexact', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 6);
    b.output(conv(b, 'last', b.node('Softmax', [x], { axis: 1 }, { name: 'attend' }), 6, 2));
    const graph = new DependencyGraph().buildDependency(b.build(), { pruneDistributions: true });
    const group = graph.getPruningGroup('conv1', pruneConvOutChannels, [0]);
    expect(group.exact).toBe(false);
    expect(group.inexactBecause.map(({ node, statistic }) => [node.name, statistic])).toEqual([['attend', 'softmax']]);
    expect(group.details().split('\n').at(-1)).toBe("inexact: softmax in Softmax 'attend'");
  });

  it('a group without such a statistic is exact', () => {
    expect(graphOf().getPruningGroup('conv1', pruneConvOutChannels, [0]).exact).toBe(true);
  });
});

describe('getAllGroups', () => {
  it('offers every free dimension once, with all its channels', () => {
    const groups = [...graphOf().getAllGroups()].map((group) => members(group));
    expect(groups).toEqual([
      ['conv3 out 0,1,2,3', 'fc in 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15'],
      ['bn1', 'conv1', 'conv2', 'conv2', 'conv3']
        .map((name, i) => `${name} ${i === 2 || i === 4 ? 'in' : 'out'} 0,1,2,3,4,5,6,7`)
        .sort(),
    ]);
  });

  it('leaves out groups that an ignored layer would lose outputs in', () => {
    const roots = (ignored: string[]): string[] =>
      [...graphOf().getAllGroups({ ignoredLayers: ignored })].map((group) => group.root.layer.name);
    expect(roots(['conv3'])).toEqual(['conv2']);
    // conv1 and conv2 share their outputs: ignoring one of them keeps the group.
    expect(roots(['conv1'])).toEqual(['conv3']);
    expect(roots(['fc'])).toEqual(['conv3', 'conv2']);
  });

  it('takes roots of the given operator types only', () => {
    const roots = [...graphOf().getAllGroups({ rootOpTypes: ['BatchNormalization'] })].map((g) => g.root.layer.name);
    expect(roots).toEqual(['bn1']);
  });

  it('may be pruned while it is iterated', () => {
    const graph = graphOf();
    for (const group of graph.getAllGroups()) group.prune([1, 2]);
    expect(graph.channelsOf('conv1', 'out')).toBe(6);
    expect(graph.channelsOf('fc', 'in')).toBe(8);
  });
});

describe('prune', () => {
  it('slices every member and nothing else', () => {
    const model = network();
    graphOf(model).getPruningGroup('conv1', pruneConvOutChannels, [2, 6]).prune();
    expect(shapes(model)).toEqual({
      'conv1.weight': '6 x 3 x 1 x 1',
      'conv1.bias': '6',
      'bn1.weight': '6',
      'bn1.bias': '6',
      'bn1.running_mean': '6',
      'bn1.running_var': '6',
      'conv2.weight': '6 x 6 x 1 x 1',
      'conv2.bias': '6',
      'conv3.weight': '4 x 6 x 1 x 1',
      'conv3.bias': '4',
      'fc.weight': '5 x 16',
      'fc.bias': '5',
    });
  });

  it('with indices removes these root channels instead', () => {
    const model = network();
    const graph = graphOf(model);
    graph.getPruningGroup('conv1', pruneConvOutChannels, [0]).prune([1, 2, 3]);
    expect(graph.channelsOf('conv1', 'out')).toBe(5);
  });

  it('leaves a graph that sees the new indices: in two steps as at once', () => {
    const atOnce = network();
    graphOf(atOnce).getPruningGroup('conv1', pruneConvOutChannels, [1, 4, 6]).prune();
    const inSteps = network();
    const graph = graphOf(inSteps);
    graph.getPruningGroup('conv1', pruneConvOutChannels, [1]).prune();
    // 4 and 6 have moved up by one.
    graph.getPruningGroup('conv2', pruneConvOutChannels, [3, 5]).prune();
    expect(Buffer.from(encodeModel(inSteps)).equals(encodeModel(atOnce))).toBe(true);
    expect(graph.pruningHistory()).toEqual([
      ['conv1', true, [1]],
      ['conv2', true, [3, 5]],
    ]);
  });

  it('gives the groups that the pruned file has when it is loaded again', () => {
    const model = network();
    const graph = graphOf(model);
    graph.getPruningGroup('conv1', pruneConvOutChannels, [2, 6]).prune();
    const loaded = graphOf(parseModel(encodeModel(model)));
    const all = (of: DependencyGraph): string[][] => [...of.getAllGroups()].map(members);
    expect(all(graph)).toEqual(all(loaded));
  });

  it('several groups at once are recorded so that the history replays one after the other', () => {
    // The output of `wide` is split; its first half belongs to the group of `other`.
    const build = (): Model => {
      const b = new GraphBuilder({ opset: 17 });
      const x = b.input('x', ['batch', 3, 2, 2]);
      const wide = b.node('Conv', [x, parameter(b, 'wide.weight', [8, 3, 1, 1])], {}, { name: 'wide' });
      const [p, q] = b.nodeOutputs('Split', [wide, b.ints('sizes', [4, 4])], { axis: 1 }, { outputs: 2 });
      b.output(conv(b, 'last1', b.node('Add', [p, conv(b, 'other', x, 3, 4)]), 4, 2));
      b.output(conv(b, 'last2', q, 4, 2));
      return b.build();
    };
    const model = build();
    const graph = graphOf(model);
    graph.pruneGroups([
      graph.getPruningGroup('other', pruneConvOutChannels, [0, 3]),
      graph.getPruningGroup('wide', pruneConvOutChannels, [4, 7]),
    ]);
    // Without 0 and 3 of the first half, channels 4 and 7 are 2 and 5.
    expect(graph.pruningHistory()).toEqual([
      ['other', true, [0, 3]],
      ['wide', true, [2, 5]],
    ]);
    const replayed = build();
    graphOf(replayed).loadPruningHistory(graph.pruningHistory());
    expect(Buffer.from(encodeModel(replayed)).equals(encodeModel(model))).toBe(true);
  });
});

describe('explain', () => {
  it('says what is coupled and why the rest is fixed', () => {
    expect(graphOf().explain('conv1')).toMatchInlineSnapshot(`
"conv1 (Conv, conv)
 output channels: 8
  8 prunable, coupled: conv1 out, bn1 out, conv2 out, conv2 in, conv3 in
 input channels: 3
  fixed because it is an axis of the graph input 'x'"
`);
    expect(graphOf().explain('fc')).toMatchInlineSnapshot(`
"fc (Gemm, linear)
 output channels: 5
  fixed because it is an axis of the graph output 'fc_out'
 input channels: 16
  4 prunable, coupled: conv3 out, fc in
  fixed because it is a spatial axis of Conv (Conv 'conv3')"
`);
  });
});
