/**
 * Steps of random graphs that take matrices [N, F] and sequences [N, T, F]: fully connected layers, heads, attention,
 * and the way back to images.
 */
import type { Step } from './image-steps.ts';
import { type Choices, type RandomGraph, SIZE, type Value } from './random-graph.ts';

const ofRank = (g: RandomGraph, rank: number): Value[] => g.pool.filter(({ dims }) => dims.length === rank);
const divisors = (n: number): number[] => [2, 3, 4, 6].filter((d) => n % d === 0 && d < n);

/** Makes a step of a function that has a value of one of these ranks. */
const onRank =
  (ranks: readonly number[], make: (g: RandomGraph, x: Value, c: Choices) => Value | undefined): Step =>
  (g, c) => {
    const fitting = ranks.flatMap((rank) => ofRank(g, rank));
    if (fitting.length === 0) return;
    const x = c.of([...fitting, ...fitting.slice(-2)]);
    const y = make(g, x, c);
    if (y) g.add(y.name, y.dims);
  };

export function gemm(g: RandomGraph, x: Value, out: number, c: Choices): Value {
  const name = g.fresh('fc');
  const inner = x.dims[1]!;
  const transB = c.int(2);
  const inputs = [x.name, g.parameter(`${name}.weight`, transB ? [out, inner] : [inner, out], inner)];
  const bias = c.of([[out], [1, out], [], undefined]);
  if (bias) inputs.push(g.parameter(`${name}.bias`, bias));
  return { name: g.node('Gemm', inputs, { transB }, { name }), dims: [x.dims[0]!, out] };
}

export function project(g: RandomGraph, x: Value, out: number): Value {
  const name = g.fresh('proj');
  const inner = x.dims.at(-1)!;
  const product = g.node('MatMul', [x.name, g.parameter(`${name}.weight`, [inner, out], inner)], {}, { name });
  const bias = g.node('Add', [product, g.parameter(`${name}.bias`, [out])]);
  return { name: bias, dims: x.dims.with(-1, out) };
}

const linear = onRank([2], (g, x, c) => gemm(g, x, c.of([4, 6, 8, 12]), c));
const projection = onRank([2, 3], (g, x, c) => project(g, x, c.of([4, 6, 8, 12])));
const relu = onRank([2, 3], (g, x) => ({ name: g.node('Relu', [x.name]), dims: x.dims }));

const residual = onRank([2, 3], (g, x, c) => {
  const others = ofRank(g, x.dims.length).filter((y) => y !== x && y.dims.join() === x.dims.join());
  const y = others.length > 0 && c.int(4) > 0 ? c.of(others) : project(g, x, x.dims.at(-1)!);
  return { name: g.node(c.of(['Add', 'Mul']), [x.name, y.name]), dims: x.dims };
});

const concat = onRank([2, 3], (g, x, c) => {
  const fits = (y: Value): boolean => y.dims.slice(0, -1).join() === x.dims.slice(0, -1).join();
  const parts = [x, ...c.some(ofRank(g, x.dims.length).filter(fits)).slice(0, 2)];
  const features = parts.reduce((sum, { dims }) => sum + dims.at(-1)!, 0);
  if (features > 200) return undefined;
  const name = g.node(
    'Concat',
    parts.map((part) => part.name),
    { axis: -1 },
  );
  return { name, dims: x.dims.with(-1, features) };
});

const split: Step = (g, c) => {
  const fitting = [...ofRank(g, 2), ...ofRank(g, 3)].filter(({ dims }) => dims.at(-1)! >= 4);
  if (fitting.length === 0) return;
  const x = c.of(fitting);
  const features = x.dims.at(-1)!;
  const first = c.of([Math.floor(features / 2), 1, 3]);
  const sizes = [first, features - first];
  const stated: Record<string, number[]> = g.opset < 13 ? { split: sizes } : {};
  const inputs = g.opset < 13 ? [x.name] : [x.name, g.ints(sizes)];
  const outputs = g.nodes('Split', inputs, { axis: -1, ...stated }, { outputs: 2 });
  sizes.forEach((size, i) => {
    g.add(outputs[i]!, x.dims.with(-1, size));
  });
};

const layerNorm = onRank([2, 3], (g, x) => {
  if (g.opset < 17) return undefined;
  const name = g.fresh('ln');
  const features = x.dims.at(-1)!;
  const inputs = [g.positive(`${name}.weight`, [features]), g.parameter(`${name}.bias`, [features])];
  return { name: g.node('LayerNormalization', [x.name, ...inputs], {}, { name }), dims: x.dims };
});

