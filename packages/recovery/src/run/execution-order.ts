/**
 * The order in which layers are refitted. Of the branches that meet in a node the shorter one comes first, so that the
 * longer one, which has more weights to do it with, makes up for what the shorter one could not.
 */
import { type GraphProto, greatest, type NodeProto, usedNames } from '@onnx-pruning/onnx';

/** The nodes of a graph, each behind those that it needs. */
export function executionOrder(graph: GraphProto): NodeProto[] {
  const producers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const depths = new Map<NodeProto, number>();
  const depthOf = (name: string): number => depths.get(producers.get(name)!) ?? 0;
  for (const node of graph.node) depths.set(node, 1 + greatest([0, ...usedNames(node).map(depthOf)]));
  const order: NodeProto[] = [];
  const begun = new Set<NodeProto>();
  // A stack of its own: graphs are deeper than the call stack may be.
  const open: { node: NodeProto; needs: string[] }[] = [];
  const begin = (name: string): void => {
    const node = producers.get(name);
    if (node === undefined || begun.has(node)) return;
    begun.add(node);
    // The last one is taken first.
    open.push({ node, needs: [...usedNames(node)].sort((a, b) => depthOf(b) - depthOf(a)) });
  };
  for (const { name = '' } of graph.output) {
    begin(name);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const next = top.needs.pop();
      if (next !== undefined) begin(next);
      else order.push(open.pop()!.node);
    }
  }
  return order;
}
