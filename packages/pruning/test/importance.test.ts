/** Importance by hand: every reduction, normalizer and norm on numbers that can be checked without a computer. */
import { DependencyGraph, type Group, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { GraphBuilder } from '@onnx-pruning/onnx';
import {
  BNScaleImportance,
  FPGMImportance,
  GroupMagnitudeImportance,
  LAMPImportance,
  type MagnitudeOptions,
  OptionError,
} from '../src/index.ts';
import { convOf, scored } from './networks.ts';

const groupOf = (idxs = [0, 1, 2, 3]): Group =>
  new DependencyGraph().buildDependency(scored()).getPruningGroup('conv1', pruneConvOutChannels, idxs);
const score = (options: MagnitudeOptions, group = groupOf()): number[] =>
  Array.from(new GroupMagnitudeImportance(options).score(group) ?? []);

function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(found[i]).toBeCloseTo(value, 5);
  });
}

describe('groupReduction, with p = 2 and no normalizer', () => {
  // Members in order: rows of conv1, scales of bn1, columns of conv2.
  // [1, 4, 9, 16], [16, 9, 4, 1], [1, 1, 1, 9]
  it.each([
    ['sum', [18, 14, 14, 26]],
    ['mean', [6, 14 / 3, 14 / 3, 26 / 3]],
    ['max', [16, 9, 9, 16]],
    ['prod', [16, 36, 36, 144]],
    ['first', [1, 4, 9, 16]],
    ['gate', [1, 1, 1, 9]],
  ] as const)('%s', (groupReduction, expected) => {
    expectClose(score({ groupReduction, normalizer: null }), expected);
  });

  it('mean is the default', () => {
    expect(new GroupMagnitudeImportance()).toMatchObject({
      p: 2,
      groupReduction: 'mean',
      normalizer: 'mean',
      bias: false,
    });
  });
});

describe('p', () => {
  it('1: sums of magnitudes', () => {
    // [1, 2, 3, 4] + [4, 3, 2, 1] + [1, 1, 1, 3]
    expectClose(score({ p: 1, groupReduction: 'sum', normalizer: null }), [6, 6, 6, 8]);
  });

  it('3: sums of cubes of magnitudes', () => {
    expectClose(score({ p: 3, groupReduction: 'first', normalizer: null }), [1, 8, 27, 64]);
  });

  it('0.5: sums of square roots of magnitudes', () => {
    expectClose(score({ p: 0.5, groupReduction: 'first', normalizer: null }), [1, Math.SQRT2, Math.sqrt(3), 2]);
  });
});

describe('normalizer, on the scores 1, 4, 9, 16', () => {
  const first = (normalizer: MagnitudeOptions['normalizer']): number[] =>
    score({ groupReduction: 'first', normalizer });

  it.each([
    ['none', [1, 4, 9, 16]],
    ['sum', [1 / 30, 4 / 30, 9 / 30, 16 / 30]],
    ['mean', [1 / 7.5, 4 / 7.5, 9 / 7.5, 16 / 7.5]],
    ['max', [1 / 16, 4 / 16, 9 / 16, 1]],
    ['standardization', [0, 3 / 15, 8 / 15, 1]],
    // The score at index trunc(0.5 * 4) = 2 of the ascending scores.
    ['sentinel_0.5', [1 / 9, 4 / 9, 1, 16 / 9]],
    ['sentinel_0', [1, 4, 9, 16]],
    ['sentinel_1', [1 / 16, 4 / 16, 9 / 16, 1]],
    // Each over the sum of all that are not smaller: 30, 29, 25, 16.
    ['lamp', [1 / 30, 4 / 29, 9 / 25, 1]],
  ] as const)('%s', (normalizer, expected) => {
    expectClose(first(normalizer), expected);
  });

  it('gaussian: mean 7.5 and the deviation of a sample', () => {
    // Squared distances 42.25, 12.25, 2.25, 72.25 sum to 129; over 3 degrees of freedom that is 43.
    expectClose(
      first('gaussian'),
      [-6.5, -3.5, 1.5, 8.5].map((x) => x / Math.sqrt(43)),
    );
  });

  it('a function of the scores', () => {
    expectClose(
      first((scores) => scores.map((x) => x / 2)),
      [0.5, 2, 4.5, 8],
    );
  });

  it('null is none', () => {
    expectClose(first(null), [1, 4, 9, 16]);
  });
});

