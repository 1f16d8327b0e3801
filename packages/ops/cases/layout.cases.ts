/** Transpose, DepthToSpace and SpaceToDepth by example. */
import { conv, image, lastConv, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

export const cases: readonly OperatorCase[] = [
  {
    name: 'Transpose: channels last and back',
    opset: 9,
    build: (b) => {
      const y = b.node('Transpose', [conv(b, 'conv1', image(b), 3, 8)], { perm: [0, 2, 3, 1] });
      const mixed = b.node('Transpose', [project(b, 'mix', y, 8, 6)], { perm: [0, 3, 1, 2] });
      lastConv(b, mixed, 6);
    },
    groups: ['conv1 out 8, mix in 8', 'mix out 6, last in 6'],
  },
  {
    name: 'Transpose: axes reversed where the node does not say',
    opset: 21,
    build: (b) => {
      const y = b.node('Transpose', [b.node('Transpose', [conv(b, 'conv1', image(b), 3, 8)])]);
      lastConv(b, y, 8);
    },
    groups: ['conv1 out 8, last in 8'],
  },
  {
    name: 'DepthToSpace 1: depth varies fastest',
    opset: 9,
    build: (b) => lastConv(b, b.node('DepthToSpace', [conv(b, 'conv1', image(b), 3, 24)], { blocksize: 2 }), 6),
    groups: ['conv1 out 24, last in 6'],
  },
  {
    name: 'DepthToSpace 11: mode CRD, depth varies slowest',
    opset: 13,
    build: (b) => {
      const y = conv(b, 'conv1', image(b), 3, 24);
      lastConv(b, b.node('DepthToSpace', [y], { blocksize: 2, mode: 'CRD' }), 6);
    },
    groups: ['conv1 out 24, last in 6'],
  },
  {
    name: 'SpaceToDepth: depth varies fastest',
    opset: 13,
    build: (b) => lastConv(b, b.node('SpaceToDepth', [conv(b, 'conv1', image(b), 3, 6)], { blocksize: 2 }), 24),
    groups: ['conv1 out 6, last in 24'],
  },
];
