/** Channels that are joined, cut, picked and padded: the equations, and the sizes that are written after pruning. */

import type { Dim } from '../src/record.ts';
import { arithmeticOperators } from '../src/records/arithmetic.ts';
import { standardOperators } from '../src/standard.ts';
import {
  equationsOf,
  layerOf,
  recordOf,
  resizesOf,
  type StubNode,
  type StubResize,
  values,
  weight,
} from './stub-node.ts';

/** The equations of a node; what is frozen is not shown. */
const equal = (opType: string, spec: StubNode) =>
  equationsOf(recordOf(standardOperators, opType, spec.opset), spec, / = /);
const frozen = (opType: string, spec: StubNode) =>
  equationsOf(recordOf(standardOperators, opType, spec.opset), spec, /^freeze/).map((line) => line.split(':')[0]);
const resized = (opType: string, spec: StubNode, change: StubResize) =>
  resizesOf(recordOf(standardOperators, opType, spec.opset), spec, change);

describe('Concat', () => {
  it('is a sum along the axis and an equation along every other', () => {
    const spec = { inputs: { A: ['n', 3], B: ['n', 5] }, attributes: { axis: 1 } };
    expect(equal('Concat', spec)).toEqual(['A[0] = Y[0]', 'B[0] = Y[0]', 'Y[1] = (A[1] + B[1])']);
  });

  it('freezes channels that are joined with an unknown number of others', () => {
    const spec = { inputs: { A: [2, 3], B: [2, 'm'] }, attributes: { axis: 1 } };
    expect(frozen('Concat', spec)).toEqual(['freeze A[1]', 'freeze B[1]', 'freeze Y[1]']);
  });
});

describe('Split', () => {
  const kept = { 'X[0]': [0, 1, 3, 4, 5, 6, 7] };
  const after = { X: [7] };

  it('is a sum of its outputs', () => {
    const spec = { opset: 11, outputs: 2, inputs: { X: ['n', 8] }, attributes: { axis: 1, split: [3, 5] } };
    expect(equal('Split', spec)).toEqual(['X[0] = Y[0]', 'X[0] = Y1[0]', 'X[1] = (Y[1] + Y1[1])']);
  });

  it('writes sizes where they were stated', () => {
    const stated = { opset: 11, outputs: 2, inputs: { X: [8] }, attributes: { split: [3, 5] } };
    expect(resized('Split', stated, { after, kept })).toEqual(['split = [2, 5]']);
    const given = { opset: 13, outputs: 2, inputs: { X: [8], sizes: values(3, 5) } };
    expect(resized('Split', given, { after, kept })).toEqual(['input 1 = [2, 5]']);
  });

  it('states sizes that were implied when the rule does not give them any more', () => {
    const [X, outputs] = [[8], 2];
    expect(resized('Split', { opset: 11, outputs, inputs: { X } }, { after, kept })).toEqual(['split = [3, 4]']);
    expect(resized('Split', { opset: 13, outputs, inputs: { X } }, { after, kept })).toEqual(['constant 1 = [3, 4]']);
    const counted = { opset: 18, outputs, inputs: { X }, attributes: { num_outputs: 2 } };
    expect(resized('Split', counted, { after, kept })).toEqual(['no num_outputs', 'constant 1 = [3, 4]']);
  });

  it('leaves sizes implied that the rule still gives', () => {
    const half = { after: { X: [6] }, kept: { 'X[0]': [1, 2, 3, 5, 6, 7] } };
    expect(resized('Split', { opset: 13, outputs: 2, inputs: { X: [8] } }, half)).toEqual([]);
    const counted = { opset: 18, outputs: 3, inputs: { X: [9] }, attributes: { num_outputs: 3 } };
    const smaller = { after: { X: [8] }, kept: { 'X[0]': [0, 1, 2, 3, 4, 5, 6, 7] } };
    expect(resized('Split', counted, smaller)).toEqual([]);
  });
});

