/** Expand and Tile by example. */
import { conv, image, lastConv, parameter } from './blocks.ts';
import type { OperatorCase } from './case.ts';

export const cases: readonly OperatorCase[] = [
  {
    name: 'Expand: one element becomes as many channels as are left',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const shift = b.node('Expand', [parameter(b, 'shift', [1, 1, 1]), b.ints('shape', [8, 4, 4])]);
      lastConv(b, b.node('Add', [y, shift]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Expand: pooled channels become an image of the size of another',
    opset: 17,
    build: (b) => {
      const x = image(b);
      const pooled = b.node('GlobalAveragePool', [conv(b, 'conv1', x, 3, 8)]);
      const sides = b.node('Slice', [b.node('Shape', [x]), b.ints('from', [2]), b.ints('to', [4])]);
      const shape = b.node('Concat', [b.ints('lead', [1, 8]), sides], { axis: 0 });
      lastConv(b, b.node('Expand', [pooled, shape]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Expand: the shape of another tensor, followed at run time',
    opset: 8,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 2), 3, 8);
      const shift = b.node('Expand', [parameter(b, 'shift', [8, 1, 1]), b.node('Shape', [y])]);
      lastConv(b, b.node('Add', [y, shift]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Expand: a shape that is an input of the graph',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Expand', [y, b.input('shape', [4], 7)]), 8);
    },
    groups: [],
    because: /only known at run time/,
    ranges: { shape: [1, 2] },
  },
  {
    name: 'Tile: channels twice, copies are pruned together',
    opset: 9,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Tile', [y, b.ints('repeats', [1, 2, 1, 1])]), 16);
    },
    groups: ['conv1 out 8, last in 16'],
  },
  {
    name: 'Tile: image axes repeated, the channels are the same',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Tile', [y, b.ints('repeats', [1, 1, 2, 3])]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
];
