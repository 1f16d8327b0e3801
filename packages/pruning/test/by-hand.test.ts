/** Pruning by hand: interactive steps, single layers, histories, inputs that stay, and the pruners by their names. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DependencyGraph, pruneConvInChannels, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import {
  encodeModel,
  GraphBuilder,
  type Model,
  parseModel,
  tensorBytes,
  tensorDims,
  withContent,
} from '@onnx-pruning/onnx';
import type { LayerKind } from '@onnx-pruning/ops';
import { verify } from '@onnx-pruning/proof';
import {
  BasePruner,
  BNScaleImportance,
  BNScalePruner,
  CriterionError,
  GroupMagnitudeImportance,
  GroupNormImportance,
  GroupNormPruner,
  linearScheduler,
  MagnitudeImportance,
  MagnitudePruner,
  MetaPruner,
  OptionError,
  type PrunerOptions,
  RandomImportance,
} from '../src/index.ts';

const folder = join(__dirname, '..', '..', '..', 'bench', 'reference');
const load = (name = 'tiny-resnet'): Model => parseModel(readFileSync(join(folder, `${name}.onnx`)));
const same = (a: Model, b: Model): boolean => Buffer.compare(encodeModel(a), encodeModel(b)) === 0;
const make = (model: Model, options: Partial<PrunerOptions> = {}): BasePruner =>
  new BasePruner(model, { importance: new GroupMagnitudeImportance(), ignoredLayers: ['fc'], ...options });

describe('step({ interactive: true })', () => {
  it('yields what step() would prune, and prunes nothing itself', () => {
    const model = load();
    const yielded = [...make(model).step({ interactive: true })].map(({ root, idxs }) => [root.layer.name, [...idxs]]);
    expect(same(model, load())).toBe(true);
    const pruner = make(load());
    pruner.step();
    expect(yielded).toEqual(pruner.pruningHistory().map(([name, , idxs]) => [name, [...idxs]]));
  });

  it('lets the caller prune one group, change the indices of another and skip the rest', async () => {
    const model = load();
    const pruner = make(model);
    for (const group of pruner.step({ interactive: true })) {
      if (group.root.layer.name === 'conv1') group.prune();
      if (group.root.layer.name === 'layer2.0.conv1') group.prune([0, 1]);
    }
    const { graph } = pruner;
    expect(['conv1', 'layer2.0.conv1', 'layer3.0.conv1'].map((name) => graph.channelsOf(name, 'out'))).toEqual([
      8, 30, 64,
    ]);
    expect(await verify(load(), model, pruner.plan())).toMatchObject({ ok: true });
  });
});

describe('pruneWidth', () => {
  it('removes given indices of one layer with everything coupled to them', () => {
    const pruner = make(load());
    pruner.pruneWidth('layer1.0.conv1', pruneConvOutChannels, [3, 5]);
    expect(pruner.graph.channelsOf('layer1.0.conv1', 'out')).toBe(14);
    expect(pruner.graph.channelsOf('layer1.0.conv2', 'in')).toBe(14);
    expect(pruner.pruningHistory()).toEqual([['layer1.0.conv1', true, [3, 5]]]);
  });

  it('removes a share of a layer, the least important channels first', () => {
    const whole = make(load());
    whole.step();
    const chosen = whole.pruningHistory().find(([name]) => name === 'layer1.0.conv1');
    const pruner = make(load());
    pruner.pruneWidth('layer1.0.conv1', pruneConvOutChannels, 0.5);
    expect(pruner.pruningHistory()).toEqual([chosen]);
  });

  it('takes the input side as well', () => {
    const pruner = make(load());
    pruner.pruneWidth('layer1.0.conv2', pruneConvInChannels, 0.25);
    expect(pruner.graph.channelsOf('layer1.0.conv1', 'out')).toBe(12);
  });

  it.each([1, -0.5, Number.NaN])('refuses the share %d', (share) => {
    expect(() => make(load()).pruneWidth('conv1', pruneConvOutChannels, share)).toThrow(OptionError);
  });

  it('refuses a layer whose channels are fixed, and says why', () => {
    expect(() => make(load()).pruneWidth('conv1', pruneConvInChannels, 0.5)).toThrow(
      /none of its input channels may change because it is an axis of the graph input/,
    );
  });
});

describe('pruning history', () => {
  it.each([
    ['tiny-resnet', 'fc', { iterativeSteps: 3 }],
    ['tiny-densenet', 'classifier', { globalPruning: true }],
    ['tiny-mobilenet', 'classifier.1', { roundTo: 4 }],
  ])('of %s, replayed on the original file, gives the same bytes', (name, head, options) => {
    const model = load(name);
    const pruner = make(model, { ignoredLayers: [head], ...options });
    for (let step = 0; step < (options as PrunerOptions).iterativeSteps! || step === 0; step++) pruner.step();
    const replayed = load(name);
    make(replayed, { ignoredLayers: [head] }).loadPruningHistory(JSON.parse(JSON.stringify(pruner.pruningHistory())));
    expect(same(replayed, model)).toBe(true);
    expect(same(model, load(name))).toBe(false);
  });
});

describe('ignoredLayers and ignoredInputs', () => {
  const channels = (pruner: BasePruner, name: string): [number, number] => {
    pruner.step();
    return [pruner.graph.channelsOf(name, 'in'), pruner.graph.channelsOf(name, 'out')];
  };

  it('an ignored layer keeps its outputs; its inputs follow', () => {
    expect(channels(make(load(), { ignoredLayers: ['fc', 'layer2.0.conv1'] }), 'layer2.0.conv1')).toEqual([8, 32]);
  });

  it('ignored inputs stay, and with them the outputs that feed them', () => {
    const pruner = make(load(), { ignoredInputs: ['layer2.0.conv1'] });
    expect(channels(pruner, 'layer2.0.conv1')).toEqual([16, 16]);
    expect(pruner.graph.channelsOf('conv1', 'out')).toBe(16);
  });

  it('both together keep a layer as it is', () => {
    const both = { ignoredLayers: ['fc', 'layer2.0.conv1'], ignoredInputs: ['layer2.0.conv1'] };
    expect(channels(make(load(), both), 'layer2.0.conv1')).toEqual([16, 32]);
  });
});

describe('pruners and criteria by other names', () => {
  it('are the same', () => {
    expect([MetaPruner, MagnitudePruner]).toEqual([BasePruner, BasePruner]);
    expect([MagnitudeImportance, GroupNormImportance]).toEqual([GroupMagnitudeImportance, GroupMagnitudeImportance]);
  });

  it('BNScalePruner and GroupNormPruner bring their criteria', () => {
    const history = (pruner: BasePruner): unknown => {
      pruner.step();
      return pruner.pruningHistory();
    };
    const ignoredLayers = ['fc'];
    expect(history(new BNScalePruner(load(), { ignoredLayers }))).toEqual(
      history(make(load(), { importance: new BNScaleImportance() })),
    );
    expect(history(new GroupNormPruner(load(), { ignoredLayers }))).toEqual(history(make(load())));
  });

  it('BNScaleImportance says why a folded model cannot be scored, and what to do instead', () => {
    const step = () => new BNScalePruner(load('tiny-resnet-folded')).step();
    expect(step).toThrow(CriterionError);
    expect(step).toThrow(/exporters fold them into the convolutions.*GroupMagnitudeImportance/);
  });
});

describe('RandomImportance', () => {
  const history = (seed: number): unknown => {
    const pruner = make(load(), { importance: new RandomImportance({ seed }) });
    pruner.step();
    return pruner.pruningHistory();
  };

  it('is decided by its seed', () => {
    expect(history(1)).toEqual(history(1));
    expect(history(1)).not.toEqual(history(2));
  });
});

describe('iterativePruningRatioScheduler', () => {
  it('is linear by default', () => {
    expect(linearScheduler(0.5, 5)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5]);
  });

  it('decides what is gone after each step', () => {
    const atOnce = (ratio: number, steps: number): number[] => [0, ...new Array<number>(steps).fill(ratio)];
    const pruner = make(load(), { iterativeSteps: 3, iterativePruningRatioScheduler: atOnce });
    const left = [1, 2, 3, 4].map(() => {
      pruner.step();
      return pruner.graph.channelsOf('conv1', 'out');
    });
    expect(left).toEqual([8, 8, 8, 8]);
  });
});

describe('channels in another order', () => {
  it('are dimensions of one channel each, and go one by one', async () => {
    const build = (): Model => {
      const b = new GraphBuilder();
      const weights = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i + 1));
      const y = b.node('Conv', [b.input('x', [1, 2, 3, 3]), b.initializer('a.weight', [6, 2, 1, 1], weights)]);
      const z = b.node('Gather', [y, b.ints('order', [4, 0, 5, 1, 3, 2])], { axis: 1 });
      b.output(b.node('Conv', [z, b.initializer('b.weight', [3, 6, 1, 1], weights)]));
      return b.build();
    };
    const model = build();
    const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio: 0.5 });
    pruner.step();
    expect(pruner.graph.channelsOf('a', 'out')).toBe(3);
    expect(pruner.graph.channelsOf('b', 'in')).toBe(3);
    expect(await verify(build(), model, pruner.plan())).toMatchObject({ ok: true });
  });
});

describe('options that name kinds', () => {
  it('rootOpTypes that do not exist are refused', () => {
    expect(() => make(load(), { rootOpTypes: ['Convolution'] })).toThrow(OptionError);
    expect(() => make(load(), { rootOpTypes: ['Convolution'] })).toThrow(
      /rootOpTypes.*layers: Gemm, .*Conv.*, found 'Convolution'/,
    );
  });

  it('targetTypes that do not exist are refused', () => {
    const wrong = ['conv', 'dense'] as unknown as LayerKind[];
    expect(() => new GroupMagnitudeImportance({ targetTypes: wrong })).toThrow(
      /targetTypes.*one of conv, .*found 'dense'/,
    );
  });
});

describe('a group of zeros', () => {
  it.each(['mean', 'sum', 'max', 'lamp'] as const)('scores zero under %s', (normalizer) => {
    const model = load();
    model.graph.initializer = model.graph.initializer.map((tensor) => {
      const zeros = new Uint8Array(tensorBytes(tensor).length);
      return /^layer1.0.conv[12].weight$/.test(tensor.name!) ? withContent(tensor, tensorDims(tensor), zeros) : tensor;
    });
    const graph = new DependencyGraph().buildDependency(model);
    const group = graph.getFullGroup('layer1.0.conv1', pruneConvOutChannels);
    const scores = new GroupMagnitudeImportance({ normalizer, targetTypes: ['conv'] }).score(group)!;
    expect([...scores]).toEqual(new Array(16).fill(0));
  });
});

describe('options of the wrong type', () => {
  it.each([
    ['globalPruning', 'yes', /globalPruning.*one of true, false, found 'yes'/],
    ['isomorphic', 1, /isomorphic.*one of true, false, found 1/],
    ['pruneNumHeads', 'no', /pruneNumHeads.*one of true, false, found 'no'/],
    ['pruneHeadDims', 0, /pruneHeadDims.*one of true, false, found 0/],
    ['iterativePruningRatioScheduler', [0, 0.5], /iterativePruningRatioScheduler.*a function/],
  ])('%s: %p is refused', (option, value, message) => {
    const options = { [option]: value } as Partial<PrunerOptions>;
    expect(() => make(load(), options)).toThrow(message);
  });
});

describe('inChannelGroups and outChannelGroups', () => {
  it('take the same local channel from every group of the layer', () => {
    const inGroups = make(load(), { inChannelGroups: { 'layer1.0.conv2': 4 }, groupSelection: 'same' });
    const outGroups = make(load(), { outChannelGroups: { 'layer1.0.conv1': 4 }, groupSelection: 'same' });
    for (const { graph } of [inGroups, outGroups]) {
      const group = graph.getPruningGroup('layer1.0.conv1', pruneConvOutChannels, [1]);
      expect([...group.idxs]).toEqual([1, 5, 9, 13]);
    }
  });

  it('that do not divide the channels, or are no layer, are refused', () => {
    expect(() => make(load(), { inChannelGroups: { 'layer1.0.conv2': 3 } })).toThrow(/a divisor of 16, found 3/);
    expect(() => make(load(), { outChannelGroups: { 'layer1.0.conv9': 2 } })).toThrow(/no layer of that name/);
  });
});
