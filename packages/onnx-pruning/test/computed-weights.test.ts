/**
 * Weights that the graph computes from initializers: every kept weight keeps its value. Axes over which they are
 * computed stay, with the reason; all others are pruned as usual.
 */
import { DependencyGraph } from '@onnx-pruning/depgraph';
import { GraphBuilder, type Model, readNumbers } from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';
import { randomInputs, runWithIntermediates, valueNumbers } from '@onnx-pruning/runtime';

const wave = (seed: number) => (size: number) => Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + seed) + 0.1);

type Weight = (b: GraphBuilder) => string;

/** x -> first (8 channels) -> Relu -> middle (6 channels), whose weight `make` computes -> Relu -> last. */
function convolutions(make: Weight): Model {
  const b = new GraphBuilder({ opset: 13 });
  b.initializer('first.weight', [8, 3, 1, 1], wave(1));
  const first = b.node('Relu', [b.node('Conv', [b.input('x', [1, 3, 5, 5]), 'first.weight'], {}, { name: 'first' })]);
  const middle = b.node('Relu', [b.node('Conv', [first, make(b)], {}, { name: 'middle' })]);
  b.initializer('last.weight', [4, 6, 1, 1], wave(2));
  b.output(b.node('Conv', [middle, 'last.weight'], {}, { name: 'last' }));
  return b.build();
}

/** The same with matrices: x -> first (8) -> Relu -> middle (6), of a weight [8, 6] -> Relu -> last. */
function matrices(make: Weight): Model {
  const b = new GraphBuilder({ opset: 13 });
  b.initializer('first.weight', [3, 8], wave(1));
  const first = b.node('Relu', [b.node('MatMul', [b.input('x', [2, 3]), 'first.weight'], {}, { name: 'first' })]);
  const middle = b.node('Relu', [b.node('MatMul', [first, make(b)], {}, { name: 'middle' })]);
  b.initializer('last.weight', [6, 4], wave(2));
  b.output(b.node('MatMul', [middle, 'last.weight'], {}, { name: 'last' }));
  return b.build();
}

const named = (b: GraphBuilder, opType: string, inputs: string[], attributes = {}): string =>
  b.node(opType, inputs, attributes, { name: opType.toLowerCase(), outputs: [`${opType.toLowerCase()}_of_weight`] });

const conv = (b: GraphBuilder): string => b.initializer('v', [6, 8, 3, 3], wave(3));
const gain = (b: GraphBuilder, size = 6): string => b.initializer('g', [size, 1, 1, 1], wave(4));
const matrix = (b: GraphBuilder): string => b.initializer('v', [8, 6], wave(3));

/** Computations over all input channels of `middle`; those of the third column do so over its output channels too. */
const COMPUTATIONS: readonly [name: string, model: Model, node: string, everyOutput: boolean][] = [
  [
    'weight norm of every filter',
    convolutions((b) => {
      const v = conv(b);
      return b.node('Mul', [b.node('Div', [v, named(b, 'ReduceL2', [v], { axes: [1, 2, 3] })]), gain(b)]);
    }),
    'ReduceL2',
    false,
  ],
  [
    'weight norm written out as a root of a sum of squares',
    convolutions((b) => {
      const v = conv(b);
      const squares = b.node('Mul', [v, v]);
      const sum = named(b, 'ReduceSum', [squares, b.ints('axes', [1, 2, 3])], { keepdims: 1 });
      return b.node('Mul', [b.node('Div', [v, b.node('Sqrt', [sum])]), gain(b)]);
    }),
    'ReduceSum',
    false,
  ],
  [
    'weight norm over everything',
    convolutions((b) => {
      const v = conv(b);
      return b.node('Div', [v, named(b, 'ReduceL2', [v], { keepdims: 1 })]);
    }),
    'ReduceL2',
    true,
  ],
  [
    'weight standardization',
    convolutions((b) => {
      const v = conv(b);
      return b.node('Sub', [v, named(b, 'ReduceMean', [v], { axes: [1, 2, 3], keepdims: 1 })]);
    }),
    'ReduceMean',
    false,
  ],
  [
    'normalized by LpNormalization',
    convolutions((b) => named(b, 'LpNormalization', [conv(b)], { axis: 1, p: 2 })),
    'LpNormalization',
    false,
  ],
  [
    'spectral norm: sigma = u W v',
    matrices((b) => {
      const weight = matrix(b);
      const product = named(b, 'MatMul', [b.initializer('u', [1, 8], wave(5)), weight]);
      const sigma = b.node('MatMul', [product, b.initializer('s', [6, 1], wave(6))]);
      return b.node('Div', [weight, sigma]);
    }),
    'MatMul',
    true,
  ],
  [
    'a softmax over the inputs of every output',
    matrices((b) => named(b, 'Softmax', [matrix(b)], { axis: 0 })),
    'Softmax',
    false,
  ],
];

