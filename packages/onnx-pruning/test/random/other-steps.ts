/**
 * Steps of random graphs that are rarer in networks, or that put channels in unusual places: on two axes of one value,
 * on the axis of the rows of an image, behind a recurrence.
 */
import type { Step } from './image-steps.ts';
import type { Choices, RandomGraph, Value } from './random-graph.ts';

const ofRank = (g: RandomGraph, rank: number): Value[] => g.pool.filter(({ dims }) => dims.length === rank);

/** Makes a step of a function that has a value of this rank. */
const onRank =
  (rank: number, make: (g: RandomGraph, x: Value, c: Choices) => Value | undefined): Step =>
  (g, c) => {
    const fitting = ofRank(g, rank);
    if (fitting.length === 0) return;
    const y = make(g, c.of([...fitting, ...fitting.slice(-2)]), c);
    if (y) g.add(y.name, y.dims);
  };

/** One of two values of one size, place by place; or a constant where the value is negative. */
const where = onRank(4, (g, x, c) => {
  const zero = g.parameter(g.fresh('zero'), [1]);
  const positive = g.node('Greater', [x.name, zero]);
  const others = ofRank(g, 4).filter((y) => y !== x && y.dims.join() === x.dims.join());
  const other = others.length > 0 && c.int(2) ? c.of(others).name : zero;
  return { name: g.node('Where', [positive, x.name, other]), dims: x.dims };
});

const resize = onRank(4, (g, x) => {
  const [n, channels, h, w] = x.dims as [number, number, number, number];
  if (h > 4 || g.dynamic === 'spatial' || g.opset < 13) return undefined;
  const scales = g.builder.initializer(g.fresh('scales'), [4], [1, 1, 2, 2]);
  return { name: g.node('Resize', [x.name, '', scales], { mode: 'nearest' }), dims: [n, channels, h * 2, w * 2] };
});

/** Joins two images below each other: their channels are the same. */
const stack = onRank(4, (g, x, c) => {
  const fits = ofRank(g, 4).filter((y) => y.dims[1] === x.dims[1] && y.dims[3] === x.dims[3]);
  const y = c.of(fits);
  const rows = x.dims[2]! + y.dims[2]!;
  if (rows > 8 || g.dynamic === 'spatial') return undefined;
  return { name: g.node('Concat', [x.name, y.name], { axis: 2 }), dims: x.dims.with(2, rows) };
});

/** Channels and rows change places and back; in between nothing says that channels are channels. */
const turn = onRank(4, (g, x, c) => {
  const turned = g.node('Transpose', [x.name], { perm: [0, 2, 1, 3] });
  const pooled = c.int(2) ? turned : g.node('Relu', [turned]);
  return { name: g.node('Transpose', [pooled], { perm: [0, 2, 1, 3] }), dims: x.dims };
});

const l2Normalized = onRank(4, (g, x) => {
  const norm = g.withAxes('ReduceL2', x.name, [1], 18, { keepdims: 1 });
  return { name: g.node('Div', [x.name, g.node('Sigmoid', [norm])]), dims: x.dims };
});

/** One channel alone, taken by its number and put back as an axis. */
const oneChannel = onRank(4, (g, x, c) => {
  const one = g.node('Gather', [x.name, g.ints([c.int(x.dims[1]!)], [])], { axis: 1 });
  const back = g.withAxes('Unsqueeze', one, [1], 13);
  return { name: g.node('Mul', [x.name, back]), dims: x.dims };
});

/** A value for every channel, spread over the places of an image of as many channels. */
const expanded = onRank(4, (g, x, c) => {
  const pooled = g.node('GlobalAveragePool', [x.name]);
  const target = g.dynamic === 'none' && c.int(2) ? g.ints(x.dims) : g.node('Shape', [x.name]);
  return { name: g.node('Add', [x.name, g.node('Expand', [pooled, target])]), dims: x.dims };
});

/** Products of all pairs of channels: the same channels on two axes, then side by side. */
const gram = onRank(3, (g, x) => {
  const features = x.dims[2]!;
  if (features > 12) return undefined;
  const turned = g.node('Transpose', [x.name], { perm: [0, 2, 1] });
  const products = g.node('MatMul', [turned, x.name]);
  return { name: g.node('Flatten', [products]), dims: [x.dims[0]!, features * features] };
});

const einsum = onRank(3, (g, x, c) => {
  if (g.opset < 12) return undefined;
  const name = g.fresh('einsum');
  const [inner, out] = [x.dims[2]!, c.of([4, 6])];
  const weight = g.parameter(`${name}.weight`, [inner, out], inner);
  return { name: g.node('Einsum', [x.name, weight], { equation: 'ntf,fg->ntg' }, { name }), dims: x.dims.with(2, out) };
});

/** A recurrence over the sequence. */
const recurrent = onRank(3, (g, x, c) => {
  const [n, t, inner] = x.dims as [number, number, number];
  const [opType, gates] = c.of([
    ['LSTM', 4],
    ['GRU', 3],
    ['RNN', 1],
  ] as const);
  const hidden = c.of([3, 4]);
  const name = g.fresh('rnn');
  const w = g.parameter(`${name}.weight`, [1, gates * hidden, inner], inner);
  const r = g.parameter(`${name}.recurrence`, [1, gates * hidden, hidden], hidden);
  const inputs = [g.node('Transpose', [x.name], { perm: [1, 0, 2] }), w, r];
  if (c.int(2)) inputs.push(g.parameter(`${name}.bias`, [1, 2 * gates * hidden]));
  const y = g.node(opType, inputs, { hidden_size: hidden }, { name });
  const flat = g.withAxes('Squeeze', y, [1], 13);
  return { name: g.node('Transpose', [flat], { perm: [1, 0, 2] }), dims: [n, t, hidden] };
});

/** Every feature scaled by a parameter of its own, and shifted. */
const affine = onRank(3, (g, x) => {
  const name = g.fresh('affine');
  const scaled = g.node('Mul', [x.name, g.parameter(`${name}.weight`, [x.dims[2]!])]);
  return { name: g.node('Add', [g.parameter(`${name}.bias`, [1, 1, x.dims[2]!]), scaled]), dims: x.dims };
});

const outerProduct = onRank(2, (g, x) => {
  const features = x.dims[1]!;
  if (features > 12) return undefined;
  const [column, row] = [g.withAxes('Unsqueeze', x.name, [2], 13), g.withAxes('Unsqueeze', x.name, [1], 13)];
  return { name: g.node('Mul', [column, row]), dims: [x.dims[0]!, features, features] };
});

const slicedFeatures = onRank(2, (g, x, c) => {
  const features = x.dims[1]!;
  const first = c.int(features);
  const inputs = [[first], [features], [1], [1]].map((values) => g.ints(values));
  return { name: g.node('Slice', [x.name, ...inputs]), dims: [x.dims[0]!, features - first] };
});

/** A value that the graph also gives out: its channels have to stay. */
const exposed: Step = (g, c) => {
  if (g.pool.length > 1 && c.int(2)) g.expose(c.of(g.pool));
};

/** Steps that are rarer in networks. */
export const otherSteps: readonly (readonly [string, Step])[] = [
  ['where', where],
  ['resize', resize],
  ['stack', stack],
  ['turn', turn],
  ['l2 normalized', l2Normalized],
  ['one channel', oneChannel],
  ['expanded', expanded],
  ['gram', gram],
  ['einsum', einsum],
  ['recurrent', recurrent],
  ['recurrent', recurrent],
  ['affine', affine],
  ['outer product', outerProduct],
  ['slice of features', slicedFeatures],
  ['exposed', exposed],
];
