/** The Reduce family, ArgMax, ArgMin, TopK and CumSum by example. */
import type { GraphBuilder } from '@onnx-pruning/onnx';
import { conv, image, lastConv, lastLinear } from './blocks.ts';
import type { OperatorCase } from './case.ts';

const REDUCTIONS = [
  ...['ReduceSum', 'ReduceSumSquare', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp'],
  ...['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd'],
];

/** Positive numbers, so that logarithms of sums are defined. */
function positive(b: GraphBuilder, channels: number): string {
  return b.node('Sigmoid', [conv(b, 'conv1', image(b), 3, channels)]);
}

function reduceBy(b: GraphBuilder, opType: string, x: string, axes: readonly number[], keepdims: number): string {
  return b.node(opType, [x, b.ints('axes', axes)], { keepdims });
}

const overPlaces: readonly OperatorCase[] = REDUCTIONS.flatMap((opType): OperatorCase[] => [
  {
    name: `${opType}: axes in an attribute, over the image`,
    opset: 12,
    build: (b) => lastLinear(b, b.node(opType, [positive(b, 8)], { axes: [2, -1], keepdims: 0 }), 8),
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: `${opType}: axes in an input, over the image, reduced axes stay`,
    opset: 18,
    build: (b) => lastConv(b, reduceBy(b, opType, positive(b, 8), [-2, 3], 1), 8),
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: `${opType}: over the channels, which are pruned without anything else`,
    opset: 18,
    build: (b) => b.output(reduceBy(b, opType, positive(b, 8), [1], 0)),
    groups: ['conv1 out 8'],
  },
]);

const versions: readonly OperatorCase[] = [
  {
    name: 'ReduceSum 13: axes in an input',
    opset: 13,
    build: (b) => lastLinear(b, reduceBy(b, 'ReduceSum', positive(b, 8), [2, 3], 0), 8),
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'ReduceMean 18: no axes mean all of them',
    opset: 18,
    build: (b) => b.output(b.node('ReduceMean', [positive(b, 8)])),
    groups: ['conv1 out 8'],
  },
  {
    name: 'ReduceSum 13: no axes mean none of them with noop_with_empty_axes',
    opset: 13,
    build: (b) => lastConv(b, b.node('ReduceSum', [positive(b, 8)], { noop_with_empty_axes: 1 }), 8),
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'ReduceMax 20: spatial attention, one map weighs all channels',
    opset: 20,
    build: (b) => {
      const y = positive(b, 8);
      lastConv(b, b.node('Mul', [y, reduceBy(b, 'ReduceMax', y, [1], 1)]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
];

const positions: readonly OperatorCase[] = ['ArgMax', 'ArgMin'].flatMap((opType): OperatorCase[] => [
  {
    name: `${opType}: the place of a channel`,
    opset: 13,
    build: (b) => b.output(b.node(opType, [conv(b, 'conv1', image(b), 3, 8)], { axis: 1 }), undefined, 7),
    groups: [],
    because: /gives positions along this axis/,
  },
  {
    name: `${opType}: the place in an image, channel by channel`,
    opset: 12,
    build: (b) => {
      const place = b.node(opType, [conv(b, 'conv1', image(b), 3, 8)], { axis: -1, keepdims: 0 });
      const row = b.node('Cast', [place], { to: 1 });
      lastLinear(b, b.node('Flatten', [row]), 32);
    },
    groups: ['conv1 out 8, last in 32'],
  },
]);

const ordered: readonly OperatorCase[] = [
  {
    name: 'TopK 1: the largest elements of image rows, channel by channel',
    opset: 9,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('TopK', [y], { k: 2, axis: 3 }, { outputs: ['top', 'places'] }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'TopK 10: the largest elements of image rows, channel by channel',
    opset: 11,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('TopK', [y, b.ints('k', [2])], {}, { outputs: ['top', 'places'] }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'TopK 11: the largest channels',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('TopK', [y, b.ints('k', [4])], { axis: 1 }, { outputs: ['top', 'places'] }), 4);
    },
    groups: [],
    because: /TopK orders the elements along this axis/,
  },
  {
    name: 'CumSum: over the channels, those that are zero add nothing',
    opset: 14,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('CumSum', [y, b.ints('axis', [1], [])]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'CumSum: over image rows, from the end',
    opset: 11,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(b, b.node('CumSum', [y, b.ints('axis', [-1], [])], { reverse: 1, exclusive: 1 }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
];

export const cases: readonly OperatorCase[] = [...overPlaces, ...versions, ...positions, ...ordered];
