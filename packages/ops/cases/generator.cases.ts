/** Operators that make tensors, by example. */
import { DataType, type GraphBuilder, makeTensor } from '@onnx-pruning/onnx';
import { conv, image, lastConv, lastLinear, linear } from './blocks.ts';
import type { OperatorCase } from './case.ts';

/** `x + 0 * made`: the operator takes part in the graph, and its random or unusual numbers do not matter. */
function withoutEffect(b: GraphBuilder, x: string, made: string): string {
  return b.node('Add', [x, b.node('Mul', [made, b.initializer('nothing', [], [0])])]);
}

const constants: readonly OperatorCase[] = [
  {
    name: 'Constant: a scale for every channel is pruned with the channels',
    opset: 13,
    build: (b) => {
      const scale = makeTensor('', DataType.FLOAT, [1, 8, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8]);
      const outputs = ['scale.weight'];
      b.nodeOutputs('Constant', [], { value: scale }, { outputs });
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Mul', [y, 'scale.weight'], {}, { name: 'scale' }), 8);
    },
    groups: ['conv1 out 8, scale out 8, last in 8'],
  },
  {
    name: 'Constant: a shift for every feature in value_floats',
    opset: 12,
    build: (b) => {
      const floats = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4];
      b.nodeOutputs('Constant', [], { value_floats: { floats } }, { outputs: ['shift.bias'] });
      const y = linear(b, 'fc', b.input('x', ['batch', 6]), 6, 8);
      lastLinear(b, b.node('Add', [y, 'shift.bias'], {}, { name: 'shift' }), 8);
    },
    groups: ['fc out 8, shift out 8, last in 8'],
  },
  {
    name: 'Constant: a shape in value_ints and a factor in value_float',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const twice = b.node('Mul', [y, b.node('Constant', [], { value_float: { float: 2 } })]);
      const shape = b.node('Constant', [], { value_ints: [-1, 128] });
      lastLinear(b, b.node('Reshape', [twice, shape]), 128);
    },
    groups: ['conv1 out 8, last in 128'],
  },
  {
    name: 'Constant: an index in value_int',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const row = b.node('Gather', [y, b.node('Constant', [], { value_int: 1 })], { axis: 2 });
      lastLinear(b, b.node('Flatten', [row]), 32);
    },
    groups: ['conv1 out 8, last in 32'],
  },
  {
    name: 'ConstantOfShape: as many channels as are left',
    opset: 9,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const value = makeTensor('', DataType.FLOAT, [1], [0.5]);
      const made = b.node('ConstantOfShape', [b.ints('shape', [1, 8, 1, 4])], { value });
      lastConv(b, b.node('Add', [y, made]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'ConstantOfShape: the shape of a layer, followed at run time',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 1), 3, 8);
      const made = b.node('ConstantOfShape', [b.node('Shape', [y])]);
      lastConv(b, b.node('Sub', [y, made]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
];

const frozen: readonly OperatorCase[] = [
  {
    name: 'Range: positions along an image axis, the channels are the same',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const [start, limit, step] = [0, 4, 1].map((n, i) => b.initializer(`bound${i}`, [], [n]));
      lastConv(b, b.node('Mul', [y, b.node('Range', [start!, limit!, step!])]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'OneHot: labels become weights of channels',
    opset: 11,
    build: (b) => {
      const labels = b.input('labels', ['batch'], DataType.INT64);
      const hot = b.node('OneHot', [labels, b.ints('depth', [8], []), b.initializer('values', [2], [0, 1])]);
      const y = linear(b, 'fc', b.input('x', ['batch', 6]), 6, 8);
      lastLinear(b, b.node('Mul', [y, hot]), 8);
    },
    groups: [],
    because: /places along the new axis/,
  },
  {
    name: 'NonZero: places of elements',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      b.output(b.node('NonZero', [y]), undefined, DataType.INT64);
      lastConv(b, y, 8);
    },
    groups: [],
    because: /places of elements/,
  },
  {
    name: 'EyeLike: elements depend on their place',
    opset: 9,
    build: (b) => {
      const y = linear(b, 'fc', b.input('x', ['batch', 6]), 6, 8);
      lastLinear(b, b.node('Add', [y, b.node('EyeLike', [y], { k: 1 })]), 8);
    },
    groups: [],
    because: /depend on their place/,
  },
  ...['RandomNormalLike', 'RandomUniformLike'].map(
    (opType): OperatorCase => ({
      name: `${opType}: noise of the shape of a layer`,
      opset: 13,
      build: (b) => {
        const y = conv(b, 'conv1', image(b), 3, 8);
        lastConv(b, withoutEffect(b, y, b.node(opType, [y])), 8);
      },
      groups: [],
      because: /random numbers/,
    }),
  ),
  ...['RandomNormal', 'RandomUniform'].map(
    (opType): OperatorCase => ({
      name: `${opType}: noise for every place`,
      opset: 13,
      build: (b) => {
        const y = conv(b, 'conv1', image(b), 3, 8);
        lastConv(b, withoutEffect(b, y, b.node(opType, [], { shape: [4, 4] })), 8);
      },
      groups: ['conv1 out 8, last in 8'],
    }),
  ),
  {
    name: 'Bernoulli: draws for every channel',
    opset: 15,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, withoutEffect(b, y, b.node('Bernoulli', [b.node('Sigmoid', [y])])), 8);
    },
    groups: [],
    because: /random numbers/,
  },
];

export const cases: readonly OperatorCase[] = [...constants, ...frozen];
