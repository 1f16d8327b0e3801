/**
 * A group: channels of a root layer and every parameter index that must go with them. A view over the solved terms in
 * the vocabulary of Torch-Pruning; it removes nothing itself.
 */

import type { Layer, Model, TensorProto } from '@onnx-pruning/onnx';
import { checkArguments, instanceOf, type Kind, kinds, listOf, optional } from '@onnx-pruning/onnx';
import { type Analysis, mixingsOf } from '../analysis/analysis.ts';
import { type LayerAxis, LayerError, type ParameterAxis, type PrunableLayer } from '../layers/layers.ts';
import { nodeLabel } from '../shapes/node-view.ts';
import type { Consumption, Mixing } from '../terms/consumption.ts';
import { type DimTerm, type Leaf, numericSize } from '../terms/term.ts';
import { firstPairs, IndexPairing, type IndexPairs } from './index-pairs.ts';
import { type PruningFunction, pruningFunctionFor } from './pruning-function.ts';
import type { RemovedCells } from './selection.ts';
import type { Traversal } from './traversal.ts';

/** "Pruning `source` with `trigger` makes it necessary to prune `target` with `handler`." */
export interface Dependency {
  /** The layer that loses channels first. */
  readonly source: PrunableLayer;
  /** How its channels go: on its output side or its input side. */
  readonly trigger: PruningFunction;
  /**
   * The layer that must lose the channels that are coupled with them; the source itself for the first member of a
   * group.
   */
  readonly target: PrunableLayer;
  /** How the target's channels go. */
  readonly handler: PruningFunction;
}

/** One member of a group: the indices that leave one side of a layer. */
export interface GroupItem {
  /** Why this side of the layer belongs to the group: what was pruned before it, and with which functions. */
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

/** One parameter of a member of a group. */
export interface GroupParameter {
  /** The member of the group whose layer owns it. */
  readonly item: GroupItem;
  /** Name of the initializer or constant. */
  readonly name: string;
  /** The tensor itself, with its content as it is now. */
  readonly tensor: TensorProto;
  /** The axis along which it loses the indices of `item`. */
  readonly axis: number;
  /**
   * What the layer does with it: `weight` and `bias` are learned, a `statistic` was counted (running mean and
   * variance).
   */
  readonly role: ParameterAxis['role'];
}

/** What a group needs of the dependency graph that it belongs to. */
export interface GroupOwner {
  readonly analysis: Analysis;
  readonly model: Model;
  readonly layers: readonly PrunableLayer[];
  getPruningGroup(layer: Layer | string, pruningFn: PruningFunction, idxs: readonly number[]): Group;
  groupOf(root: LayerAxis, idxs: readonly number[]): Group;
  groupOfCells(root: LayerAxis, cells: RemovedCells): Group;
  pruneGroups(groups: readonly Group[]): void;
  termOf(value: string, axis: number): DimTerm | undefined;
  axesOf(value: string): readonly DimTerm[];
  tensorOf(name: string): TensorProto | undefined;
  weightsReplaced(): boolean;
  fingerprint(): string;
  usesOf(leaf: Leaf): readonly LayerAxis[];
  consumersOf(leaf: Leaf): readonly Consumption[];
  traversalFrom(root: LayerAxis, leaves: ReadonlySet<Leaf>): Traversal;
}

const CELLS = instanceOf(Map, 'channels by leaf; ask a DependencyGraph for groups');

/** Coupled channels, from the point of view of one root layer. */
export class Group {
  /** The dependency graph that the group is of; `prune` edits its model. */
  readonly graph: GroupOwner;
  /** The side of the layer that the group was asked for. */
  readonly root: LayerAxis;
  /** Ascending indices along the root's channel axis. */
  readonly idxs: Int32Array;
  /** The channels that go, as indices of each free dimension that is involved: what `items` show by layer. */
  readonly cells: RemovedCells;
  readonly #sizes: ReadonlyMap<Leaf, number>;
  #items: readonly GroupItem[] | undefined;
  #traversal: Traversal | undefined;

  constructor(graph: GroupOwner, root: LayerAxis, idxs: Int32Array, cells: RemovedCells) {
    checkArguments('new Group', { graph: [graph, kinds.object], root: [root, kinds.object], cells: [cells, CELLS] });
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

  /**
   * Every parameter tensor that loses channels with this group, along the axis on which it does: what criteria read.
   * A tensor with channels of the group on both of its axes comes twice.
   */
  *parameters(): Generator<GroupParameter> {
    for (const item of this.items) {
      for (const { tensor: name, axis, role } of item.axis.parameters) {
        const tensor = this.graph.tensorOf(name);
        if (tensor) yield { item, name, tensor, axis, role };
      }
    }
  }

  /** How pruning the root reaches the other members. */
  get traversal(): Traversal {
    this.#traversal ??= this.graph.traversalFrom(this.root, new Set(this.cells.keys()));
    return this.#traversal;
  }

  /** Number of items: pairs of a layer and the function that prunes it. */
  get length(): number {
    return this.items.length;
  }

  /** The items, the root first. */
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
    checkArguments('prune', { idxs: [idxs, optional(listOf(kinds.anyNumber))] });
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

  /** One line for each item: what is pruned, and how many channels. */
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
  const { analysis } = group.graph;
  const { sources } = group.graph.traversalFrom(group.root, leaves);
  const axes = new Set(sources.keys());
  // Members that share only a weight with the group are not on the way of any value; they come last.
  for (const leaf of leaves) for (const axis of analysis.uses.get(leaf) ?? []) axes.add(axis);
  const pairing = new IndexPairing(analysis.terms.layouts, group.root.term, group.cells);
  return [...axes].map((axis) => {
    return new Member(axis, sources.get(axis) ?? group.root.layer, trigger, pairing.with(axis.term));
  });
}

/** Pairs the group's channels along another axis that holds them with those of its root. */
export function indexPairs(group: Group, axis: LayerAxis): IndexPairs {
  return new IndexPairing(group.graph.analysis.terms.layouts, group.root.term, group.cells).with(axis.term);
}

/** Scoring reads the pairs of every member; what only people ask for is computed when they do. */
class Member implements GroupItem {
  readonly axis: LayerAxis;
  readonly pairs: IndexPairs;
  readonly #source: PrunableLayer;
  readonly #trigger: PruningFunction;
  #first: ReturnType<typeof firstPairs> | undefined;

  constructor(axis: LayerAxis, source: PrunableLayer, trigger: PruningFunction, pairs: IndexPairs) {
    this.axis = axis;
    this.pairs = pairs;
    this.#source = source;
    this.#trigger = trigger;
  }

  get dep(): Dependency {
    const { layer, side } = this.axis;
    const handler = pruningFunctionFor(layer, side);
    return { source: this.#source, trigger: this.#trigger, target: layer, handler };
  }

  get idxs(): Int32Array {
    this.#first ??= firstPairs(this.pairs);
    return this.#first.idxs;
  }

  get rootIdxs(): Int32Array {
    this.#first ??= firstPairs(this.pairs);
    return this.#first.rootIdxs;
  }
}

/** What functions of a group take. */
export const GROUP: Kind = instanceOf(Group, 'a group, as getPruningGroup and getAllGroups give it');
