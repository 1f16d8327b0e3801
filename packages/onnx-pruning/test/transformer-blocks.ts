/** Whole blocks of transformers as exporters write them, as small graphs. No expectation about pruning is stated here. */
import { DataType, type GraphBuilder } from '@onnx-pruning/onnx';
import { linear, parameter, project } from '../../ops/cases/blocks.ts';
import { apart, attended, FEATURES, HEAD_DIM, HEADS, scaled, separate, TOKENS } from './attention-blocks.ts';

/** `[batch, tokens, features]` as heads merged with a known batch, in the manner of torch.nn.MultiheadAttention. */
export function mergedWithBatch(b: GraphBuilder): void {
  const x = b.node('Transpose', [b.input('x', [2, TOKENS, FEATURES])], { perm: [1, 0, 2] });
  const merged = (layer: string): string => {
    const shape = b.ints(`${layer}_merged`, [TOKENS, 6, HEAD_DIM]);
    return b.node('Transpose', [b.node('Reshape', [project(b, layer, x, FEATURES, FEATURES), shape])], {
      perm: [1, 0, 2],
    });
  };
  const [q, k, v] = ['q', 'k', 'v'].map(merged) as [string, string, string];
  const weights = b.node('Softmax', [b.node('MatMul', [q, b.node('Transpose', [k], { perm: [0, 2, 1] })])]);
  const back = b.node('Transpose', [b.node('MatMul', [weights, v])], { perm: [1, 0, 2] });
  const joined = b.node('Reshape', [back, b.ints('joined', [TOKENS, 2, FEATURES])]);
  b.output(project(b, 'last', joined, FEATURES, 2));
}

function layerNorm(b: GraphBuilder, name: string, x: string, features: number): string {
  const parameters = ['weight', 'bias'].map((what) => parameter(b, `${name}.${what}`, [features]));
  return b.node('LayerNormalization', [x, ...parameters], {}, { name });
}

/** Image patches with a class token and positions, one block with attention and MLP, and a classifier. */
export function visionTransformer(b: GraphBuilder): void {
  const patches = b.node('Conv', [b.input('x', [2, 3, 8, 8]), parameter(b, 'patch.weight', [FEATURES, 3, 4, 4])], {
    strides: [4, 4],
  });
  const sequence = b.node('Transpose', [b.node('Reshape', [patches, b.ints('flat', [0, FEATURES, -1])])], {
    perm: [0, 2, 1],
  });
  const token = b.node('Expand', [parameter(b, 'class_token', [1, 1, FEATURES]), b.ints('images', [2, 1, 1])]);
  const positions = parameter(b, 'position.bias', [1, TOKENS, FEATURES]);
  const joined = b.node('Concat', [token, sequence], { axis: 1 });
  const x = b.node('Add', [joined, positions], {}, { name: 'position' });
  const parts = separate(b, layerNorm(b, 'norm1', x, FEATURES));
  const first = b.node('Add', [x, attended(b, scaled(b, parts), parts.v)]);
  const hidden = b.node('Erf', [project(b, 'fc1', layerNorm(b, 'norm2', first, FEATURES), FEATURES, 24)]);
  const second = b.node('Add', [first, project(b, 'fc2', hidden, 24, FEATURES)]);
  const classes = b.node('Gather', [layerNorm(b, 'norm3', second, FEATURES), b.ints('class', [0], [])], { axis: 1 });
  b.output(project(b, 'head', classes, FEATURES, 2));
}

/** A map of 4 x 4 places in windows of 2 x 2, attention in every window, and four neighbours merged into one place. */
export function windows(b: GraphBuilder): void {
  const x = project(b, 'embed', b.input('x', ['batch', 4, 4, 3]), 3, FEATURES);
  const split = b.node('Reshape', [x, b.ints('split', [-1, 2, 2, 2, 2, FEATURES])]);
  const ordered = b.node('Transpose', [split], { perm: [0, 1, 3, 2, 4, 5] });
  const parts = separate(b, b.node('Reshape', [ordered, b.ints('windows', [-1, 4, FEATURES])]));
  const mixed = b.node('Reshape', [attended(b, scaled(b, parts), parts.v), b.ints('map', [-1, 2, 2, 2, 2, FEATURES])]);
  const back = b.node('Reshape', [
    b.node('Transpose', [mixed], { perm: [0, 1, 3, 2, 4, 5] }),
    b.ints('places', [-1, 4, 4, FEATURES]),
  ]);
  const sum = b.node('Add', [x, back]);
  const every = (i: number): string => {
    const bounds = [
      [i % 2, Math.floor(i / 2)],
      [4, 4],
      [1, 2],
      [2, 2],
    ];
    return b.node('Slice', [sum, ...bounds.map((list, j) => b.ints(`bounds${i}${j}`, list))]);
  };
  const neighbours = b.node('Concat', [0, 1, 2, 3].map(every), { axis: -1 });
  b.output(project(b, 'merge', neighbours, 4 * FEATURES, 6));
}

