/** Einsum by example: equal letters are the same channels. */
import type { GraphBuilder } from '@onnx-pruning/onnx';
import { parameter, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

const tokens = (b: GraphBuilder): string => b.input('x', ['batch', 5, 6]);

function einsum(b: GraphBuilder, equation: string, inputs: readonly string[], name?: string): string {
  return b.node('Einsum', inputs, { equation }, name === undefined ? {} : { name });
}

const layers: readonly OperatorCase[] = [
  ...['bsd,de->bse', 'bsd , de -> bse', '...d,de->...e', 'bsd,dt'].map(
    (equation, i): OperatorCase => ({
      name: `Einsum: a linear layer, '${equation}'`,
      opset: 12 + i,
      build: (b) => {
        const inputs = [project(b, 'first', tokens(b), 6, 8), parameter(b, 'fc.weight', [8, 10])];
        b.output(project(b, 'last', einsum(b, equation, inputs, 'fc'), 10, 2));
      },
      groups: ['first out 8, fc in 8', 'fc out 10, last in 10'],
    }),
  ),
  {
    name: 'Einsum: layers with heads on an axis of their own',
    opset: 17,
    build: (b) => {
      const heads = einsum(b, 'bsd,dhk->bhsk', [tokens(b), parameter(b, 'fc.weight', [6, 4, 3])], 'fc');
      b.output(einsum(b, 'bhsk,hkd->bsd', [heads, parameter(b, 'last.weight', [4, 3, 2])], 'last'));
    },
    groups: ['fc out 4, last in 4', 'fc out 3, last in 3'],
  },
  {
    name: 'Einsum: one weight per head, which is not summed over',
    opset: 17,
    build: (b) => {
      const shape = b.ints('apart', [0, 0, 4, 3]);
      const heads = b.node('Reshape', [project(b, 'first', tokens(b), 6, 12), shape]);
      const mixed = einsum(b, 'bshi,hio->bsho', [heads, parameter(b, 'fc.weight', [4, 3, 5])], 'fc');
      b.output(project(b, 'last', b.node('Reshape', [mixed, b.ints('together', [0, 0, -1])]), 20, 2));
    },
    groups: ['first out 12, fc in 3', 'fc out 5, last in 20'],
  },
];

const products: readonly OperatorCase[] = [
  {
    name: 'Einsum: scores of queries and keys, then a weighted sum',
    opset: 17,
    build: (b) => {
      const x = tokens(b);
      const scores = einsum(b, 'bid,bjd->bij', [project(b, 'query', x, 6, 8), project(b, 'key', x, 6, 8)]);
      const weights = b.node('Softmax', [scores], { axis: -1 });
      b.output(project(b, 'last', einsum(b, 'bij,bjd->bid', [weights, project(b, 'value', x, 6, 10)]), 10, 2));
    },
    groups: ['query out 8, key out 8', 'value out 10, last in 10'],
  },
  {
    name: 'Einsum: an outer product, and sums over what only one operand has',
    opset: 17,
    build: (b) => {
      const x = tokens(b);
      const outer = einsum(b, 'bsi,bsj->bsij', [project(b, 'left', x, 6, 3), project(b, 'right', x, 6, 4)]);
      b.output(project(b, 'last', einsum(b, 'bsij->bsj', [outer]), 4, 2));
    },
    groups: ['left out 3', 'right out 4, last in 4'],
  },
  {
    name: 'Einsum: three operands',
    opset: 17,
    build: (b) => {
      const weights = [parameter(b, 'down', [8, 3]), parameter(b, 'up', [3, 10])];
      const low = einsum(b, 'bsd,dr,re->bse', [project(b, 'first', tokens(b), 6, 8), ...weights]);
      b.output(project(b, 'last', low, 10, 2));
    },
    groups: ['first out 8', 'last in 10'],
  },
  {
    name: 'Einsum: a diagonal has no equation',
    opset: 17,
    build: (b) => {
      const x = tokens(b);
      const square = einsum(b, 'bid,bie->bde', [project(b, 'left', x, 6, 4), project(b, 'right', x, 6, 4)]);
      b.output(einsum(b, 'bii->bi', [square]));
    },
    groups: [],
    because: /a letter stands twice/,
  },
];

export const cases: readonly OperatorCase[] = [...layers, ...products];
