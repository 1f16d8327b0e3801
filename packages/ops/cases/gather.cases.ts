/** Gather and its kin by example. */
import { DataType } from '@onnx-pruning/onnx';
import { conv, image, lastConv, lastLinear, parameter, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

const gather: readonly OperatorCase[] = [
  {
    name: 'Gather: constant indices exchange two halves of the channels',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Gather', [y, b.ints('order', [4, 5, 6, 7, 0, 1, 2, 3])], { axis: 1 }), 8);
    },
    groups: ['conv1 out 4, last in 4', 'conv1 out 4, last in 4'],
  },
  {
    name: 'Gather: some channels are taken twice, some never',
    opset: 11,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Gather', [y, b.ints('order', [0, 1, 2, 0, 1, 2, -2, -1])], { axis: -3 }), 8);
    },
    groups: ['conv1 out 3, last in 6', 'conv1 out 3', 'conv1 out 2, last in 2'],
  },
  {
    name: 'Gather: a scalar index takes one channel, which has to stay',
    opset: 9,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      b.output(b.node('Gather', [y, b.ints('index', [2], [])], { axis: 1 }));
      lastConv(b, y, 8);
    },
    groups: ['conv1 out 2, last in 2', 'conv1 out 5, last in 5'],
    because: /this very channel is taken/,
  },
  {
    name: 'Gather: indices from an image axis, the channels are the same',
    opset: 17,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const places = b.input('places', [2, 2], DataType.INT64);
      const picked = b.node('Gather', [y, places], { axis: 3 });
      lastConv(b, b.node('ReduceMean', [picked], { axes: [4], keepdims: 0 }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Gather: indices with several axes, images and channels that were one axis become two',
    opset: 18,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 2), 3, 8);
      const mean = b.node('ReduceMean', [y, b.ints('places', [-1, -2])], { keepdims: 1 });
      const strided = b.ints('strided', [...Array(16).keys()], [2, 8, 1, 1]);
      const apart = b.node('Gather', [b.node('Reshape', [mean, b.ints('all', [-1])]), strided]);
      lastLinear(b, b.node('Reshape', [apart, b.ints('features', [2, 8])]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Gather: indices with several axes, the second half of the channels in rows',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 12);
      const rows = b.node('Gather', [y, b.ints('rows', [6, 7, 8, 9, 10, 11], [2, 3])], { axis: 1 });
      lastConv(b, b.node('ReduceSum', [rows, b.ints('row', [1])], { keepdims: 0 }), 3);
    },
    groups: ['conv1 out 6', 'conv1 out 6, last in 3'],
  },
  {
    name: 'Gather: channels taken by indices that are an input of the graph',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Gather', [y, b.input('places', [4], DataType.INT64)], { axis: 1 }), 4);
    },
    groups: [],
    because: /only known at run time/,
  },
  {
    name: 'Gather: an embedding, whose vectors are pruned and whose rows are not',
    opset: 17,
    build: (b) => {
      const table = parameter(b, 'embedding.weight', [10, 8]);
      const words = b.node('Gather', [table, b.input('ids', ['batch', 5], DataType.INT64)], {}, { name: 'embedding' });
      b.output(project(b, 'last', words, 8, 3));
    },
    groups: ['embedding out 8, last in 8'],
  },
];

/** The image with a known batch, so that indices of the same rank can be constants. */
const elements: readonly OperatorCase[] = [
  {
    name: 'GatherElements: places of an image axis, channel by channel',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 1), 3, 8);
      const places = b.initializer('places', [1, 8, 4, 2], (size) => Array.from({ length: size }, (_, i) => i % 4), 7);
      lastConv(b, b.node('GatherElements', [y, places], { axis: 3 }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'GatherElements: along the channels, at places that are an input of the graph',
    opset: 11,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 1), 3, 8);
      lastConv(b, b.node('GatherElements', [y, b.input('places', [1, 6, 4, 4], DataType.INT64)], { axis: 1 }), 6);
    },
    groups: [],
    because: /only known at run time/,
  },
  {
    name: 'GatherElements: the picked channels may be pruned, those they are picked from may not',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 1), 3, 8);
      const places = b.initializer('places', [1, 6, 4, 4], (size) => Array.from({ length: size }, (_, i) => i % 8), 7);
      lastConv(b, b.node('GatherElements', [y, places], { axis: 1 }), 6);
    },
    groups: ['last in 6'],
    because: /only known at run time/,
  },
  {
    name: 'GatherND: whole images of a batch',
    opset: 12,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 2), 3, 8);
      lastConv(b, b.node('GatherND', [y, b.ints('images', [1, 0, 1], [3, 1])]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'GatherND: batch_dims, one channel of every image',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 2), 3, 8);
      const one = b.node('GatherND', [y, b.ints('channels', [1, 0], [2, 1])], { batch_dims: 1 });
      lastLinear(b, b.node('Flatten', [one]), 16);
    },
    groups: [],
    because: /only known at run time/,
  },
];

const scatter: readonly OperatorCase[] = [
  {
    name: 'Scatter: into an image axis',
    opset: 9,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 1), 3, 8);
      const places = b.initializer('places', [1, 8, 4, 1], (size) => Array.from({ length: size }, (_, i) => i % 4), 7);
      const updates = parameter(b, 'updates', [1, 8, 4, 1]);
      lastConv(b, b.node('Scatter', [y, places, updates], { axis: 3 }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'ScatterElements: into an image axis',
    opset: 16,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 1), 3, 8);
      const places = b.initializer('places', [1, 8, 4, 1], (size) => Array.from({ length: size }, (_, i) => i % 4), 7);
      const updates = parameter(b, 'updates', [1, 8, 4, 1]);
      lastConv(b, b.node('ScatterElements', [y, places, updates], { axis: 3, reduction: 'add' }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'ScatterND: whole images are replaced',
    opset: 18,
    build: (b) => {
      const x = image(b, 1);
      const data = conv(b, 'conv1', x, 3, 8);
      const updates = conv(b, 'conv2', x, 3, 8);
      lastConv(b, b.node('ScatterND', [data, b.ints('images', [0], [1, 1]), updates]), 8);
    },
    groups: ['conv1 out 8, conv2 out 8, last in 8'],
  },
];

export const cases: readonly OperatorCase[] = [...gather, ...elements, ...scatter];
