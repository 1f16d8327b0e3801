/** Attention of ai.onnx by example: what queries, keys, values and the result share. */
import { type AttributeValue, DataType, type GraphBuilder } from '@onnx-pruning/onnx';
import { parameter, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

type Attributes = Readonly<Record<string, AttributeValue>>;

const SCALE = { scale: { float: 0.4 } } as const;
const FOUR_HEADS = { q_num_heads: 4, kv_num_heads: 4, ...SCALE } as const;

const tokens = (b: GraphBuilder): string => b.input('x', ['batch', 5, 6]);

interface Sizes {
  readonly queries: number;
  readonly keys: number;
  readonly values: number;
}

/** Layers `query`, `key` and `value` on the tokens. */
function projections(b: GraphBuilder, { queries, keys, values }: Sizes): string[] {
  const x = tokens(b);
  return [project(b, 'query', x, 6, queries), project(b, 'key', x, 6, keys), project(b, 'value', x, 6, values)];
}

/** Four heads of 4 channels, 3 of values, on inputs of rank 3; layer `last` on the result. */
function attended(b: GraphBuilder, attributes: Attributes, more: readonly string[] = []): void {
  const inputs = [...projections(b, { queries: 16, keys: 16, values: 12 }), ...more];
  b.output(project(b, 'last', b.node('Attention', inputs, attributes), 12, 2));
}

/** `[batch, 5, heads * size]` as `[batch, heads, 5, size]`. */
function apart(b: GraphBuilder, name: string, x: string, heads: number): string {
  const shaped = b.node('Reshape', [x, b.ints(`${name}_apart`, [0, 0, heads, -1])]);
  return b.node('Transpose', [shaped], { perm: [0, 2, 1, 3] });
}

const EQUAL_HEADS = ['query out 16, key out 16', 'value out 12, last in 12'];

/** Keys and values of two heads, queries of four or, by rank, of a result of four. */
const SHARED: Sizes = { queries: 16, keys: 8, values: 6 };

const heads: readonly OperatorCase[] = [
  ...[23, 24, 26].map(
    (opset): OperatorCase => ({
      name: `Attention ${opset}: as many keys as queries`,
      opset,
      build: (b) => attended(b, FOUR_HEADS),
      groups: EQUAL_HEADS,
    }),
  ),
  {
    name: 'Attention: a scale that is not stated stays what it was',
    opset: 23,
    build: (b) => attended(b, { q_num_heads: 4, kv_num_heads: 4 }),
    groups: EQUAL_HEADS,
  },
  {
    name: 'Attention: one head is not a group of heads',
    opset: 23,
    build: (b) => attended(b, { ...FOUR_HEADS, q_num_heads: 1, kv_num_heads: 1 }),
    groups: EQUAL_HEADS,
  },
  {
    name: 'Attention: two queries share a key',
    opset: 23,
    build: (b) => {
      const attributes = { ...FOUR_HEADS, kv_num_heads: 2 };
      b.output(project(b, 'last', b.node('Attention', projections(b, SHARED), attributes), 12, 2));
    },
    groups: ['query out 16, key out 8', 'value out 6, last in 12'],
  },
  {
    name: 'Attention: heads on an axis of their own, two queries share a key',
    opset: 23,
    build: (b) => {
      const [q, k, v] = projections(b, SHARED) as [string, string, string];
      const inputs = [apart(b, 'q', q, 4), apart(b, 'k', k, 2), apart(b, 'v', v, 2)];
      const together = b.node('Transpose', [b.node('Attention', inputs, SCALE)], { perm: [0, 2, 1, 3] });
      b.output(project(b, 'last', b.node('Reshape', [together, b.ints('together', [0, 0, -1])]), 12, 2));
    },
    groups: ['query out 16, key out 8', 'value out 6, last in 12'],
  },
];

const scores: readonly OperatorCase[] = [
  {
    name: 'Attention: causal, with a cap on the scores',
    opset: 23,
    build: (b) => attended(b, { ...FOUR_HEADS, is_causal: 1, softcap: { float: 2 } }),
    groups: EQUAL_HEADS,
  },
  {
    name: 'Attention: a mask for all heads',
    opset: 23,
    build: (b) => attended(b, FOUR_HEADS, [b.input('mask', [5, 5], DataType.BOOL)]),
    groups: EQUAL_HEADS,
  },
  {
    name: 'Attention: a bias for every head',
    opset: 23,
    build: (b) => attended(b, FOUR_HEADS, [parameter(b, 'positions', [1, 4, 5, 5])]),
    groups: EQUAL_HEADS,
  },
  {
    name: 'Attention 24: as many keys as every sample has',
    opset: 24,
    build: (b) => attended(b, FOUR_HEADS, ['', '', '', b.input('lengths', ['batch'], DataType.INT64)]),
    groups: EQUAL_HEADS,
    ranges: { lengths: [1, 6] },
  },
  {
    name: 'Attention: keys and values of the past are inputs of the graph, so are their heads',
    opset: 23,
    build: (b) => {
      const past = [b.input('past_key', ['batch', 4, 'past', 4]), b.input('past_value', ['batch', 4, 'past', 3])];
      const inputs = [...projections(b, { queries: 16, keys: 16, values: 12 }), '', ...past];
      const outputs = b.nodeOutputs('Attention', inputs, FOUR_HEADS, { outputs: 4 });
      for (const output of outputs.slice(1)) b.output(output);
      b.output(project(b, 'last', outputs[0]!, 12, 2));
    },
    groups: [],
    because: /axis of the graph input 'past_key'/,
  },
];

export const cases: readonly OperatorCase[] = [...heads, ...scores];
