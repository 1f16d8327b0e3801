/** Plans: what they say of a small network, that they replay, and that they are refused by any other model. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DependencyGraph, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import {
  DataType,
  encodeModel,
  fingerprint,
  GraphBuilder,
  loadModel,
  type Model,
  makeTensor,
  saveModel,
} from '@onnx-pruning/onnx';
import { referenceModel } from '@onnx-pruning/proof';
import { Ajv } from 'ajv';
import {
  applyPlan,
  BasePruner,
  createPlan,
  GroupMagnitudeImportance,
  maskModel,
  type Plan,
  PlanError,
  parsePlan,
} from '../src/index.ts';
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
      version: 2,
      fingerprint: fingerprint(network().proto),
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
      version: 2,
      fingerprint: fingerprint(network().proto),
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

describe('the fingerprint of a plan', () => {
  const plan = prune(network(), [1]);
  const uses = [
    ['applyPlan', (model: Model) => applyPlan(model, plan)],
    ['referenceModel', (model: Model) => referenceModel(model, plan)],
    ['maskModel', (model: Model) => maskModel(model, plan)],
  ] as const;

  it.each(uses)('%s: one other weight is another model, and nothing changes', (_, use) => {
    const other = network();
    const bias = other.graph.initializer.findIndex(({ name }) => name === 'bn1.bias');
    other.graph.initializer[bias] = makeTensor('bn1.bias', DataType.FLOAT, [4], [1, 2, 3, 4.5]);
    const before = Buffer.from(encodeModel(other));
    expect(() => use(other)).toThrow(PlanError);
    expect(() => use(other)).toThrow(/the plan was made for another model.*expected sha256:.*found sha256:/);
    expect(before.equals(encodeModel(other))).toBe(true);
  });

  it.each(uses)('%s: the pruned model itself is another model', (_, use) => {
    const pruned = network();
    prune(pruned, [1]);
    expect(() => use(pruned)).toThrow(/the plan was made for another model/);
  });

  it('does not depend on how the model is stored', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'plan-'));
    try {
      const path = join(folder, 'model.onnx');
      await saveModel(network(), path, { externalData: { threshold: 1 } });
      const stored = await loadModel(path);
      expect(stored.dataFiles).toHaveLength(1);
      expect(applyPlan(stored, plan).fingerprint()).toBe(plan.fingerprint);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('holds no weights, no criterion and no layer, whatever the pruner was told', () => {
    const model = network();
    const pruner = new BasePruner(model, {
      importance: new GroupMagnitudeImportance(),
      pruningRatio: 0.5,
      ignoredLayers: [model.layer('fc')],
      inputShapes: { batch: 2 },
      groupSelection: 'same',
    });
    pruner.step();
    expect(pruner.plan().graph).toEqual({ inputShapes: { batch: 2 }, groupSelection: 'same' });
  });
});

describe('a plan of the old format, without a fingerprint', () => {
  const { fingerprint: _, ...rest } = prune(network(), [1]);
  const plan: Plan = { ...rest, version: 1 };

  it('is read, and replayed on its model', () => {
    const pruned = network();
    prune(pruned, [1]);
    const replayed = network();
    applyPlan(replayed, parsePlan(JSON.stringify(plan)));
    expect(same(replayed, pruned)).toBe(true);
  });

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

describe('parsePlan', () => {
  const plan = prune(network(), [1]);

  it('reads what JSON.stringify wrote', () => {
    expect(parsePlan(JSON.stringify(plan))).toEqual(plan);
  });

  it.each([
    ['{', /it is not JSON/],
    ['[]', /expected an object, found \[\]/],
    [JSON.stringify({ ...plan, version: 3 }), /version 1 or 2, found 3/],
    [JSON.stringify({ ...plan, fingerprint: undefined }), /fingerprint is something else/],
    [JSON.stringify({ ...plan, initializers: { w: { shape: [-1] } } }), /initializers\['w'\]\.shape/],
    [JSON.stringify({ ...plan, groups: [{ root: 'conv1', side: 'up' }] }), /groups\[0\]\.side.*expected 'out' or 'in'/],
  ])('refuses %s', (text, message) => {
    expect(() => parsePlan(text)).toThrow(PlanError);
    expect(() => parsePlan(text)).toThrow(message);
  });
});

describe('the published schema', () => {
  const validate = new Ajv({ allErrors: true }).compile(schemaOf());

  it.each(['same', 'independent'] as const)(
    'accepts the plan of a pruner that chooses %s channels in groups',
    (groupSelection) => {
      const importance = new GroupMagnitudeImportance();
      const pruner = new BasePruner(groupedNetwork(), { importance, groupSelection, inputShapes: { batch: 1 } });
      pruner.step();
      const plan = JSON.parse(JSON.stringify(pruner.plan()));
      expect(plan.groups.length).toBeGreaterThan(0);
      expect(validate(plan) || validate.errors).toBe(true);
    },
  );

  it('refuses weights, unknown keys and what is missing', () => {
    const plan = prune(network(), [1]);
    expect(validate({ ...plan, weights: [1.5] })).toBe(false);
    expect(validate({ ...plan, graph: { ignoredLayers: ['fc'] } })).toBe(false);
    expect(validate({ ...plan, groups: undefined })).toBe(false);
    expect(validate({ ...plan, fingerprint: 'md5:0' })).toBe(false);
  });
});

function schemaOf(): object {
  const { $schema: _, ...schema } = JSON.parse(readFileSync(join(__dirname, '../schema/plan.schema.json'), 'utf8'));
  return schema;
}

/** x (2) -> a (8) -> grouped (8 in 2 groups) -> b (3). */
function groupedNetwork(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const rows = (count: number, width: number): number[][] =>
    Array.from({ length: count }, (_, i) => Array.from({ length: width }, (_, j) => Math.sin(5 * i + 3 * j + 1)));
  const a = convOf(b, 'a', b.input('x', ['batch', 2, 2, 2]), rows(8, 2));
  b.initializer('grouped.weight', [8, 4, 1, 1], rows(8, 4).flat());
  const grouped = b.node('Conv', [a, 'grouped.weight'], { group: 2 }, { name: 'grouped' });
  b.output(convOf(b, 'b', grouped, rows(3, 8)));
  return b.build();
}
