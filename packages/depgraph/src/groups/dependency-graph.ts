/**
 * The entry point: builds the analysis of a model once and answers which channels are coupled. Pruning goes through
 * here so that the analysis and the model stay together. Importance and policy are not its business.
 */
import type { Graph } from '@dagrejs/graphlib';
import {
  checkArguments,
  checkModel,
  checkOptions,
  type FingerprintedModel,
  fingerprint,
  instanceOf,
  kinds,
  type Layer,
  listOf,
  type Model,
  type NodeProto,
  oneOf,
  type TensorProto,
} from '@onnx-pruning/onnx';
import { type Analysis, analyse } from '../analysis/analysis.ts';
import { snapshotOf } from '../analysis/snapshot.ts';
import { axisOf, type LayerAxis, LayerError, type PrunableLayer, sideOf } from '../layers/layers.ts';
import type { LayerMatch, LayerSelector } from '../layers/select.ts';
import { removeChannels } from '../rewrite/rewrite.ts';
import { registryWith } from '../shapes/customized.ts';
import type { Consumption } from '../terms/consumption.ts';
import { type DimTerm, type Leaf, leavesOf, numericSize, someLeaf } from '../terms/term.ts';
import {
  ALL_GROUPS_OPTIONS,
  type AllGroupsOptions,
  BUILD_OPTIONS,
  type BuildOptions,
  channelGroupsOf,
  LAYERS,
} from './build-options.ts';
import { dependencyGraphOf } from './dependency-view.ts';
import { explainLayer, explainNode } from './explain.ts';
import { GROUP, Group, type GroupOwner } from './group.ts';
import { AXIS, CHANNELS, PRUNING_FUNCTION } from './group-arguments.ts';
import { CONVOLUTIONS, headCounts } from './heads.ts';
import { HISTORY, type HistoryEntry, historyOf } from './history.ts';
import type { PruningFunction } from './pruning-function.ts';
import {
  axisIndices,
  cellsAt,
  emptiedAxis,
  fixedLayer,
  outerLeaves,
  primaryLeaves,
  type RemovedCells,
  removalOf,
} from './selection.ts';
import { Carriers, type Traversal, traverse } from './traversal.ts';

const ROOT_KINDS: ReadonlySet<string> = new Set([
  'conv',
  'depthwiseConv',
  'convTranspose',
  'linear',
  'lstm',
  'gru',
  'rnn',
]);

/** Whether groups are named after such a layer: convolutions, fully connected and recurrent layers. */
export function isRootLayer(layer: PrunableLayer): boolean {
  return ROOT_KINDS.has(layer.spec.kind);
}

/** Which channels of a model are coupled (DepGraph, Fang et al., CVPR 2023), found by unification of dim terms. */
export class DependencyGraph implements GroupOwner {
  #analysis: Analysis | undefined;
  #snapshot: FingerprintedModel | undefined;
  #fingerprint: string | undefined;
  #carriers: Carriers | undefined;
  #outer: ReadonlySet<Leaf> | undefined;
  #options: BuildOptions = {};
  readonly #history: HistoryEntry[] = [];

