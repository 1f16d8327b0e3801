/**
 * Every operator by example: the shapes that inference gives are those of onnxruntime, the groups are those worked out
 * by hand, and pruning half of every group computes the same.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, DependencyGraph, inferShapes } from '@onnx-pruning/depgraph';
import { checkModel, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { OperatorRegistry, standardOperators } from '@onnx-pruning/ops';
import { verify } from '@onnx-pruning/proof';
import { createPlan } from '@onnx-pruning/pruning';
import { randomInputs, runWithIntermediates } from '@onnx-pruning/runtime';
import type { OperatorCase } from '../../ops/cases/case.ts';
import { describeGroups, halvesOfAllGroups } from './every-group.ts';

const folder = join(__dirname, '..', '..', 'ops', 'cases');
const cases = readdirSync(folder)
  .filter((file) => file.endsWith('.cases.ts'))
  .flatMap((file) => Object.values(require(join(folder, file)) as Record<string, readonly OperatorCase[]>))
  .flat();

function build(example: OperatorCase): Model {
  const builder = new GraphBuilder({ opset: example.opset, opsets: { 'com.microsoft': 1 } });
  example.build(builder);
  return builder.build();
}

const optionsOf = ({ pruneDistributions }: OperatorCase): BuildOptions => ({ pruneDistributions });

/** A size for every symbolic dimension of the inputs but the batch. */
function sizesOf(model: Model): Record<string, number> {
  const dims = model.graph.input.flatMap((input) => input.type?.tensorType?.shape?.dim ?? []);
  const names = dims.flatMap((dim) => (dim.dimParam && dim.dimParam !== 'batch' ? [dim.dimParam] : []));
  return Object.fromEntries(names.map((name) => [name, 6]));
}

describe.each(cases.map((example) => [example.name, example] as const))('%s', (_, example) => {
  it('is a valid model whose inferred shapes are those of onnxruntime', async () => {
    const model = build(example);
    checkModel(model);
    const feeds = randomInputs(model, { dims: sizesOf(model), ranges: example.ranges });
    const ran = await runWithIntermediates(model, feeds);
    const given = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, [...value.dims]]));
    const inferred = inferShapes(model, new OperatorRegistry(standardOperators), given).values;
    for (const [name, value] of Object.entries(ran)) {
      const dims = inferred.get(name)?.dims;
      expect([name, dims?.map((size, axis) => (typeof size === 'number' ? size : value.dims[axis]))]).toEqual([
        name,
        dims ? [...value.dims] : undefined,
      ]);
    }
  });

  it('couples the channels worked out by hand', () => {
    expect(describeGroups(build(example), optionsOf(example)).sort()).toEqual([...example.groups].sort());
  });

  it('computes the same with half of every group pruned', async () => {
    const model = build(example);
    const graph = new DependencyGraph().buildDependency(model, optionsOf(example));
    const groups = halvesOfAllGroups(graph).filter((group) => graph.checkPruningGroup(group));
    expect(groups.length > 0).toBe(example.groups.some((group) => !/ 1(,|$)/.test(group)));
    if (groups.length > 0) graph.pruneGroups(groups);
    const verification = await verify(build(example), model, createPlan(graph), {
      dims: sizesOf(model),
      ranges: example.ranges,
    });
    expect(verification.outputs.filter((output) => !output.ok)).toEqual([]);
  });

  if (example.because) {
    it('says why the rest may not change', () => {
      const graph = new DependencyGraph().buildDependency(build(example));
      expect(graph.layers.map((layer) => graph.explain(layer)).join('\n')).toMatch(example.because!);
    });
  }
});
