/** Cast and CastLike by example. */
import { DataType } from '@onnx-pruning/onnx';
import { conv, image, lastConv } from './blocks.ts';
import type { OperatorCase } from './case.ts';

export const cases: readonly OperatorCase[] = [
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
