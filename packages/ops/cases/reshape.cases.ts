/** Reshape, Flatten, Squeeze and Unsqueeze by example. */
import type { GraphBuilder } from '@onnx-pruning/onnx';
import { conv, image, lastConv, lastLinear, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

function reshape(b: GraphBuilder, name: string, x: string, shape: readonly number[]): string {
  return b.node('Reshape', [x, b.ints(`${name}_shape`, shape)], {}, { name });
}

const matrices: readonly OperatorCase[] = [
  {
    name: 'Reshape: channels and places become features, sizes stated as 0 and -1',
    opset: 13,
    build: (b) => lastLinear(b, reshape(b, 'flat', conv(b, 'conv1', image(b), 3, 8), [0, -1]), 128),
    groups: ['conv1 out 8, last in 128'],
  },
  {
    name: 'Reshape: channels and places become features, their number is stated',
    opset: 9,
    build: (b) => lastLinear(b, reshape(b, 'flat', conv(b, 'conv1', image(b), 3, 8), [-1, 128]), 128),
    groups: ['conv1 out 8, last in 128'],
  },
  {
    name: 'Reshape: the batch size is computed, the number of features is a constant',
    opset: 17,
    build: (b) => {
      const x = image(b);
      const y = conv(b, 'conv1', x, 3, 8);
      const batch = b.node('Gather', [b.node('Shape', [x]), b.ints('first', [0], [])]);
      const shape = [b.node('Unsqueeze', [batch, b.ints('axis', [0])]), b.ints('features', [128])];
      lastLinear(b, b.node('Reshape', [y, b.node('Concat', shape, { axis: 0 })]), 128);
    },
    groups: ['conv1 out 8, last in 128'],
  },
  {
    name: 'Reshape: sizes computed from the channels follow at run time',
    opset: 12,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const shape = b.node('Shape', [y]);
      const [batch, channels] = [0, 1].map((axis) => b.node('Gather', [shape, b.ints(`at${axis}`, [axis])]));
      const features = b.node('Mul', [channels!, b.ints('places', [16])]);
      lastLinear(b, b.node('Reshape', [y, b.node('Concat', [batch!, features], { axis: 0 })]), 128);
    },
    groups: ['conv1 out 8, last in 128'],
  },
  {
    name: 'Reshape 14: allowzero',
    opset: 14,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 2), 3, 8);
      lastLinear(b, b.node('Reshape', [y, b.ints('shape', [2, 128])], { allowzero: 1 }), 128);
    },
    groups: ['conv1 out 8, last in 128'],
  },
  {
    name: 'Flatten: channels and places become features',
    opset: 9,
    build: (b) => lastLinear(b, b.node('Flatten', [conv(b, 'conv1', image(b), 3, 8)]), 128),
    groups: ['conv1 out 8, last in 128'],
  },
  {
    name: 'Flatten 11: an axis counted from the end',
    opset: 11,
    build: (b) => lastLinear(b, b.node('Flatten', [conv(b, 'conv1', image(b), 3, 8)], { axis: -3 }), 128),
    groups: ['conv1 out 8, last in 128'],
  },
  {
    name: 'Flatten: channels merged with a dynamic batch cannot be told apart',
    opset: 13,
    build: (b) => lastLinear(b, b.node('Flatten', [conv(b, 'conv1', image(b), 3, 8)], { axis: 3 }), 4),
    groups: [],
    because: /axis of the graph output/,
  },
  {
    name: 'Reshape: heads merged with a dynamic batch and told apart again',
    opset: 17,
    build: (b) => {
      const x = b.node('Transpose', [project(b, 'value', b.input('x', ['batch', 5, 6]), 6, 16)], { perm: [1, 0, 2] });
      const heads = b.node('Transpose', [reshape(b, 'heads', x, [5, -1, 4])], { perm: [1, 0, 2] });
      const apart = b.node('Transpose', [reshape(b, 'apart', heads, [-1, 4, 5, 4])], { perm: [0, 2, 1, 3] });
      b.output(project(b, 'last', reshape(b, 'merged', apart, [0, 0, 16]), 16, 3));
    },
    groups: ['value out 16, last in 16'],
  },
];

/** `[batch, outer, inner, 4, 4]` with its second and third axis exchanged, as one axis of channels again. */
function exchanged(b: GraphBuilder, x: string, outer: number, inner: number): string {
  const apart = reshape(b, 'apart', x, [0, outer, inner, 4, 4]);
  const turned = b.node('Transpose', [apart], { perm: [0, 2, 1, 3, 4] });
  return reshape(b, 'together', turned, [0, outer * inner, 4, 4]);
}