/** A computed shape: elements are sizes of `x` by axis (`'0'`, `'1'`), or numbers. */
function shapeOf(b: GraphBuilder, name: string, x: string, elements: readonly (string | number)[]): string {
  const sizes = b.node('Shape', [x]);
  const parts = elements.map((element, i) => {
    const constant = b.ints(`${name}_${i}`, [Number(element)]);
    return typeof element === 'number' ? constant : b.node('Gather', [sizes, constant]);
  });
  return b.node('Concat', parts, { axis: 0 });
}

/** Attention whose layers see a matrix of all tokens, and give the tokens back their axes (GPT-2). */
export function gpt(b: GraphBuilder): void {
  const x = b.input('x', ['batch', 'seq', FEATURES]);
  const dense = (layer: string, value: string, out: number): string => {
    const rows = b.node('Reshape', [value, b.ints(`${layer}_rows`, [-1, FEATURES])]);
    return b.node('Reshape', [linear(b, layer, rows, FEATURES, out), shapeOf(b, layer, value, ['0', '1', out])]);
  };
  const parts = b.nodeOutputs('Split', [dense('qkv', x, 3 * FEATURES)], { axis: 2 }, { outputs: 3 });
  const [q, k, v] = parts.map((part) => {
    const shape = shapeOf(b, part, part, ['0', '1', HEADS, HEAD_DIM]);
    return b.node('Transpose', [b.node('Reshape', [part, shape])], { perm: [0, 2, 1, 3] });
  });
  const keys = b.node('Transpose', [k!], { perm: [0, 1, 3, 2] });
  const mixed = b.node('MatMul', [b.node('Softmax', [b.node('MatMul', [q!, keys])], { axis: -1 }), v!]);
  const turned = b.node('Transpose', [mixed], { perm: [0, 2, 1, 3] });
  b.output(dense('last', b.node('Reshape', [turned, shapeOf(b, 'merged', turned, ['0', '1', FEATURES])]), 2));
}

/** Root mean square normalization, written out. */
function rmsNorm(b: GraphBuilder, name: string, x: string): string {
  const squares = b.node('Pow', [x, b.initializer(`${name}_two`, [], [2])]);
  const mean = b.node('ReduceMean', [squares], { axes: [-1] });
  const root = b.node('Sqrt', [b.node('Add', [mean, b.initializer(`${name}_epsilon`, [], [1e-5])])]);
  const normed = b.node('Div', [x, root]);
  return b.node('Mul', [parameter(b, `${name}.weight`, [FEATURES]), normed], {}, { name });
}

/** `[batch, 2, seq, channels]` as four heads, each twice in a row, with shapes that are computed. */
function repeated(b: GraphBuilder, name: string, x: string): string {
  const wide = b.node('Unsqueeze', [x, b.ints(`${name}_axis`, [2])]);
  const spread = b.node('Expand', [wide, shapeOf(b, `${name}_spread`, x, ['0', '1', 2, '2', '3'])]);
  const sizes = b.node('Shape', [x]);
  const [batch, few, seq, channels] = [0, 1, 2, 3].map((i) =>
    b.node('Gather', [sizes, b.ints(`${name}_size${i}`, [i])]),
  );
  const heads = b.node('Mul', [few!, b.ints(`${name}_times`, [2])]);
  return b.node('Reshape', [spread, b.node('Concat', [batch!, heads, seq!, channels!], { axis: 0 })]);
}

/** An embedding that is also the last layer, grouped queries, and a gated MLP (Llama). */
export function llama(b: GraphBuilder): void {
  const table = parameter(b, 'embedding.weight', [20, FEATURES]);
  const x = b.node('Gather', [table, b.input('ids', ['batch', 'seq'], DataType.INT64)], {}, { name: 'embedding' });
  const input = rmsNorm(b, 'norm1', x);
  const q = apart(b, project(b, 'q', input, FEATURES, 4 * HEAD_DIM), 4);
  const [k, v] = ['k', 'v'].map((layer) =>
    repeated(b, layer, apart(b, project(b, layer, input, FEATURES, 2 * HEAD_DIM), 2)),
  );
  const first = b.node('Add', [x, attended(b, scaled(b, { q, k: k!, v: v! }), v!, 4 * HEAD_DIM)]);
  const between = rmsNorm(b, 'norm2', first);
  const gate = project(b, 'gate', between, FEATURES, 20);
  const hidden = b.node('Mul', [
    b.node('Mul', [gate, b.node('Sigmoid', [gate])]),
    project(b, 'up', between, FEATURES, 20),
  ]);
  const second = b.node('Add', [first, project(b, 'down', hidden, 20, FEATURES)]);
  b.output(b.node('MatMul', [rmsNorm(b, 'norm3', second), b.node('Transpose', [table], { perm: [1, 0] })]));
}
