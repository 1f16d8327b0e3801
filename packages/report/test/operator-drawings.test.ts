/** Whatever the operators of a model, its groups can be listed and drawn: every operator's own examples are. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DependencyGraph } from '@onnx-pruning/depgraph';
import { GraphBuilder } from '@onnx-pruning/onnx';
import type { OperatorCase } from '../../ops/cases/case.ts';
import { dependencyGraphToDot, drawDependencyGraph, drawGroups, groupsToDot } from '../src/index.ts';
import { parseDot } from './dot-parser.ts';

const folder = join(__dirname, '..', '..', 'ops', 'cases');
const files = readdirSync(folder).filter((file) => file.endsWith('.cases.ts'));

function graphOf({ opset, build }: OperatorCase): DependencyGraph {
  const builder = new GraphBuilder({ opset, opsets: { 'com.microsoft': 1 } });
  build(builder);
  return new DependencyGraph().buildDependency(builder.build());
}

describe.each(files)('%s', (file) => {
  const cases = Object.values(require(join(folder, file)) as Record<string, readonly OperatorCase[]>).flat();

  it.each(cases.map((example) => [example.name, example] as const))('%s', (_, example) => {
    const graph = graphOf(example);
    const groups = [...graph.getAllGroups()];
    const clusters = parseDot(groupsToDot(graph)).subgraphs;
    expect(clusters.map(({ nodes }) => nodes.size)).toEqual(groups.map((group) => group.length));
    for (const group of groups) expect(group.details().split('\n').length).toBeGreaterThanOrEqual(group.length);
    const { nodes, edges } = parseDot(dependencyGraphToDot(graph));
    for (const { from, to } of edges) expect([nodes.has(from), nodes.has(to)]).toEqual([true, true]);
    for (const svg of [drawDependencyGraph(graph), drawGroups(graph)]) expect(svg).toMatch(/^<svg [\s\S]+<\/svg>\n$/);
  });
});