describe('Slice', () => {
  const node = (from: Dim, to: Dim, step = 1, size: Dim = 8): StubNode => ({
    inputs: { X: [size], from: values(from), to: values(to), axes: values(0), steps: values(step) },
  });
  const prune = (spec: StubNode, ...kept: number[]) =>
    resized('Slice', spec, { after: { X: [kept.length] }, kept: { 'X[0]': kept } });

  it('cuts the axis at its bounds', () => {
    expect(equal('Slice', node(2, 5))).toEqual(['X[0] = (leaf:2 + leaf:3 + leaf:3)', 'leaf:3 = Y[0]']);
    expect(equal('Slice', node(0, 5))).toEqual(['X[0] = (leaf:5 + leaf:3)', 'leaf:5 = Y[0]']);
    expect(equal('Slice', node(-3, 99))).toEqual(['X[0] = (leaf:5 + leaf:3)', 'leaf:3 = Y[0]']);
    expect(equal('Slice', node(0, 99))).toEqual(['X[0] = Y[0]']);
  });

  it('reverses single channels, and takes columns of rows with a step above 1', () => {
    expect(equal('Slice', node(-1, -99, -1, 2))).toEqual(['X[0] = (leaf:1 + leaf:1)', '(leaf:1 + leaf:1) = Y[0]']);
    expect(equal('Slice', node(1, 8, 2))).toEqual([
      'X[0] = (leaf:4 x fixed:2 (one channel in 2 is taken))',
      'leaf:4 = Y[0]',
    ]);
  });

  it('freezes what it cannot follow', () => {
    for (const spec of [node(0, 8, 3), node(0, 6, 2), node(2, 8, 2), node(-1, -99, -2), node(5, 5), node(0, 'h')]) {
      expect(frozen('Slice', spec)).toEqual(expect.arrayContaining(['freeze X[0]', 'freeze Y[0]']));
    }
  });

  it('writes bounds that take the survivors', () => {
    expect(prune(node(2, 5), 1, 3, 4, 6)).toEqual(['input 1 = [1]', 'input 2 = [3]']);
    expect(prune(node(-3, 99), 0, 1, 5, 7)).toEqual(['input 1 = [2]', 'input 2 = [4]']);
    expect(prune(node(-1, -99, -1, 4), 1, 3)).toEqual([]);
    expect(prune(node(2, -99, -1, 4), 0, 2, 3)).toEqual(['input 1 = [1]', 'input 2 = [-4]']);
    expect(prune(node(1, 8, 2), 2, 3, 6, 7)).toEqual([]);
  });

  it('leaves bounds that take the survivors already', () => {
    expect(prune(node(0, 2 ** 53), 1, 2)).toEqual([]);
    expect(prune(node(0, 3), 0, 1, 2, 7)).toEqual([]);
  });

  it('states bounds that are computed again, for they may shrink with the model', () => {
    const computed = { dims: [1], value: [4] };
    const spec = { inputs: { X: [8], from: values(0), to: computed, axes: values(0) } };
    expect(prune(spec, 0, 1, 2, 3, 7)).toEqual(['input 1 = [?]', 'input 2 = [4]']);
  });

  it('writes attributes until opset 9', () => {
    const spec = { opset: 9, inputs: { X: ['n', 8] }, attributes: { starts: [0, 2], ends: [9, 5] } };
    const change = { after: { X: ['n', 4] as const }, kept: { 'X[1]': [1, 3, 4, 6] } };
    expect(resized('Slice', spec, change)).toEqual(['starts = [0, 1]', 'ends = [9, 3]']);
  });
});

