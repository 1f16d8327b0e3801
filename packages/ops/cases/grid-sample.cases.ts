/** GridSample by example. */
import { conv, image, lastConv, linear } from './blocks.ts';
import type { OperatorCase } from './case.ts';

export const cases: readonly OperatorCase[] = [
  {
    name: 'GridSample 16: the channels of the image pass, at the places of a grid that is an input',
    opset: 16,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const grid = b.input('grid', ['batch', 5, 3, 2]);
      lastConv(b, b.node('GridSample', [y, grid], { mode: 'bilinear', padding_mode: 'border' }), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'GridSample 20: the mode has another name',
    opset: 20,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      lastConv(
        b,
        b.node('GridSample', [y, b.input('grid', ['batch', 2, 2, 2])], { mode: 'linear', align_corners: 1 }),
        8,
      );
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'GridSample 22: a volume',
    opset: 22,
    build: (b) => {
      const x = b.input('x', ['batch', 3, 2, 3, 4]);
      const kernel = { kernel_shape: [1, 1, 1] };
      const weight = (name: string, out: number, inner: number): string =>
        b.initializer(`${name}.weight`, [out, inner, 1, 1, 1], (n) =>
          Float32Array.from({ length: n }, (_, i) => (i % 7) - 3),
        );
      const y = b.node('Conv', [x, weight('conv1', 8, 3)], kernel, { name: 'conv1' });
      const sampled = b.node('GridSample', [y, b.input('grid', ['batch', 2, 2, 2, 3])], { mode: 'linear' });
      b.output(b.node('Conv', [sampled, weight('last', 2, 8)], kernel, { name: 'last' }));
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'GridSample: coordinates that a layer computes stay',
    opset: 17,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const places = linear(b, 'fc', b.input('z', ['batch', 3]), 3, 8);
      const grid = b.node('Reshape', [places, b.ints('shape', [-1, 2, 2, 2])]);
      lastConv(b, b.node('GridSample', [y, grid]), 8);
    },
    groups: ['conv1 out 8, last in 8'],
    because: /GridSample takes it for coordinates/,
  },
];
