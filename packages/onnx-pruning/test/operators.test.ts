/**
 * Every operator by example: the shapes that inference gives are those of onnxruntime, the groups are those worked out
 * by hand, and pruning half of every group computes the same.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DependencyGraph, type DimTerm, forEachCell, type Group, inferShapes, leavesOf } from '@onnx-pruning/depgraph';
import { checkModel, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { OperatorRegistry, standardOperators } from '@onnx-pruning/ops';
import { createPlan } from '@onnx-pruning/pruning';
import { randomInputs, runWithIntermediates, verify } from '@onnx-pruning/runtime';
import type { OperatorCase } from '../../ops/cases/case.ts';

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

/** A size for every symbolic dimension of the inputs but the batch. */
function sizesOf(model: Model): Record<string, number> {
  const dims = model.graph.input.flatMap((input) => input.type?.tensorType?.shape?.dim ?? []);
  const names = dims.flatMap((dim) => (dim.dimParam && dim.dimParam !== 'batch' ? [dim.dimParam] : []));
  return Object.fromEntries(names.map((name) => [name, 6]));
}

/** Free groups, members in graph order, as the cases write them. */
function describeGroups(model: Model): string[] {
  const graph = new DependencyGraph().buildDependency(model);
  const seen = new Set<unknown>();
  const groups: string[] = [];
  for (const layer of inGraphOrder(model, graph)) {
    for (const axis of layer.axes) {
      for (const leaf of leavesOf(axis.term)) {
        if (seen.has(leaf) || !graph.isOffered(leaf)) continue;
        seen.add(leaf);
        const uses = graph.analysis.uses.get(leaf) ?? [];
        groups.push(uses.map((use) => `${use.layer.name} ${use.side} ${indicesOf(use.term, leaf)}`).join(', '));
      }
    }
  }
  return groups;
}

function inGraphOrder(model: Model, graph: DependencyGraph): DependencyGraph['layers'] {
  const position = new Map(model.graph.node.map((node, i) => [node, i]));
  return [...graph.layers].sort((a, b) => position.get(a.node)! - position.get(b.node)!);
}

/** Number of indices of one side of a layer that belong to a leaf. */
function indicesOf(term: DimTerm, leaf: DimTerm): number {
  const indices = new Set<number>();
  forEachCell(term, new Set([leaf]), (_, __, index) => indices.add(index));
  return indices.size;
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
    expect(describeGroups(build(example)).sort()).toEqual([...example.groups].sort());
  });

  it('computes the same with half of every group pruned', async () => {
    const model = build(example);
    const graph = new DependencyGraph().buildDependency(model);
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

/** For every free dimension a group of every second channel, whatever layer it belongs to. */
function halvesOfAllGroups(graph: DependencyGraph): Group[] {
  const seen = new Set<DimTerm>();
  return graph.layers.flatMap((layer) =>
    layer.axes.flatMap((axis) => {
      const leaves = leavesOf(axis.term).filter((leaf) => graph.isOffered(leaf) && !seen.has(leaf));
      for (const leaf of leaves) seen.add(leaf);
      return leaves.length > 0 ? [graph.groupOf(axis, everySecondUnit(axis.term, new Set(leaves)))] : [];
    }),
  );
}

/** One axis index of every second channel of the leaves. */
function everySecondUnit(term: DimTerm, leaves: ReadonlySet<DimTerm>): number[] {
  const first = new Map<string, number>();
  forEachCell(term, leaves, (leaf, channel, index) => {
    const key = `${leaf.id} ${channel}`;
    if (channel % 2 === 0 && !first.has(key)) first.set(key, index);
  });
  return [...first.values()];
}
