/** Self-attention in the forms in which exporters write it, as small graphs. No expectation about pruning is stated here. */
import { DataType, type GraphBuilder } from '@onnx-pruning/onnx';
import { parameter, project } from '../../ops/cases/blocks.ts';

/** Queries, keys and values, each `[batch, heads, tokens, channels]`. */
export interface Heads {
  readonly q: string;
  readonly k: string;
  readonly v: string;
}

export const FEATURES = 12;
export const HEADS = 3;
export const HEAD_DIM = 4;
export const TOKENS = 5;

export const tokens = (b: GraphBuilder): string => b.input('x', ['batch', TOKENS, FEATURES]);

const name = (value: string, suffix: string): string => `${value}_${suffix}`;

/** `[batch, tokens, heads * channels]` as `[batch, heads, tokens, channels]`. */
export function apart(b: GraphBuilder, x: string, heads = HEADS): string {
  const shape = b.ints(name(x, 'apart'), [0, 0, heads, -1]);
  return b.node('Transpose', [b.node('Reshape', [x, shape])], { perm: [0, 2, 1, 3] });
}

/** Back again, with the number of features stated. */
export function together(b: GraphBuilder, x: string, features = FEATURES): string {
  const turned = b.node('Transpose', [x], { perm: [0, 2, 1, 3] });
  return b.node('Reshape', [turned, b.ints(name(x, 'together'), [0, 0, features])]);
}

/** Layers `q`, `k` and `v`. */
export function separate(b: GraphBuilder, x: string): Heads {
  const [q, k, v] = ['q', 'k', 'v'].map((layer) => apart(b, project(b, layer, x, FEATURES, FEATURES)));
  return { q: q!, k: k!, v: v! };
}

/** One layer `qkv`, whose result is split in three (GPT-2). */
export function fusedSplit(b: GraphBuilder, x: string): Heads {
  const fused = project(b, 'qkv', x, FEATURES, 3 * FEATURES);
  const parts = b.nodeOutputs(
    'Split',
    [fused, b.ints('parts', [FEATURES, FEATURES, FEATURES])],
    { axis: 2 },
    { outputs: 3 },
  );
  const [q, k, v] = parts.map((part) => apart(b, part));
  return { q: q!, k: k!, v: v! };
}

/** One layer `qkv`, whose result gets an axis of three that is indexed (vision transformers). */
export function fusedIndexed(b: GraphBuilder, x: string): Heads {
  const fused = project(b, 'qkv', x, FEATURES, 3 * FEATURES);
  const shaped = b.node('Reshape', [fused, b.ints('three', [0, TOKENS, 3, HEADS, HEAD_DIM])]);
  const turned = b.node('Transpose', [shaped], { perm: [2, 0, 3, 1, 4] });
  const [q, k, v] = [0, 1, 2].map((i) => b.node('Gather', [turned, b.ints(`part${i}`, [i], [])], { axis: 0 }));
  return { q: q!, k: k!, v: v! };
}

/** Four heads of queries, two of keys and values, which are repeated (Llama). */
export function groupedQueries(b: GraphBuilder, x: string): Heads {
  const repeated = (layer: string): string => {
    const few = apart(b, project(b, layer, x, FEATURES, 2 * HEAD_DIM), 2);
    const stretched = b.node('Expand', [
      b.node('Unsqueeze', [few, b.ints(name(layer, 'axis'), [2])]),
      b.ints(name(layer, 'times'), [1, 2, 2, TOKENS, HEAD_DIM]),
    ]);
    return b.node('Reshape', [stretched, b.ints(name(layer, 'repeated'), [-1, 4, TOKENS, HEAD_DIM])]);
  };
  const q = apart(b, project(b, 'q', x, FEATURES, 4 * HEAD_DIM), 4);
  return { q, k: repeated('k'), v: repeated('v') };
}

/** Halves of queries and keys are turned by angles that depend on the position (rotary embedding, as written out). */
export function rotated(b: GraphBuilder, x: string): Heads {
  const { q, k, v } = separate(b, x);
  const frequencies = parameter(b, 'frequencies', [1, 1, TOKENS, HEAD_DIM / 2]);
  const angles = b.node('Concat', [frequencies, frequencies], { axis: -1 });
  const [cos, sin] = [b.node('Cos', [angles]), b.node('Sin', [angles])];
  const half = (value: string, start: number, end: number): string => {
    const [from, to] = [b.ints(name(value, `from${start}`), [start]), b.ints(name(value, `to${start}`), [end])];
    return b.node('Slice', [value, from, to, b.ints(name(value, `on${start}`), [3])]);
  };
  const turn = (value: string): string => {
    const [first, second] = [half(value, 0, HEAD_DIM / 2), half(value, HEAD_DIM / 2, 2 ** 40)];
    const turned = b.node('Concat', [b.node('Neg', [second]), first], { axis: -1 });
    return b.node('Add', [b.node('Mul', [value, cos]), b.node('Mul', [turned, sin])]);
  };
  return { q: turn(q), k: turn(k), v };
}

/** Scores of queries and keys, before any scale. */
export function scores(b: GraphBuilder, { q, k }: Heads): string {
  return b.node('MatMul', [q, b.node('Transpose', [k], { perm: [0, 1, 3, 2] })]);
}

/** The weighted sum of values, and layer `last` on it. */
export function attended(b: GraphBuilder, scaled: string, v: string, features = FEATURES): string {
  const weights = b.node('Softmax', [scaled], { axis: -1 });
  return project(b, 'last', together(b, b.node('MatMul', [weights, v]), features), features, FEATURES);
}

/** Scores divided by a constant. */
export function scaled(b: GraphBuilder, heads: Heads): string {
  return b.node('Div', [scores(b, heads), b.initializer('scale', [], [Math.sqrt(HEAD_DIM)])]);
}

/** Queries and keys multiplied by the fourth root of one by the number of channels, which the graph computes. */
export function scaledBySize(b: GraphBuilder, heads: Heads): string {
  const [from, to] = [b.ints('last_axis', [-1]), b.ints('end', [2 ** 40])];
  const size = b.node('Cast', [b.node('Slice', [b.node('Shape', [heads.q]), from, to])], { to: DataType.FLOAT });
  const scale = b.node('Sqrt', [b.node('Div', [b.initializer('one', [], [1]), b.node('Sqrt', [size])])]);
  return scores(b, { ...heads, q: b.node('Mul', [heads.q, scale]), k: b.node('Mul', [heads.k, scale]) });
}
