/**
 * A group: channels of a root layer and every parameter index that must go with them. A view over the solved terms in
 * the vocabulary of Torch-Pruning; it removes nothing itself.
 */
import { mixingsOf } from './analysis.ts';
import type { DependencyGraph } from './dependency-graph.ts';
import type { Mixing } from './equations.ts';
import { forEachCell } from './kept.ts';
import { type LayerAxis, LayerError, type PrunableLayer } from './layers.ts';
import { nodeLabel } from './node-view.ts';
import { type PruningFunction, pruningFunctionFor } from './pruning-function.ts';
import type { RemovedCells } from './selection.ts';
import { type DimTerm, numericSize } from './term.ts';
import type { Traversal } from './traversal.ts';

/** "Pruning `source` with `trigger` makes it necessary to prune `target` with `handler`." */
export interface Dependency {
  readonly source: PrunableLayer;
  readonly trigger: PruningFunction;
  readonly target: PrunableLayer;
  readonly handler: PruningFunction;
}

/** One member of a group: the indices that leave one side of a layer. */
export interface GroupItem {
  readonly dep: Dependency;
  /** The side of the target layer with its parameter tensors. */
  readonly axis: LayerAxis;
  /** Ascending indices along the target's channel axis. */
  readonly idxs: Int32Array;
  /** For each of `idxs`, the index along the root's channel axis that it follows. */
  readonly rootIdxs: Int32Array;
  /** All pairs of member and root indices. */
  readonly pairs: IndexPairs;
}

/** Coupled channels, from the point of view of one root layer. */
export class Group {
  readonly graph: DependencyGraph;
  /** The side of the layer that the group was asked for. */
  readonly root: LayerAxis;
  /** Ascending indices along the root's channel axis. */
  readonly idxs: Int32Array;
  readonly cells: RemovedCells;
  readonly #sizes: ReadonlyMap<DimTerm, number>;
  #items: readonly GroupItem[] | undefined;
  #traversal: Traversal | undefined;

  constructor(graph: DependencyGraph, root: LayerAxis, idxs: Int32Array, cells: RemovedCells) {
    this.graph = graph;
    this.root = root;
    this.idxs = idxs;
    this.cells = cells;
    this.#sizes = new Map([...cells.keys()].map((leaf) => [leaf, numericSize(leaf)]));
  }

  /** Members, root first, in the order in which pruning the root reaches them. */
  get items(): readonly GroupItem[] {
    this.assertFresh();
    this.#items ??= collectItems(this);
    return this.#items;
  }

  /** How pruning the root reaches the other members. */
  get traversal(): Traversal {
    this.#traversal ??= this.graph.traversalFrom(this.root, new Set(this.cells.keys()));
    return this.#traversal;
  }

  get length(): number {
    return this.items.length;
  }

  [Symbol.iterator](): Iterator<GroupItem> {
    return this.items[Symbol.iterator]();
  }

  /** Nodes that compute a statistic over these channels; empty when pruning the group is exact. */
  get inexactBecause(): readonly Mixing[] {
    return mixingsOf(this.graph.analysis, new Set(this.cells.keys()));
  }

  /** Whether a pruned model computes exactly what the original does when the removed channels contribute zero. */
  get exact(): boolean {
    return this.inexactBecause.length === 0;
  }

  /**
   * Removes the group's channels from the model, or the root channels given instead.
   * @throws LayerError for indices out of range, duplicates, or a layer left without channels
   */
  prune(idxs?: readonly number[]): void {
    this.assertFresh();
    if (idxs) this.graph.groupOf(this.root, idxs).prune();
    else this.graph.pruneGroups([this]);
  }

  /** Numbered lines "A => B, idxs (3) = [2, 6, 9]", root first. */
  details(): string {
    const lines = this.items.map((item, i) => {
      const { source, target, handler } = item.dep;
      const from = source === target ? handler : sourceFunction(source, item.dep.trigger);
      const idxs = Array.from(item.idxs).join(', ');
      const note = i === 0 ? '  (pruning root)' : '';
      return `[${i}] ${from.name} on ${source.name} => ${handler.name} on ${target.name}, idxs (${item.idxs.length}) = [${idxs}]${note}`;
    });
    const inexact = this.inexactBecause.map(
      (m) => `inexact: ${m.statistic} in ${m.node.opType} '${nodeLabel(m.node)}'`,
    );
    return [...lines, ...inexact].join('\n');
  }

