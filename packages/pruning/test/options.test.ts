/** Every option of the pruner: its effect on a small chain, and what a wrong value says. */
import { UnknownLayerError } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance, OptionError, type PrunerOptions } from '../src/index.ts';
import { chain } from './networks.ts';

type Options = Partial<PrunerOptions>;

/** No normalizer: what a channel weighs is comparable between groups. Only the producing layer counts. */
const importance = new GroupMagnitudeImportance({ groupReduction: 'first', normalizer: null });

function pruned(options: Options, steps = options.iterativeSteps ?? 1): BasePruner {
  const pruner = new BasePruner(chain(), { importance, ...options });
  for (let i = 0; i < steps; i++) pruner.step();
  return pruner;
}

/** Output channels of a, b and c, which are 8, 8 and 4 at first. */
const widths = (pruner: BasePruner): number[] => ['a', 'b', 'c'].map((name) => pruner.graph.channelsOf(name, 'out'));
/** Channels of a layer that are kept. */
const kept = (pruner: BasePruner, root: string): unknown => pruner.plan().groups.find((g) => g.root === root)?.kept;

describe('pruningRatio', () => {
  it('is the share of every group that goes, least important first', () => {
    const pruner = pruned({ pruningRatio: 0.25 });
    expect(widths(pruner)).toEqual([6, 6, 3]);
    expect([kept(pruner, 'a'), kept(pruner, 'c')]).toEqual([
      [2, 3, 4, 5, 6, 7],
      [1, 2, 3],
    ]);
  });

  it('is 0.5 by default, and 0 changes nothing', () => {
    expect(widths(pruned({}))).toEqual([4, 4, 2]);
    expect(pruned({ pruningRatio: 0 }).plan().groups).toEqual([]);
  });

  it('keeps as many channels as the share of what stays, rounded down', () => {
    // 8 * 0.7 = 5.6 and 4 * 0.7 = 2.8: 5 and 2 stay.
    expect(widths(pruned({ pruningRatio: 0.3 }))).toEqual([5, 5, 2]);
  });

  it('never takes the last channel', () => {
    expect(widths(pruned({ pruningRatio: 0.99 }))).toEqual([1, 1, 1]);
  });
});

describe('maxPruningRatio', () => {
  it('limits what one group loses', () => {
    expect(widths(pruned({ pruningRatio: 0.75, maxPruningRatio: 0.5 }))).toEqual([4, 4, 2]);
  });

  it('limits it in global pruning too, over all steps', () => {
    const pruner = pruned({ pruningRatio: 0.6, maxPruningRatio: 0.5, globalPruning: true, iterativeSteps: 3 });
    expect(widths(pruner).every((width, i) => width >= [4, 4, 2][i])).toBe(true);
  });

  it('of 0 keeps everything', () => {
    expect(widths(pruned({ maxPruningRatio: 0 }))).toEqual([8, 8, 4]);
  });
});

describe('globalPruning', () => {
  it('ranks the channels of all groups together', () => {
    // Row i weighs 3 i^2 in a (3, 12, .., 192), 8 i^2 in c (8, 32, 72, 128) and 80,000 or more in b. The lowest 10 of
    // 20 are 6 of a and all 4 of c, of which one stays.
    const pruner = pruned({ globalPruning: true });
    const [a, b, c] = widths(pruner);
    expect(b).toBe(8);
    expect([a, c]).toEqual([2, 1]);
  });

  it('without it every group is ranked by itself', () => {
    expect(widths(pruned({ globalPruning: false }))).toEqual([4, 4, 2]);
  });
});

describe('isomorphic', () => {
  it('ranks groups of the same structure together', () => {
    // a and b have the same structure (convolution, Relu, convolution); so has c.
    const pruner = pruned({ isomorphic: true });
    expect(widths(pruner)[1]).toBe(8);
  });
});

describe('iterativeSteps', () => {
  it('reaches the ratio in equal steps', () => {
    const pruner = new BasePruner(chain(), { importance, pruningRatio: 0.5, iterativeSteps: 4 });
    const found = [1, 2, 3, 4].map(() => {
      pruner.step();
      return widths(pruner);
    });
    expect(found).toEqual([
      [7, 7, 3],
      [6, 6, 3],
      [5, 5, 2],
      [4, 4, 2],
    ]);
    expect(pruner.currentStep).toBe(4);
  });

  it('further steps do nothing', () => {
    expect(widths(pruned({ iterativeSteps: 2 }, 5))).toEqual([4, 4, 2]);
  });
});

describe('roundTo', () => {
  it('leaves a multiple where the group has as many', () => {
    // 5 of 8 would stay, and 2 of 4.
    expect(widths(pruned({ pruningRatio: 0.3, roundTo: 4 }))).toEqual([4, 4, 4]);
    expect(widths(pruned({ pruningRatio: 0.1, roundTo: 2 }))).toEqual([6, 6, 2]);
  });

  it('leaves groups alone that are smaller', () => {
    expect(widths(pruned({ roundTo: 8 }))).toEqual([8, 8, 4]);
  });
});

