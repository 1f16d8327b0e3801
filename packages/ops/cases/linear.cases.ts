/** Gemm and MatMul by example. */
import type { AttributeValue, GraphBuilder } from '@onnx-pruning/onnx';
import { lastLinear, linear, parameter, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

/** Gemm of `x` with `fc.weight` and, where `bias` is given, `fc.bias` of these dimensions. */
function gemm(
  b: GraphBuilder,
  x: string,
  dims: readonly number[],
  attributes: Readonly<Record<string, AttributeValue>>,
  bias?: readonly number[],
): string {
  const inputs = [x, parameter(b, 'fc.weight', dims)];
  if (bias) inputs.push(parameter(b, 'fc.bias', bias));
  return b.node('Gemm', inputs, attributes, { name: 'fc' });
}

const features = (b: GraphBuilder): string => b.input('x', ['batch', 3]);
const tokens = (b: GraphBuilder): string => b.input('x', ['batch', 5, 3]);

/** C in every form that stretches over the result. */
const biases: readonly (readonly [string, number, readonly number[] | undefined])[] = [
  ['bias per output', 7, [8]],
  ['bias of rank 2', 9, [1, 8]],
  ['one number as bias', 11, []],
  ['one element as bias', 13, [1]],
  ['no bias', 13, undefined],
];

const gemms: readonly OperatorCase[] = [
  ...biases.map(
    ([what, opset, dims]): OperatorCase => ({
      name: `Gemm: ${what}`,
      opset,
      build: (b) => lastLinear(b, gemm(b, features(b), [8, 3], { transB: 1, alpha: 0.5, beta: 2.5 }, dims), 8),
      groups: ['fc out 8, last in 8'],
    }),
  ),
  {
    name: 'Gemm: weight as inputs x outputs',
    opset: 17,
    build: (b) => lastLinear(b, gemm(b, linear(b, 'first', features(b), 3, 6), [6, 8], {}, [8]), 8),
    groups: ['first out 6, fc in 6', 'fc out 8, last in 8'],
  },
  {
    name: 'Gemm: activation transposed',
    opset: 17,
    build: (b) => {
      const turned = b.node('Transpose', [linear(b, 'first', features(b), 3, 6)], { perm: [1, 0] });
      lastLinear(b, gemm(b, turned, [8, 6], { transA: 1, transB: 1 }), 8);
    },
    groups: ['first out 6, fc in 6', 'fc out 8, last in 8'],
  },
  {
    name: 'Gemm: weight on the left',
    opset: 17,
    build: (b) => {
      const first = linear(b, 'first', features(b), 3, 6);
      const inputs = [parameter(b, 'fc.weight', [8, 6]), first, parameter(b, 'fc.bias', [8, 1])];
      const turned = b.node('Gemm', inputs, { transB: 1 }, { name: 'fc' });
      lastLinear(b, b.node('Transpose', [turned], { perm: [1, 0] }), 8);
    },
    groups: ['first out 6, fc in 6', 'fc out 8, last in 8'],
  },
  {
    name: 'Gemm: of two activations',
    opset: 17,
    build: (b) => {
      const x = b.input('x', [4, 3]);
      b.output(b.node('Gemm', [linear(b, 'left', x, 3, 6), linear(b, 'right', x, 3, 6)], { transB: 1 }));
    },
    groups: ['left out 6, right out 6'],
  },
  {
    name: 'Gemm: a computed bias shares the outputs',
    opset: 13,
    build: (b) => {
      const x = features(b);
      const inputs = [linear(b, 'first', x, 3, 6), parameter(b, 'fc.weight', [6, 8]), linear(b, 'skip', x, 3, 8)];
      lastLinear(b, b.node('Gemm', inputs, {}, { name: 'fc' }), 8);
    },
    groups: ['first out 6, fc in 6', 'skip out 8, fc out 8, last in 8'],
  },
];

const matMuls: readonly OperatorCase[] = [
  ...[7, 9, 13, 26].map(
    (opset): OperatorCase => ({
      name: `MatMul ${opset}: a linear layer on every token`,
      opset,
      build: (b) => b.output(project(b, 'fc2', project(b, 'fc1', tokens(b), 3, 8), 8, 2)),
      groups: ['fc1 out 8, fc2 in 8'],
    }),
  ),
  {
    name: 'MatMul: weight on the left',
    opset: 17,
    build: (b) => {
      const first = b.node('MatMul', [parameter(b, 'fc1.weight', [8, 5]), tokens(b)], {}, { name: 'fc1' });
      b.output(b.node('MatMul', [parameter(b, 'fc2.weight', [2, 8]), first], {}, { name: 'fc2' }));
    },
    groups: ['fc1 out 8, fc2 in 8'],
  },
  {
    name: 'MatMul: a vector on the right',
    opset: 17,
    build: (b) => {
      const first = project(b, 'fc1', tokens(b), 3, 8);
      b.output(b.node('MatMul', [first, parameter(b, 'fc2.weight', [8])], {}, { name: 'fc2' }));
    },
    groups: ['fc1 out 8, fc2 in 8'],
  },
  {
    name: 'MatMul: a vector on the left',
    opset: 17,
    build: (b) => {
      const x = b.input('x', [3]);
      b.output(project(b, 'fc2', project(b, 'fc1', x, 3, 8), 8, 2));
    },
    groups: ['fc1 out 8, fc2 in 8'],
  },
  {
    name: 'MatMul: one weight per head, stretched over the batch',
    opset: 17,
    build: (b) => {
      const x = b.input('x', ['batch', 4, 5, 3]);
      const heads = b.node('MatMul', [x, parameter(b, 'fc1.weight', [4, 3, 8])], {}, { name: 'fc1' });
      b.output(b.node('MatMul', [heads, parameter(b, 'fc2.weight', [1, 1, 8, 2])], {}, { name: 'fc2' }));
    },
    groups: ['fc1 out 8, fc2 in 8'],
  },
  {
    name: 'MatMul: of two activations sums over both',
    opset: 17,
    build: (b) => {
      const x = tokens(b);
      const keys = b.node('Transpose', [project(b, 'key', x, 3, 8)], { perm: [0, 2, 1] });
      const scores = b.node('MatMul', [project(b, 'query', x, 3, 8), keys]);
      const mixed = b.node('MatMul', [b.node('Softmax', [scores], { axis: -1 }), project(b, 'value', x, 3, 6)]);
      b.output(project(b, 'last', mixed, 6, 2));
    },
    groups: ['key out 8, query out 8', 'value out 6, last in 6'],
  },
];

export const cases: readonly OperatorCase[] = [...gemms, ...matMuls];
