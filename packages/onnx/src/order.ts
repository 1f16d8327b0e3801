/** The order in which nodes depend on each other. */
import type { NodeProto } from './proto.ts';
import { usedNames } from './walk.ts';

/** For each node the nodes whose results it needs, directly or in its subgraphs. */
function dependencies(nodes: readonly NodeProto[]): Map<NodeProto, NodeProto[]> {
  const producer = new Map<string, NodeProto>();
  for (const node of nodes) for (const output of node.output) if (output !== '') producer.set(output, node);
  const needs = (node: NodeProto): NodeProto[] =>
    usedNames(node)
      .map((name) => producer.get(name))
      .filter((found) => found !== undefined);
  return new Map(nodes.map((node) => [node, needs(node)]));
}

/**
 * A cycle among the nodes, as a list in which each node's result is needed by the next and the last one's by the first,
 * beginning with the first of them in file order; undefined when the nodes can be sorted.
 */
export function explainOrder(nodes: readonly NodeProto[]): NodeProto[] | undefined {
  const needs = dependencies(nodes);
  const remaining = withoutSortable(nodes, needs);
  const start = remaining.values().next().value;
  if (start === undefined) return undefined;
  // Every remaining node needs a remaining one, so walking back must come to a node a second time.
  const path = new Set<NodeProto>();
  let node: NodeProto | undefined = start;
  while (node !== undefined && !path.has(node)) {
    path.add(node);
    node = needs.get(node)?.find((needed) => remaining.has(needed));
  }
  const walked = [...path];
  const cycle = new Set(walked.slice(node === undefined ? 0 : walked.indexOf(node)).reverse());
  return startingWithFirst(
    [...cycle],
    nodes.find((candidate) => cycle.has(candidate)),
  );
}

function startingWithFirst(cycle: readonly NodeProto[], first: NodeProto | undefined): NodeProto[] {
  const at = first === undefined ? 0 : cycle.indexOf(first);
  return [...cycle.slice(at), ...cycle.slice(0, at)];
}

/** Removes nodes that need nothing (any more), again and again (Kahn 1962). What is left lies on or behind a cycle. */
function withoutSortable(nodes: readonly NodeProto[], needs: ReadonlyMap<NodeProto, NodeProto[]>): Set<NodeProto> {
  const consumers = new Map<NodeProto, NodeProto[]>();
  const open = new Map<NodeProto, number>();
  for (const [node, needed] of needs) {
    open.set(node, needed.length);
    for (const source of needed) {
      const known = consumers.get(source);
      if (known === undefined) consumers.set(source, [node]);
      else known.push(node);
    }
  }
  const ready = nodes.filter((node) => open.get(node) === 0);
  const remaining = new Set(nodes);
  for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
    remaining.delete(node);
    for (const consumer of consumers.get(node) ?? []) {
      const left = (open.get(consumer) ?? 0) - 1;
      open.set(consumer, left);
      if (left === 0) ready.push(consumer);
    }
  }
  return remaining;
}
