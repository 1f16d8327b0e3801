/**
 * Channels that could go and stay unless asked: those that have a meaning each, because a distribution is taken over them
 * that a constant reads by number; and initializers that callers may override.
 */

import { createRandom, GraphBuilder, tensorDims } from '@onnx-pruning/onnx';
import {
  applyPlan,
  BasePruner,
  type BuildOptions,
  DependencyGraph,
  GroupMagnitudeImportance,
  type Model,
  parsePlan,
  verify,
} from '../src/index.ts';

const [BINS, SIDES, SIZE] = [8, 4, 3];

class Net extends GraphBuilder {
  readonly #random = createRandom(5);

  weight(name: string, shape: number[]): string {
    return this.initializer(name, shape, (n) => Float32Array.from({ length: n }, () => this.#random.normal() / 4));
  }

  conv(name: string, x: string, from: number, to: number): string {
    return this.node('Conv', [x, this.weight(`${name}.weight`, [to, from, 1, 1])]);
  }

  image(): string {
    return this.input('x', [1, 3, SIZE, SIZE]);
  }
}

/** stem -> box, whose channels are sides x bins; softmax over the bins, as [1, bins, sides, positions]. */
function bins(b: Net, width = SIDES * BINS): string {
  const box = b.conv('box', b.node('Relu', [b.conv('stem', b.image(), 3, 8)]), 8, width);
  const split = b.node('Reshape', [box, b.ints('split', [1, width / BINS, BINS, SIZE * SIZE])]);
  return b.node('Softmax', [b.node('Transpose', [split], { perm: [0, 2, 1, 3] })], { axis: 1 });
}

const places = Float32Array.from({ length: BINS }, (_, i) => i);

const READERS: readonly (readonly [string, (b: Net) => void])[] = [
  [
    'the place of each bin, in a convolution (distribution focal loss)',
    (b) => b.output(b.node('Conv', [bins(b), b.initializer('places', [1, BINS, 1, 1], places)])),
  ],
  [
    'the place of each bin, as a factor whose shape is computed',
    (b) => {
      const factor = b.node('Reshape', [b.initializer('places', [BINS], places), b.ints('shape', [1, BINS, 1, 1])]);
      b.output(b.node('ReduceSum', [b.node('Mul', [bins(b), factor]), b.ints('axes', [1])], { keepdims: 0 }));
    },
  ],
  [
    'entries of a codebook, behind a node that changes nothing',
    (b) => {
      const rows = b.node('Transpose', [b.node('Identity', [bins(b)])], { perm: [0, 2, 3, 1] });
      b.output(b.node('MatMul', [rows, b.weight('codebook', [BINS, 5])]));
    },
  ],
];

function built(build: (b: Net) => void): Model {
  const b = new Net({ opset: 17 });
  build(b);
  return b.build();
}

function widthOf(model: Model, name: string): number {
  return tensorDims(model.graph.initializer.find((tensor) => tensor.name === `${name}.weight`)!)[0];
}

async function pruned(model: Model, options: BuildOptions = {}): Promise<{ model: Model; pruner: BasePruner }> {
  const copy = model.clone();
  const pruner = new BasePruner(copy, { importance: new GroupMagnitudeImportance(), ...options });
  pruner.step();
  expect((await verify(model, copy, pruner.plan())).verdict).toBe('holds');
  return { model: copy, pruner };
}

describe('a distribution over channels that a constant reads by number', () => {
  it.each(READERS)('%s: all channels stay, with the reason', async (_, build) => {
    const model = built(build);
    const result = await pruned(model);
    expect(widthOf(result.model, 'box')).toBe(SIDES * BINS);
    expect(widthOf(result.model, 'stem')).toBe(4);
    expect(new DependencyGraph().buildDependency(model).explain('box')).toMatch(
      /a softmax is taken over it, and '.+' gives each of its channels a meaning; pruneDistributions \(--prune-distributions\) lets them go/,
    );
  });

  it.each(READERS)('%s: half of them go when asked, and the plan says so', async (_, build) => {
    const model = built(build);
    const result = await pruned(model, { pruneDistributions: true });
    expect(widthOf(result.model, 'box')).toBe((SIDES * BINS) / 2);
    const plan = parsePlan(JSON.stringify(result.pruner.plan()));
    expect(plan.graph.pruneDistributions).toBe(true);
    const again = model.clone();
    applyPlan(again, plan);
    expect(widthOf(again, 'box')).toBe((SIDES * BINS) / 2);
  });

  it('an activation with the same channels shares them: a gate of shares is pruned through', async () => {
    const model = built((b) => {
      const x = b.node('Relu', [b.conv('stem', b.image(), 3, 8)]);
      const gate = b.node('Softmax', [b.conv('gate', x, 8, 6)], { axis: 1 });
      b.output(b.conv('last', b.node('Mul', [gate, b.conv('value', x, 8, 6)]), 6, 2));
    });
    expect(widthOf((await pruned(model)).model, 'gate')).toBe(3);
  });

  it('factors that all channels share give them no meaning', async () => {
    const model = built((b) => {
      const gate = b.node('Softmax', [b.conv('gate', b.image(), 3, 6)], { axis: 1 });
      const warm = b.node('Mul', [gate, b.initializer('temperature', [1], [3])]);
      b.output(b.node('ReduceSum', [b.node('Mul', [warm, warm]), b.ints('axes', [1])], { keepdims: 1 }));
    });
    const graph = new DependencyGraph().buildDependency(model);
    expect(graph.explain('gate')).not.toMatch('a meaning');
    expect([...graph.getAllGroups()]).toHaveLength(1);
  });
});

describe('an initializer that is an input of the graph as well', () => {
  /** stem -> last, where the weights of the stem are declared as an input. */
  function overridable(irVersion: number): Model {
    const model = built((b) => b.output(b.conv('last', b.node('Relu', [b.conv('stem', b.image(), 3, 8)]), 8, 2)));
    const dim = [8, 3, 1, 1].map((dimValue) => ({ dimValue }));
    model.graph.input.push({ name: 'stem.weight', type: { tensorType: { elemType: 1, shape: { dim } } } });
    model.proto.irVersion = irVersion;
    return model;
  }

  const declared = (model: Model): unknown =>
    model.graph.input.at(-1)!.type!.tensorType!.shape!.dim!.map(({ dimValue }) => Number(dimValue));

  it('keeps its shape since IR version 4, with the reason', () => {
    const graph = new DependencyGraph().buildDependency(overridable(8));
    expect([...graph.getAllGroups()]).toEqual([]);
    expect(graph.explain('stem')).toMatch(
      "it is an axis of the graph input 'stem.weight', whose initializer callers may override; pruneOverridable (--prune-overridable) lets it go",
    );
  });

  it('is pruned when asked, and so is its declared shape', async () => {
    const { model, pruner } = await pruned(overridable(8), { pruneOverridable: true });
    expect(widthOf(model, 'stem')).toBe(4);
    expect(declared(model)).toEqual([4, 3, 1, 1]);
    expect(pruner.plan().graph.pruneOverridable).toBe(true);
  });

  it('is a constant before IR version 4, when every initializer had to be an input', async () => {
    const { model } = await pruned(overridable(3));
    expect(widthOf(model, 'stem')).toBe(4);
    expect(declared(model)).toEqual([4, 3, 1, 1]);
  });
});

describe('wrong values of these options', () => {
  it.each(['pruneDistributions', 'pruneOverridable'])('%s is a boolean', (option) => {
    const model = built((b) => b.output(b.conv('last', b.image(), 3, 2)));
    const options = { importance: new GroupMagnitudeImportance(), [option]: 'yes' } as never;
    expect(() => new BasePruner(model, options)).toThrow(option);
  });
});
