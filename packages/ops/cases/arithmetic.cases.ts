/** Operators with broadcasting by example. */
import { DataType, type GraphBuilder } from '@onnx-pruning/onnx';
import { conv, image, lastConv, lastLinear, linear, parameter } from './blocks.ts';
import type { OperatorCase } from './case.ts';

/** Two branches of 8 channels between 1 and 2: every operator is defined on them and continuous. */
function branches(b: GraphBuilder): [string, string] {
  const x = image(b);
  const one = b.initializer('one', [], [1]);
  const branch = (name: string): string =>
    b.node('Add', [b.node('Sigmoid', [conv(b, name, x, 3, 8)]), one], {}, { name: `${name}_above_one` });
  return [branch('conv1'), branch('conv2')];
}

const COUPLED = ['conv1 out 8, conv2 out 8, last in 8'];

const onBranches = (opType: string, opset: number, attributes = {}): OperatorCase => ({
  name: `${opType}: two branches have the same channels`,
  opset,
  build: (b) => lastConv(b, b.node(opType, branches(b), attributes), 8),
  groups: COUPLED,
});

/** The operator's answer chooses between the branches. */
const onAnswers = (opType: string, opset: number): OperatorCase => ({
  name: `${opType}: two branches have the same channels as the answer`,
  opset,
  build: (b) => {
    const [first, second] = branches(b);
    const answer = b.node(opType, [first, second]);
    lastConv(b, b.node('Where', [answer, first, second]), 8);
  },
  groups: COUPLED,
});

const onTruths = (opType: string, opset: number): OperatorCase => ({
  name: `${opType}: truths of two branches`,
  opset,
  build: (b) => {
    const [first, second] = branches(b);
    const middle = b.initializer('middle', [1], [1.5]);
    const truths = [first, second].map((branch) => b.node('Less', [branch, middle]));
    lastConv(b, b.node('Cast', [b.node(opType, truths)], { to: DataType.FLOAT }), 8);
  },
  groups: COUPLED,
});

const onBits = (opType: string, opset: number, attributes = {}): OperatorCase => ({
  name: `${opType}: integers of two branches`,
  opset,
  build: (b) => {
    const hundred = b.initializer('hundred', [], [100]);
    const integers = branches(b).map((branch) =>
      b.node('Cast', [b.node('Mul', [branch, hundred])], { to: DataType.UINT8 }),
    );
    const bits = b.node(opType, integers, attributes);
    lastConv(b, b.node('Cast', [bits], { to: DataType.FLOAT }), 8);
  },
  groups: COUPLED,
});

const pairs: readonly OperatorCase[] = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow'].flatMap((opType) => [onBranches(opType, 7), onBranches(opType, 22)]),
  ...['Sum', 'Mean', 'Max', 'Min'].flatMap((opType) => [onBranches(opType, 8), onBranches(opType, 13)]),
  onBranches('Mod', 13, { fmod: 1 }),
  ...['Less', 'Greater', 'Equal'].map((opType) => onAnswers(opType, 11)),
  ...['LessOrEqual', 'GreaterOrEqual'].map((opType) => onAnswers(opType, 16)),
  ...['And', 'Or', 'Xor'].map((opType) => onTruths(opType, 9)),
  ...['BitwiseAnd', 'BitwiseOr', 'BitwiseXor'].map((opType) => onBits(opType, 18)),
];

const operands: readonly OperatorCase[] = [
  {
    name: 'Add: a constant for every channel is a layer',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Add', [y, parameter(b, 'shift.bias', [8, 1, 1])], {}, { name: 'shift' }), 8);
    },
    groups: ['conv1 out 8, shift out 8, last in 8'],
  },
  {
    name: 'Mul: a constant for every feature is a layer',
    opset: 11,
    build: (b) => {
      const y = linear(b, 'fc', b.input('x', ['batch', 6]), 6, 8);
      lastLinear(b, b.node('Mul', [parameter(b, 'scale.weight', [8]), y], {}, { name: 'scale' }), 8);
    },
    groups: ['fc out 8, scale out 8, last in 8'],
  },
  {
    name: 'Add: a constant for every place says nothing of the channels',
    opset: 17,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Add', [y, parameter(b, 'place.bias', [1, 1, 4, 4])], {}, { name: 'place' }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Mul: squeeze and excite, one weight per channel',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const small = b.node('Relu', [conv(b, 'squeeze', b.node('GlobalAveragePool', [y]), 8, 4)]);
      const gate = b.node('Sigmoid', [conv(b, 'excite', small, 4, 8)]);
      lastConv(b, b.node('Mul', [y, gate]), 8);
    },
    groups: ['conv1 out 8, squeeze in 8, excite out 8, last in 8', 'squeeze out 4, excite in 4'],
  },
  {
    name: 'Mul: one map for all channels keeps its one channel',
    opset: 13,
    build: (b) => {
      const x = image(b);
      const y = conv(b, 'conv1', x, 3, 8);
      lastConv(b, b.node('Mul', [y, b.node('Sigmoid', [conv(b, 'map', x, 3, 1)])]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
    because: /stretched over another size/,
  },
  {
    name: 'Add: operands of different rank',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const flat = b.node('Squeeze', [b.node('GlobalAveragePool', [y]), b.ints('axes', [2, 3])]);
      const vector = b.node('ReduceMean', [linear(b, 'fc', flat, 8, 4)], { axes: [0], keepdims: 0 });
      const rows = b.node('Transpose', [y], { perm: [0, 2, 3, 1] });
      b.output(b.node('MatMul', [rows, parameter(b, 'mix.weight', [8, 4])], {}, { name: 'mix', outputs: ['mixed'] }));
      lastLinear(b, b.node('Flatten', [b.node('Add', ['mixed', vector])]), 64);
    },
    groups: ['conv1 out 8, fc in 8, mix in 8'],
    because: /graph output/,
  },
  {
    name: 'Where: a condition for every place and a constant',
    opset: 16,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const zero = b.initializer('zero', [], [0]);
      const mask = b.node('Greater', [b.node('ReduceSum', [y, b.ints('axes', [1])]), zero]);
      lastConv(b, b.node('Where', [mask, y, zero]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Mod: whole numbers',
    opset: 10,
    build: (b) => {
      const y = b.node('Cast', [conv(b, 'conv1', image(b), 3, 8)], { to: DataType.INT32 });
      const three = b.initializer('three', [1], [3], DataType.INT32);
      lastConv(b, b.node('Cast', [b.node('Mod', [y, three])], { to: DataType.FLOAT }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'BitShift: bits moved by a constant',
    opset: 11,
    build: (b) => {
      const y = b.node('Sigmoid', [conv(b, 'conv1', image(b), 3, 8)]);
      const integers = b.node('Cast', [b.node('Mul', [y, b.initializer('hundred', [], [100])])], {
        to: DataType.UINT8,
      });
      const one = b.initializer('places', [1], [1], DataType.UINT8);
      const shifted = b.node('BitShift', [integers, one], { direction: 'RIGHT' });
      lastConv(b, b.node('Cast', [shifted], { to: DataType.FLOAT }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
];

export const cases: readonly OperatorCase[] = [...pairs, ...operands];
