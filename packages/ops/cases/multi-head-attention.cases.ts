/** Attention as onnxruntime fuses it (com.microsoft), by example. */
import type { AttributeValue, GraphBuilder } from '@onnx-pruning/onnx';
import { parameter, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

type Attributes = Readonly<Record<string, AttributeValue>>;

const MICROSOFT = { domain: 'com.microsoft' } as const;
const FOUR_HEADS = { num_heads: 4, scale: { float: 0.4 } } as const;

const tokens = (b: GraphBuilder): string => b.input('x', ['batch', 5, 6]);

/** Layers `query`, `key` and `value`, and four heads on them. */
function multiHead(b: GraphBuilder, attributes: Attributes, more: readonly string[] = []): void {
  const x = tokens(b);
  const inputs = [project(b, 'query', x, 6, 16), project(b, 'key', x, 6, 16), project(b, 'value', x, 6, 12), ...more];
  b.output(project(b, 'last', b.node('MultiHeadAttention', inputs, attributes, MICROSOFT), 12, 2));
}

const EQUAL_HEADS = ['query out 16, key out 16', 'value out 12, last in 12'];

const separate: readonly OperatorCase[] = [
  {
    name: 'MultiHeadAttention: queries, keys and values',
    opset: 17,
    build: (b) => multiHead(b, FOUR_HEADS),
    groups: EQUAL_HEADS,
  },
  {
    name: 'MultiHeadAttention: one bias for queries, keys and values',
    opset: 17,
    build: (b) => multiHead(b, FOUR_HEADS, [parameter(b, 'bias', [44])]),
    groups: EQUAL_HEADS,
  },
  {
    name: 'MultiHeadAttention: a bias of the scores for every head',
    opset: 17,
    build: (b) => multiHead(b, FOUR_HEADS, ['', '', parameter(b, 'positions', [1, 4, 5, 5])]),
    groups: EQUAL_HEADS,
  },
  {
    name: 'MultiHeadAttention: a scale that is not stated stays what it was',
    opset: 17,
    build: (b) => multiHead(b, { num_heads: 4 }),
    groups: EQUAL_HEADS,
  },
];

/** Weights of `columns` queries, keys and values in one layer `attention`. */
function packed(b: GraphBuilder, columns: number, attributes: Attributes): string {
  const x = project(b, 'first', tokens(b), 6, 8);
  const inputs = [x, parameter(b, 'attention.weight', [8, columns]), parameter(b, 'attention.bias', [columns])];
  return b.node('Attention', inputs, attributes, { ...MICROSOFT, name: 'attention' });
}

const together: readonly OperatorCase[] = [
  {
    name: 'Attention of com.microsoft: weights of queries, keys and values side by side',
    opset: 17,
    build: (b) => b.output(project(b, 'last', packed(b, 48, FOUR_HEADS), 16, 2)),
    groups: ['first out 8, attention in 8', 'attention out 32', 'attention out 16, last in 16'],
  },
  {
    name: 'Attention of com.microsoft: fewer values than keys, the scale is not stated',
    opset: 17,
    build: (b) => {
      const attributes = { num_heads: 4, qkv_hidden_sizes: [16, 16, 12] };
      b.output(project(b, 'last', packed(b, 44, attributes), 12, 2));
    },
    groups: ['first out 8, attention in 8', 'attention out 32', 'attention out 12, last in 12'],
  },
];

export const cases: readonly OperatorCase[] = [...separate, ...together];
