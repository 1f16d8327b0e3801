/** Shape and Size by example: what is computed from sizes follows at run time. */
import { DataType } from '@onnx-pruning/onnx';
import { conv, image, lastConv, lastLinear } from './blocks.ts';
import type { OperatorCase } from './case.ts';

export const cases: readonly OperatorCase[] = [
  {
    name: 'Shape: an image is flattened and restored by its own shape',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const flat = b.node('Reshape', [y, b.ints('flat', [0, 0, -1])]);
      lastConv(b, b.node('Reshape', [flat, b.node('Shape', [y])]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Shape 15: part of the shape, from start to end',
    opset: 15,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const sides = b.node('Shape', [y], { start: -2 });
      const lead = b.node('Shape', [y], { start: 0, end: 2 });
      const flat = b.node('Reshape', [y, b.ints('flat', [0, 0, -1])]);
      lastConv(b, b.node('Reshape', [flat, b.node('Concat', [lead, sides], { axis: 0 })]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Size: elements divided by their number',
    opset: 13,
    build: (b) => {
      const x = image(b);
      const y = conv(b, 'conv1', x, 3, 8);
      const size = b.node('Cast', [b.node('Size', [x])], { to: DataType.FLOAT });
      lastConv(b, b.node('Div', [y, size]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Shape: the number of features is a product of sizes',
    opset: 18,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const features = b.node('ReduceProd', [b.node('Shape', [y], { start: 1 })], { keepdims: 1 });
      const shape = b.node('Concat', [b.ints('any', [-1]), features], { axis: 0 });
      lastLinear(b, b.node('Reshape', [y, shape]), 128);
    },
    groups: ['conv1 out 8, last in 128'],
  },
];
