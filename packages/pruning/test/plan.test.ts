/** Plans: what they say of a small network, that they replay, and that they are refused by any other model. */
import { DependencyGraph, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { encodeModel, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { referenceModel } from '@onnx-pruning/proof';
import { applyPlan, createPlan, maskModel, type Plan, PlanError } from '../src/index.ts';
import { chain, convOf } from './networks.ts';

/** x (2) -> conv1 (4) -> bn1, flattened over 1 x 2 places -> fc (3); conv1 without bias. */
function network(channels = 4): Model {
  const b = new GraphBuilder({ opset: 17 });
  const rows = Array.from({ length: channels }, (_, i) => [i + 1, -i]);
  const conv1 = convOf(b, 'conv1', b.input('x', ['batch', 2, 1, 2]), rows);
  const norm = ['weight', 'bias', 'running_mean', 'running_var'].map((name) =>
    b.initializer(`bn1.${name}`, [channels], (n) => Float32Array.from({ length: n }, (_, i) => i + 1)),
  );
  const bn1 = b.node('BatchNormalization', [conv1, ...norm], {}, { name: 'bn1' });
  b.initializer('fc.weight', [2 * channels, 3], (n) => Float32Array.from({ length: n }, (_, i) => i % 5));
  b.output(b.node('MatMul', [b.node('Flatten', [bn1]), 'fc.weight'], {}, { name: 'fc' }));
  return b.build();
}

function prune(model: Model, idxs: readonly number[]): Plan {
  const graph = new DependencyGraph().buildDependency(model);
  graph.getPruningGroup('conv1', pruneConvOutChannels, idxs).prune();
  return createPlan(graph);
}

const same = (a: Model, b: Model): boolean => Buffer.from(encodeModel(a)).equals(encodeModel(b));

describe('a plan', () => {
  it('holds shapes and kept indices of every changed initializer, and its groups', () => {
    const vector = { shape: [4], newShape: [3], kept: { '0': [0, 2, 3] } };
    expect(prune(network(), [1])).toEqual({
      version: 1,
      graph: {},
      initializers: {
        'conv1.weight': { shape: [4, 2, 1, 1], newShape: [3, 2, 1, 1], kept: { '0': [0, 2, 3] } },
        'bn1.weight': vector,
        'bn1.bias': vector,
        'bn1.running_mean': vector,
        'bn1.running_var': vector,
        // Channel 1 lies in rows 2 and 3.
        'fc.weight': { shape: [8, 3], newShape: [6, 3], kept: { '0': [0, 1, 4, 5, 6, 7] } },
      },
      groups: [
        {
          root: 'conv1',
          side: 'out',
          channels: 4,
          kept: [0, 2, 3],
          members: [
            { layer: 'conv1', side: 'out', channels: 4, kept: 3 },
            { layer: 'bn1', side: 'out', channels: 4, kept: 3 },
            { layer: 'fc', side: 'in', channels: 8, kept: 6 },
          ],
          reason: 'chosen by hand',
          inexact: [],
        },
      ],
    });
  });

  it('names both axes of a weight that loses channels on both', () => {
    const model = chain();
    const graph = new DependencyGraph().buildDependency(model);
    graph.getPruningGroup('a', pruneConvOutChannels, [0, 7]).prune();
    graph.getPruningGroup('b', pruneConvOutChannels, [3]).prune();
    expect(createPlan(graph).initializers['b.weight']).toEqual({
      shape: [8, 8, 1, 1],
      newShape: [7, 6, 1, 1],
      kept: { '0': [0, 1, 2, 4, 5, 6, 7], '1': [1, 2, 3, 4, 5, 6] },
    });
  });

  it('counts in the channels of the original, however many steps there were', () => {
    const model = network();
    const graph = new DependencyGraph().buildDependency(model);
    graph.getPruningGroup('conv1', pruneConvOutChannels, [0]).prune();
    graph.getPruningGroup('conv1', pruneConvOutChannels, [1]).prune();
    expect(createPlan(graph).groups[0].kept).toEqual([1, 3]);
  });

  it('of an unchanged model is empty', () => {
    expect(createPlan(new DependencyGraph().buildDependency(network()))).toEqual({
      version: 1,
      graph: {},
      initializers: {},
      groups: [],
    });
  });
});

describe('applyPlan', () => {
  it('gives the same bytes, from the plan as JSON', () => {
    const pruned = network();
    const plan = JSON.parse(JSON.stringify(prune(pruned, [0, 2]))) as Plan;
    const replayed = network();
    applyPlan(replayed, plan);
    expect(same(replayed, pruned)).toBe(true);
  });

  it('gives the same bytes for what was done in several steps', () => {
    const pruned = network();
    const graph = new DependencyGraph().buildDependency(pruned);
    graph.getPruningGroup('conv1', pruneConvOutChannels, [3]).prune();
    graph.getPruningGroup('conv1', pruneConvOutChannels, [0]).prune();
    const replayed = network();
    applyPlan(replayed, createPlan(graph));
    expect(same(replayed, pruned)).toBe(true);
  });

  it('returns a graph that goes on where the plan ends', () => {
    const model = network();
    const graph = applyPlan(model, prune(network(), [0]));
    graph.getPruningGroup('conv1', pruneConvOutChannels, [0]).prune();
    expect(createPlan(graph).groups[0].kept).toEqual([2, 3]);
  });
});

describe('a plan on another model', () => {
  const plan = prune(network(), [1]);

  it.each([
    ['applyPlan', (model: Model) => applyPlan(model, plan)],
    ['referenceModel', (model: Model) => referenceModel(model, plan)],
    ['maskModel', (model: Model) => maskModel(model, plan)],
  ])('%s: other numbers of channels are refused with both numbers, and nothing changes', (_, use) => {
    const other = network(6);
    const before = Buffer.from(encodeModel(other));
    expect(() => use(other)).toThrow(PlanError);
    expect(() => use(other)).toThrow(/the plan was made for another model .*conv1.*expected .*4.*, found .*6/);
    expect(before.equals(encodeModel(other))).toBe(true);
  });

  it('a model without the layer is refused by its name', () => {
    expect(() => applyPlan(chain(), plan)).toThrow(/'conv1'/);
  });

  it('a model that is pruned already is refused', () => {
    const pruned = network();
    prune(pruned, [1]);
    expect(() => applyPlan(pruned, plan)).toThrow(/expected 4 output channels, found 3/);
  });
});
