/** Conv and ConvTranspose: shapes by the formulas of the specification, equations and layers worked out by hand. */
import { convOperators } from '../src/records/conv.ts';
import {
  equationsOf,
  inferAll,
  inferDims,
  layerOf,
  macsOf,
  recordOf,
  resizesOf,
  type StubNode,
  weight,
} from './stub-node.ts';

const conv = recordOf(convOperators, 'Conv');
const transposed = recordOf(convOperators, 'ConvTranspose');

function node(
  x: readonly (number | string)[],
  w: readonly number[],
  attributes: StubNode['attributes'] = {},
): StubNode {
  return { inputs: { X: x, W: weight(...w) }, attributes };
}

describe('Conv: shapes', () => {
  it('of one, two and three spatial axes', () => {
    expect(inferDims(conv, node([2, 3, 10], [4, 3, 3]))).toEqual([2, 4, 8]);
    expect(inferDims(conv, node([2, 3, 10, 9], [4, 3, 3, 3], { pads: [1, 1, 1, 1] }))).toEqual([2, 4, 10, 9]);
    expect(inferDims(conv, node([2, 3, 5, 5, 5], [4, 3, 2, 2, 2], { strides: [2, 2, 2] }))).toEqual([2, 4, 2, 2, 2]);
  });

  it('uneven pads belong to the begin and the end of each axis', () => {
    // [h_begin, w_begin, h_end, w_end]: height 8 + 0 + 1, width 8 + 2 + 3
    expect(inferDims(conv, node([1, 1, 8, 8], [1, 1, 3, 3], { pads: [0, 2, 1, 3] }))).toEqual([1, 1, 7, 11]);
  });

  it('SAME_UPPER and SAME_LOWER give ceil(input / stride)', () => {
    for (const auto_pad of ['SAME_UPPER', 'SAME_LOWER']) {
      const attributes = { auto_pad, strides: [2, 2] };
      expect(inferDims(conv, node([1, 3, 7, 8], [4, 3, 3, 3], attributes))).toEqual([1, 4, 4, 4]);
    }
  });

  it('a symbolic size stays where the window keeps sizes, and is new where it does not', () => {
    const x = ['batch', 3, 'h', 'w'];
    expect(inferDims(conv, node(x, [4, 3, 3, 3], { pads: [1, 1, 1, 1] }))).toEqual(['batch', 4, 'h', 'w']);
    expect(inferDims(conv, node(x, [4, 3, 3, 3], { auto_pad: 'SAME_UPPER' }))).toEqual(['batch', 4, 'h', 'w']);
    expect(inferDims(conv, node(x, [4, 3, 3, 3], { auto_pad: 'VALID' }))).toEqual(['batch', 4, 's0', 's1']);
    expect(inferDims(conv, node(x, [4, 3, 2, 2], { strides: [2, 2] }))).toEqual(['batch', 4, 's0', 's1']);
  });

  it('nothing is known of the output where X or W has no known rank', () => {
    expect(inferAll(conv, { inputs: { X: { elemType: 1 }, W: weight(4, 3, 3, 3) } })).toEqual([{ elemType: 1 }]);
    expect(inferAll(conv, { inputs: { X: [1, 3, 8, 8], W: { elemType: 1 } } })).toEqual([{ elemType: 1 }]);
  });

  it.each<[string, StubNode, RegExp]>([
    ['channels', node([1, 4, 8, 8], [8, 3, 3, 3]), /input channels of size 3, found 4/],
    ['channels in groups', node([1, 8, 8, 8], [8, 2, 3, 3], { group: 2 }), /input channels of size 4, found 8/],
    ['outputs in groups', node([1, 6, 8, 8], [8, 2, 3, 3], { group: 3 }), /output channels in 3 equal groups, found 8/],
    ['rank', node([1, 3, 8, 8], [8, 3, 3]), /W of rank 4/],
    ['no spatial axis', node([1, 3], [8, 3]), /rank 3 or more/],
    ['strides', node([1, 3, 8, 8], [8, 3, 3, 3], { strides: [1] }), /2 values in attribute 'strides'/],
    ['pads', node([1, 3, 8, 8], [8, 3, 3, 3], { pads: [1, 1] }), /4 values in attribute 'pads'/],
    ['kernel_shape', node([1, 3, 8, 8], [8, 3, 3, 3], { kernel_shape: [3, 5] }), /axis 3 of W of size 5, found 3/],
    ['a kernel larger than its input', node([1, 3, 4, 8], [8, 3, 5, 5], { strides: [4, 4] }), /padded input of 5/],
    ['auto_pad', node([1, 3, 8, 8], [8, 3, 3, 3], { auto_pad: 'HALF' }), /auto_pad/],
    ['group', node([1, 3, 8, 8], [8, 3, 3, 3], { group: 0 }), /group of 1 or more/],
    ['bias', { inputs: { X: [1, 3, 8, 8], W: weight(8, 3, 3, 3), B: weight(3) } }, /axis 0 of B of size 8, found 3/],
  ])('contradictions are refused: %s', (_, bad, message) => {
    expect(() => inferDims(conv, bad)).toThrow(message);
  });
});

