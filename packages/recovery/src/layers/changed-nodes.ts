/** Which nodes of a pruned model compute something else than they did, and what nodes compute. It must not run models. */
import { GraphNodeView, opsetOf, termOf } from '@onnx-pruning/depgraph';
import { constantTensors, type Model, type NodeProto, usedNames } from '@onnx-pruning/onnx';
import type { Algebra } from '@onnx-pruning/ops';
import { isPruned, type PlannedRemoval } from '@onnx-pruning/proof';

/** What the operator's record says that a node computes; nothing for operators without a record. */
export type AlgebraOf = (node: NodeProto) => Algebra | undefined;

/** What the nodes of a model compute, given its constants, and copies of them: exporters share equal tensors by Identity nodes. */
export function algebraOf({ graph }: PlannedRemoval, model: Model, order: readonly NodeProto[]): AlgebraOf {
  const constants = new Map(constantTensors(model.graph));
  const algebra: AlgebraOf = (node) => {
    const opset = opsetOf(model, node);
    const record = graph.analysis.registry.find(node.domain ?? '', node.opType ?? '', opset);
    return record?.algebra?.(new GraphNodeView(node, opset, [], constants)) ?? undefined;
  };
  for (const node of order) {
    const copied = constants.get(node.input[0] ?? '');
    if (copied && algebra(node)?.kind === 'copy') constants.set(node.output[0] ?? '', copied);
  }
  return algebra;
}

/**
 * Nodes that compute something else than in the original, also at the channels that stay.
 * @param order of the pruned model's nodes
 */
export function changedNodes(planned: PlannedRemoval, order: readonly NodeProto[]): Set<NodeProto> {
  const { analysis } = planned.graph;
  const { consumptions, mixings } = analysis.terms;
  const places = [...consumptions, ...mixings].filter((at) => isPruned(planned, termOf(analysis, at)));
  const losers = new Set(places.map(({ node }) => node.output[0] ?? ''));
  const changed = new Set<NodeProto>();
  const values = new Set<string>();
  for (const node of order) {
    if (!losers.has(node.output[0] ?? '') && !usedNames(node).some((name) => values.has(name))) continue;
    changed.add(node);
    for (const name of node.output) values.add(name);
  }
  return changed;
}
