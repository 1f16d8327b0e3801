/**
 * Weights that the graph computes (weight normalization, g v / |v|) keep their values: the proof compares what is
 * computed with the original's, where a reference made from the kept channels alone would hide a change.
 */
import { DependencyGraph, pruneConvInChannels, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { createRandom, GraphBuilder, type Model, makeTensor, readNumbers, tensorDims } from '@onnx-pruning/onnx';
import { type EquationContext, type OperatorRecord, standardOperators } from '@onnx-pruning/ops';
import { createPlan, type Plan } from '@onnx-pruning/pruning';
import { type VerifyOptions, verify } from '../src/index.ts';

/** x [1, 3, 4, 4] -> first (8) -> Relu -> middle (6), whose weights are g v / |v| over its 8 inputs -> last (4) -> y. */
function network(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const random = createRandom(5);
  const weights = (name: string, dims: number[]): string =>
    b.initializer(name, dims, (n) => Float32Array.from({ length: n }, () => random.normal()));
  const conv = (name: string, x: string, weight: string): string => b.node('Conv', [x, weight], {}, { name });
  const first = conv('first', b.input('x', [1, 3, 4, 4]), weights('first.weight', [8, 3, 1, 1]));
  const v = weights('v', [6, 8, 3, 3]);
  const norm = b.node('ReduceL2', [v], { axes: [1, 2, 3], keepdims: 1 });
  const weight = b.node('Mul', [weights('g', [6, 1, 1, 1]), b.node('Div', [v, norm])], {}, { name: 'weight' });
  const middle = b.node('Relu', [conv('middle', b.node('Relu', [first]), weight)]);
  b.output(conv('last', middle, weights('last.weight', [4, 6, 1, 1])), [1, 4, 2, 2]);
  return b.build();
}

/** ReduceL2 that is said to take nothing from the axes that it reduces, as if they could be pruned. */
const standard = standardOperators.find(({ opType }) => opType === 'ReduceL2')!;
const careless: OperatorRecord = {
  ...standard,
  opsets: [1, standard.opsets[1]],
  equations: (ctx: EquationContext) => ctx.equal(ctx.in(0)[0]!, ctx.out(0)[0]!),
};

/** Without channels 1 and 4 of `first` or of `middle`, which are the inputs of `last`. */
function pruned(layer: 'first' | 'middle', options: VerifyOptions = {}): { model: Model; plan: Plan } {
  const model = network();
  const graph = new DependencyGraph().buildDependency(model, options);
  const group =
    layer === 'first'
      ? graph.getPruningGroup('first', pruneConvOutChannels, [1, 4])
      : graph.getPruningGroup('last', pruneConvInChannels, [1, 4]);
  group.prune();
  return { model, plan: createPlan(graph) };
}

it('filters of normalized weights are removed, and the others keep their values', async () => {
  const { model, plan } = pruned('middle');
  expect(plan.initializers.v).toMatchObject({ newShape: [4, 8, 3, 3] });
  const found = await verify(network(), model, plan);
  expect(found).toMatchObject({ verdict: 'holds', reasons: [] });
  // The computed weight is among what was compared.
  const computed = network().graph.node.find(({ name }) => name === 'weight')!.output[0];
  expect(found.intermediates.map(({ name }) => name)).toContain(computed);
});

it('input channels that the norm sums over change the weights that are kept: it differs', async () => {
  const options = { customizedOperators: [careless] };
  const { model, plan } = pruned('first', options);
  expect(plan.initializers.v).toMatchObject({ newShape: [6, 6, 3, 3] });
  // The file is what such a plan says, so that only the values can tell.
  expect((await verify(network(), model, plan, { ...options, parts: 'file' })).verdict).toBe('holds');
  const { verdict, reasons } = await verify(network(), model, plan, options);
  expect(verdict).toBe('differs');
  expect(reasons.join('\n')).toContain('a kept weight that the graph computes has changed');
});

describe('one number', () => {
  it.each(['v', 'g'])("of '%s' that is another makes it differ, for either half of the proof", async (name) => {
    const { model, plan } = pruned('middle');
    const at = model.graph.initializer.findIndex((tensor) => tensor.name === name);
    const before = model.graph.initializer[at]!;
    const numbers = Float32Array.from(readNumbers(before));
    numbers[1] = numbers[1]! + 0.5;
    model.graph.initializer[at] = makeTensor(name, before.dataType!, tensorDims(before), numbers);
    for (const parts of ['file', 'runs'] as const) {
      expect((await verify(network(), model, plan, { parts })).verdict).toBe('differs');
    }
  });
});

it('another norm makes it differ, for either half of the proof', async () => {
  const { model, plan } = pruned('middle');
  const norm = model.graph.node.find(({ opType }) => opType === 'ReduceL2')!;
  norm.opType = 'ReduceL1';
  for (const parts of ['file', 'runs'] as const) {
    expect((await verify(network(), model, plan, { parts })).verdict).toBe('differs');
  }
});
