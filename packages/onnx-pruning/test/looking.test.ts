/** Looking at a model changes nothing: analysis, explanation, counting and drawing leave it byte for byte as it was. */
import { countOpsAndParams } from '@onnx-pruning/cost';
import { DependencyGraph, findBrokenNodes, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { checkModel, encodeModel, GraphBuilder, type Model, tensorDims } from '@onnx-pruning/onnx';
import { compareModels, verify } from '@onnx-pruning/proof';
import { BasePruner, createPlan, GroupMagnitudeImportance, softPrune } from '@onnx-pruning/pruning';
import { dependencyGraphToDot, drawGroups, groupsToDot, refusalsOf } from '@onnx-pruning/report';

/** Two convolutions in a row, each with a batch normalization; the exporter stored their equal vectors once. */
function networkWithSharedVectors(): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', ['batch', 3, 8, 8]);
  for (const [name, value] of [
    ['scale', 1],
    ['shift', 0],
    ['mean', 0],
    ['variance', 1],
  ] as const) {
    b.initializer(name, [6], (size) => new Float32Array(size).fill(value));
  }
  const wave = (size: number): number[] => Array.from({ length: size }, (_, i) => Math.sin(3 * i + 1));
  const block = (name: string, x: string, inner: number): string => {
    b.initializer(`${name}.weight`, [6, inner, 3, 3], wave);
    const y = b.node('Conv', [x, `${name}.weight`], { pads: [1, 1, 1, 1] }, { name });
    const normal = b.node('BatchNormalization', [y, 'scale', 'shift', 'mean', 'variance'], {}, { name: `${name}.bn` });
    return b.node('Relu', [normal], {}, { name: `${name}.relu` });
  };
  const second = block('second', block('first', 'x', 3), 6);
  b.initializer('head.weight', [4, 6, 1, 1], wave);
  b.output(b.node('Conv', [second, 'head.weight'], {}, { name: 'head' }));
  return b.build();
}

it('leaves a model with shared vectors byte for byte as it was', () => {
  const model = networkWithSharedVectors();
  const before = encodeModel(model);
  const graph = new DependencyGraph().buildDependency(model);
  const groups = [...graph.getAllGroups()];
  // The two blocks are two groups although they share four tensors.
  expect(groups.map((group) => group.root.layer.name)).toEqual(['second', 'first']);
  for (const group of groups) group.details();
  for (const layer of graph.layers) graph.explain(layer);
  new BasePruner(model, { importance: new GroupMagnitudeImportance(), targetMacs: 0.5 })
    .step({ interactive: true })
    .next();
  refusalsOf(graph);
  drawGroups(graph);
  groupsToDot(graph);
  dependencyGraphToDot(graph);
  createPlan(graph);
  countOpsAndParams(model);
  expect(findBrokenNodes(model)).toEqual([]);
  expect(Buffer.compare(encodeModel(model), before)).toBe(0);
});

it('separates shared vectors when channels are removed, so that every layer keeps those of its own channels', async () => {
  const model = networkWithSharedVectors();
  const original = model.clone();
  const graph = new DependencyGraph().buildDependency(model);
  graph.getPruningGroup('first', pruneConvOutChannels, [1, 4]).prune();
  checkModel(model);
  const scales = model.graph.node
    .filter(({ opType }) => opType === 'BatchNormalization')
    .map(({ input }) => tensorDims(model.graph.initializer.find(({ name }) => name === input[1])!));
  expect(scales).toEqual([[4], [6]]);
  expect((await verify(original, model, createPlan(graph))).ok).toBe(true);
});

it('masks only the layers that were asked for, and takes the mask back', async () => {
  const model = networkWithSharedVectors();
  const original = model.clone();
  const graph = new DependencyGraph().buildDependency(model);
  const soft = softPrune(graph, [graph.getPruningGroup('first', pruneConvOutChannels, [1, 4])]);
  expect((await compareModels(original, model, { dims: { batch: 1 } })).ok).toBe(false);
  soft.restore();
  expect((await compareModels(original, model, { dims: { batch: 1 } })).ok).toBe(true);
});
