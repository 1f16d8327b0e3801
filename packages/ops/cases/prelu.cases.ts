/** PRelu by example. */
import { conv, image, lastConv, parameter } from './blocks.ts';
import type { OperatorCase } from './case.ts';

function between(name: string, opset: number, slope: readonly number[], expected: string): OperatorCase {
  return {
    name,
    opset,
    build: (b) => {
      const inputs = [conv(b, 'conv1', image(b), 3, 8), parameter(b, 'act.weight', slope)];
      lastConv(b, b.node('PRelu', inputs, {}, { name: 'act' }), 8);
    },
    groups: [expected],
  };
}

export const cases: readonly OperatorCase[] = [
  between('PRelu 7: a slope per channel', 7, [8, 1, 1], 'conv1 out 8, act out 8, last in 8'),
  between('PRelu 9: one slope', 9, [1], 'conv1 out 8, last in 8'),
  between('PRelu 16: a slope per channel, of full rank', 16, [1, 8, 1, 1], 'conv1 out 8, act out 8, last in 8'),
  between('PRelu 16: a slope per channel and position', 26, [8, 4, 4], 'conv1 out 8, act out 8, last in 8'),
];
