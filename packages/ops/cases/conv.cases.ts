/** Conv by example. */
import type { AttributeValue, GraphBuilder } from '@onnx-pruning/onnx';
import { conv, image, lastConv, parameter } from './blocks.ts';
import type { OperatorCase } from './case.ts';

/** A convolution without bias: `<name>.weight` of these dimensions. */
function plain(
  b: GraphBuilder,
  name: string,
  x: string,
  dims: readonly number[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): string {
  return b.node('Conv', [x, parameter(b, `${name}.weight`, dims)], attributes, { name });
}

/** As plain, with a bias. */
function biased(
  b: GraphBuilder,
  name: string,
  x: string,
  dims: readonly number[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): string {
  const inputs = [x, parameter(b, `${name}.weight`, dims), parameter(b, `${name}.bias`, dims.slice(0, 1))];
  return b.node('Conv', inputs, attributes, { name });
}

/** Attributes that matter to shapes only: the groups are those of an ordinary convolution. */
const windows: readonly (readonly [string, number, Readonly<Record<string, AttributeValue>>])[] = [
  ['opset 7', 7, { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
  ['strides and uneven pads', 11, { strides: [2, 1], pads: [0, 1, 2, 0] }],
  ['dilations', 13, { dilations: [2, 1], pads: [2, 1, 2, 1] }],
  ['auto_pad SAME_UPPER', 11, { auto_pad: 'SAME_UPPER', strides: [2, 2] }],
  ['auto_pad SAME_LOWER', 17, { auto_pad: 'SAME_LOWER', strides: [2, 3] }],
  ['auto_pad VALID', 22, { auto_pad: 'VALID' }],
  ['opset 26', 26, {}],
];

const ordinary: readonly OperatorCase[] = [
  ...windows.map(
    ([what, opset, attributes]): OperatorCase => ({
      name: `Conv: ${what}`,
      opset,
      build: (b) => {
        const x = b.input('x', ['batch', 3, 7, 6]);
        lastConv(b, biased(b, 'conv1', x, [8, 3, 3, 3], attributes), 8);
      },
      groups: ['conv1 out 8, last in 8'],
    }),
  ),
  {
    name: 'Conv: dynamic image size',
    opset: 17,
    build: (b) => {
      const x = b.input('x', ['batch', 3, 'height', 'width']);
      const y = biased(b, 'conv1', x, [8, 3, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] });
      b.output(biased(b, 'last', y, [2, 8, 3, 3], { pads: [1, 1, 1, 1] }));
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Conv: one spatial axis',
    opset: 11,
    build: (b) => {
      const x = b.input('x', ['batch', 3, 9]);
      b.output(biased(b, 'conv2', biased(b, 'conv1', x, [8, 3, 3]), [2, 8, 3], { strides: [2] }));
    },
    groups: ['conv1 out 8, conv2 in 8'],
  },
  {
    name: 'Conv: three spatial axes',
    opset: 13,
    build: (b) => {
      const x = b.input('x', ['batch', 3, 4, 5, 6]);
      const y = plain(b, 'conv1', x, [8, 3, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] });
      b.output(plain(b, 'conv2', y, [2, 8, 2, 2, 2]));
    },
    groups: ['conv1 out 8, conv2 in 8'],
  },
  {
    name: 'Conv: the channels of the graph input and output stay',
    opset: 17,
    build: (b) => b.output(biased(b, 'conv1', image(b), [8, 3, 1, 1])),
    groups: [],
    because: /graph output/,
  },
  {
    name: 'Conv: one input channel is not depthwise',
    opset: 17,
    build: (b) => {
      const x = b.input('x', ['batch', 1, 6, 6]);
      lastConv(b, plain(b, 'conv1', x, [8, 1, 3, 3]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Conv: channels that become a spatial axis may not change',
    opset: 17,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const turned = b.node('Transpose', [y], { perm: [0, 2, 1, 3] });
      b.output(plain(b, 'conv2', turned, [6, 4, 3, 3]));
    },
    groups: [],
    because: /spatial axis of Conv/,
  },
];

const grouped: readonly OperatorCase[] = [
  {
    name: 'Conv: in groups, the same channels of every group',
    opset: 17,
    build: (b) => {
      const y = biased(b, 'grouped', conv(b, 'conv1', image(b), 3, 8), [12, 2, 3, 3], { group: 4, pads: [1, 1, 1, 1] });
      lastConv(b, y, 12);
    },
    groups: ['conv1 out 8, grouped in 2', 'grouped out 12, last in 12'],
  },
  {
    name: 'Conv: two in the same number of groups',
    opset: 11,
    build: (b) => {
      const first = plain(b, 'first', conv(b, 'conv1', image(b), 3, 8), [12, 4, 1, 1], { group: 2 });
      lastConv(b, plain(b, 'second', first, [8, 6, 1, 1], { group: 2 }), 8);
    },
    groups: ['conv1 out 8, first in 4', 'first out 12, second in 6', 'second out 8, last in 8'],
  },
  {
    name: 'Conv: four groups, then two of twice the channels',
    opset: 17,
    build: (b) => {
      const first = biased(b, 'first', conv(b, 'conv1', image(b), 3, 8), [12, 2, 1, 1], { group: 4 });
      lastConv(b, biased(b, 'second', first, [8, 6, 1, 1], { group: 2 }), 8);
    },
    groups: ['conv1 out 8, first in 2', 'first out 12, second in 6', 'second out 8, last in 8'],
  },
  {
    name: 'Conv: depthwise, groups are channels',
    opset: 13,
    build: (b) => {
      const y = biased(b, 'dw', conv(b, 'conv1', image(b), 3, 8), [8, 1, 3, 3], { group: 8, pads: [1, 1, 1, 1] });
      lastConv(b, y, 8);
    },
    groups: ['conv1 out 8, dw out 8, last in 8'],
  },
  {
    name: 'Conv: depthwise with a multiplier, the outputs of a channel stay together',
    opset: 17,
    build: (b) => {
      const y = biased(b, 'dw', conv(b, 'conv1', image(b), 3, 8), [16, 1, 3, 3], { group: 8 });
      lastConv(b, y, 16);
    },
    groups: ['conv1 out 8, dw out 16, last in 16'],
  },
  {
    name: 'Conv: depthwise on the graph input may not change',
    opset: 17,
    build: (b) => lastConv(b, plain(b, 'dw', image(b), [3, 1, 3, 3], { group: 3 }), 3),
    groups: [],
    because: /graph input/,
  },
  {
    name: 'Conv: inverted residual',
    opset: 17,
    build: (b) => {
      const stem = conv(b, 'stem', image(b), 3, 4);
      const wide = b.node('Clip', [
        conv(b, 'expand', stem, 4, 12),
        b.initializer('low', [], [0]),
        b.initializer('high', [], [6]),
      ]);
      const dw = biased(b, 'dw', wide, [12, 1, 3, 3], { group: 12, pads: [1, 1, 1, 1] });
      lastConv(b, b.node('Add', [stem, conv(b, 'project', dw, 12, 4)]), 4);
    },
    groups: ['stem out 4, expand in 4, project out 4, last in 4', 'expand out 12, dw out 12, project in 12'],
  },
];

export const cases: readonly OperatorCase[] = [...ordinary, ...grouped];
