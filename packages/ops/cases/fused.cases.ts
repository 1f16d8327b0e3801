/** Operators that onnxruntime's optimizer fuses from standard ones (com.microsoft), by example. */
import type { GraphBuilder } from '@onnx-pruning/onnx';
import { parameter, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

const MICROSOFT = { domain: 'com.microsoft' } as const;

const tokens = (b: GraphBuilder): string => b.input('x', ['batch', 5, 6]);

/** Two branches that are added and normalised, as fused operator `norm` with these parameters. */
function skip(b: GraphBuilder, opType: string, parameters: readonly string[]): string[] {
  const x = tokens(b);
  const own = parameters.map((name) => parameter(b, `norm.${name}`, [8]));
  const inputs = [project(b, 'left', x, 6, 8), project(b, 'right', x, 6, 8), ...own];
  return b.nodeOutputs(opType, inputs, {}, { ...MICROSOFT, name: 'norm', outputs: ['normed', '', '', 'sum'] });
}

const normalizations: readonly OperatorCase[] = [
  ['SkipLayerNormalization', ['weight', 'bias', 'added']] as const,
  ['SkipSimplifiedLayerNormalization', ['weight', 'bias']] as const,
].map(
  ([opType, parameters]): OperatorCase => ({
    name: `${opType}: two branches and their sum`,
    opset: 17,
    build: (b) => {
      const [normed, , , sum] = skip(b, opType, parameters);
      b.output(project(b, 'last', normed!, 8, 2));
      b.output(project(b, 'other', sum!, 8, 2));
    },
    groups: ['left out 8, right out 8, norm out 8, last in 8, other in 8'],
  }),
);

const activations: readonly OperatorCase[] = [
  ...['BiasGelu', 'FastGelu'].map(
    (opType): OperatorCase => ({
      name: `${opType}: the bias is a layer`,
      opset: 17,
      build: (b) => {
        const inputs = [project(b, 'fc', tokens(b), 6, 8), parameter(b, 'gelu.bias', [8])];
        b.output(project(b, 'last', b.node(opType, inputs, {}, { ...MICROSOFT, name: 'gelu' }), 8, 2));
      },
      groups: ['fc out 8, gelu out 8, last in 8'],
    }),
  ),
  ...['FastGelu', 'Gelu', 'QuickGelu'].map(
    (opType): OperatorCase => ({
      name: `${opType} of com.microsoft: without a bias`,
      opset: 17,
      build: (b) =>
        b.output(project(b, 'last', b.node(opType, [project(b, 'fc', tokens(b), 6, 8)], {}, MICROSOFT), 8, 2)),
      groups: ['fc out 8, last in 8'],
    }),
  ),
];

const others: readonly OperatorCase[] = [
  {
    name: 'SimplifiedLayerNormalization: over the features of every token',
    opset: 17,
    build: (b) => {
      const inputs = [project(b, 'fc', tokens(b), 6, 8), parameter(b, 'norm.weight', [8])];
      b.output(project(b, 'last', b.node('SimplifiedLayerNormalization', inputs, {}, { name: 'norm' }), 8, 2));
    },
    groups: ['fc out 8, norm out 8, last in 8'],
  },
  {
    name: 'FusedMatMul: both operands transposed',
    opset: 17,
    build: (b) => {
      const turned = b.node('Transpose', [project(b, 'fc', tokens(b), 6, 8)], { perm: [0, 2, 1] });
      const inputs = [turned, parameter(b, 'last.weight', [2, 8])];
      const attributes = { transA: 1, transB: 1, alpha: { float: 0.5 } };
      b.output(b.node('FusedMatMul', inputs, attributes, { ...MICROSOFT, name: 'last' }));
    },
    groups: ['fc out 8, last in 8'],
  },
  {
    name: 'FusedMatMul: scores of two activations',
    opset: 17,
    build: (b) => {
      const x = tokens(b);
      const inputs = [project(b, 'query', x, 6, 8), project(b, 'key', x, 6, 8)];
      b.output(b.node('FusedMatMul', inputs, { transB: 1, alpha: { float: 0.4 } }, MICROSOFT));
    },
    groups: ['query out 8, key out 8'],
  },
];

export const cases: readonly OperatorCase[] = [...normalizations, ...activations, ...others];
