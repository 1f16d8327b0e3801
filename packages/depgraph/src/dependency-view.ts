/**
 * The dependency graph as users of Torch-Pruning draw it: layers and operators as vertices, and an edge wherever
 * pruning one triggers pruning the other. Derived from the solved terms for display; nothing is computed from it.
 */
import { Graph } from '@dagrejs/graphlib';
import type { NodeProto } from '@onnx-pruning/onnx';
import type { Analysis } from './analysis.ts';
import { nodeLabel } from './node-view.ts';
import { type DimTerm, leavesOf } from './term.ts';

/** Vertices are node names; an edge from producer to consumer carries the number of free channels. */
export function dependencyGraphOf(analysis: Analysis): Graph {
  const graph = new Graph({ directed: true, multigraph: false });
  const layers = new Map(analysis.layers.map((layer) => [layer.node, layer]));
  const label = (node: NodeProto): string => layers.get(node)?.name ?? nodeLabel(node);
  const producers = producersOf(analysis);
  for (const node of analysis.model.graph.node) {
    graph.setNode(label(node), { operator: node.opType, layer: layers.has(node) });
  }
  for (const node of analysis.model.graph.node) {
    for (const name of node.input) {
      const producer = producers.get(name);
      const channels = freeLeaves(analysis, name).reduce((n, leaf) => n + (leaf.count as number), 0);
      if (producer && channels > 0) graph.setEdge(label(producer), label(node), { value: name, channels });
    }
  }
  return graph;
}

function freeLeaves(analysis: Analysis, value: string): DimTerm[] {
  return (analysis.terms.axes.get(value) ?? []).flatMap((term) => leavesOf(term));
}

function producersOf(analysis: Analysis): Map<string, NodeProto> {
  return new Map(analysis.model.graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
}
