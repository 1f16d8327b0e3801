/** Normalisations: what each version says of axes and parameters, worked out by hand from the operator specification. */
import { normalizationOperators } from '../src/records/normalization.ts';
import { softmaxOperators } from '../src/records/softmax.ts';
import { equationsOf, inferAll, inferDims, layerOf, recordOf, resizesOf, type StubNode, weight } from './stub-node.ts';

const of = (opType: string, opset = 23) => recordOf([...normalizationOperators, ...softmaxOperators], opType, opset);

function batchNorm(
  x: readonly (number | string)[],
  parameter: readonly number[],
  more: Partial<StubNode> = {},
): StubNode {
  const p = weight(...parameter);
  return { inputs: { X: x, scale: p, B: p, mean: p, var: p }, ...more };
}

describe('BatchNormalization', () => {
  const bn = of('BatchNormalization');

  it('shares the channel axis with all four parameters, and takes no statistic when it infers', () => {
    expect(equationsOf(bn, batchNorm(['n', 4, 6], [4]))).toEqual([
      'X[0] = Y[0]',
      'X[1] = Y[1]',
      'X[2] = Y[2]',
      'scale[0] = X[1]',
      'B[0] = X[1]',
      'mean[0] = X[1]',
      'var[0] = X[1]',
    ]);
  });

  it('training mode (opset 14) normalises over batch and positions and puts out statistics per channel', () => {
    const training = batchNorm([2, 4, 6], [4], { opset: 15, attributes: { training_mode: 1 }, outputs: 3 });
    expect(inferAll(bn, training).map((o) => o.dims)).toEqual([[2, 4, 6], [4], [4]]);
    expect(equationsOf(bn, training, /mixes|Y[12]/)).toEqual([
      'Y1[0] = X[1]',
      'Y2[0] = X[1]',
      'mixes X[0]: batch mean and variance',
      'mixes X[2]: batch mean and variance',
    ]);
  });

  it('opset 7 and spatial = 0: parameters have the shape of a sample', () => {
    const perPosition = batchNorm([2, 4, 6], [4, 6], { opset: 7, attributes: { spatial: 0 } });
    expect(inferDims(bn, perPosition)).toEqual([2, 4, 6]);
    expect(equationsOf(bn, perPosition, /scale/)).toEqual(['scale[0] = X[1]', 'scale[1] = X[2]']);
    expect(() => inferDims(bn, { ...perPosition, opset: 9 })).toThrow(/scale of rank 1/);
  });

  it('an input of rank 1 has one channel', () => {
    expect(inferDims(bn, batchNorm([4], [1]))).toEqual([4]);
    expect(equationsOf(bn, batchNorm([4], [1]), /scale/)).toEqual([
      'freeze scale[0]: an input of rank 1 has one channel',
    ]);
    expect(() => inferDims(bn, batchNorm([4], [4]))).toThrow(/scale of size 1, found 4/);
  });

  it('refuses parameters of another size', () => {
    expect(() => inferDims(bn, batchNorm(['n', 4, 6], [5]))).toThrow(/axis 0 of scale of size 4, found 5/);
  });

  it('is a layer with a weight, a bias and two statistics', () => {
    expect(layerOf(bn, batchNorm(['n', 4, 6], [4]))?.parameters.map((p) => p.role)).toEqual([
      'weight',
      'bias',
      'statistic',
      'statistic',
    ]);
  });
});

describe('InstanceNormalization', () => {
  it('takes statistics over positions of each channel: removing channels is exact', () => {
    const spec = { inputs: { X: ['n', 4, 6, 6], scale: weight(4), B: weight(4) } };
    expect(equationsOf(of('InstanceNormalization'), spec, /scale|B|mixes/)).toEqual([
      'scale[0] = X[1]',
      'B[0] = X[1]',
      'mixes X[2]: mean and variance of each channel',
      'mixes X[3]: mean and variance of each channel',
    ]);
  });
});

describe('LayerNormalization and RMSNormalization', () => {
  const ln = of('LayerNormalization');

  it('normalise over the last axis by default, which scale and bias share', () => {
    const spec = { inputs: { X: ['n', 't', 8], scale: weight(8), B: weight(8) } };
    expect(equationsOf(ln, spec, /scale|B|mixes/)).toEqual([
      'scale[0] = Y[2]',
      'B[0] = Y[2]',
      'mixes X[2]: mean and variance',
    ]);
    expect(equationsOf(of('RMSNormalization'), { inputs: { X: ['n', 8], scale: weight(8) } }, /mixes/)).toEqual([
      'mixes X[1]: root mean square',
    ]);
  });

  it('normalise over all axes from `axis` on; mean and deviation keep the axes before it', () => {
    const spec = { inputs: { X: [2, 4, 3], scale: weight(4, 3) }, attributes: { axis: -2 }, outputs: 3 };
    expect(inferAll(ln, spec).map((o) => o.dims)).toEqual([
      [2, 4, 3],
      [2, 1, 1],
      [2, 1, 1],
    ]);
    expect(equationsOf(ln, spec, /mixes|Y1/)).toEqual([
      'X[0] = Y1[0]',
      'freeze Y1[1]: it holds one statistic of all channels',
      'freeze Y1[2]: it holds one statistic of all channels',
      'mixes X[1]: mean and variance',
      'mixes X[2]: mean and variance',
    ]);
  });

  it('refuses a scale that is larger than the input, and an axis beyond its rank', () => {
    expect(() => inferDims(ln, { inputs: { X: [2, 8], scale: weight(4) } })).toThrow(/scale of size 8, found 4/);
    expect(() => inferDims(ln, { inputs: { X: [2, 8], scale: weight(8) }, attributes: { axis: 2 } })).toThrow(
      /axis from -2 to 1/,
    );
  });

  it('the channel axis of the parameters is the last, or the first of an image', () => {
    const tokens = { inputs: { X: ['n', 't', 8], scale: weight(5, 8) }, attributes: { axis: 1 } };
    const image = { inputs: { X: ['n', 8, 4, 4], scale: weight(8, 4, 4) }, attributes: { axis: 1 } };
    expect(layerOf(ln, tokens)?.parameters).toEqual([{ input: 1, role: 'weight', out: 1 }]);
    expect(layerOf(ln, image)?.parameters).toEqual([{ input: 1, role: 'weight', out: 0 }]);
  });
});