describe('Conv: equations', () => {
  it('one group: inputs are axis 1 of W, outputs are axis 0 of W and of B; positions may not change', () => {
    const lines = equationsOf(conv, { inputs: { X: [1, 3, 8, 8], W: weight(8, 3, 3, 3), B: weight(8) } });
    expect(lines).toEqual([
      'X[0] = Y[0]',
      'freeze X[2]: it is a spatial axis of Conv',
      'freeze X[3]: it is a spatial axis of Conv',
      'freeze Y[2]: it is a spatial axis of Conv',
      'freeze Y[3]: it is a spatial axis of Conv',
      'freeze W[2]: it is a kernel axis of Conv',
      'freeze W[3]: it is a kernel axis of Conv',
      'X[1] = W[1]',
      'sums over X[1]',
      'Y[1] = W[0]',
      'B[0] = W[0]',
    ]);
  });

  const channels = /^(X\[1\]|W\[[01]\]|B|Y\[1\]|sums|freeze W\[1\])/;

  it('groups: channels are groups x channels of a group', () => {
    const grouped = { inputs: { X: [1, 8, 4], W: weight(12, 2, 3), B: weight(12) }, attributes: { group: 4 } };
    expect(equationsOf(conv, grouped, channels)).toEqual([
      'X[1] = (group:4 x channel:2)',
      'W[0] = (group:4 x channel:3)',
      'W[1] = channel:2',
      'sums over X[1]',
      'Y[1] = (group:4 x channel:3)',
      'B[0] = (group:4 x channel:3)',
    ]);
  });

  it('depthwise: a group is a channel, and nothing is summed over channels', () => {
    expect(equationsOf(conv, node([1, 8, 4], [8, 1, 3], { group: 8 }), channels)).toEqual([
      'X[1] = channel:8',
      'W[0] = channel:8',
      'freeze W[1]: every group of this Conv has one channel along this axis of its weight',
      'Y[1] = channel:8',
    ]);
  });

  it('depthwise with a multiplier: the outputs made of one channel stay together', () => {
    expect(equationsOf(conv, node([1, 8, 4], [16, 1, 3], { group: 8 }), channels)).toEqual([
      'X[1] = channel:8',
      'W[0] = (channel:8 x group:2)',
      'freeze W[1]: every group of this Conv has one channel along this axis of its weight',
      'Y[1] = (channel:8 x group:2)',
    ]);
  });

  it('one input channel alone does not make a convolution depthwise', () => {
    expect(equationsOf(conv, node([1, 1, 4], [8, 1, 3]), channels)).toEqual([
      'X[1] = W[1]',
      'sums over X[1]',
      'Y[1] = W[0]',
    ]);
  });
});

describe('Conv: group follows the channels that are left', () => {
  const depthwise = node([1, 8, 4], [8, 1, 3], { group: 8 });
  const grouped = node([1, 8, 4], [12, 2, 3], { group: 4 });

  it('depthwise: one group per channel', () => {
    const after = { X: [1, 5, 4], W: [5, 1, 3], Y: [1, 5, 2] };
    expect(resizesOf(conv, depthwise, { after })).toEqual(['group = 5']);
  });

  it('channels removed within the groups leave their number', () => {
    expect(resizesOf(conv, grouped, { after: { X: [1, 4, 4], W: [12, 1, 3] } })).toEqual([]);
  });

  it('whole groups removed', () => {
    const after = { X: [1, 6, 4], W: [9, 2, 3], Y: [1, 9, 2] };
    expect(resizesOf(conv, grouped, { after })).toEqual(['group = 3']);
  });

  it('an ordinary convolution states no size', () => {
    expect(resizesOf(conv, node([1, 3, 4], [8, 3, 3]), { after: { X: [1, 2, 4], W: [8, 2, 3] } })).toEqual([]);
  });
});

