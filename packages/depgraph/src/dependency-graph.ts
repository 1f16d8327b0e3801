/**
 * The entry point: builds the analysis of a model once and answers which channels are coupled. Pruning goes through
 * here so that the analysis and the model stay together. Importance and policy are not its business.
 */
import type { Graph } from '@dagrejs/graphlib';
import type { Layer, Model, NodeProto } from '@onnx-pruning/onnx';
import type { OperatorRecord } from '@onnx-pruning/ops';
import { type Analysis, analyse } from './analysis.ts';
import { registryWith } from './customized.ts';
import { dependencyGraphOf } from './dependency-view.ts';
import { explainLayer } from './explain.ts';
import { Group } from './group.ts';
import { forEachCell } from './kept.ts';
import { axisOf, type LayerAxis, LayerError, notALayer, type PrunableLayer, sideOf } from './layers.ts';
import type { PruningFunction } from './pruning-function.ts';
import { removeChannels } from './rewrite.ts';
import { cellsAt, emptiedAxis, outerLeaves, primaryLeaves, removalOf } from './selection.ts';
import type { InputShapes } from './shapes.ts';
import { type DimTerm, numericSize } from './term.ts';
import { Carriers, type Traversal, traverse } from './traversal.ts';

export interface BuildOptions {
  /** Shapes by input name, or sizes by symbol, where the file leaves them open. */
  readonly inputShapes?: InputShapes;
  /** Tensors by input name; only their `dims` are used. */
  readonly exampleInputs?: Readonly<Record<string, { readonly dims: readonly number[] }>>;
  /** Records of operators that the engine does not know, or other rules for those that it does. */
  readonly customizedOperators?: readonly OperatorRecord[];
}

export interface AllGroupsOptions {
  /** Layers whose output channels stay; a group that would prune one is not offered. */
  readonly ignoredLayers?: readonly (Layer | string)[];
  /** Operator types of layers that may be the root of a group. Default: convolutions and fully connected layers. */
  readonly rootOpTypes?: readonly string[];
}

/** One entry of the pruning history: root layer, whether output channels were pruned, root indices. */
export type HistoryEntry = readonly [layer: string, isOut: boolean, idxs: readonly number[]];

const ROOT_KINDS: ReadonlySet<string> = new Set(['conv', 'depthwiseConv', 'convTranspose', 'linear', 'lstm']);

/** Which channels of a model are coupled (DepGraph, Fang et al., CVPR 2023), found by unification of dim terms. */
export class DependencyGraph {
  #analysis: Analysis | undefined;
  #byNode = new Map<NodeProto, PrunableLayer>();
  #byName = new Map<string, PrunableLayer>();
  #carriers: Carriers | undefined;
  #outer: ReadonlySet<DimTerm> | undefined;
  readonly #history: HistoryEntry[] = [];

  /**
   * Analyses the model. It is not changed and not copied: pruning a group edits it in place.
   * @throws ShapeError where the model contradicts an operator's specification
   */
  buildDependency(model: Model, options: BuildOptions = {}): this {
    const shapes: Record<string, readonly (number | string)[] | number> = { ...options.inputShapes };
    for (const [name, { dims }] of Object.entries(options.exampleInputs ?? {})) shapes[name] = dims;
    const registry = registryWith(options.customizedOperators ?? []);
    this.#analysis = analyse(model, registry, shapes);
    this.#carriers = undefined;
    this.#outer = undefined;
    const layers = this.#analysis.layers;
    this.#byNode = new Map(layers.map((layer) => [layer.node, layer]));
    this.#byName = new Map(layers.map((layer) => [layer.name, layer]));
    return this;
  }

