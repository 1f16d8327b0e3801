/** RotaryEmbedding by example: channels that are turned together are pruned together. */
import { type AttributeValue, DataType, type GraphBuilder } from '@onnx-pruning/onnx';
import { parameter, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

type Attributes = Readonly<Record<string, AttributeValue>>;
/** Makes a RotaryEmbedding of `x`. */
type Turn = (b: GraphBuilder, x: string) => string;

/** Queries and keys of two heads of 8 channels, both turned, and their scores; layer `last` on the scores. */
function scored(b: GraphBuilder, turn: Turn): void {
  const x = b.input('x', ['batch', 5, 6]);
  const attributes = { q_num_heads: 2, kv_num_heads: 2, scale: { float: 0.3 } };
  const [q, k] = ['query', 'key'].map((name) => turn(b, project(b, name, x, 6, 16))) as [string, string];
  const y = b.node('Attention', [q, k, project(b, 'value', x, 6, 12)], attributes);
  b.output(project(b, 'last', y, 12, 2));
}

const GROUPS = ['query out 16, key out 16', 'value out 12, last in 12'];

/** Cosines and sines of `pairs` angles, made once for both uses. */
function angles(dims: readonly number[]): (b: GraphBuilder) => [string, string] {
  let made: { b: GraphBuilder; names: [string, string] } | undefined;
  return (b) => {
    if (made?.b !== b) made = { b, names: [parameter(b, 'cosines', dims), parameter(b, 'sines', dims)] };
    return made.names;
  };
}

function example(name: string, opset: number, turn: Turn, groups: readonly string[] = GROUPS): OperatorCase {
  return { name: `RotaryEmbedding: ${name}`, opset, build: (b) => scored(b, turn), groups };
}

/** An example whose positions are an input of the graph. */
function withIds(...of: Parameters<typeof example>): OperatorCase {
  return { ...example(...of), ranges: { ids: [0, 10] } };
}

/** By position: tables of 10 positions, which are an input of the graph. */
function lookedUp(pairs: number, attributes: Attributes): Turn {
  const tables = angles([10, pairs]);
  let ids: { b: GraphBuilder; name: string } | undefined;
  return (b, x) => {
    if (ids?.b !== b) ids = { b, name: b.input('ids', ['batch', 5], DataType.INT64) };
    return b.node('RotaryEmbedding', [x, ...tables(b), ids.name], attributes);
  };
}

/** Heads on an axis of their own, and back. */
function onFourAxes(turn: Turn): Turn {
  return (b, x) => {
    const shape = b.ints(`${x}_apart`, [0, 0, 2, -1]);
    const apart = b.node('Transpose', [b.node('Reshape', [x, shape])], { perm: [0, 2, 1, 3] });
    const together = b.node('Transpose', [turn(b, apart)], { perm: [0, 2, 1, 3] });
    return b.node('Reshape', [together, b.ints(`${x}_together`, [0, 0, -1])]);
  };
}

const microsoft: Turn = (b, x) => {
  const attributes = { num_heads: 2, interleaved: 1 };
  const places = b.initializer(`${x}_ids`, [1], [2], DataType.INT64);
  const tables = [parameter(b, `${x}_cosines`, [10, 4]), parameter(b, `${x}_sines`, [10, 4])];
  return b.node('RotaryEmbedding', [x, places, ...tables], attributes, { domain: 'com.microsoft' });
};

export const cases: readonly OperatorCase[] = [
  withIds('pairs half a head apart', 23, lookedUp(4, { num_heads: 2 })),
  withIds('pairs beside each other', 24, lookedUp(4, { num_heads: 2, interleaved: 1 })),
  withIds('a part of every head is turned', 23, lookedUp(2, { num_heads: 2, rotary_embedding_dim: 4 }), [
    'query out 8, key out 8',
    'query out 8, key out 8',
    'value out 12, last in 12',
  ]),
  withIds('heads on an axis of their own', 23, onFourAxes(lookedUp(4, {}))),
  example('the version of com.microsoft', 23, microsoft),
];
