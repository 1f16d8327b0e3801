/** ConvTranspose by example. */
import type { AttributeValue, GraphBuilder } from '@onnx-pruning/onnx';
import { conv, image, lastConv, parameter } from './blocks.ts';
import type { OperatorCase } from './case.ts';

/** A transposed convolution: `<name>.weight` of `[inputs, outputs of a group, ...kernel]`. */
function up(
  b: GraphBuilder,
  x: string,
  dims: readonly number[],
  attributes: Readonly<Record<string, AttributeValue>>,
  bias?: number,
): string {
  const inputs = [x, parameter(b, 'up.weight', dims)];
  if (bias !== undefined) inputs.push(parameter(b, 'up.bias', [bias]));
  return b.node('ConvTranspose', inputs, attributes, { name: 'up' });
}

/** Attributes that matter to shapes only. */
const windows: readonly (readonly [string, number, Readonly<Record<string, AttributeValue>>])[] = [
  ['opset 7', 7, { strides: [2, 2] }],
  ['output_padding', 11, { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] }],
  ['dilations', 13, { strides: [2, 1], dilations: [1, 2] }],
  ['output_shape', 17, { strides: [2, 2], output_shape: [8, 9] }],
  ['auto_pad SAME_UPPER', 17, { strides: [2, 2], auto_pad: 'SAME_UPPER' }],
  ['auto_pad SAME_LOWER', 22, { strides: [2, 3], auto_pad: 'SAME_LOWER' }],
  ['auto_pad VALID', 26, { strides: [2, 2], auto_pad: 'VALID' }],
];

export const cases: readonly OperatorCase[] = [
  ...windows.map(
    ([what, opset, attributes]): OperatorCase => ({
      name: `ConvTranspose: ${what}`,
      opset,
      build: (b) => lastConv(b, up(b, conv(b, 'conv1', image(b), 3, 8), [8, 6, 3, 3], attributes, 6), 6),
      groups: ['conv1 out 8, up in 8', 'up out 6, last in 6'],
    }),
  ),
  {
    name: 'ConvTranspose: one spatial axis, exactly twice a dynamic size',
    opset: 17,
    build: (b) => {
      const x = b.input('x', ['batch', 3, 'time']);
      const y = b.node('Conv', [x, parameter(b, 'conv1.weight', [8, 3, 1])], {}, { name: 'conv1' });
      const wide = up(b, y, [8, 6, 4], { strides: [2], pads: [1, 1] });
      b.output(b.node('Conv', [wide, parameter(b, 'last.weight', [2, 6, 1])], {}, { name: 'last' }));
    },
    groups: ['conv1 out 8, up in 8', 'up out 6, last in 6'],
  },
  {
    name: 'ConvTranspose: in groups, the same channels of every group',
    opset: 17,
    build: (b) => lastConv(b, up(b, conv(b, 'conv1', image(b), 3, 8), [8, 3, 2, 2], { group: 4, strides: [2, 2] }), 12),
    groups: ['conv1 out 8, up in 8', 'up out 3, last in 12'],
  },
  {
    name: 'ConvTranspose: depthwise, groups are channels',
    opset: 17,
    build: (b) =>
      lastConv(b, up(b, conv(b, 'conv1', image(b), 3, 8), [8, 1, 2, 2], { group: 8, strides: [2, 2] }, 8), 8),
    groups: ['conv1 out 8, up out 8, last in 8'],
  },
];
