/** Normalisations by example, except GroupNormalization. */
import type { AttributeValue, GraphBuilder } from '@onnx-pruning/onnx';
import { conv, image, lastConv, lastLinear, linear, parameter, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

/** Variances: positive, and not all alike. */
function variance(b: GraphBuilder, name: string, dims: readonly number[]): string {
  return b.initializer(name, dims, (size) => Float32Array.from({ length: size }, (_, i) => 0.5 + (i % 7) / 4));
}

/** Inputs of BatchNormalization `bn` on `x`, with parameters of these dimensions. */
function batchNormInputs(b: GraphBuilder, x: string, dims: readonly number[]): string[] {
  const named = ['weight', 'bias', 'running_mean'].map((name) => parameter(b, `bn.${name}`, dims));
  return [x, ...named, variance(b, 'bn.running_var', dims)];
}

function scaleAndBias(b: GraphBuilder, name: string, x: string, dims: readonly number[]): string[] {
  return [x, parameter(b, `${name}.weight`, dims), parameter(b, `${name}.bias`, dims)];
}

const tokens = (b: GraphBuilder): string => project(b, 'fc1', b.input('x', ['batch', 5, 3]), 3, 8);

const batch: readonly OperatorCase[] = [
  ...[7, 9, 14, 15, 26].map(
    (opset): OperatorCase => ({
      name: `BatchNormalization ${opset}`,
      opset,
      build: (b) => {
        const inputs = batchNormInputs(b, conv(b, 'conv1', image(b), 3, 8), [8]);
        lastConv(b, b.node('BatchNormalization', inputs, { epsilon: 0.001 }, { name: 'bn' }), 8);
      },
      groups: ['conv1 out 8, bn out 8, last in 8'],
    }),
  ),
  {
    name: 'BatchNormalization 7: statistics per position',
    opset: 8,
    build: (b) => {
      const inputs = batchNormInputs(b, conv(b, 'conv1', image(b), 3, 8), [8, 4, 4]);
      lastConv(b, b.node('BatchNormalization', inputs, { spatial: 0 }, { name: 'bn' }), 8);
    },
    groups: ['conv1 out 8, bn out 8, last in 8'],
  },
  {
    name: 'BatchNormalization: of features',
    opset: 17,
    build: (b) => {
      const inputs = batchNormInputs(b, linear(b, 'fc1', b.input('x', ['batch', 3]), 3, 8), [8]);
      lastLinear(b, b.node('BatchNormalization', inputs, {}, { name: 'bn' }), 8);
    },
    groups: ['fc1 out 8, bn out 8, last in 8'],
  },
  {
    name: 'BatchNormalization: training mode, statistics of the batch',
    opset: 15,
    build: (b) => {
      const inputs = batchNormInputs(b, conv(b, 'conv1', image(b, 4), 3, 8), [8]);
      const [y] = b.nodeOutputs('BatchNormalization', inputs, { training_mode: 1 }, { name: 'bn', outputs: 3 });
      lastConv(b, y, 8);
    },
    groups: ['conv1 out 8, bn out 8, last in 8'],
  },
];

const perSample: readonly OperatorCase[] = [
  ...[7, 22].map(
    (opset): OperatorCase => ({
      name: `InstanceNormalization ${opset}`,
      opset,
      build: (b) => {
        const inputs = scaleAndBias(b, 'norm', conv(b, 'conv1', image(b), 3, 8), [8]);
        lastConv(b, b.node('InstanceNormalization', inputs, {}, { name: 'norm' }), 8);
      },
      groups: ['conv1 out 8, norm out 8, last in 8'],
    }),
  ),
  {
    name: 'LayerNormalization: over the features of every token',
    opset: 17,
    build: (b) => {
      const y = b.node('LayerNormalization', scaleAndBias(b, 'norm', tokens(b), [8]), {}, { name: 'norm' });
      b.output(project(b, 'last', y, 8, 2));
    },
    groups: ['fc1 out 8, norm out 8, last in 8'],
  },
  {
    name: 'LayerNormalization: over tokens and features',
    opset: 22,
    build: (b) => {
      const inputs = scaleAndBias(b, 'norm', tokens(b), [5, 8]);
      b.output(project(b, 'last', b.node('LayerNormalization', inputs, { axis: 1 }, { name: 'norm' }), 8, 2));
    },
    groups: ['fc1 out 8, norm out 8, last in 8'],
  },
  {
    name: 'LayerNormalization: over a whole image, without bias',
    opset: 17,
    build: (b) => {
      const inputs = [conv(b, 'conv1', image(b), 3, 8), parameter(b, 'norm.weight', [8, 4, 4])];
      lastConv(b, b.node('LayerNormalization', inputs, { axis: -3 }, { name: 'norm' }), 8);
    },
    groups: ['conv1 out 8, norm out 8, last in 8'],
  },
  {
    name: 'LayerNormalization: one scale for all',
    opset: 17,
    build: (b) => {
      const inputs = [tokens(b), parameter(b, 'norm.weight', [1])];
      b.output(project(b, 'last', b.node('LayerNormalization', inputs, {}, { name: 'norm' }), 8, 2));
    },
    groups: ['fc1 out 8, last in 8'],
  },
  {
    name: 'RMSNormalization: over the features of every token',
    opset: 23,
    build: (b) => {
      const inputs = [tokens(b), parameter(b, 'norm.weight', [8])];
      b.output(project(b, 'last', b.node('RMSNormalization', inputs, {}, { name: 'norm' }), 8, 2));
    },
    groups: ['fc1 out 8, norm out 8, last in 8'],
  },
];

/** Operators without parameters, between two convolutions. */
function between(
  name: string,
  opset: number,
  opType: string,
  attributes: Readonly<Record<string, AttributeValue>>,
  refused?: RegExp,
): OperatorCase {
  return {
    name,
    opset,
    build: (b) => lastConv(b, b.node(opType, [conv(b, 'conv1', image(b), 3, 8)], attributes), 8),
    groups: refused ? [] : ['conv1 out 8, last in 8'],
    because: refused,
  };
}

const withoutParameters: readonly OperatorCase[] = [
  between('LRN 7: neighbours are summed', 7, 'LRN', { size: 3, alpha: 0.1 }, /neighbouring channels/),
  between('LRN 13: neighbours are summed', 13, 'LRN', { size: 5 }, /neighbouring channels/),
  between('LpNormalization 7: over channels', 7, 'LpNormalization', { axis: 1, p: 2 }),
  between('LpNormalization 22: over channels, absolute values', 22, 'LpNormalization', { axis: -3, p: 1 }),
  between('LpNormalization: over the last axis', 17, 'LpNormalization', {}),
  between('MeanVarianceNormalization 9: of every channel', 9, 'MeanVarianceNormalization', {}),
  between('MeanVarianceNormalization 13: over channels too', 13, 'MeanVarianceNormalization', { axes: [1, 2, 3] }),
];

export const cases: readonly OperatorCase[] = [...batch, ...perSample, ...withoutParameters];