  /** @throws LayerError before buildDependency was called */
  get analysis(): Analysis {
    if (this.#analysis) return this.#analysis;
    throw new LayerError('NOT_BUILT', 'this dependency graph has no model yet', {
      repair: 'Call buildDependency(model) first.',
    });
  }

  get model(): Model {
    return this.analysis.model;
  }

  /** Layers with parameters in trace order: from the outputs backwards. */
  get layers(): readonly PrunableLayer[] {
    return this.analysis.layers;
  }

  /** What was pruned so far, in order. */
  pruningHistory(): readonly HistoryEntry[] {
    return this.#history;
  }

  /** The graph in the sense of Torch-Pruning: an edge says that pruning its source triggers pruning its target. */
  get graph(): Graph {
    return dependencyGraphOf(this.analysis);
  }

  /** @throws LayerError where the layer has no parameters that could be pruned */
  prunableLayer(layer: Layer | string): PrunableLayer {
    const base = typeof layer === 'string' ? (this.#byName.get(layer) ?? this.model.layer(layer)) : layer;
    const found = this.#byNode.get(base.node);
    if (found) return found;
    throw notALayer(base);
  }

  /** Channels of one side of a layer now. */
  channelsOf(layer: Layer | string, side: 'out' | 'in'): number {
    return numericSize(sideOf(this.prunableLayer(layer), side).term);
  }

  /**
   * The group of coupled channels that pruning `idxs` of a layer takes along.
   * @param idxs indices along the layer's channel axis, as it is now
   * @throws LayerError for a layer of another kind, an index out of range or given twice, or a channel that may not change
   */
  getPruningGroup(layer: Layer | string, pruningFn: PruningFunction, idxs: readonly number[]): Group {
    return this.groupOf(axisOf(this.prunableLayer(layer), pruningFn), idxs);
  }

  /** The group of channels `idxs` of one side of a layer. */
  groupOf(root: LayerAxis, idxs: readonly number[]): Group {
    const cells = cellsAt(root, idxs);
    return new Group(this, root, this.#rootIndices(root, cells), cells);
  }

  #rootIndices(root: LayerAxis, cells: ReadonlyMap<DimTerm, ReadonlySet<number>>): Int32Array {
    const found = new Set<number>();
    forEachCell(root.term, new Set(cells.keys()), (leaf, channel, index) => {
      if (cells.get(leaf)!.has(channel)) found.add(index);
    });
    return Int32Array.from(found).sort();
  }

  /** Whether every axis that the group touches keeps at least one channel. */
  checkPruningGroup(group: Group): boolean {
    group.assertFresh();
    return emptiedAxis(this.analysis, removalOf([group.cells])) === undefined;
  }

  /**
   * All groups with all their prunable channels, in the order of Torch-Pruning (traced from the outputs backwards).
   * Every free dimension is in exactly one group. Groups may be pruned while iterating.
   */
  *getAllGroups(options: AllGroupsOptions = {}): Generator<Group> {
    const ignored = new Set((options.ignoredLayers ?? []).map((layer) => this.prunableLayer(layer)));
    const visited = new Set<DimTerm>();
    for (const layer of this.layers) {
      const { rootOpTypes } = options;
      const isRoot = rootOpTypes ? rootOpTypes.includes(layer.node.opType ?? '') : ROOT_KINDS.has(layer.spec.kind);
      const root = layer.axes.find((axis) => axis.side === 'out');
      if (!isRoot || !root || ignored.has(layer)) continue;
      const leaves = [...primaryLeaves(root.term)].filter((leaf) => this.isOffered(leaf) && !visited.has(leaf));
      if (leaves.length === 0) continue;
      for (const leaf of leaves) visited.add(leaf);
      const group = this.#fullGroup(root, leaves);
      const refused = leaves.some((leaf) =>
        this.analysis.uses.get(leaf)?.some((axis) => axis.side === 'out' && ignored.has(axis.layer)),
      );
      if (!refused) yield group;
    }
  }

  /** Whether a free dimension is pruned by default: numbers of groups or heads whose inner channels are free are not. */
  isOffered(leaf: DimTerm): boolean {
    this.#outer ??= outerLeaves(this.layers);
    return !this.#outer.has(leaf);
  }

  #fullGroup(root: LayerAxis, leaves: readonly DimTerm[]): Group {
    const cells = new Map<DimTerm, Set<number>>();
    for (const leaf of leaves) cells.set(leaf, new Set(Array.from({ length: numericSize(leaf) }, (_, c) => c)));
    return new Group(this, root, this.#rootIndices(root, cells), cells);
  }

  /** Prunes several groups at once: every tensor is copied once. */
  pruneGroups(groups: readonly Group[]): void {
    for (const group of groups) group.assertFresh();
    const removal = removalOf(groups.map((group) => group.cells));
    const emptied = emptiedAxis(this.analysis, removal);
    if (emptied) throw emptied;
    removeChannels(this.analysis, removal);
    for (const group of groups) {
      this.#history.push([group.root.layer.name, group.root.side === 'out', Array.from(group.idxs)]);
    }
  }

  /** Why a layer, or some of its channels, cannot be pruned; and what its channels are coupled with. */
  explain(layer: Layer | string): string {
    return explainLayer(this.analysis, this.prunableLayer(layer));
  }

  /** How pruning a root reaches the other layers that hold its channels. */
  traversalFrom(root: LayerAxis, leaves: ReadonlySet<DimTerm>): Traversal {
    this.#carriers ??= new Carriers(this.analysis);
    return traverse(this.#carriers, root, leaves);
  }
}
