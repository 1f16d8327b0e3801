/** The free dimensions of a graph in one line each, as tests write them by hand. */
import { type DependencyGraph, type Leaf, leavesOf, numericSize } from '../src/index.ts';

/** `layer side channels` of every member, members and groups in graph order. */
export function freeGroups(graph: DependencyGraph): string[] {
  const position = new Map(graph.model.graph.node.map((node, i) => [node, i]));
  const layers = [...graph.layers].sort((a, b) => position.get(a.node)! - position.get(b.node)!);
  const leaves = new Set<Leaf>();
  for (const { axes } of layers) for (const { term } of axes) for (const leaf of leavesOf(term)) leaves.add(leaf);
  return [...leaves].map((leaf) =>
    (graph.analysis.uses.get(leaf) ?? []).map((use) => `${use.layer.name} ${use.side} ${numericSize(leaf)}`).join(', '),
  );
}
