/** Weights that are replaced between two steps, as training does: scores and pruning go by what the model holds now. */
import { DependencyGraph } from '@onnx-pruning/depgraph';
import {
  DataType,
  GraphBuilder,
  type Model,
  makeTensor,
  readNumbers,
  replaceConstant,
  tensorDims,
} from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance, softPrune } from '../src/index.ts';

/** a (4 channels) -> BN -> b (4) -> BN -> last; one vector is the bias of both normalizations, as exporters share them. */
function network(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const weight = (name: string, shape: number[]): string =>
    b.initializer(name, shape, (n) => Float32Array.from({ length: n }, (_, i) => 1 + (i % 5)));
  const shared = b.initializer('shared', [4], [1, 2, 3, 4]);
  const layer = (name: string, x: string, from: number, to: number): string =>
    b.node('Conv', [x, weight(`${name}.weight`, [to, from, 1, 1])], {}, { name });
  const normalized = (name: string, x: string): string => {
    const [mean, variance] = [
      b.initializer(`${name}.mean`, [4], [0, 1, 0, 1]),
      b.initializer(`${name}.var`, [4], [1, 1, 2, 2]),
    ];
    return b.node('BatchNormalization', [x, b.initializer(`${name}.scale`, [4], [1, 2, 2, 1]), shared, mean, variance]);
  };
  const x = normalized('bn1', layer('a', b.input('x', [1, 2, 3, 3]), 2, 4));
  b.output(layer('last', normalized('bn2', layer('b', x, 4, 4)), 4, 2));
  return b.build();
}

function put(model: Model, name: string, dims: readonly number[], numbers: readonly number[]): void {
  replaceConstant(model.graph, name, makeTensor(name, DataType.FLOAT, dims, numbers));
}

const numbersOf = (model: Model, name: string): number[] =>
  Array.from(readNumbers(model.graph.initializer.find((tensor) => tensor.name === name)!));

/** Scores of the output channels of `a` by its own weights: sums of squares of two numbers. */
function scoresOf(graph: DependencyGraph): number[] {
  const group = [...graph.getAllGroups()].find(({ root }) => root.layer.name === 'a')!;
  const importance = new GroupMagnitudeImportance({ groupReduction: 'first', normalizer: null });
  return Array.from(importance.score(group)!);
}

describe('weights that are replaced after the graph was built', () => {
  it('are what criteria score', () => {
    const model = network();
    const graph = new DependencyGraph().buildDependency(model);
    // 1..5 in turn: (1, 2), (3, 4), (5, 1), (2, 3).
    expect(scoresOf(graph)).toEqual([5, 25, 26, 13]);
    expect(graph.weightsReplaced()).toBe(false);
    put(model, 'a.weight', [4, 2, 1, 1], [9, 0, 0, 2, 1, 1, 3, 4]);
    expect(scoresOf(graph)).toEqual([81, 4, 2, 25]);
    expect(graph.weightsReplaced()).toBe(true);
  });

  it('are what is pruned', () => {
    const model = network();
    const importance = new GroupMagnitudeImportance({ groupReduction: 'first' });
    const pruner = new BasePruner(model, { importance, pruningRatio: 0.5, ignoredLayers: ['b'] });
    put(model, 'a.weight', [4, 2, 1, 1], [9, 0, 0, 2, 1, 1, 3, 4]);
    pruner.step();
    expect(numbersOf(model, 'a.weight')).toEqual([9, 0, 3, 4]);
  });

  it('are scored and pruned in the next step, too', () => {
    const model = network();
    const importance = new GroupMagnitudeImportance({ groupReduction: 'first' });
    const options = { importance, pruningRatio: 0.5, iterativeSteps: 2, ignoredLayers: ['b'] };
    const pruner = new BasePruner(model, options);
    pruner.step();
    expect(tensorDims(model.graph.initializer.find(({ name }) => name === 'a.weight')!)).toEqual([3, 2, 1, 1]);
    put(model, 'a.weight', [3, 2, 1, 1], [7, 7, 0.5, 0, 6, 6]);
    pruner.step();
    expect(numbersOf(model, 'a.weight')).toEqual([7, 7, 6, 6]);
  });

  it('reach the copies of a vector that two layers share', () => {
    const model = network();
    const graph = new DependencyGraph().buildDependency(model);
    put(model, 'shared', [4], [5, 6, 7, 8]);
    graph.pruneGroups([graph.groupOf(graph.prunableLayer('b').axes.find(({ side }) => side === 'out')!, [1])]);
    const copies = model.graph.initializer.filter(({ name }) => name!.startsWith('shared'));
    expect(copies.map((tensor) => Array.from(readNumbers(tensor)))).toEqual(
      expect.arrayContaining([
        [5, 6, 7, 8],
        [5, 7, 8],
      ]),
    );
  });

  it('are masked, and come back, where channels are pruned softly', () => {
    const model = network();
    const graph = new DependencyGraph().buildDependency(model);
    put(model, 'a.weight', [4, 2, 1, 1], [9, 0, 0, 2, 1, 1, 3, 4]);
    const soft = softPrune(graph, [
      graph.groupOf(graph.prunableLayer('a').axes.find(({ side }) => side === 'out')!, [0]),
    ]);
    expect(numbersOf(model, 'a.weight')).toEqual([0, 0, 0, 2, 1, 1, 3, 4]);
    soft.restore();
    expect(numbersOf(model, 'a.weight')).toEqual([9, 0, 0, 2, 1, 1, 3, 4]);
  });

  it('may not be of another shape: the graph says so, and nothing changes', () => {
    const model = network();
    const graph = new DependencyGraph().buildDependency(model);
    const group = graph.groupOf(graph.prunableLayer('b').axes.find(({ side }) => side === 'out')!, [1]);
    put(
      model,
      'b.weight',
      [4, 4],
      Array.from({ length: 16 }, () => 1),
    );
    expect(() => group.prune()).toThrow(
      expect.objectContaining({
        name: 'LayerError',
        code: 'MODEL_EDITED',
        details: expect.objectContaining({ value: 'b.weight', expected: 'FLOAT [4, 4, 1, 1]', actual: 'FLOAT [4, 4]' }),
      }),
    );
    expect(numbersOf(model, 'last.weight')).toHaveLength(8);
  });
});
