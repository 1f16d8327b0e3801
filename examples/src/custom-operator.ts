/**
 * An operator of a private domain: a record that says how its axes belong together. Without one, nothing that passes
 * through the operator is pruned.
 *
 *     npm run example custom-operator
 *
 * The operator is com.acme::Gate(x, gate): every channel of x times its own factor. Here it is a function in the model,
 * so that onnxruntime can run it; a registered custom operator is pruned in the same way.
 */
import {
  assertVerified,
  BasePruner,
  createRandom,
  DependencyGraph,
  GraphBuilder,
  GroupMagnitudeImportance,
  type Model,
  verify,
} from 'onnx-pruning';
import { noMacs, noOverhead, nothing, type OperatorRecord } from 'onnx-pruning/ops';

/** All fields are required: "nothing to do" is said aloud. */
export const gate: OperatorRecord = {
  domain: 'com.acme',
  opType: 'Gate',
  opsets: [1, 1],
  // The output is like the input.
  infer: ({ inputs: [x] }) => (x ? [x] : []),
  // So are its axes; and the factors, [channels, 1, 1], belong to the channels.
  equations: (ctx) => {
    const [x, factors, y] = [ctx.in(0), ctx.in(1), ctx.out(0)];
    for (const [axis, term] of x.entries()) ctx.equal(term, y[axis]);
    ctx.equal(factors[0], x[1]);
  },
  // No attribute states a size, and there is nothing to count.
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  // The factors are parameters of this node: importance sees them, and they can be asked for by name.
  layer: () => ({ kind: 'parameter', parameters: [{ input: 1, role: 'weight', out: 0 }] }),
};

/** conv1 -> Gate -> ReLU -> conv2. */
export function buildGatedModel(): Model {
  const random = createRandom(0);
  const weights = (size: number): Float32Array => Float32Array.from({ length: size }, () => random.normal());
  const b = new GraphBuilder({ opset: 17, opsets: { 'com.acme': 1 } });
  b.input('image', ['batch', 3, 16, 16]);
  b.initializer('conv1.weight', [8, 3, 3, 3], weights);
  b.initializer('gate.factors', [8, 1, 1], weights);
  b.initializer('conv2.weight', [4, 8, 3, 3], weights);
  const x = b.node('Conv', ['image', 'conv1.weight'], {}, { name: 'conv1' });
  const gated = b.node('Gate', [x, 'gate.factors'], {}, { name: 'gate', domain: 'com.acme' });
  b.output(b.node('Conv', [b.node('Relu', [gated]), 'conv2.weight'], {}, { name: 'conv2' }), ['batch', 4, 12, 12]);
  const model = b.build();
  model.proto.functions.push({
    name: 'Gate',
    domain: 'com.acme',
    input: ['x', 'gate'],
    output: ['y'],
    attribute: [],
    node: [{ input: ['x', 'gate'], output: ['y'], opType: 'Mul', attribute: [] }],
    opsetImport: [{ domain: '', version: 17 }],
  });
  return model;
}

export async function main(print: (text: string) => void = console.log): Promise<void> {
  const model = buildGatedModel();
  const original = model.clone();

  print(`Without a record:\n${new DependencyGraph().buildDependency(model).explain('conv1')}`);

  const customizedOperators = [gate];
  const pruner = new BasePruner(model, {
    importance: new GroupMagnitudeImportance(),
    pruningRatio: 0.5,
    customizedOperators,
  });
  print(`With one:\n${pruner.DG.explain('conv1')}`);

  pruner.step();
  print(`conv1 has ${pruner.DG.channelsOf('conv1', 'out')} channels now`);
  assertVerified(await verify(original, model, pruner.plan(), { customizedOperators }));
}
