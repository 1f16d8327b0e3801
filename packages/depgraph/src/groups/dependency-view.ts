/**
 * The dependency graph as users of Torch-Pruning draw it: layers and operators as vertices, and an edge wherever
 * pruning one triggers pruning the other. Derived from the solved terms for display; nothing is computed from it.
 */
import { Graph } from '@dagrejs/graphlib';
import type { NodeProto } from '@onnx-pruning/onnx';
import type { Analysis } from '../analysis/analysis.ts';
import type { PrunableLayer } from '../layers/layers.ts';
import { nodeLabel } from '../shapes/node-view.ts';
import { type Leaf, leavesOf, numericSize } from '../terms/term.ts';

/** A node of the model under a name that no other has. */
export interface Vertex {
  readonly name: string;
  readonly operator: string;
  /** Undefined for operators without parameters. */
  readonly layer: PrunableLayer | undefined;
}

/** A value on the way from the node that computes it to one that uses it, with the free channels that it carries. */
export interface Edge {
  readonly source: Vertex;
  readonly target: Vertex;
  readonly value: string;
  readonly leaves: readonly Leaf[];
}

/** Nodes in graph order, without those that only hold a constant. */
export function verticesOf(analysis: Analysis): Map<NodeProto, Vertex> {
  const names = new Map(analysis.model.layers().map(({ node, name }) => [node, name]));
  const nodes = analysis.model.graph.node.filter((node) => !node.output.every((name) => isConstant(analysis, name)));
  return new Map(
    nodes.map((node) => {
      const name = names.get(node) ?? nodeLabel(node);
      return [node, { name, operator: node.opType ?? '', layer: analysis.layerOf.get(node) }];
    }),
  );
}

/** Edges with at least one free channel, in graph order of their targets. */
export function edgesOf(analysis: Analysis, vertices: ReadonlyMap<NodeProto, Vertex>): Edge[] {
  const producers = new Map([...vertices].flatMap(([node, vertex]) => node.output.map((name) => [name, vertex])));
  const edges: Edge[] = [];
  for (const [node, target] of vertices) {
    for (const value of new Set(node.input)) {
      const source = producers.get(value);
      const leaves = source ? (analysis.terms.axes.get(value) ?? []).flatMap((term) => leavesOf(term)) : [];
      if (source && leaves.length > 0) edges.push({ source, target, value, leaves });
    }
  }
  return edges;
}

function isConstant(analysis: Analysis, value: string): boolean {
  return analysis.shapes.constants.has(value);
}

/** Number of free channels that an edge carries. */
export function channelsOn(edge: Edge): number {
  return edge.leaves.reduce((n, leaf) => n + numericSize(leaf), 0);
}

/** Vertices are node names; an edge from producer to consumer carries the number of free channels. */
export function dependencyGraphOf(analysis: Analysis): Graph {
  const graph = new Graph({ directed: true, multigraph: false });
  const vertices = verticesOf(analysis);
  for (const { name, operator, layer } of vertices.values()) {
    graph.setNode(name, { operator, layer: layer !== undefined });
  }
  for (const edge of edgesOf(analysis, vertices)) {
    graph.setEdge(edge.source.name, edge.target.name, { value: edge.value, channels: channelsOn(edge) });
  }
  return graph;
}
