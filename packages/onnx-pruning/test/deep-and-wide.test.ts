/**
 * Graphs deep inside one another and nodes with very many inputs: an answer or an error of ours, never an overflow of the
 * stack. `packages/onnx/test/nesting.test.ts` says what is deep; here is everything that takes a model.
 */

import {
  BasePruner,
  benchmark,
  countOpsAndParams,
  createSession,
  DependencyGraph,
  GroupMagnitudeImportance,
  Model,
  OnnxPruningError,
  verify,
} from 'onnx-pruning';
import { encodeModel, GraphBuilder } from 'onnx-pruning/onnx';
import * as ort from 'onnxruntime-node';
import { branches, nestedIfs } from '../../onnx/test/deep.ts';
import { conv, image, lastConv } from '../../ops/cases/blocks.ts';

const importance = new GroupMagnitudeImportance();

describe('graphs inside one another', () => {
  it('as deep as they are taken here, onnxruntime takes them, too; and no deeper', async () => {
    await expect(ort.InferenceSession.create(encodeModel(nestedIfs(31)))).resolves.toBeDefined();
    await expect(ort.InferenceSession.create(branches(32))).rejects.toThrow(/protobuf parsing failed/i);
  });

  /** A model that can be pruned, with a deep body inside. */
  function deep(count: number): Model {
    const { graph, proto } = nestedIfs(count);
    const b = new GraphBuilder();
    lastConv(b, conv(b, 'conv1', b.input('image', [1, 3, 4, 4]), 3, 8), 8);
    const built = b.build();
    built.graph.input.push(...graph.input);
    built.graph.node.push(...graph.node);
    built.graph.output.push(...graph.output);
    return new Model({ ...proto, graph: built.graph });
  }
  const small = deep(1);
  const plan = (() => {
    const pruner = new BasePruner(small.clone(), { importance, pruningRatio: 0.5 });
    pruner.step();
    return pruner.plan();
  })();

  const works: Readonly<Record<string, (model: Model) => unknown>> = {
    buildDependency: (model) => new DependencyGraph().buildDependency(model),
    BasePruner: (model) => new BasePruner(model, { importance, pruningRatio: 0.5 }),
    countOpsAndParams: (model) => countOpsAndParams(model),
    createSession: (model) => createSession(model),
    benchmark: (model) => benchmark([{ name: 'deep', model }]),
    'verify, the original': (model) => verify(model, small, plan),
    'verify, the pruned': (model) => verify(small, model, plan),
  };

  it.each(Object.entries(works))('%s refuses what is deeper', async (_, work) => {
    for (const count of [32, 1000, 20_000]) {
      const error = await (async () => work(deep(count)))().catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(OnnxPruningError);
      expect((error as OnnxPruningError).code).toBe('NESTED_TOO_DEEPLY');
    }
  });
});

describe('a node with 200,000 inputs', () => {
  const COUNT = 200_000;

  function wide(operator: 'Concat' | 'Sum'): Model {
    const b = new GraphBuilder();
    const one = conv(b, 'conv1', image(b), 3, 2);
    const many = b.node(operator, Array<string>(COUNT).fill(one), operator === 'Concat' ? { axis: 1 } : {});
    lastConv(b, many, operator === 'Concat' ? 2 * COUNT : 2);
    return b.build();
  }

  it.each(['Concat', 'Sum'] as const)('%s is analysed and counted', (operator) => {
    const model = wide(operator);
    const graph = new DependencyGraph().buildDependency(model);
    expect(graph.analysis.layers.map(({ name }) => name)).toEqual(['last', 'conv1']);
    // conv1: 3 x 2 and 2 biases; last: its inputs x 2 and 2 biases.
    expect(countOpsAndParams(model).params).toBe(8 + (operator === 'Concat' ? 2 * COUNT : 2) * 2 + 2);
  });
});
