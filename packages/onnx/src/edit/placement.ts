/**
 * The order of a staged graph: nodes of the graph keep theirs, with insertions around them; added nodes without a place
 * come right before the first node that needs them, else at the end.
 */
import type { NodeProto } from '../proto.ts';
import { usedNames } from '../walk.ts';

/** What is staged of the order of a graph. */
export interface StagedOrder {
  readonly graph: { readonly node: readonly NodeProto[] };
  readonly before: ReadonlyMap<NodeProto, readonly NodeProto[]>;
  readonly after: ReadonlyMap<NodeProto, readonly NodeProto[]>;
  /** Nodes that come where they are needed. */
  readonly floating: readonly NodeProto[];
  readonly removed: ReadonlySet<NodeProto>;
  readonly replaced: ReadonlyMap<NodeProto, NodeProto>;
}

/** Nodes in their new order: those of the graph, those that replace others, added ones. Bodies are committed before. */
export function placeNodes(stage: StagedOrder): NodeProto[] {
  const isPlain = stage.before.size === 0 && stage.after.size === 0 && stage.floating.length === 0;
  if (isPlain && stage.removed.size === 0 && stage.replaced.size === 0) return stage.graph.node.slice();
  const placed: NodeProto[] = [];
  for (const node of stage.graph.node) withInsertions(stage, node, placed);
  return stage.floating.length === 0 ? placed : withFloating(stage, placed);
}

/** Appends a node with everything that was inserted around it, and around that. Insertions may form long chains. */
function withInsertions(stage: StagedOrder, root: NodeProto, placed: NodeProto[]): void {
  const open: { node: NodeProto; isOpen: boolean }[] = [{ node: root, isOpen: false }];
  for (let top = open.pop(); top !== undefined; top = open.pop()) {
    const { node } = top;
    const before = stage.before.get(node);
    const after = stage.after.get(node);
    if (top.isOpen || (before === undefined && after === undefined)) {
      if (!stage.removed.has(node)) placed.push(stage.replaced.get(node) ?? node);
      continue;
    }
    for (const inserted of after?.toReversed() ?? []) open.push({ node: inserted, isOpen: false });
    open.push({ node, isOpen: true });
    for (const inserted of before?.toReversed() ?? []) open.push({ node: inserted, isOpen: false });
  }
}

/** A node without a place, with what was inserted around it. */
interface Block {
  readonly nodes: readonly NodeProto[];
  state: 'waiting' | 'open' | 'placed';
}

function withFloating(stage: StagedOrder, placed: readonly NodeProto[]): NodeProto[] {
  const blocks = stage.floating.map((node): Block => {
    const nodes: NodeProto[] = [];
    withInsertions(stage, node, nodes);
    return { nodes, state: 'waiting' };
  });
  const producers = new Map<string, Block>();
  for (const block of blocks) {
    for (const node of block.nodes) for (const name of node.output) if (name !== '') producers.set(name, block);
  }
  const order: NodeProto[] = [];
  const needs = (nodes: readonly NodeProto[]): Block[] =>
    nodes
      .flatMap(usedNames)
      .map((name) => producers.get(name))
      .filter((block) => block !== undefined);
  for (const node of placed) {
    placeBlocks(needs([node]), needs, order);
    order.push(node);
  }
  placeBlocks(blocks, needs, order);
  return order;
}

/** Appends blocks, each after those that it needs. A cycle is left for the check to explain. */
function placeBlocks(
  wanted: readonly Block[],
  needs: (nodes: readonly NodeProto[]) => Block[],
  order: NodeProto[],
): void {
  const open = wanted.toReversed();
  for (let block = open.at(-1); block !== undefined; block = open.at(-1)) {
    if (block.state === 'waiting') {
      block.state = 'open';
      for (const needed of needs(block.nodes).reverse()) if (needed.state === 'waiting') open.push(needed);
      continue;
    }
    open.pop();
    if (block.state === 'placed') continue;
    block.state = 'placed';
    for (const node of block.nodes) order.push(node);
  }
}
