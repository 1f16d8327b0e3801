/** Concat and Split by example. */
import { conv, image, lastConv } from './blocks.ts';
import type { OperatorCase } from './case.ts';

const concat: readonly OperatorCase[] = [
  {
    name: 'Concat: channels of two branches, one after the other',
    opset: 13,
    build: (b) => {
      const x = image(b);
      const branches = [conv(b, 'conv1', x, 3, 8), conv(b, 'conv2', x, 3, 6)];
      lastConv(b, b.node('Concat', branches, { axis: 1 }), 14);
    },
    groups: ['conv1 out 8, last in 8', 'conv2 out 6, last in 6'],
  },
  {
    name: 'Concat: the same channels twice',
    opset: 13,
    build: (b) => {
      const branch = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Concat', [branch, branch], { axis: 1 }), 16);
    },
    groups: ['conv1 out 8, last in 16'],
  },
  {
    name: 'Concat: an axis counted from the end',
    opset: 11,
    build: (b) => {
      const x = image(b);
      const branches = [conv(b, 'conv1', x, 3, 4), conv(b, 'conv2', x, 3, 4)];
      lastConv(b, b.node('Concat', branches, { axis: -3 }), 8);
    },
    groups: ['conv1 out 4, last in 4', 'conv2 out 4, last in 4'],
  },
  {
    name: 'Concat: joined along the batch, the channels are the same',
    opset: 9,
    build: (b) => {
      const x = image(b);
      const branches = [conv(b, 'conv1', x, 3, 8), conv(b, 'conv2', x, 3, 8)];
      lastConv(b, b.node('Concat', branches, { axis: 0 }), 8);
    },
    groups: ['conv1 out 8, conv2 out 8, last in 8'],
  },
  {
    name: 'Concat: joined along an image axis, the channels are the same',
    opset: 17,
    build: (b) => {
      const x = image(b);
      const branches = [conv(b, 'conv1', x, 3, 8), conv(b, 'conv2', x, 3, 8)];
      lastConv(b, b.node('Concat', branches, { axis: 2 }), 8);
    },
    groups: ['conv1 out 8, conv2 out 8, last in 8'],
  },
];

const split: readonly OperatorCase[] = [
  {
    name: 'Split 2: sizes in an attribute',
    opset: 11,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const [first, second] = b.nodeOutputs('Split', [y], { axis: 1, split: [2, 6] }, { outputs: 2 });
      b.output(conv(b, 'conv2', first!, 2, 4));
      b.output(conv(b, 'conv3', second!, 6, 4));
    },
    groups: ['conv1 out 2, conv2 in 2', 'conv1 out 6, conv3 in 6'],
  },
  {
    name: 'Split 2: equal parts become unequal, so that their sizes have to be stated',
    opset: 9,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const [first, second] = b.nodeOutputs('Split', [y], { axis: 1 }, { outputs: 2 });
      b.output(conv(b, 'conv2', first!, 4, 4));
      b.output(second!);
    },
    groups: ['conv1 out 4, conv2 in 4'],
    because: /graph output/,
  },
  {
    name: 'Split 2: three equal parts that are added stay equal',
    opset: 11,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 12);
      const parts = b.nodeOutputs('Split', [y], { axis: 1 }, { outputs: 3 });
      lastConv(b, b.node('Sum', parts), 4);
    },
    groups: ['conv1 out 12, last in 4'],
  },
  {
    name: 'Split 13: sizes in an input, axis counted from the end',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const [first, second] = b.nodeOutputs('Split', [y, b.ints('sizes', [6, 2])], { axis: -3 }, { outputs: 2 });
      b.output(conv(b, 'conv2', first!, 6, 4));
      b.output(conv(b, 'conv3', second!, 2, 4));
    },
    groups: ['conv1 out 6, conv2 in 6', 'conv1 out 2, conv3 in 2'],
  },
  {
    name: 'Split 13: equal parts become unequal, so that the input has to be added',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const [first, second] = b.nodeOutputs('Split', [y], { axis: 1 }, { outputs: 2 });
      b.output(first!);
      b.output(conv(b, 'conv3', second!, 4, 4));
    },
    groups: ['conv1 out 4, conv3 in 4'],
  },
  {
    name: 'Split 13: split along an image axis, the channels are the same',
    opset: 17,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const [first, second] = b.nodeOutputs('Split', [y], { axis: 3 }, { outputs: 2 });
      lastConv(b, b.node('Add', [first!, second!]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Split 18: num_outputs gives way to sizes when the parts become unequal',
    opset: 18,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const [first, second] = b.nodeOutputs('Split', [y], { axis: 1, num_outputs: 2 }, { outputs: 2 });
      b.output(conv(b, 'conv2', first!, 4, 4));
      b.output(second!);
    },
    groups: ['conv1 out 4, conv2 in 4'],
  },
  {
    name: 'Split 18: the last of num_outputs parts is smaller',
    opset: 21,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 10);
      const [first, second, third] = b.nodeOutputs('Split', [y], { axis: 1, num_outputs: 3 }, { outputs: 3 });
      b.output(conv(b, 'conv2', first!, 4, 4));
      b.output(conv(b, 'conv3', second!, 4, 4));
      b.output(conv(b, 'conv4', third!, 2, 4));
    },
    groups: ['conv1 out 4, conv2 in 4', 'conv1 out 4, conv3 in 4', 'conv1 out 2, conv4 in 2'],
  },
  {
    name: 'Split 18: sizes in an input',
    opset: 22,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const [first, second] = b.nodeOutputs('Split', [y, b.ints('sizes', [3, 5])], { axis: 1 }, { outputs: 2 });
      b.output(conv(b, 'conv2', first!, 3, 4));
      b.output(conv(b, 'conv3', second!, 5, 4));
    },
    groups: ['conv1 out 3, conv2 in 3', 'conv1 out 5, conv3 in 5'],
  },
];

export const cases: readonly OperatorCase[] = [...concat, ...split];
