/** Pooling: sizes by hand, and why the indices of MaxPool forbid pruning. */
import { DataType } from '@onnx-pruning/onnx';
import { poolingOperators } from '../src/records/pooling.ts';
import { equationsOf, inferAll, inferDims, recordOf, type StubNode } from './stub-node.ts';

const maxPool = recordOf(poolingOperators, 'MaxPool');
const averagePool = recordOf(poolingOperators, 'AveragePool');
const globalPool = recordOf(poolingOperators, 'GlobalAveragePool');

function node(x: readonly (number | string)[], attributes: StubNode['attributes'], outputs = 1): StubNode {
  return { inputs: { X: x }, attributes, outputs };
}

describe('pooling over windows', () => {
  const k3s2 = { kernel_shape: [3, 3], strides: [2, 2] };

  it.each<[string, StubNode['attributes'], readonly (number | string)[]]>([
    ['pads 1', { ...k3s2, pads: [1, 1, 1, 1] }, ['n', 8, 56, 56]],
    ['floor', k3s2, ['n', 8, 55, 55]],
    ['ceil', { ...k3s2, ceil_mode: 1 }, ['n', 8, 56, 56]],
    ['dilated', { kernel_shape: [3, 3], dilations: [2, 3] }, ['n', 8, 108, 106]],
    ['SAME', { ...k3s2, auto_pad: 'SAME_LOWER' }, ['n', 8, 56, 56]],
  ])('shape of 112 x 112: %s', (_, attributes, dims) => {
    expect(inferDims(maxPool, node(['n', 8, 112, 112], attributes))).toEqual(dims);
    expect(inferDims(averagePool, node(['n', 8, 112, 112], attributes))).toEqual(dims);
  });

  it('a symbolic size stays, or is decided at run time', () => {
    expect(inferDims(maxPool, node(['n', 8, 'h'], { kernel_shape: [3], pads: [1, 1] }))).toEqual(['n', 8, 'h']);
    expect(inferDims(maxPool, node(['n', 8, 'h'], { kernel_shape: [2], strides: [2] }))).toEqual(['n', 8, 's0']);
  });

  it('SAME with dilation is left to the run: specification and onnxruntime disagree', () => {
    const disputed = { kernel_shape: [3], strides: [2], dilations: [2], auto_pad: 'SAME_UPPER' };
    expect(inferDims(maxPool, node([1, 8, 8], disputed))).toEqual([1, 8, 's0']);
  });

  it('refuses a kernel_shape that is missing or of another rank, and windows that do not fit', () => {
    expect(() => inferDims(maxPool, node([1, 8, 8], {}))).toThrow(/kernel_shape of 1 sizes, found 0/);
    expect(() => inferDims(maxPool, node([1, 8, 8], { kernel_shape: [2, 2] }))).toThrow(
      /kernel_shape of 1 sizes, found 2/,
    );
    expect(() => inferDims(maxPool, node([1, 8, 2], { kernel_shape: [5] }))).toThrow(/at least one element/);
  });

  it('carries batch and channels over and freezes positions', () => {
    expect(equationsOf(averagePool, node([1, 8, 4], { kernel_shape: [2] }))).toEqual([
      'X[0] = Y[0]',
      'X[1] = Y[1]',
      'freeze X[2]: it is a spatial axis of AveragePool',
      'freeze Y[2]: it is a spatial axis of AveragePool',
    ]);
  });

  it('indices of MaxPool count over all channels, so these are frozen where the indices are used', () => {
    const spec = node([1, 8, 4], { kernel_shape: [2] }, 2);
    expect(inferAll(maxPool, spec)).toEqual([
      { elemType: DataType.FLOAT, dims: [1, 8, 3] },
      { elemType: DataType.INT64, dims: [1, 8, 3] },
    ]);
    expect(equationsOf(maxPool, spec, /X\[1\]:/)).toEqual([
      'freeze X[1]: the second output of MaxPool counts positions over all channels',
    ]);
  });
});

describe('pooling over all positions', () => {
  it('leaves one element along every spatial axis', () => {
    expect(inferDims(globalPool, node(['n', 8, 'h', 'w'], {}))).toEqual(['n', 8, 1, 1]);
    expect(inferDims(globalPool, node([2, 8, 5, 6, 7], {}))).toEqual([2, 8, 1, 1, 1]);
    expect(() => inferDims(globalPool, node([2, 8], {}))).toThrow(/rank 3 or more/);
  });
});