  /**
   * Analyses the model. It is not changed and not copied: pruning a group edits it in place.
   * @throws InvalidModelError where the model breaks a rule that checkModel checks; ShapeError where it contradicts an
   * operator's specification
   */
  buildDependency(model: Model, options: BuildOptions = {}): this {
    checkArguments('buildDependency', { model: [model, kinds.model] });
    checkOptions('buildDependency', options, BUILD_OPTIONS);
    checkModel(model);
    const shapes: Record<string, readonly (number | string)[] | number> = { ...options.inputShapes };
    for (const [name, { dims }] of Object.entries(options.exampleInputs ?? {})) shapes[name] = dims;
    const registry = registryWith(options.customizedOperators ?? []);
    this.#history.length = 0;
    this.#snapshot = snapshotOf(model);
    this.#fingerprint = undefined;
    this.#analysis = analyse(model, registry, shapes, {
      channelGroups: channelGroupsOf(options),
      independentGroups: options.groupSelection === 'independent',
      unwrappedParameters: options.unwrappedParameters,
      pruneDistributions: options.pruneDistributions,
      pruneOverridable: options.pruneOverridable,
    });
    this.#options = { ...options, inputShapes: shapes, exampleInputs: undefined };
    this.#carriers = undefined;
    this.#outer = undefined;
    return this;
  }

  /** @throws LayerError before buildDependency was called */
  get analysis(): Analysis {
    if (this.#analysis) return this.#analysis;
    throw notBuilt();
  }

  /** The options that this graph was built with; a graph of the same model built with them has the same groups. */
  get buildOptions(): BuildOptions {
    return this.#options;
  }

  /**
   * The fingerprint of the model as it was when this graph was built, whatever was pruned since. Computed when it is
   * first asked for: that reads all weights.
   * @throws LayerError before buildDependency was called
   */
  fingerprint(): string {
    if (this.#fingerprint === undefined) {
      if (!this.#snapshot) throw notBuilt();
      this.#fingerprint = fingerprint(this.#snapshot);
      this.#snapshot = undefined;
    }
    return this.#fingerprint;
  }

  /** The model that was analysed. */
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

  /**
   * The one layer that a name means: its own name, or any that `matchLayers` knows.
   * @throws UnknownLayerError where no node has the name; AmbiguousLayerError, which lists them, where several layers
   * have; LayerError where the node has no parameters that could be pruned
   */
  prunableLayer(layer: LayerSelector): PrunableLayer {
    return this.analysis.selection.one(layer);
  }

  /**
   * The layers that a selector means, each with the name that matched: what every option that names layers does. A node
   * name or output name means that node; the path of a module means all layers in it, with `.` or `/` between its parts;
   * in a pattern `*` stands for any characters, separators included, and `?` for one. Layers are what makes channels;
   * normalizations are meant where a selector names nothing but them.
   * @throws UnknownLayerError, with the nearest names, where nothing has such a name; LayerError, with what was matched,
   * where only nodes without channels of their own have (constants, additions of constants, activations)
   */
  matchLayers(selector: LayerSelector): LayerMatch[] {
    return this.analysis.selection.match(selector);
  }

  #selected(selectors: readonly LayerSelector[] | undefined): Set<PrunableLayer> {
    return new Set((selectors ?? []).flatMap((selector) => this.matchLayers(selector).map(({ layer }) => layer)));
  }

  /** Channels of one side of a layer now. */
  channelsOf(layer: LayerSelector, side: 'out' | 'in'): number {
    checkArguments('channelsOf', { side: [side, oneOf('out', 'in')] });
    return numericSize(sideOf(this.prunableLayer(layer), side).term);
  }

  /**
   * The group of coupled channels that pruning `idxs` of a layer takes along.
   * @param idxs indices along the layer's channel axis, as it is now
   * @throws LayerError for a layer of another kind, an index out of range or given twice, or a channel that may not change
   */
  getPruningGroup(layer: LayerSelector, pruningFn: PruningFunction, idxs: readonly number[]): Group {
    checkArguments('getPruningGroup', { pruningFn: [pruningFn, PRUNING_FUNCTION], idxs: [idxs, CHANNELS] });
    return this.groupOf(axisOf(this.prunableLayer(layer), pruningFn), idxs);
  }

  /** The group of all channels of one side of a layer that may change. */
  getFullGroup(layer: LayerSelector, pruningFn: PruningFunction): Group {
    checkArguments('getFullGroup', { pruningFn: [pruningFn, PRUNING_FUNCTION] });
    const root = axisOf(this.prunableLayer(layer), pruningFn);
    const leaves = [...primaryLeaves(root.term)];
    if (leaves.length === 0) throw fixedLayer(root);
    return this.#fullGroup(root, leaves);
  }

  /**
   * Prunes an unpruned model as a recorded history says.
   * @throws LayerError where the history is of another model
   */
  loadPruningHistory(history: readonly HistoryEntry[]): void {
    checkArguments('loadPruningHistory', { history: [history, HISTORY] });
    for (const [name, isOut, idxs, part] of history) {
      this.groupOf(sideOf(this.prunableLayer(name), isOut ? 'out' : 'in', part), idxs).prune();
    }
  }

  /** The group of channels `idxs` of one side of a layer. */
  groupOf(root: LayerAxis, idxs: readonly number[]): Group {
    checkArguments('groupOf', { root: [root, AXIS], idxs: [idxs, CHANNELS] });
    return this.groupOfCells(root, cellsAt(root, idxs));
  }

  /** The group of channels of leaves, seen from one side of a layer that holds them. */
  groupOfCells(root: LayerAxis, cells: RemovedCells): Group {
    checkArguments('groupOfCells', { root: [root, AXIS], cells: [cells, instanceOf(Map, 'channels by leaf')] });
    return new Group(this, root, axisIndices(root.term, cells), cells);
  }

  /** Whether every axis that the group touches keeps at least one channel. */
  checkPruningGroup(group: Group): boolean {
    checkArguments('checkPruningGroup', { group: [group, GROUP] });
    group.assertFresh();
    return emptiedAxis(this.analysis, removalOf([group.cells])) === undefined;
  }

  /**
   * All groups with all their prunable channels, in the order of Torch-Pruning (traced from the outputs backwards).
   * Every free dimension is in exactly one group. Groups may be pruned while iterating.
   */
  *getAllGroups(options: AllGroupsOptions = {}): Generator<Group> {
    checkOptions('getAllGroups', options, ALL_GROUPS_OPTIONS);
    const ignored = this.#selected(options.ignoredLayers);
    const visited = new Set<Leaf>();
    for (const layer of this.layers) {
      const { rootOpTypes } = options;
      const isRoot = rootOpTypes ? rootOpTypes.includes(layer.node.opType ?? '') : isRootLayer(layer);
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
  isOffered(leaf: Leaf): boolean {
    this.#outer ??= outerLeaves(this.layers);
    return !this.#outer.has(leaf);
  }

  /**
   * All groups of whole attention heads: of every number of heads that the graph shows (or `numHeads` states), all
   * heads. In grouped-query attention key-value heads and the query heads of each are two dimensions, and both are here.
   */
  *getHeadGroups(options: Pick<AllGroupsOptions, 'ignoredLayers'> = {}): Generator<Group> {
    checkOptions('getHeadGroups', options, { ignoredLayers: LAYERS });
    const ignored = this.#selected(options.ignoredLayers);
    this.#outer ??= outerLeaves(this.layers);
    for (const leaf of this.#outer) {
      const uses = this.analysis.uses.get(leaf) ?? [];
      const root = uses.find((axis) => axis.side === 'out' && axis.layer.spec.kind === 'linear');
      const inConvolution = uses.some((axis) => CONVOLUTIONS.has(axis.layer.spec.kind));
      const refused = uses.some((axis) => axis.side === 'out' && ignored.has(axis.layer));
      if (root && !inConvolution && !refused) yield this.#fullGroup(root, [leaf]);
    }
  }

  /** Free dimensions inside attention heads: the channels that every head has alike. */
  channelsInHeads(): ReadonlySet<Leaf> {
    const heads = new Set([...this.getHeadGroups()].flatMap((group) => [...group.cells.keys()]));
    const inside = this.layers
      .flatMap(({ axes }) => axes)
      .filter(({ term }) => leavesOf(term).some((leaf) => heads.has(leaf)));
    return new Set(inside.flatMap(({ term }) => [...primaryLeaves(term)].filter((leaf) => !heads.has(leaf))));
  }

  /** Numbers of heads of every layer whose output channels lie in heads, by layer name. */
  numHeads(): ReadonlyMap<string, number> {
    return headCounts(this.analysis, this.getHeadGroups());
  }

  #fullGroup(root: LayerAxis, leaves: readonly Leaf[]): Group {
    return this.groupOfCells(root, new Map(leaves.map((leaf) => [leaf, allChannels(leaf)])));
  }

  /** Prunes several groups at once: every tensor is copied once. */
  pruneGroups(groups: readonly Group[]): void {
    checkArguments('pruneGroups', { groups: [groups, listOf(GROUP)] });
    for (const group of groups) group.assertFresh();
    this.analysis.weights.takeAll();
    const removal = removalOf(groups.map((group) => group.cells));
    const emptied = emptiedAxis(this.analysis, removal);
    if (emptied) throw emptied;
    const entries = historyOf(groups);
    removeChannels(this.analysis, removal);
    for (const entry of entries) this.#history.push(entry);
  }

  /**
   * Why a layer, or some of its channels, cannot be pruned; and what its channels are coupled with.
   * @param layer also the name of a node that is no layer: the answer says why, and which channels pass through it
   */
  explain(layer: LayerSelector): string {
    const other = typeof layer === 'string' ? this.#nodeWithoutChannels(layer) : undefined;
    return other ? explainNode(this.analysis, other) : explainLayer(this.analysis, this.prunableLayer(layer));
  }

  #nodeWithoutChannels(name: string): Layer | undefined {
    const isNamed = (node: NodeProto): boolean => node.name === name || node.output.includes(name);
    const { unlisted, layerOf } = this.analysis;
    const hidden = unlisted.find((layer) => layer.name === name || isNamed(layer.node));
    const node = hidden?.node ?? this.model.graph.node.find(isNamed);
    return node && !layerOf.has(node) ? { model: this.model, node, name } : undefined;
  }

  /**
   * What is known of one axis of a value.
   * @param axis counted from the front
   * @returns undefined for a value that does not exist or whose rank is not known, and for an axis that it does not have
   */
  termOf(value: string, axis: number): DimTerm | undefined {
    return this.axesOf(value)[axis];
  }

  /** The terms of all axes of a value; none where it does not exist or its rank is not known. */
  axesOf(value: string): readonly DimTerm[] {
    return this.analysis.terms.axes.get(value) ?? [];
  }

  /** The initializer or constant of this name, with the weights that it has now. */
  tensorOf(name: string): TensorProto | undefined {
    return this.analysis.weights.of(name);
  }

  /**
   * Whether weights were replaced since this graph was built, by something else than pruning: by training, say. Scores
   * and pruning go by the weights that the model has now.
   * @throws LayerError where the model was edited otherwise, so that this graph is not its own any more
   */
  weightsReplaced(): boolean {
    return this.analysis.weights.takeAll();
  }

  /** Sides of layers that hold some of a leaf's channels, in graph order. */
  usesOf(leaf: Leaf): readonly LayerAxis[] {
    return this.analysis.uses.get(leaf) ?? [];
  }

  /** Nodes that sum over an axis with a leaf's channels: there, removed channels count as zero. */
  consumersOf(leaf: Leaf): readonly Consumption[] {
    return this.analysis.terms.consumptions.filter(({ value, axis }) => {
      const term = this.termOf(value, axis);
      return term !== undefined && someLeaf(term, (held) => held === leaf);
    });
  }

  /** How pruning a root reaches the other layers that hold its channels. */
  traversalFrom(root: LayerAxis, leaves: ReadonlySet<Leaf>): Traversal {
    checkArguments('traversalFrom', { root: [root, AXIS], leaves: [leaves, instanceOf(Set, 'a set of leaves')] });
    this.#carriers ??= new Carriers(this.analysis);
    return traverse(this.#carriers, root, leaves);
  }
}

function notBuilt(): LayerError {
  return new LayerError('NOT_BUILT', 'this dependency graph has no model yet', {
    repair: 'Call buildDependency(model) first.',
  });
}

function allChannels(leaf: Leaf): Set<number> {
  return new Set(Array.from({ length: numericSize(leaf) }, (_, channel) => channel));
}
