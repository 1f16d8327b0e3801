/** Pooling by example. */
import { type AttributeValue, DataType, type GraphBuilder } from '@onnx-pruning/onnx';
import { lastConv, lastLinear, parameter } from './blocks.ts';
import type { OperatorCase } from './case.ts';

type Attributes = Readonly<Record<string, AttributeValue>>;

/** `conv1` of 8 outputs on an input of this image size. */
function conv1(b: GraphBuilder, ...size: (number | string)[]): string {
  const kernel = size.map(() => 1);
  const inputs = [b.input('x', ['batch', 3, ...size]), parameter(b, 'conv1.weight', [8, 3, ...kernel])];
  return b.node('Conv', inputs, {}, { name: 'conv1' });
}

const carried = ['conv1 out 8, last in 8'];

function pooled(opType: string, opset: number, what: string, attributes: Attributes): OperatorCase {
  return {
    name: `${opType} ${opset}: ${what}`,
    opset,
    build: (b) => lastConv(b, b.node(opType, [conv1(b, 8, 7)], attributes), 8),
    groups: carried,
  };
}

const k3s2: Attributes = { kernel_shape: [3, 3], strides: [2, 2] };

const windows: readonly OperatorCase[] = [
  pooled('MaxPool', 7, 'padded', { ...k3s2, pads: [1, 1, 1, 1] }),
  pooled('MaxPool', 8, 'SAME_UPPER', { ...k3s2, auto_pad: 'SAME_UPPER' }),
  pooled('MaxPool', 10, 'ceil_mode', { ...k3s2, ceil_mode: 1 }),
  pooled('MaxPool', 11, 'dilations', { kernel_shape: [3, 2], dilations: [2, 3] }),
  pooled('MaxPool', 12, 'a last window in the padding is left out', {
    kernel_shape: [2, 2],
    strides: [2, 2],
    pads: [0, 0, 1, 1],
    ceil_mode: 1,
  }),
  pooled('MaxPool', 26, 'VALID', { ...k3s2, auto_pad: 'VALID' }),
  pooled('AveragePool', 7, 'padding counts', { ...k3s2, pads: [1, 1, 1, 1], count_include_pad: 1 }),
  pooled('AveragePool', 10, 'ceil_mode', { ...k3s2, ceil_mode: 1, pads: [1, 0, 1, 0] }),
  pooled('AveragePool', 11, 'SAME_LOWER', { ...k3s2, auto_pad: 'SAME_LOWER' }),
  pooled('AveragePool', 19, 'dilations', { kernel_shape: [2, 2], dilations: [3, 2] }),
  pooled('AveragePool', 22, 'ceil_mode', { kernel_shape: [2, 2], strides: [3, 3], ceil_mode: 1 }),
  pooled('LpPool', 7, 'padded', { ...k3s2, pads: [1, 1, 1, 1] }),
  pooled('LpPool', 11, 'absolute values', { ...k3s2, p: 1 }),
  pooled('LpPool', 18, 'ceil_mode and dilations', {
    kernel_shape: [2, 2],
    strides: [2, 2],
    dilations: [2, 1],
    ceil_mode: 1,
  }),
  pooled('GlobalAveragePool', 7, 'one position is left', {}),
  pooled('GlobalMaxPool', 22, 'one position is left', {}),
  pooled('GlobalLpPool', 17, 'one position is left', { p: 2 }),
];

const others: readonly OperatorCase[] = [
  {
    name: 'MaxPool: one spatial axis of dynamic size',
    opset: 17,
    build: (b) => {
      const y = b.node('MaxPool', [conv1(b, 'time')], { kernel_shape: [3], pads: [1, 1] });
      b.output(b.node('Conv', [y, parameter(b, 'last.weight', [2, 8, 1])], {}, { name: 'last' }));
    },
    groups: carried,
  },
  {
    name: 'AveragePool: three spatial axes',
    opset: 17,
    build: (b) => {
      const y = b.node('AveragePool', [conv1(b, 4, 5, 6)], { kernel_shape: [2, 2, 2], strides: [2, 2, 2] });
      b.output(b.node('Conv', [y, parameter(b, 'last.weight', [2, 8, 1, 1, 1])], {}, { name: 'last' }));
    },
    groups: carried,
  },
  {
    name: 'GlobalAveragePool: then flattened, channels are features',
    opset: 17,
    build: (b) => lastLinear(b, b.node('Flatten', [b.node('GlobalAveragePool', [conv1(b, 'height', 'width')])]), 8),
    groups: carried,
  },
  {
    name: 'GlobalAveragePool: squeeze and excite',
    opset: 17,
    build: (b) => {
      const y = conv1(b, 4, 4);
      const squeezed = b.node('GlobalAveragePool', [y]);
      const reduced = b.node('Conv', [squeezed, parameter(b, 'reduce.weight', [4, 8, 1, 1])], {}, { name: 'reduce' });
      const excited = [b.node('Relu', [reduced]), parameter(b, 'expand.weight', [8, 4, 1, 1])];
      const gate = b.node('Sigmoid', [b.node('Conv', excited, {}, { name: 'expand' })]);
      lastConv(b, b.node('Mul', [y, gate]), 8);
    },
    groups: ['conv1 out 8, reduce in 8, expand out 8, last in 8', 'reduce out 4, expand in 4'],
  },
  {
    name: 'MaxPool: indices count over all channels',
    opset: 17,
    build: (b) => {
      const [y, indices] = b.nodeOutputs('MaxPool', [conv1(b, 4, 4)], { kernel_shape: [2, 2] }, { outputs: 2 });
      const positions = b.node('Cast', [indices], { to: DataType.FLOAT });
      lastConv(b, b.node('Add', [y, positions]), 8);
    },
    groups: [],
    because: /positions over all channels/,
  },
];

export const cases: readonly OperatorCase[] = [...windows, ...others];