  toString(): string {
    return this.items
      .map(({ dep, idxs }, i) => `[${i}] ${dep.handler.name} on ${dep.target.name}, ${idxs.length} channels`)
      .join('\n');
  }

  /** A group asked for before its channels were pruned names indices that no longer exist. */
  assertFresh(): void {
    for (const [leaf, size] of this.#sizes) {
      if (numericSize(leaf) === size) continue;
      throw new LayerError('GROUP_STALE', 'this group was made before its channels were pruned', {
        node: this.root.layer.name,
        expected: `${size} channels`,
        actual: `${numericSize(leaf)} channels`,
        repair: 'Ask the dependency graph for the group again: indices have changed.',
      });
    }
  }
}

function sourceFunction(source: PrunableLayer, fallback: PruningFunction): PruningFunction {
  return source.axes.some((axis) => axis.side === 'out') ? pruningFunctionFor(source, 'out') : fallback;
}

function collectItems(group: Group): GroupItem[] {
  const leaves = new Set(group.cells.keys());
  const trigger = pruningFunctionFor(group.root.layer, group.root.side);
  const { sources } = group.traversal;
  const uses = [...leaves].flatMap((leaf) => [...(group.graph.analysis.uses.get(leaf) ?? [])]);
  // Members that share only a weight with the group are not on the way of any value; they come last.
  const axes = new Set<LayerAxis>([...sources.keys(), ...uses]);
  return [...axes].map((axis) => {
    const handler = pruningFunctionFor(axis.layer, axis.side);
    const pairs = indexPairs(group, axis);
    const dep = { source: sources.get(axis) ?? group.root.layer, trigger, target: axis.layer, handler };
    return { dep, axis, pairs, ...uniquePairs(pairs) };
  });
}

/** Which member index follows which root index; an index stands several times where the two repeat differently. */
export interface IndexPairs {
  readonly member: Int32Array;
  readonly root: Int32Array;
}

/**
 * Pairs the removed cells of a member with those of the root. Where a channel occurs equally often in both (the same
 * local channel of every group), the n-th occurrence follows the n-th; where the member repeats it more often (C x H x W
 * after a flatten), a block of occurrences follows one; where it repeats it less often, one follows a block.
 */
export function indexPairs(group: Group, axis: LayerAxis): IndexPairs {
  const leaves = new Set(group.cells.keys());
  const roots = positionsOf(group.root.term, group.cells, leaves);
  const members = positionsOf(axis.term, group.cells, leaves);
  const member: number[] = [];
  const root: number[] = [];
  for (const [leaf, channels] of group.cells) {
    for (const channel of channels) {
      const from = members.get(leaf)?.get(channel) ?? [];
      const to = roots.get(leaf)?.get(channel) ?? [];
      const pairs = Math.max(from.length, to.length);
      for (let k = 0; k < pairs && from.length > 0 && to.length > 0; k++) {
        member.push(from[Math.floor((k * from.length) / pairs)]);
        root.push(to[Math.floor((k * to.length) / pairs)]);
      }
    }
  }
  return { member: Int32Array.from(member), root: Int32Array.from(root) };
}

function positionsOf(
  term: DimTerm,
  cells: RemovedCells,
  leaves: ReadonlySet<DimTerm>,
): Map<DimTerm, Map<number, number[]>> {
  const positions = new Map<DimTerm, Map<number, number[]>>();
  for (const leaf of leaves) positions.set(leaf, new Map());
  forEachCell(term, leaves, (leaf, channel, index) => {
    if (!cells.get(leaf)!.has(channel)) return;
    const channels = positions.get(leaf)!;
    const list = channels.get(channel);
    if (list) list.push(index);
    else channels.set(channel, [index]);
  });
  return positions;
}

function uniquePairs(pairs: IndexPairs): { idxs: Int32Array; rootIdxs: Int32Array } {
  const rootOf = new Map<number, number>();
  pairs.member.forEach((index, k) => {
    if (!rootOf.has(index)) rootOf.set(index, pairs.root[k]);
  });
  const idxs = Int32Array.from(rootOf.keys()).sort();
  return { idxs, rootIdxs: idxs.map((index) => rootOf.get(index)!) };
}
