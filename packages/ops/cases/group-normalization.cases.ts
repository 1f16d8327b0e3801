/** GroupNormalization by example. */
import { conv, image, lastConv, parameter } from './blocks.ts';
import type { OperatorCase } from './case.ts';

/** `conv1`, GroupNormalization `norm` of 8 channels in `groups`, and a last convolution. */
function normalized(name: string, opset: number, groups: number, expected: string): OperatorCase {
  const size = opset < 21 ? groups : 8;
  return {
    name,
    opset,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 8);
      const inputs = [y, parameter(b, 'norm.weight', [size]), parameter(b, 'norm.bias', [size])];
      lastConv(b, b.node('GroupNormalization', inputs, { num_groups: groups }, { name: 'norm' }), 8);
    },
    groups: [expected],
  };
}

export const cases: readonly OperatorCase[] = [
  normalized('GroupNormalization 18: the scale of a group stays', 18, 2, 'conv1 out 8, last in 8'),
  normalized('GroupNormalization 18: one group', 18, 1, 'conv1 out 8, last in 8'),
  normalized('GroupNormalization 18: a group per channel', 20, 8, 'conv1 out 8, norm out 8, last in 8'),
  normalized('GroupNormalization 21: a scale per channel', 21, 2, 'conv1 out 8, norm out 8, last in 8'),
  normalized('GroupNormalization 21: one group', 26, 1, 'conv1 out 8, norm out 8, last in 8'),
  normalized('GroupNormalization 21: a group per channel', 22, 8, 'conv1 out 8, norm out 8, last in 8'),
];