describe('Conv: layer and cost', () => {
  it('has output and input channels, a depthwise one only outputs', () => {
    const withBias = { inputs: { X: [1, 3, 8, 8], W: weight(8, 3, 3, 3), B: weight(8) } };
    expect(layerOf(conv, withBias)).toEqual({
      kind: 'conv',
      parameters: [
        { input: 1, role: 'weight', out: 0, in: 1 },
        { input: 2, role: 'bias', out: 0 },
      ],
    });
    expect(layerOf(conv, node([1, 8, 4], [8, 1, 3], { group: 8 }))).toEqual({
      kind: 'depthwiseConv',
      parameters: [{ input: 1, role: 'weight', out: 0 }],
    });
    expect(layerOf(conv, node([1, 1, 4], [8, 1, 3]))?.kind).toBe('conv');
  });

  it('costs output positions x weight elements', () => {
    const stem = node([1, 3, 224, 224], [64, 3, 7, 7], { strides: [2, 2], pads: [3, 3, 3, 3] });
    expect(macsOf(conv, stem)).toBe(112 * 112 * 64 * 3 * 49);
    expect(macsOf(conv, node([2, 8, 6], [12, 2, 3], { group: 4 }))).toBe(2 * 4 * 12 * 2 * 3);
    expect(macsOf(transposed, node([1, 4, 5], [4, 3, 3]))).toBe(7 * 4 * 3 * 3);
  });

  it('is no layer where the weight is computed', () => {
    expect(layerOf(conv, { inputs: { X: [1, 3, 8], W: [8, 3, 3] } })).toBeNull();
  });
});

describe('ConvTranspose', () => {
  const s2 = { strides: [2] };

  it.each<[string, StubNode, readonly (number | string)[]]>([
    ['stride 2', node([1, 4, 5], [4, 3, 3], s2), [1, 3, 11]],
    ['pads and output_padding', node([1, 4, 5], [4, 3, 3], { ...s2, pads: [1, 1], output_padding: [1] }), [1, 3, 10]],
    ['groups', node([1, 4, 5], [4, 3, 3], { group: 2 }), [1, 6, 7]],
    ['SAME', node([1, 4, 5], [4, 3, 3], { ...s2, auto_pad: 'SAME_UPPER' }), [1, 3, 10]],
    ['output_shape', node([1, 4, 5], [4, 3, 3], { ...s2, output_shape: [10], pads: [1, 1] }), [1, 3, 10]],
    ['exactly twice a symbol', node(['n', 4, 'h'], [4, 3, 4], { ...s2, pads: [1, 1] }), ['n', 3, '2*h']],
    ['twice a symbol and one', node(['n', 4, 'h'], [4, 3, 3], s2), ['n', 3, 's0']],
    ['twice a symbol by SAME', node(['n', 4, 'h'], [4, 3, 3], { ...s2, auto_pad: 'SAME_LOWER' }), ['n', 3, '2*h']],
  ])('shape: %s', (_, spec, dims) => {
    expect(inferDims(transposed, spec)).toEqual(dims);
  });

  it('refuses an output_shape that lists batch and channels, and channels that contradict', () => {
    expect(() => inferDims(transposed, node([1, 4, 5], [4, 3, 3], { output_shape: [1, 3, 10] }))).toThrow(
      /output_shape/,
    );
    expect(() => inferDims(transposed, node([1, 4, 5], [3, 4, 3]))).toThrow(/axis 0 of W of size 4, found 3/);
  });

  const channels = /^(X\[1\]|W\[[01]\]|B|Y\[1\]|sums|freeze W\[1\])/;

  it('one group: W is inputs x outputs', () => {
    const spec = { inputs: { X: [1, 4, 5], W: weight(4, 3, 3), B: weight(3) } };
    expect(equationsOf(transposed, spec, channels)).toEqual([
      'X[1] = W[0]',
      'sums over X[1]',
      'Y[1] = W[1]',
      'B[0] = W[1]',
    ]);
  });

  it('groups: axis 0 of W holds the inputs of all groups, axis 1 the outputs of one', () => {
    expect(equationsOf(transposed, node([1, 8, 5], [8, 3, 3], { group: 4 }), channels)).toEqual([
      'X[1] = (group:4 x channel:2)',
      'W[0] = (group:4 x channel:2)',
      'W[1] = channel:3',
      'sums over X[1]',
      'Y[1] = (group:4 x channel:3)',
    ]);
  });

  it('depthwise: a group is a channel', () => {
    const spec = node([1, 8, 5], [8, 1, 3], { group: 8 });
    expect(equationsOf(transposed, spec, channels)).toEqual([
      'X[1] = channel:8',
      'W[0] = channel:8',
      'freeze W[1]: every group of this ConvTranspose has one channel along this axis of its weight',
      'Y[1] = channel:8',
    ]);
    expect(resizesOf(transposed, spec, { after: { X: [1, 5, 5], W: [5, 1, 3], Y: [1, 5, 7] } })).toEqual(['group = 5']);
    expect(layerOf(transposed, spec)?.parameters).toEqual([{ input: 1, role: 'weight', out: 0 }]);
  });

  it('is a layer whose weight is inputs x outputs', () => {
    const layer = layerOf(transposed, node([1, 4, 5], [4, 3, 3]));
    expect(layer).toEqual({ kind: 'convTranspose', parameters: [{ input: 1, role: 'weight', out: 1, in: 0 }] });
  });
});