describe('ignoredLayers', () => {
  it('keep their outputs', () => {
    expect(widths(pruned({ ignoredLayers: ['b'] }))).toEqual([4, 8, 2]);
  });

  it('may be layers, and patterns that match several', () => {
    const model = chain();
    const pruner = new BasePruner(model, { importance, ignoredLayers: [model.layer('a')] });
    pruner.step();
    expect(widths(pruner)).toEqual([8, 4, 2]);
    expect(widths(pruned({ ignoredLayers: ['*'] }))).toEqual([8, 8, 4]);
  });

  it('that do not exist are an error that suggests names', () => {
    const make = (): unknown => pruned({ ignoredLayers: ['lst'] });
    expect(make).toThrow(UnknownLayerError);
    expect(make).toThrow(/'lst'.*Did you mean .*'last'/);
  });

  it('patterns that match nothing are an error too', () => {
    const make = (): unknown => pruned({ ignoredLayers: ['layer*'] });
    expect(make).toThrow(UnknownLayerError);
    expect(make).toThrow(/'layer\*'.*Did you mean/);
  });
});

describe('rootOpTypes', () => {
  it('limits which layers may be roots', () => {
    expect(widths(pruned({ rootOpTypes: ['Gemm'] }))).toEqual([8, 8, 4]);
  });
});

describe('pruningRatioDict', () => {
  it('gives single layers a ratio of their own', () => {
    expect(widths(pruned({ pruningRatioDict: { a: 0.25, c: 0 } }))).toEqual([6, 4, 4]);
  });

  it('takes patterns, the later entry wins', () => {
    expect(widths(pruned({ pruningRatioDict: { '*': 0.25, b: 0.75 } }))).toEqual([6, 2, 3]);
  });

  it('of a tuple: its layers compete for one ratio', () => {
    // The lowest 8 of the 16 channels of a and b are all those of a, of which one stays.
    const pruner = pruned({ pruningRatioDict: [[['a', 'b'], 0.5]] });
    const [a, b, c] = widths(pruner);
    expect([a, b, c]).toEqual([1, 8, 2]);
  });

  it('of pairs with single layers is the same as of a record', () => {
    const pairs = pruned({
      pruningRatioDict: [
        ['a', 0.25],
        ['c', 0],
      ],
    });
    expect(widths(pairs)).toEqual([6, 4, 4]);
  });
});

describe('importance', () => {
  it('may be any function of a group', () => {
    const pruner = pruned({ importance: (group) => Float32Array.from(group.idxs, (i) => -i) });
    expect(kept(pruner, 'a')).toEqual([0, 1, 2, 3]);
  });

  it('that is undefined leaves a group alone', () => {
    const pruner = pruned({ importance: (group) => (group.root.layer.name === 'b' ? undefined : group.idxs) });
    expect(widths(pruner)).toEqual([4, 8, 2]);
  });

  it('equal scores: the first channels go', () => {
    const pruner = pruned({ importance: (group) => new Float32Array(group.idxs.length) });
    expect(kept(pruner, 'c')).toEqual([2, 3]);
  });
});

describe('the same model, options and seed', () => {
  it('give the same plan', () => {
    const plans = [0, 1].map(() => JSON.stringify(pruned({ globalPruning: true, iterativeSteps: 3 }).plan()));
    expect(plans[0]).toBe(plans[1]);
  });
});

describe('a wrong value names the option, the value and what is allowed', () => {
  const cases: readonly (readonly [object, string, string, RegExp])[] = [
    [{ pruningRatio: 1 }, 'pruningRatio', '1', /a number in \[0, 1\)/],
    [{ pruningRatio: -0.1 }, 'pruningRatio', '-0.1', /a number in \[0, 1\)/],
    [{ pruningRatio: '0.5' }, 'pruningRatio', "'0.5'", /a number in \[0, 1\)/],
    [{ pruningRatio: Number.NaN }, 'pruningRatio', 'NaN', /a number in \[0, 1\)/],
    [{ maxPruningRatio: 1.5 }, 'maxPruningRatio', '1.5', /a number in \[0, 1\]/],
    [{ iterativeSteps: 0 }, 'iterativeSteps', '0', /a positive integer/],
    [{ iterativeSteps: 1.5 }, 'iterativeSteps', '1.5', /a positive integer/],
    [{ roundTo: -8 }, 'roundTo', '-8', /a positive integer/],
    [{ roundTo: 2.5 }, 'roundTo', '2.5', /a positive integer/],
    [{ pruningRatioDict: { a: 1 } }, 'pruningRatioDict', '1', /a number in \[0, 1\)/],
    [{ headPruningRatio: 1 }, 'headPruningRatio', '1', /a number in \[0, 1\)/],
    [{ headPruningRatioDict: { a: -1 } }, 'headPruningRatioDict', '-1', /a number in \[0, 1\)/],
    [{ groupSelection: 'random' }, 'groupSelection', "'random'", /one of same, independent/],
    [{ importance: 'l2' }, 'importance', "'l2'", /a function of a group, or an object with a method score/],
    [{ targetMacs: 0 }, 'targetMacs', '0', /a share in \(0, 1\) or a number above 1/],
  ];

  it.each(cases)('%j', (options, option, value, allowed) => {
    const make = (): unknown => new BasePruner(chain(), { importance, ...options });
    expect(make).toThrow(OptionError);
    expect(make).toThrow(`the option ${option} has a value that is not allowed`);
    expect(make).toThrow(`found ${value}`);
    expect(make).toThrow(allowed);
  });
});