describe('GroupNormalization', () => {
  const gn = of('GroupNormalization');

  function node(opset: number, channels: number, parameter: number, groups: number): StubNode {
    const inputs = { X: ['n', channels, 6], scale: weight(parameter), bias: weight(parameter) };
    return { opset, inputs, attributes: { num_groups: groups } };
  }

  it('opset 18 scales per group, opset 21 per channel', () => {
    expect(inferDims(gn, node(18, 8, 2, 2))).toEqual(['n', 8, 6]);
    expect(inferDims(gn, node(21, 8, 8, 2))).toEqual(['n', 8, 6]);
    expect(() => inferDims(gn, node(18, 8, 8, 2))).toThrow(/scale of size 2, found 8/);
    expect(() => inferDims(gn, node(21, 8, 2, 2))).toThrow(/scale of size 8, found 2/);
    expect(() => inferDims(gn, node(21, 8, 8, 3))).toThrow(/3 equal groups, found 8/);
  });

  it('channels are groups x channels within, and the statistic is over channels and positions of a group', () => {
    const mixed = ['mixes X[1]: mean and variance of each group', 'mixes X[2]: mean and variance of each group'];
    expect(equationsOf(gn, node(21, 8, 8, 2), /x |scale|mixes/)).toEqual([
      'X[1] = (group:2 x channel:4)',
      'scale[0] = X[1]',
      ...mixed,
    ]);
    expect(equationsOf(gn, node(18, 8, 2, 2), /x |scale|mixes/)).toEqual([
      'X[1] = (group:2 x channel:4)',
      'scale[0] = group:2',
      ...mixed,
    ]);
  });

  it('one group: all channels are mixed; a group per channel: none are', () => {
    expect(equationsOf(gn, node(21, 8, 8, 1), /x |scale|mixes X\[1\]/)).toEqual([
      'scale[0] = X[1]',
      'mixes X[1]: mean and variance of each group',
    ]);
    expect(equationsOf(gn, node(18, 8, 1, 1), /scale/)).toEqual([
      'freeze scale[0]: it holds the one value of the only group',
    ]);
    expect(equationsOf(gn, node(18, 8, 8, 8), /x |scale|mixes X\[1\]/)).toEqual(['scale[0] = X[1]']);
  });

  it('num_groups counts the groups of the channels that are left', () => {
    const spec = node(21, 8, 8, 4);
    const after = { X: ['n', 4, 6] };
    expect(resizesOf(gn, spec, { after, kept: { 'X[1]': [0, 1, 6, 7] } })).toEqual(['num_groups = 2']);
    expect(resizesOf(gn, spec, { after, kept: { 'X[1]': [1, 3, 5, 7] } })).toEqual([]);
    expect(resizesOf(gn, spec, { after: {} })).toEqual([]);
  });
});

describe('Softmax and kin', () => {
  const x = { inputs: { X: ['n', 4, 6, 6] } };

  it('before opset 13: over all axes from `axis` (default 1) on', () => {
    expect(equationsOf(of('Softmax', 12), { ...x, opset: 12 }, /distributes/)).toEqual([
      'distributes X[1]: softmax',
      'distributes X[2]: softmax',
      'distributes X[3]: softmax',
    ]);
    expect(equationsOf(of('Hardmax', 11), { ...x, opset: 11, attributes: { axis: -2 } }, /distributes/)).toHaveLength(
      2,
    );
  });

  it('since opset 13: over one axis, the last by default', () => {
    expect(equationsOf(of('Softmax'), { ...x, opset: 13 }, /distributes/)).toEqual(['distributes X[3]: softmax']);
    expect(equationsOf(of('LogSoftmax'), { ...x, opset: 13, attributes: { axis: 1 } }, /distributes/)).toEqual([
      'distributes X[1]: log-softmax',
    ]);
  });
});

describe('normalisations without parameters', () => {
  const x = { inputs: { X: ['n', 4, 6, 6] } };

  it('LRN may not lose a channel: the neighbours would change', () => {
    expect(equationsOf(of('LRN'), { ...x, attributes: { size: 3 } }, /freeze/)).toEqual([
      'freeze X[1]: LRN sums over neighbouring channels',
    ]);
  });

  it('LpNormalization sums powers, so zero channels add nothing', () => {
    expect(equationsOf(of('LpNormalization'), { ...x, attributes: { axis: 1 } }, /sums|mixes/)).toEqual([
      'sums over X[1]',
    ]);
  });

  it('MeanVarianceNormalization keeps channels apart by default, and mixes the axes it is told to', () => {
    const axes = (attributes: StubNode['attributes']) =>
      equationsOf(of('MeanVarianceNormalization'), { ...x, attributes }, /mixes/).map((line) => line.slice(6, 10));
    expect(axes({})).toEqual(['X[0]', 'X[2]', 'X[3]']);
    expect(axes({ axes: [1, -1] })).toEqual(['X[1]', 'X[3]']);
  });
});