/** The weight that `middle` sees, by index. */
async function weightSeen(model: Model): Promise<ArrayLike<number>> {
  const name = model.graph.node.find((node) => node.name === 'middle')!.input[1];
  const initializer = model.graph.initializer.find((tensor) => tensor.name === name);
  if (initializer) return readNumbers(initializer);
  return valueNumbers((await runWithIntermediates(model, randomInputs(model)))[name]);
}

describe.each(COMPUTATIONS)('%s', (_, original, operator, everyOutput) => {
  it('keeps the input channels that the weights are computed from, and says so', () => {
    const graph = new DependencyGraph().buildDependency(original.clone());
    expect(graph.explain('first')).toMatch(
      new RegExp(`fixed because the weights of 'middle' are computed from all channels of it \\(${operator} '`),
    );
    expect(/ prunable, coupled: .*last in/.test(graph.explain('last'))).toBe(!everyOutput);
  });

  it('leaves every kept weight as it was', async () => {
    const model = original.clone();
    const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio: 0.5 });
    pruner.step();
    const plan = pruner.plan();
    const before = Array.from(await weightSeen(original));
    const after = Array.from(await weightSeen(model));
    const kept = plan.groups.find(({ root }) => root === 'last' || root === 'middle')?.kept;
    const change = plan.initializers['last.weight'];
    const outputs = change?.kept[original.graph.node[0].opType === 'Conv' ? '1' : '0'] ?? kept;
    const isConv = before.length > 48;
    const inner = 72;
    const expected = before.filter((_weight, i) => {
      const output = isConv ? Math.floor(i / inner) : i % 6;
      return outputs === undefined || outputs.includes(output);
    });
    expect(after).toHaveLength(expected.length);
    after.forEach((weight, i) => {
      expect(Math.abs(weight - expected[i])).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected[i])));
    });
    expect((await verify(original, model, plan)).ok).toBe(true);
  });
});

it('a low-rank update keeps its rank: W + A B', () => {
  const model = matrices((b) => {
    const update = named(b, 'MatMul', [b.initializer('A', [8, 5], wave(5)), b.initializer('B', [5, 6], wave(6))]);
    return b.node('Add', [matrix(b), update]);
  });
  const graph = new DependencyGraph().buildDependency(model);
  // The rank is summed over; rows and columns of the update are those of the weight and stay free.
  expect(graph.axesOf('A').map((term) => term.size)).toEqual([8, 5]);
  expect(graph.explain('first')).toContain('8 prunable');
  expect(graph.explain('last')).toContain('6 prunable');
  const ranks = [...graph.getAllGroups()].filter((group) =>
    group.items.some(({ axis }) => axis.parameters.some(({ tensor, axis: at }) => tensor === 'A' && at === 1)),
  );
  expect(ranks).toEqual([]);
});

it('what only rearranges the weights is followed: the layer is pruned on both sides', async () => {
  const model = convolutions((b) => {
    const flat = b.node('Reshape', [conv(b), b.ints('flat', [6, 72])]);
    const scaled = b.node('Mul', [b.node('Transpose', [flat], { perm: [1, 0] }), b.initializer('half', [], [0.5])]);
    const back = b.node('Transpose', [b.node('Cast', [scaled], { to: 1 })], { perm: [1, 0] });
    return b.node('Reshape', [back, b.ints('kernel', [6, 8, 3, 3])]);
  });
  const original = model.clone();
  const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio: 0.5 });
  pruner.step();
  expect(pruner.plan().initializers.v.newShape).toEqual([3, 4, 3, 3]);
  expect((await verify(original, model, pruner.plan())).ok).toBe(true);
});

it('activations computed from a constant are no weights: learned queries lose hidden channels like any input', async () => {
  const b = new GraphBuilder({ opset: 13 });
  b.initializer('queries', [1, 4, 6], wave(1));
  b.initializer('hidden.weight', [6, 8], wave(2));
  b.initializer('out.weight', [8, 3], wave(3));
  const hidden = b.node('Relu', [b.node('MatMul', ['queries', 'hidden.weight'], {}, { name: 'hidden' })]);
  const out = b.node('MatMul', [hidden, 'out.weight'], {}, { name: 'out' });
  b.output(b.node('Add', [out, b.input('x', [1, 4, 3])]), [1, 4, 3]);
  const graph = new DependencyGraph().buildDependency(b.build());
  expect(graph.explain('hidden')).toContain('8 prunable');
});
