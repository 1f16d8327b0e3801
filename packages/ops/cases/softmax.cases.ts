/** Softmax, LogSoftmax and Hardmax by example. Read by the weights of a convolution, they give channels a meaning. */
import { conv, image, lastConv } from './blocks.ts';
import type { OperatorCase } from './case.ts';

function between(name: string, opset: number, opType: string, axis?: number): OperatorCase {
  return {
    name,
    opset,
    build: (b) => {
      const attributes: Readonly<Record<string, number>> = axis === undefined ? {} : { axis };
      lastConv(b, b.node(opType, [conv(b, 'conv1', image(b), 3, 8)], attributes), 8);
    },
    groups: ['conv1 out 8, last in 8'],
  };
}

/** Over the channels: they stay, unless they may go all the same. */
function overChannels(name: string, opset: number, opType: string, axis?: number): OperatorCase[] {
  const example = between(name, opset, opType, axis);
  const because = /taken over it, and 'last\.weight' gives each of its channels a meaning/;
  return [
    { ...example, name: `${name}, which stay`, groups: [], because },
    { ...example, name: `${name}, pruned through`, pruneDistributions: true },
  ];
}

export const cases: readonly OperatorCase[] = [
  ...overChannels('Softmax 7: over all axes from the first on', 7, 'Softmax'),
  between('Softmax 11: over the last two axes', 11, 'Softmax', -2),
  between('Softmax 13: over the last axis', 13, 'Softmax'),
  ...overChannels('Softmax 13: over channels', 17, 'Softmax', 1),
  ...overChannels('LogSoftmax 9: over all axes from the first on', 9, 'LogSoftmax', 1),
  ...overChannels('LogSoftmax 13: over channels', 26, 'LogSoftmax', -3),
  between('Hardmax 11: over the last axis', 11, 'Hardmax', 3),
  between('Hardmax 13: over the last axis', 13, 'Hardmax'),
];
