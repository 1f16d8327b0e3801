/**
 * The equivalence check can fail: pruned models that are broken on purpose, in the ways in which an engine goes wrong,
 * are found out.
 */
import { DependencyGraph, gatherAxes, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import {
  bitsPerElement,
  createRandom,
  GraphBuilder,
  type Model,
  readNumbers,
  replaceConstant,
  setAttribute,
  type TensorProto,
  tensorBytes,
  tensorDims,
  withContent,
} from '@onnx-pruning/onnx';
import { assertVerified, EquivalenceError, type Verification, verify } from '@onnx-pruning/proof';
import { createPlan, type Plan } from '@onnx-pruning/pruning';
import { SessionError } from '@onnx-pruning/runtime';
import { conv, lastConv, linear } from '../../ops/cases/blocks.ts';

/** conv1 (8) -> bn -> relu -> conv2 (8) added to it; concatenated with conv3 (6) -> conv4 (5) -> flatten -> fc. */
function network(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const random = createRandom(5);
  const x = b.input('x', ['batch', 3, 2, 2]);
  const vector = (name: string): string =>
    b.initializer(`bn.${name}`, [8], (n) => Float32Array.from({ length: n }, () => 0.5 + random.next()));
  const norm = ['weight', 'bias', 'running_mean', 'running_var'].map(vector);
  const bn = b.node('BatchNormalization', [conv(b, 'conv1', x, 3, 8), ...norm], {}, { name: 'bn' });
  const relu = b.node('Relu', [bn]);
  const sum = b.node('Add', [conv(b, 'conv2', relu, 8, 8), relu]);
  const both = b.node('Concat', [sum, conv(b, 'conv3', x, 3, 6)], { axis: 1 });
  b.output(linear(b, 'fc', b.node('Flatten', [conv(b, 'conv4', both, 14, 5)]), 20, 3));
  return b.build();
}

const REMOVED = { conv1: [1, 6], conv3: [0, 2], conv4: [3] };

/** The network, pruned as it should be. */
function prunedRight(): { model: Model; plan: Plan } {
  const model = network();
  const graph = new DependencyGraph().buildDependency(model);
  for (const [layer, idxs] of Object.entries(REMOVED)) graph.getPruningGroup(layer, pruneConvOutChannels, idxs).prune();
  return { model, plan: createPlan(graph) };
}

const tensorOf = (model: Model, name: string): TensorProto =>
  model.graph.initializer.find((tensor) => tensor.name === name)!;

/** Puts other indices of the original along one axis of a pruned tensor. */
function reslice(
  model: Model,
  name: string,
  axis: number,
  kept: readonly number[],
  others: Readonly<Record<number, readonly number[]>> = {},
): void {
  const source = tensorOf(network(), name);
  const raw = { bytes: tensorBytes(source), dims: tensorDims(source), bits: bitsPerElement(source.dataType) };
  const lists = raw.dims.map((_, a) => (a === axis ? Int32Array.from(kept) : others[a] && Int32Array.from(others[a])));
  const gathered = gatherAxes(raw, lists);
  replaceConstant(model.graph, name, withContent(tensorOf(model, name), gathered.dims, gathered.bytes));
}

async function verifyBroken(breakIt: (model: Model, plan: Plan) => void): Promise<Verification> {
  const { model, plan } = prunedRight();
  breakIt(model, plan);
  return verify(network(), model, plan);
}

const keptBut = (size: number, gone: readonly number[]): number[] =>
  Array.from({ length: size }, (_, i) => i).filter((i) => !gone.includes(i));

describe('the right model', () => {
  it('passes, and the outputs are large enough to tell', async () => {
    const { model, plan } = prunedRight();
    const verification = await verify(network(), model, plan);
    expect(verification.ok).toBe(true);
    for (const output of verification.outputs) expect(output.maxReference).toBeGreaterThan(0.1);
    expect(() => assertVerified(verification)).not.toThrow();
  });

  it('is not the original: the reference is built of the plan', async () => {
    expect((await verify(network(), network(), prunedRight().plan)).ok).toBe(false);
  });
});

describe('a broken model is found out', () => {
  it('two input channels of one weight are swapped', async () => {
    const verification = await verifyBroken((model) =>
      reslice(model, 'conv2.weight', 1, [0, 3, 2, 4, 5, 7], { 0: keptBut(8, [1, 6]) }),
    );
    expect(verification.ok).toBe(false);
    expect(() => assertVerified(verification)).toThrow(EquivalenceError);
    expect(() => assertVerified(verification)).toThrow(/the pruned model does not compute what the original does/);
  });

  it.each(['conv1.weight', 'conv1.bias', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var', 'conv2.bias'])(
    'a kept index of %s is off by one',
    async (name) => {
      // 0, 2, 3, 4, 5, 7 is right.
      expect(await verifyBroken((model) => reslice(model, name, 0, [0, 1, 3, 4, 5, 7]))).toMatchObject({ ok: false });
    },
  );

  it('a consumer behind a concatenation forgets the offset of its part', async () => {
    // 8 + {1, 3, 4, 5} is right for the second part.
    const broken = verifyBroken((model) =>
      reslice(model, 'conv4.weight', 1, [0, 2, 3, 4, 5, 7, 8, 9, 10, 11], { 0: [0, 1, 2, 4] }),
    );
    expect(await broken).toMatchObject({ ok: false });
  });

  it('a consumer behind a flatten takes channels for places', async () => {
    // Channel 3 of 5 has columns 12 to 15 of 20.
    const broken = verifyBroken((model) => reslice(model, 'fc.weight', 1, keptBut(20, [3, 8, 13, 18])));
    expect(await broken).toMatchObject({ ok: false });
  });

  it('the bias of a removed channel stays in the place of another', async () => {
    expect(await verifyBroken((model) => reslice(model, 'conv4.bias', 0, [0, 1, 2, 3]))).toMatchObject({ ok: false });
  });

  it('a single weight is off by a hundredth', async () => {
    const broken = verifyBroken((model) => {
      const tensor = tensorOf(model, 'conv4.weight');
      const values = Float32Array.from(readNumbers(tensor));
      values[7] += 0.01;
      replaceConstant(
        model.graph,
        tensor.name!,
        withContent(tensor, tensorDims(tensor), new Uint8Array(values.buffer)),
      );
    });
    expect(await broken).toMatchObject({ ok: false });
  });

  it('more was removed than the plan says', async () => {
    const { model, plan } = prunedRight();
    new DependencyGraph().buildDependency(model).getPruningGroup('conv1', pruneConvOutChannels, [0]).prune();
    expect(await verify(network(), model, plan)).toMatchObject({ ok: false });
  });

  it('the plan says more than was removed', async () => {
    const { model } = prunedRight();
    const graph = new DependencyGraph().buildDependency(network());
    graph.getPruningGroup('conv1', pruneConvOutChannels, [1, 2, 6]).prune();
    expect(await verify(network(), model, createPlan(graph))).toMatchObject({ ok: false });
  });
});

describe('a model that is not valid', () => {
  it('does not load where one tensor was left as it was', async () => {
    const broken = verifyBroken((model) => reslice(model, 'bn.running_var', 0, keptBut(8, [])));
    await expect(broken).rejects.toThrow(SessionError);
  });

  it('does not load where an attribute contradicts its weight', async () => {
    const broken = verifyBroken((model) => {
      setAttribute(model.graph.node.find(({ name }) => name === 'conv2')!, 'group', 2, 'int');
    });
    await expect(broken).rejects.toThrow(SessionError);
  });

  it('fails where an output has another shape', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 8);
    lastConv(b, x, 8);
    const original = b.build();
    const other = new GraphBuilder({ opset: 17 });
    other.output(conv(other, 'last', other.input('x', ['batch', 3, 2, 2]), 3, 3));
    const graph = new DependencyGraph().buildDependency(original.clone());
    graph.getPruningGroup('conv1', pruneConvOutChannels, [0]).prune();
    const verification = await verify(original, other.build(), createPlan(graph));
    expect(verification.ok).toBe(false);
    expect(verification.outputs[0].reason).toBe('expected dimensions [1, 2, 2, 2], found [1, 3, 2, 2]');
  });
});

