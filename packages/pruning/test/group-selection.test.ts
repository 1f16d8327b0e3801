/** Choosing channels inside groups: the same in every group, or independently. */
import { DependencyGraph, LayerError, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { compareModels, verify } from '@onnx-pruning/proof';
import { applyPlan, BasePruner, GroupMagnitudeImportance, maskModel, type Plan } from '../src/index.ts';

/** Two groups of 4 channels whose importance runs in opposite directions: 0 is least in the first, 3 in the second. */
const MAGNITUDES = [1, 2, 3, 4, 40, 30, 20, 10];

/** stem (8) -> grouped (2 groups of 4 in, 4 out) -> last. Magnitudes are those of the stem; the rest is alike. */
function groupedModel(): Model {
  const b = new GraphBuilder();
  const x = b.input('x', ['batch', 2, 4, 4]);
  const signs = (i: number): number => (i % 3 === 0 ? -1 : 1);
  const stem = b.initializer('stem.weight', [8, 2, 1, 1], (n) =>
    Float32Array.from({ length: n }, (_, i) => signs(i) * MAGNITUDES[i >> 1]),
  );
  const grouped = b.initializer('grouped.weight', [8, 4, 1, 1], (n) =>
    Float32Array.from({ length: n }, (_, i) => signs(i) + (i % 7) / 8),
  );
  const last = b.initializer('last.weight', [3, 8, 1, 1], (n) =>
    Float32Array.from({ length: n }, (_, i) => signs(i) - (i % 5) / 8),
  );
  const y = b.node('Conv', [x, stem], { kernel_shape: [1, 1] });
  const z = b.node('Conv', [b.node('Relu', [y]), grouped], { kernel_shape: [1, 1], group: 2 });
  b.output(b.node('Conv', [b.node('Relu', [z]), last], { kernel_shape: [1, 1] }));
  return b.build();
}

function prune(groupSelection: 'same' | 'independent'): { model: Model; plan: Plan } {
  const model = groupedModel();
  const importance = new GroupMagnitudeImportance({ groupReduction: 'first' });
  const pruner = new BasePruner(model, { importance, pruningRatio: 0.5, groupSelection });
  pruner.step();
  return { model, plan: pruner.plan() };
}

const stemKept = (plan: Plan): unknown => plan.groups.find((group) => group.root === 'stem')?.kept;

describe('groupSelection', () => {
  it('same: every group loses the same local channels, the lowest on average', () => {
    // Averages per local channel, of squares: (1 + 1600) / 2, (4 + 900) / 2, (9 + 400) / 2, (16 + 100) / 2.
    expect(stemKept(prune('same').plan)).toEqual([0, 1, 4, 5]);
  });

  it('independent: every group keeps its own most important channels', () => {
    expect(stemKept(prune('independent').plan)).toEqual([2, 3, 4, 5]);
  });

  it('is independent unless asked otherwise', () => {
    const model = groupedModel();
    const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance({ groupReduction: 'first' }) });
    pruner.step();
    expect(stemKept(pruner.plan())).toEqual([2, 3, 4, 5]);
  });

  it.each(['same', 'independent'] as const)(
    '%s: the pruned model passes the check, and equals the masked one',
    async (selection) => {
      const { model, plan } = prune(selection);
      expect(await verify(groupedModel(), model, plan)).toMatchObject({ ok: true });
      expect(await compareModels(maskModel(groupedModel(), plan), model)).toMatchObject({ ok: true });
    },
  );

  it('a plan says which channels each group keeps, and replays', () => {
    const { model, plan } = prune('independent');
    const change = plan.initializers['grouped.weight'];
    expect(change).toMatchObject({
      shape: [8, 4, 1, 1],
      newShape: [4, 2, 1, 1],
      keptPerGroup: {
        '1': [
          [2, 3],
          [0, 1],
        ],
      },
    });
    const replayed = groupedModel();
    applyPlan(replayed, JSON.parse(JSON.stringify(plan)));
    expect(replayed.graph.initializer.map((t) => t.rawData)).toEqual(model.graph.initializer.map((t) => t.rawData));
  });

  it('the graph refuses to leave groups of different sizes, and changes nothing', () => {
    const model = groupedModel();
    const graph = new DependencyGraph().buildDependency(model, { groupSelection: 'independent' });
    const group = graph.getPruningGroup('stem', pruneConvOutChannels, [0]);
    expect(graph.checkPruningGroup(group)).toBe(false);
    expect(() => group.prune()).toThrow(LayerError);
    expect(() => group.prune()).toThrow(/every group must keep equally many channels/);
    expect(graph.channelsOf('stem', 'out')).toBe(8);
    graph.getPruningGroup('stem', pruneConvOutChannels, [0, 7]).prune();
    expect(graph.channelsOf('stem', 'out')).toBe(6);
  });

  it('stays usable: a second pruning sees what the first left', async () => {
    const model = groupedModel();
    const importance = new GroupMagnitudeImportance({ groupReduction: 'first' });
    const pruner = new BasePruner(model, { importance, pruningRatio: 0.75, iterativeSteps: 3 });
    for (let step = 0; step < 3; step++) pruner.step();
    expect(stemKept(pruner.plan())).toEqual([3, 4]);
    expect(await verify(groupedModel(), model, pruner.plan())).toMatchObject({ ok: true });
  });
});
