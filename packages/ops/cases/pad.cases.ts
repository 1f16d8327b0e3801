/** Pad by example. */
import { conv, image, lastConv } from './blocks.ts';
import type { OperatorCase } from './case.ts';

export const cases: readonly OperatorCase[] = [
  {
    name: 'Pad 2: image axes, pads in an attribute',
    opset: 9,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Pad', [y], { mode: 'reflect', pads: [0, 0, 1, 1, 0, 0, 1, 1] }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Pad 11: channels of zeros around those that are pruned',
    opset: 11,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Pad', [y, b.ints('pads', [0, 4, 0, 0, 0, 2, 0, 0])]), 14);
    },
    groups: ['conv1 out 8, last in 8'],
    because: /pads are stated as numbers/,
  },
  {
    name: 'Pad 13: the shortcut of a residual block with more channels on the other side',
    opset: 13,
    build: (b) => {
      const x = image(b);
      const shortcut = conv(b, 'conv1', x, 3, 4);
      const padded = b.node('Pad', [shortcut, b.ints('pads', [0, 0, 0, 0, 0, 4, 0, 0])]);
      lastConv(b, b.node('Add', [padded, conv(b, 'conv2', x, 3, 8)]), 8);
    },
    groups: ['conv1 out 4, conv2 out 4, last in 4'],
  },
  {
    name: 'Pad 13: negative pads take channels away',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Pad', [y, b.ints('pads', [0, -2, 0, 0, 0, -1, 0, 0])]), 5);
    },
    groups: ['conv1 out 5, last in 5'],
  },
  {
    name: 'Pad 11: repeated channels cannot be pruned',
    opset: 11,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Pad', [y, b.ints('pads', [0, 1, 0, 0, 0, 1, 0, 0])], { mode: 'edge' }), 10);
    },
    groups: [],
    because: /mode 'edge' repeats neighbouring channels/,
  },
  {
    name: 'Pad 18: an input names the axes',
    opset: 18,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const inputs = [y, b.ints('pads', [1, 2, 1, 0]), '', b.ints('axes', [-1, 2])];
      lastConv(b, b.node('Pad', inputs), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Pad 19: image axes, wrapped around',
    opset: 19,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Pad', [y, b.ints('pads', [0, 0, 1, 1, 0, 0, 1, 1])], { mode: 'wrap' }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Pad 11: pads that exporters compute from a list in reverse order of the axes',
    opset: 12,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const pairs = b.node('Reshape', [b.ints('given', [1, 2, 0, 1, 0, 0, 0, 0]), b.ints('pair', [-1, 2])]);
      const bounds = [b.ints('from', [-1]), b.ints('to', [-(2 ** 31)]), b.ints('on', [0]), b.ints('down', [-1])];
      const ordered = b.node('Transpose', [b.node('Slice', [pairs, ...bounds])], { perm: [1, 0] });
      lastConv(b, b.node('Pad', [y, b.node('Reshape', [ordered, b.ints('flat', [-1])])]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
];
