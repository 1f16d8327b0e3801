/** Cast and CastLike by example. */
import { DataType, type GraphBuilder } from '@onnx-pruning/onnx';
import { conv, image, lastConv, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

/** Features of tokens divided by a number that is made of their shape. */
function divided(b: GraphBuilder, make: (shape: string) => string): void {
  const y = project(b, 'fc', b.input('x', ['batch', 5, 6]), 6, 8);
  const sizes = b.node('Cast', [make(b.node('Shape', [y]))], { to: DataType.FLOAT });
  const root = b.node('Sqrt', [b.node('ReduceProd', [sizes], { keepdims: 0 })]);
  b.output(project(b, 'last', b.node('Div', [y, root]), 8, 2));
}

const sizes: readonly OperatorCase[] = [
  {
    name: 'Cast: a size that is calculated with stays what it was',
    opset: 17,
    build: (b) => divided(b, (shape) => b.node('Gather', [shape, b.ints('features', [2])])),
    groups: ['fc out 8, last in 8'],
  },
  {
    name: 'Cast: of a whole shape, sizes that only the run knows are still read off',
    opset: 13,
    build: (b) => divided(b, (shape) => shape),
    groups: ['fc out 8, last in 8'],
  },
];

export const cases: readonly OperatorCase[] = [
  ...sizes,
  ...[9, 13, 21].map(
    (opset): OperatorCase => ({
      name: `Cast: to double precision and back, opset ${opset}`,
      opset,
      build: (b) => {
        const double = b.node('Cast', [conv(b, 'conv1', image(b), 3, 8)], { to: DataType.DOUBLE });
        lastConv(b, b.node('Cast', [double], { to: DataType.FLOAT }), 8);
      },
      groups: ['conv1 out 8, last in 8'],
    }),
  ),
  {
    name: 'CastLike: the other input gives its type and nothing else',
    opset: 15,
    build: (b) => {
      const like = b.initializer('like', [3], [1, 2, 3], DataType.DOUBLE);
      const double = b.node('CastLike', [conv(b, 'conv1', image(b), 3, 8), like]);
      lastConv(b, b.node('Cast', [double], { to: DataType.FLOAT }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
];