describe('Gather', () => {
  const picked = (...indices: number[]): StubNode => ({ inputs: { X: [8], at: values(...indices) } });

  it('is a sum of the runs that its indices take', () => {
    expect(equal('Gather', picked(4, 5, 6, 7, 0, 1, 2, 3))).toEqual([
      'X[0] = (leaf:4 + leaf:4)',
      'Y[0] = (leaf:4 + leaf:4)',
    ]);
    expect(equal('Gather', picked(2, 3, 2))).toEqual([
      'X[0] = (leaf:2 + leaf:1 + leaf:1 + leaf:4)',
      'Y[0] = (leaf:1 + leaf:1 + leaf:1)',
    ]);
  });

  it('renumbers its indices', () => {
    const change = { after: { X: [5] }, kept: { 'X[0]': [0, 2, 3, 6, 7] } };
    expect(resized('Gather', picked(-1, 1, 2, 3, 2), change)).toEqual(['constant 1 = [4, 1, 2, 1]']);
  });

  it('keeps the channel that a scalar index takes', () => {
    const scalar = { dims: [], value: [3], constant: true };
    expect(frozen('Gather', { inputs: { X: [8], at: scalar } })).toEqual(['freeze leaf']);
    expect(resized('Gather', { inputs: { X: [8], at: scalar } }, { after: {}, kept: { 'X[0]': [0, 3] } })).toEqual([
      'constant 1 = [1]',
    ]);
  });

  it('keeps an axis that is picked from at run time; the others carry over', () => {
    const spec = { inputs: { X: [10, 8], at: ['n', 5] } };
    expect(equal('Gather', spec)).toEqual(['X[1] = Y[2]', 'at[0] = Y[0]', 'at[1] = Y[1]']);
    expect(frozen('Gather', spec)).toEqual(['freeze X[0]']);
  });
});

describe('Pad', () => {
  const pad = (mode: string, ...pads: number[]): StubNode => ({
    inputs: { X: [8], pads: values(...pads) },
    attributes: { mode },
  });

  it('adds channels that stay', () => {
    expect(equal('Pad', pad('constant', 0, 0))).toEqual(['X[0] = Y[0]']);
    const [input, output] = equal('Pad', pad('constant', 1, 2));
    expect(input).toMatch(/^X\[0\] = \(fixed:0 .* \+ leaf:8 \+ fixed:0 .*\)$/);
    expect(output).toMatch(/^Y\[0\] = \(fixed:1 .* \+ leaf:8 \+ fixed:2 .*\)$/);
  });

  it('takes channels away that stay in the input', () => {
    const [input, output] = equal('Pad', pad('constant', -1, 2));
    expect(input).toMatch(/^X\[0\] = \(fixed:1 .* \+ leaf:7 \+ fixed:0 .*\)$/);
    expect(output).toMatch(/^Y\[0\] = \(fixed:0 .* \+ leaf:7 \+ fixed:2 .*\)$/);
  });

  it('freezes channels that it repeats', () => {
    expect(equal('Pad', pad('reflect', 1, 1))).toEqual([]);
    expect(frozen('Pad', pad('reflect', 1, 1))).toEqual(expect.arrayContaining(['freeze X[0]', 'freeze Y[0]']));
  });
});

describe('Scatter', () => {
  it('keeps every update: leaving one out would leave the old elements in its place', () => {
    const spec = { inputs: { X: [4, 8], at: [3, 1], updates: [3, 8] } };
    expect(equal('ScatterND', spec)).toEqual(['X[0] = Y[0]', 'X[1] = Y[1]', 'X[1] = updates[1]']);
    expect(frozen('ScatterND', spec)).toEqual(['freeze at[0]', 'freeze at[1]', 'freeze updates[0]', 'freeze X[0]']);
    const elements = { inputs: { X: [4, 8], at: [3, 8], updates: [3, 8] } };
    expect(frozen('ScatterElements', elements)).toEqual(['freeze X[0]', 'freeze at[0]']);
  });

  it('freezes an axis of which only a part is visited', () => {
    const elements = { inputs: { X: [4, 8], at: [4, 5], updates: [4, 5] } };
    expect(frozen('ScatterElements', elements)).toEqual(expect.arrayContaining(['freeze X[1]', 'freeze at[1]']));
  });
});