describe('which parameters count', () => {
  it('biases only when asked for, as members of their own', () => {
    // With the squared biases [0, 0, 100, 0] of bn1 there are four members.
    expectClose(score({ groupReduction: 'sum', normalizer: null, bias: true }), [18, 14, 114, 26]);
    expectClose(score({ normalizer: null, bias: true }), [18 / 4, 14 / 4, 114 / 4, 26 / 4]);
  });

  it('targetTypes: only layers of these kinds', () => {
    expectClose(score({ normalizer: null, targetTypes: ['batchnorm'] }), [16, 9, 4, 1]);
    expectClose(score({ normalizer: null, targetTypes: ['conv'] }), [1, 2.5, 5, 12.5]);
  });

  it('nothing, where no layer of the group is of these kinds', () => {
    expect(new GroupMagnitudeImportance({ targetTypes: ['linear'] }).score(groupOf())).toBeUndefined();
  });

  it('only the channels that the group is of, in their order', () => {
    expectClose(score({ groupReduction: 'first', normalizer: null }, groupOf([3, 1])), [4, 16]);
    expectClose(score({ groupReduction: 'first', normalizer: 'sum' }, groupOf([3, 1])), [0.2, 0.8]);
  });
});

describe('places of a channel behind a flatten', () => {
  it('are added up', () => {
    const b = new GraphBuilder({ opset: 17 });
    const conv1 = convOf(b, 'conv1', b.input('x', ['batch', 1, 1, 2]), [[1], [2]]);
    b.initializer('fc.weight', [4, 1], [1, 2, 3, 4]);
    b.output(b.node('MatMul', [b.node('Flatten', [conv1]), 'fc.weight'], {}, { name: 'fc' }));
    const graph = new DependencyGraph().buildDependency(b.build());
    const group = graph.getPruningGroup('conv1', pruneConvOutChannels, [0, 1]);
    // fc holds channel 0 in rows 0 and 1 (1 + 4), channel 1 in rows 2 and 3 (9 + 16).
    expectClose(score({ groupReduction: 'sum', normalizer: null }, group), [1 + 5, 4 + 25]);
  });
});

describe('further criteria', () => {
  it('BNScaleImportance: magnitudes of the scales', () => {
    expectClose(Array.from(new BNScaleImportance({ normalizer: null }).score(groupOf())!), [4, 3, 2, 1]);
  });

  it('LAMPImportance: the lamp normalizer', () => {
    expectClose(Array.from(new LAMPImportance({ groupReduction: 'first' }).score(groupOf())!), [
      1 / 30,
      4 / 29,
      9 / 25,
      1,
    ]);
  });

  it('FPGMImportance: distances between the filters, summed', () => {
    // With p = 1 the rows of conv1 are (1, 0), (0, 2), (3, 0), (0, 4).
    const distance = (x: number, y: number): number => Math.hypot(x, y);
    const rows = [
      distance(1, 2) + 2 + distance(1, 4),
      distance(1, 2) + distance(3, 2) + 2,
      2 + distance(3, 2) + distance(3, 4),
      distance(1, 4) + 2 + distance(3, 4),
    ];
    const importance = new FPGMImportance({ p: 1, groupReduction: 'first', normalizer: null });
    expectClose(Array.from(importance.score(groupOf())!), rows);
  });
});

describe('wrong values', () => {
  it.each([
    [{ p: 0 }, 'p', /a positive number, found 0/],
    [{ p: Number.NaN }, 'p', /a positive number, found NaN/],
    [
      { groupReduction: 'average' },
      'groupReduction',
      /one of sum, mean, max, prod, first, gate, none, found 'average'/,
    ],
    [{ normalizer: 'maximum' }, 'normalizer', /one of sum, standardization, mean, .*, found 'maximum'/],
    [{ normalizer: 'sentinel_2' }, 'normalizer', /sentinel_<q>.*found 'sentinel_2'/],
  ])('%j', (options, option, message) => {
    const make = (): unknown => new GroupMagnitudeImportance(options as MagnitudeOptions);
    expect(make).toThrow(OptionError);
    expect(make).toThrow(`the option ${option} has a value that is not allowed`);
    expect(make).toThrow(message);
  });
});
