/** All groups of a graph at once: as one writes them by hand, and as something to prune. */
import {
  type BuildOptions,
  DependencyGraph,
  type DimTerm,
  forEachCell,
  type Group,
  type LayerAxis,
  type Leaf,
  leavesOf,
  numericSize,
} from '@onnx-pruning/depgraph';
import type { Model } from '@onnx-pruning/onnx';

/** Free groups, members in graph order: `layer side channels`, where channels are indices of that side of the layer. */
export function describeGroups(model: Model, options: BuildOptions = {}): string[] {
  const graph = new DependencyGraph().buildDependency(model, options);
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
function indicesOf(term: DimTerm, leaf: Leaf): number {
  const indices = new Set<number>();
  forEachCell(term, new Set([leaf]), (_, __, index) => indices.add(index));
  return indices.size;
}

/** For every free dimension of several channels a group of half of them, seen from the first layer that holds it. */
export function halvesOfAllGroups(graph: DependencyGraph): Group[] {
  const holders = new Map<Leaf, LayerAxis>();
  for (const axis of graph.layers.flatMap((layer) => layer.axes)) {
    for (const leaf of leavesOf(axis.term)) if (!holders.has(leaf)) holders.set(leaf, axis);
  }
  return [...holders]
    .filter(([leaf]) => graph.isOffered(leaf) && numericSize(leaf) > 1)
    .map(([leaf, axis]) => graph.groupOfCells(axis, new Map([[leaf, everySecond(numericSize(leaf))]])));
}

function everySecond(size: number): Set<number> {
  return new Set(Array.from({ length: Math.ceil(size / 2) }, (_, i) => 2 * i));
}