describe('statistics over the removed channels', () => {
  /** conv1 (8) -> softmax over channels -> last. */
  function attending(): Model {
    const b = new GraphBuilder({ opset: 17 });
    const x = conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 8);
    lastConv(b, b.node('Softmax', [x], { axis: 1 }), 8);
    return b.build();
  }

  it('are taken over the kept channels, and named', async () => {
    const model = attending();
    const graph = new DependencyGraph().buildDependency(model, { pruneDistributions: true });
    graph.getPruningGroup('conv1', pruneConvOutChannels, [2, 5]).prune();
    const verification = await verify(attending(), model, createPlan(graph));
    expect(verification).toMatchObject({ ok: true, inexact: ["softmax in Softmax 'Softmax_0'"] });
  });

  it('are still compared: a wrong slice is found out', async () => {
    const model = attending();
    const graph = new DependencyGraph().buildDependency(model, { pruneDistributions: true });
    graph.getPruningGroup('conv1', pruneConvOutChannels, [2, 5]).prune();
    const tensor = tensorOf(model, 'conv1.bias');
    const values = Float32Array.from(readNumbers(tensor)).reverse();
    replaceConstant(model.graph, tensor.name!, withContent(tensor, tensorDims(tensor), new Uint8Array(values.buffer)));
    expect(await verify(attending(), model, createPlan(graph))).toMatchObject({ ok: false });
  });
});