const factors: readonly OperatorCase[] = [
  {
    name: 'Reshape: channel shuffle, the same place in both groups is pruned together',
    opset: 13,
    build: (b) => lastConv(b, exchanged(b, conv(b, 'conv1', image(b), 3, 12), 2, 6), 12),
    groups: ['conv1 out 12, last in 12'],
  },
  {
    name: 'Reshape: attention heads, the same place in every head is pruned together',
    opset: 17,
    build: (b) => {
      const values = project(b, 'value', b.input('x', ['batch', 5, 6]), 6, 16);
      const heads = b.node('Transpose', [reshape(b, 'heads', values, [0, 0, 4, 4])], { perm: [0, 2, 1, 3] });
      const back = b.node('Transpose', [heads], { perm: [0, 2, 1, 3] });
      b.output(project(b, 'last', reshape(b, 'merged', back, [0, 0, 16]), 16, 3));
    },
    groups: ['value out 16, last in 16'],
  },
  {
    name: 'Reshape: pixel shuffle written out, every block of four channels is one',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 24);
      const apart = reshape(b, 'apart', y, [0, 6, 2, 2, 4, 4]);
      const turned = b.node('Transpose', [apart], { perm: [0, 1, 4, 2, 5, 3] });
      lastConv(b, reshape(b, 'together', turned, [0, 6, 8, 8]), 6);
    },
    groups: ['conv1 out 24, last in 6'],
  },
  {
    name: 'Reshape: image places become a sequence and an image again',
    opset: 15,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const sequence = b.node('Transpose', [reshape(b, 'flat', y, [0, 8, 16])], { perm: [0, 2, 1] });
      const mixed = b.node('Transpose', [project(b, 'mix', sequence, 8, 6)], { perm: [0, 2, 1] });
      lastConv(b, reshape(b, 'image', mixed, [0, 6, 4, 4]), 6);
    },
    groups: ['conv1 out 8, mix in 8', 'mix out 6, last in 6'],
  },
];

const ones: readonly OperatorCase[] = [
  {
    name: 'Squeeze 1: axes in an attribute',
    opset: 11,
    build: (b) => {
      const pooled = b.node('GlobalAveragePool', [conv(b, 'conv1', image(b), 3, 8)]);
      lastLinear(b, b.node('Squeeze', [pooled], { axes: [2, -1] }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Squeeze 13: axes in an input',
    opset: 13,
    build: (b) => {
      const pooled = b.node('GlobalAveragePool', [conv(b, 'conv1', image(b), 3, 8)]);
      lastLinear(b, b.node('Squeeze', [pooled, b.ints('axes', [2, 3])]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Squeeze: every axis of one element',
    opset: 13,
    build: (b) => {
      const pooled = b.node('GlobalAveragePool', [conv(b, 'conv1', image(b, 2), 3, 8)]);
      lastLinear(b, b.node('Squeeze', [pooled]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Squeeze: without axes, pruned to one channel, which is not dropped',
    opset: 13,
    build: (b) => {
      const pooled = b.node('GlobalAveragePool', [conv(b, 'conv1', image(b, 2), 3, 2)]);
      lastLinear(b, b.node('Squeeze', [pooled]), 2);
    },
    groups: ['conv1 out 2, last in 2'],
  },
  {
    name: 'Squeeze: before opset 13, without axes, pruned to one channel, which is not dropped',
    opset: 11,
    build: (b) => {
      const pooled = b.node('GlobalAveragePool', [conv(b, 'conv1', image(b, 2), 3, 2)]);
      lastLinear(b, b.node('Squeeze', [pooled]), 2);
    },
    groups: ['conv1 out 2, last in 2'],
  },
  {
    name: 'Unsqueeze 1: features become an image of one place, axes in an attribute',
    opset: 11,
    build: (b) => {
      const y = project(b, 'fc', b.input('x', ['batch', 6]), 6, 8);
      lastConv(b, b.node('Unsqueeze', [y], { axes: [2, 3] }), 8);
    },
    groups: ['fc out 8, last in 8'],
  },
  {
    name: 'Unsqueeze 13: features become an image of one place, axes in an input',
    opset: 13,
    build: (b) => {
      const y = project(b, 'fc', b.input('x', ['batch', 6]), 6, 8);
      lastConv(b, b.node('Unsqueeze', [y, b.ints('axes', [-1, 2])]), 8);
    },
    groups: ['fc out 8, last in 8'],
  },
  {
    name: 'Unsqueeze: two branches stacked and summed',
    opset: 13,
    build: (b) => {
      const x = image(b);
      const stack = ['conv1', 'conv2'].map((name, i) =>
        b.node('Unsqueeze', [conv(b, name, x, 3, 8), b.ints(`axis${i}`, [1])]),
      );
      const sum = b.node('ReduceSum', [b.node('Concat', stack, { axis: 1 }), b.ints('on', [1])], { keepdims: 0 });
      lastConv(b, sum, 8);
    },
    groups: ['conv1 out 8, conv2 out 8, last in 8'],
  },
];

export const cases: readonly OperatorCase[] = [...matrices, ...factors, ...ones];
