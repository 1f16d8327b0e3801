/** Elementwise operators of one input by example: every one of them, at the opset that introduced it or changed it. */
import { DataType, type GraphBuilder } from '@onnx-pruning/onnx';
import { conv, image, lastConv } from './blocks.ts';
import type { OperatorCase } from './case.ts';

type Chain = readonly string[];

/** Brings convolution outputs into (0, 1), where functions with a limited domain are defined. */
const UNIT: Chain = ['Sigmoid'];
/** ... and to 1 or more. */
const FROM_ONE: Chain = ['Abs', 'Exp'];

/** Operator, opset, and what has to come before it. */
const floats: readonly (readonly [string, number, Chain?])[] = [
  ...(['Relu', 'LeakyRelu', 'Sigmoid', 'Tanh', 'HardSigmoid', 'Elu', 'Selu', 'Softplus', 'Softsign'] as const).map(
    (op) => [op, 7] as const,
  ),
  ...(['Abs', 'Neg', 'Floor', 'Ceil', 'Exp', 'Sin', 'Cos', 'Atan', 'Identity', 'Dropout'] as const).map(
    (op) => [op, 7] as const,
  ),
  ['Log', 7, UNIT],
  ['Sqrt', 7, UNIT],
  ['Reciprocal', 7, UNIT],
  ['Tan', 7, UNIT],
  ['Asin', 7, UNIT],
  ['Acos', 7, UNIT],
  ['Sign', 9],
  ['Erf', 9],
  ['Sinh', 9],
  ['Cosh', 9],
  ['Asinh', 9],
  ['Acosh', 9, FROM_ONE],
  ['Atanh', 9, UNIT],
  ['Shrink', 9],
  ['ThresholdedRelu', 10],
  ['Dropout', 10],
  ['Round', 11],
  ['Celu', 12],
  ['HardSwish', 14],
  ['Relu', 14],
  ['LeakyRelu', 16],
  ['Mish', 18],
  ['Gelu', 20],
  ['HardSwish', 22],
  ['Mish', 22],
  ['Swish', 24],
  ['Relu', 26],
  ['Identity', 26],
];

function apply(b: GraphBuilder, ops: Chain, x: string): string {
  return ops.reduce((value, op) => b.node(op, [value]), x);
}

function elementwise([op, opset, before = []]: (typeof floats)[number]): OperatorCase {
  return {
    name: `${op} ${opset}`,
    opset,
    build: (b) => lastConv(b, apply(b, [...before, op], conv(b, 'conv1', image(b), 3, 8)), 8),
    groups: ['conv1 out 8, last in 8'],
  };
}

/** An operator on another element type, between two casts. */
function cast(op: string, opset: number, from: number): OperatorCase {
  return {
    name: `${op} ${opset}`,
    opset,
    build: (b) => {
      const y = b.node('Cast', [conv(b, 'conv1', image(b), 3, 8)], { to: from });
      lastConv(b, b.node('Cast', [b.node(op, [y])], { to: DataType.FLOAT }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  };
}

const withInputs: readonly OperatorCase[] = [
  {
    name: 'Clip 7: bounds are attributes',
    opset: 7,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Clip', [y], { min: { float: 0 }, max: { float: 6 } }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Clip 11: bounds are inputs',
    opset: 11,
    build: (b) => {
      const bounds = [b.initializer('low', [], [0]), b.initializer('high', [], [6])];
      lastConv(b, b.node('Clip', [conv(b, 'conv1', image(b), 3, 8), ...bounds]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Clip 13: only an upper bound',
    opset: 13,
    build: (b) => {
      const inputs = [conv(b, 'conv1', image(b), 3, 8), '', b.initializer('high', [], [0.5])];
      lastConv(b, b.node('Clip', inputs), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Dropout 12: ratio is an input',
    opset: 12,
    build: (b) => {
      const inputs = [conv(b, 'conv1', image(b), 3, 8), b.initializer('ratio', [], [0.3])];
      lastConv(b, b.node('Dropout', inputs), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Dropout 13: the mask has the channels of the data',
    opset: 13,
    build: (b) => {
      const [y, mask] = b.nodeOutputs('Dropout', [conv(b, 'conv1', image(b), 3, 8)], {}, { outputs: 2 });
      lastConv(b, b.node('Mul', [y, b.node('Cast', [mask], { to: DataType.FLOAT })]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
];

export const cases: readonly OperatorCase[] = [
  ...floats.map(elementwise),
  cast('Not', 7, DataType.BOOL),
  cast('IsNaN', 9, DataType.FLOAT),
  cast('IsInf', 10, DataType.FLOAT),
  cast('BitwiseNot', 18, DataType.INT32),
  ...withInputs,
];