describe('sizes of Reshape, Expand and ConstantOfShape', () => {
  it('Reshape writes known sizes, and keeps 0, -1 and symbols', () => {
    const reshape = (shape: readonly (Dim | undefined)[], ...out: Dim[]) =>
      resized(
        'Reshape',
        { inputs: { X: ['n', 8, 4], shape: values(...shape) } },
        { after: { X: ['n', 6, 4], Y: out } },
      );
    expect(reshape([0, 32], 'n', 24)).toEqual(['input 1 = [?, 24]']);
    expect(reshape([0, -1], 'n', 24)).toEqual([]);
    expect(reshape([0, 0, 4], 'n', 6, 4)).toEqual([]);
    expect(reshape([undefined, 32], 'n', 24)).toEqual(['input 1 = [?, 24]']);
    expect(reshape([-1, 2, 4, 4], 'n', 2, 3, 4)).toEqual(['input 1 = [?, ?, 3, ?]']);
  });

  it('Reshape states a computed target again', () => {
    const shape = { dims: [2], value: ['n', 32] };
    const change = { after: { X: ['n', 6, 4] as const, Y: ['n', 24] as const } };
    expect(resized('Reshape', { inputs: { X: ['n', 8, 4], shape } }, change)).toEqual(['input 1 = [?, 24]']);
  });

  it('Reshape replaces a 0 that would copy another number of channels', () => {
    const spec = { inputs: { X: [2, 8, 3], shape: values(0, 0, 3) } };
    expect(resized('Reshape', spec, { after: { X: [2, 6, 3], Y: [2, 8, 3] } })).toEqual(['input 1 = [?, 8, ?]']);
  });

  it('Expand and ConstantOfShape write the sizes that changed', () => {
    const expand = { inputs: { X: [1, 1], shape: values(8, 4) } };
    expect(equal('Expand', expand)).toEqual([]);
    expect(frozen('Expand', expand)).toEqual(['freeze shape[0]', 'freeze X[0]', 'freeze X[1]']);
    expect(resized('Expand', expand, { after: { Y: [5, 4] } })).toEqual(['input 1 = [5, ?]']);
    const filled = { inputs: { shape: values(8, 4) } };
    expect(resized('ConstantOfShape', filled, { after: { Y: [8, 3] } })).toEqual(['input 0 = [?, 3]']);
  });
});

describe('constant operands', () => {
  const layer = (opType: string, A: StubNode['inputs'][string], B: StubNode['inputs'][string]) =>
    layerOf(recordOf(arithmeticOperators, opType), { inputs: { A, B } })?.parameters;

  it('are layers whose channels lie on the channel axis of the output', () => {
    expect(layer('Add', [1, 8, 4, 4], weight(8, 1, 1))).toEqual([{ input: 1, role: 'bias', out: 0 }]);
    expect(layer('Mul', weight(1, 8, 1, 1), ['n', 8, 4, 4])).toEqual([{ input: 0, role: 'weight', out: 1 }]);
    expect(layer('Add', ['n', 8, 4, 4], weight(8, 4, 4))).toEqual([{ input: 1, role: 'bias', out: 0 }]);
    expect(layer('Add', ['n', 16, 8], weight(1, 16, 8))).toEqual([{ input: 1, role: 'bias', out: 2 }]);
    expect(layer('Mul', ['n', 8], weight(8))).toEqual([{ input: 1, role: 'weight', out: 0 }]);
  });

  it('are none where they are one number, or where everything is constant', () => {
    expect(layer('Add', ['n', 8], weight(1))).toBeUndefined();
    expect(layer('Add', weight(8), weight(8))).toBeUndefined();
    expect(layer('Less', ['n', 8], weight(8))).toBeUndefined();
  });
});

describe('operators along axes', () => {
  it('sums say that zero channels add nothing, statistics say their name', () => {
    const over = (opType: string) =>
      equationsOf(
        recordOf(standardOperators, opType, 18),
        { opset: 18, inputs: { X: ['n', 8], axes: values(1) } },
        /X\[1\]/,
      );
    for (const opType of ['ReduceSum', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare', 'ReduceLogSum']) {
      expect(over(opType)).toEqual(['sums over X[1]']);
    }
    expect(over('ReduceMean')).toEqual(['mixes X[1]: mean']);
    expect(over('ReduceMax')).toEqual(['mixes X[1]: maximum']);
    expect(over('ReduceLogSumExp')).toEqual(['mixes X[1]: sum of exponentials']);
  });
});