const pooled = onRank([3], (g, x, c) => {
  const opType = c.of(['ReduceMean', 'ReduceMax', 'ReduceSum']);
  const since = opType === 'ReduceSum' ? 13 : 18;
  return { name: g.withAxes(opType, x.name, [1], since, { keepdims: 0 }), dims: [x.dims[0]!, x.dims[2]!] };
});

/** [N, T, F] seen as heads [N, heads, T, F / heads]. */
function heads(g: RandomGraph, x: Value, count: number, computed: boolean): Value {
  const [n, t, features] = x.dims as [number, number, number];
  const spread = g.reshape(x, [{ axis: 0 }, { axis: 1 }, count, features / count], computed);
  return {
    name: g.node('Transpose', [spread.name], { perm: [0, 2, 1, 3] }),
    dims: [n, count, t, features / count],
  };
}

/** Self-attention with separate or fused projections. */
const attention = onRank([3], (g, x, c) => {
  const count = c.of([2, 3]);
  const features = count * c.of([2, 4]);
  const computed = c.int(2) > 0;
  const [q, k, v] = queries(g, x, features, c).map((part) => heads(g, part, count, computed)) as [Value, Value, Value];
  const turned = g.node('Transpose', [k.name], { perm: [0, 1, 3, 2] });
  const scores = g.node('Softmax', [g.node('MatMul', [q.name, turned])], { axis: -1 });
  const mixed = g.node('Transpose', [g.node('MatMul', [scores, v.name])], { perm: [0, 2, 1, 3] });
  const together = { name: mixed, dims: [x.dims[0]!, x.dims[1]!, count, features / count] };
  return project(g, g.reshape(together, [{ axis: 0 }, { axis: 1 }, features], computed), x.dims[2]!);
});

function queries(g: RandomGraph, x: Value, features: number, c: Choices): Value[] {
  if (c.int(2)) return [0, 1, 2].map(() => project(g, x, features));
  const fused = project(g, x, 3 * features);
  const sizes = [features, features, features];
  const inputs = g.opset < 13 ? [fused.name] : [fused.name, g.ints(sizes)];
  const stated: Record<string, number[]> = g.opset < 13 ? { split: sizes } : {};
  const outputs = g.nodes('Split', inputs, { axis: -1, ...stated }, { outputs: 3 });
  return outputs.map((name) => ({ name, dims: x.dims.with(-1, features) }));
}

/** Features seen as heads, changed there, and put back. */
const throughHeads = onRank([2], (g, x, c) => {
  const features = x.dims[1]!;
  const count = c.of(divisors(features));
  if (!count) return undefined;
  const spread = g.reshape(x, [{ axis: 0 }, count, features / count], c.once(3));
  const inner = c.int(2) ? project(g, spread, features / count) : spread;
  const turned = c.int(2)
    ? { name: g.node('Transpose', [inner.name], { perm: [0, 2, 1] }), dims: [x.dims[0]!, features / count, count] }
    : inner;
  return g.reshape(turned, [{ axis: 0 }, features], c.once(3));
});

/** Features seen as an image of 2 x 2 places. */
const toImage = onRank([2], (g, x, c) => {
  const features = x.dims[1]!;
  if (features % 4 !== 0) return undefined;
  return g.reshape(x, [{ axis: 0 }, features / 4, 2, 2], c.once(3));
});

/** Features as an image of one place. */
const unsqueezed = onRank([2], (g, x) => {
  return { name: g.withAxes('Unsqueeze', x.name, [2, 3], 13), dims: [...x.dims, 1, 1] };
});

/** A sequence of SIZE x SIZE places as an image again. */
const sequenceToImage = onRank([3], (g, x) => {
  const [n, t, features] = x.dims as [number, number, number];
  if (t !== SIZE * SIZE || g.dynamic === 'spatial') return undefined;
  const turned = { name: g.node('Transpose', [x.name], { perm: [0, 2, 1] }), dims: [n, features, t] };
  return g.reshape(turned, [{ axis: 0 }, features, SIZE, SIZE], false);
});

/** All steps on matrices and sequences. */
export const matrixSteps: readonly (readonly [string, Step])[] = [
  ['linear', linear],
  ['linear', linear],
  ['projection', projection],
  ['projection', projection],
  ['relu on features', relu],
  ['residual on features', residual],
  ['residual on features', residual],
  ['concat of features', concat],
  ['split of features', split],
  ['layer norm', layerNorm],
  ['pooled sequence', pooled],
  ['attention', attention],
  ['attention', attention],
  ['through heads', throughHeads],
  ['to image', toImage],
  ['unsqueezed', unsqueezed],
  ['sequence to image', sequenceToImage],
];
