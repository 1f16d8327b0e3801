/** Slice by example. */
import { DataType, type GraphBuilder, makeTensor, type TensorProto } from '@onnx-pruning/onnx';
import { conv, image, lastConv } from './blocks.ts';
import type { OperatorCase } from './case.ts';

const END = Number.MAX_SAFE_INTEGER;

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

const exact = (name: string, data: readonly bigint[]): TensorProto =>
  makeTensor(name, DataType.INT64, [data.length], BigInt64Array.from(data));

/** Slice with bounds as inputs, on one axis. */
function slice(b: GraphBuilder, name: string, x: string, [start, end, axis, step]: readonly number[]): string {
  const bounds = { starts: [start!], ends: [end!], axes: [axis!], steps: [step ?? 1] };
  const inputs = Object.entries(bounds).map(([key, values]) => b.ints(`${name}_${key}`, values));
  return b.node('Slice', [x, ...inputs], {}, { name });
}

export const cases: readonly OperatorCase[] = [
  {
    name: 'Slice 1: two ranges of channels, bounds in attributes',
    opset: 9,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const first = b.node('Slice', [y], { axes: [1], starts: [0], ends: [3] });
      const second = b.node('Slice', [y], { axes: [1], starts: [3], ends: [2 ** 31 - 1] });
      b.output(conv(b, 'conv2', first, 3, 4));
      b.output(conv(b, 'conv3', second, 5, 4));
    },
    groups: ['conv1 out 3, conv2 in 3', 'conv1 out 5, conv3 in 5'],
  },
  {
    name: 'Slice 1: axes that are not named are the first ones',
    opset: 9,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const inner = b.node('Slice', [y], { starts: [0, 2], ends: [2 ** 31 - 1, 6] });
      lastConv(b, inner, 4);
    },
    groups: ['conv1 out 2', 'conv1 out 4, last in 4', 'conv1 out 2'],
  },
  {
    name: 'Slice 10: overlapping ranges cut the channels at every bound',
    opset: 11,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 10);
      b.output(conv(b, 'conv2', slice(b, 'low', y, [0, 6, 1]), 6, 4));
      b.output(conv(b, 'conv3', slice(b, 'high', y, [4, END, 1]), 6, 4));
    },
    groups: ['conv1 out 4, conv2 in 4', 'conv1 out 2, conv2 in 2, conv3 in 2', 'conv1 out 4, conv3 in 4'],
  },
  {
    name: 'Slice 10: bounds and axis counted from the end',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      b.output(conv(b, 'conv2', slice(b, 'tail', y, [-3, END, -3]), 3, 4));
      b.output(conv(b, 'conv3', slice(b, 'head', y, [0, -3, 1]), 5, 4));
    },
    groups: ['conv1 out 5, conv3 in 5', 'conv1 out 3, conv2 in 3'],
  },
  {
    name: 'Slice 10: every second channel, the pairs are pruned together',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      b.output(conv(b, 'conv2', slice(b, 'even', y, [0, END, 1, 2]), 4, 4));
      b.output(conv(b, 'conv3', slice(b, 'odd', y, [1, 8, 1, 2]), 4, 4));
    },
    groups: ['conv1 out 8, conv2 in 4, conv3 in 4'],
  },
  {
    name: 'Slice 10: a step that does not divide the channels cannot follow',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, slice(b, 'third', y, [0, END, 1, 3]), 3);
    },
    groups: [],
    because: /sliced cannot be followed/,
  },
  {
    name: 'Slice 10: channels in reverse order',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 4);
      lastConv(b, slice(b, 'reverse', y, [-1, -END, 1, -1]), 4);
    },
    groups: ['conv1 out 1, last in 1', 'conv1 out 1, last in 1', 'conv1 out 1, last in 1', 'conv1 out 1, last in 1'],
  },
  {
    name: 'Slice 10: a dynamic batch and an image axis are sliced, the channels are the same',
    opset: 17,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const bounds = [b.ints('starts', [0, 1]), b.ints('ends', [1, 3]), b.ints('axes', [0, 2])];
      lastConv(b, b.node('Slice', [y, ...bounds]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'Slice 13: halves at bounds that are computed from the number of channels',
    opset: 17,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const channels = b.node('Gather', [b.node('Shape', [y]), b.ints('one', [1])]);
      const half = b.node('Div', [channels, b.ints('two', [2])]);
      const [zero, axis] = [b.ints('zero', [0]), b.ints('axis', [1])];
      b.output(conv(b, 'conv2', b.node('Slice', [y, zero, half, axis]), 4, 4));
      b.output(b.node('Slice', [y, half, channels, axis]));
    },
    groups: ['conv1 out 4, conv2 in 4'],
  },
  {
    name: 'Slice 13: an end of INT64_MAX on another axis survives',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const bounds = [exact('starts', [0n, 1n]), exact('ends', [4n, INT64_MAX]), exact('axes', [1n, 2n])];
      lastConv(b, b.node('Slice', [y, ...bounds.map((tensor) => b.tensor(tensor))]), 4);
    },
    groups: ['conv1 out 4, last in 4', 'conv1 out 4'],
  },
  {
    name: 'Slice 13: ends of INT64_MAX on both axes',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const bounds = [exact('starts', [1n, 4n]), exact('ends', [INT64_MAX, INT64_MAX]), exact('axes', [3n, 1n])];
      lastConv(b, b.node('Slice', [y, ...bounds.map((tensor) => b.tensor(tensor))]), 4);
    },
    groups: ['conv1 out 4', 'conv1 out 4, last in 4'],
  },
  {
    name: 'Slice 13: another axis runs backwards to INT64_MIN',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const bounds = [exact('starts', [0n, -1n]), exact('ends', [4n, INT64_MIN]), exact('axes', [1n, 2n])];
      const steps = exact('steps', [1n, -1n]);
      lastConv(b, b.node('Slice', [y, ...[...bounds, steps].map((tensor) => b.tensor(tensor))]), 4);
    },
    groups: ['conv1 out 4, last in 4', 'conv1 out 4'],
  },
  {
    name: 'Slice 13: bounds of int32, an end of INT32_MAX on another axis',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const ints = (name: string, data: readonly number[]): string =>
        b.tensor(makeTensor(name, DataType.INT32, [data.length], data));
      const bounds = [ints('starts', [0, 1]), ints('ends', [4, 2 ** 31 - 1]), ints('axes', [1, 2])];
      lastConv(b, b.node('Slice', [y, ...bounds]), 4);
    },
    groups: ['conv1 out 4, last in 4', 'conv1 out 4'],
  },
  {
    name: 'Slice 13: bounds in Constant nodes, an end of INT64_MAX on another axis',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const constant = (name: string, data: readonly bigint[]): string =>
        b.node('Constant', [], { value: exact('', data) }, { name });
      const bounds = [constant('starts', [0n, 1n]), constant('ends', [4n, INT64_MAX]), constant('axes', [1n, 2n])];
      lastConv(b, b.node('Slice', [y, ...bounds]), 4);
    },
    groups: ['conv1 out 4, last in 4', 'conv1 out 4'],
  },
  {
    name: 'Slice 1: bounds in attributes, an end of INT64_MAX on another axis',
    opset: 9,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('Slice', [y], { axes: [1, 2], starts: [0, 1], ends: [4, 2 ** 63] }), 4);
    },
    groups: ['conv1 out 4, last in 4', 'conv1 out 4'],
  },
];
