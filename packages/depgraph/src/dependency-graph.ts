/**
 * The entry point: builds the analysis of a model once and answers which channels are coupled. Pruning goes through
 * here so that the analysis and the model stay together. Importance and policy are not its business.
 */
import type { Graph } from '@dagrejs/graphlib';
import { type Layer, type Model, type NodeProto, tensorDims } from '@onnx-pruning/onnx';
import { type OperatorRecord, OperatorRegistry, standardOperators } from '@onnx-pruning/ops';
import { type Analysis, analyse } from './analysis.ts';
import { dependencyGraphOf } from './dependency-view.ts';
import { explainLayer } from './explain.ts';
import { Group } from './group.ts';
import { forEachCell } from './kept.ts';
import { type LayerAxis, LayerError, type PrunableLayer } from './layers.ts';
import type { PruningFunction } from './pruning-function.ts';
import { type LeafRemoval, removeChannels } from './rewrite.ts';
import type { InputShapes } from './shapes.ts';
import { type DimTerm, find, fixedReasons, forEachLeaf, leavesOf, numericSize } from './term.ts';
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
    throw new LayerError('NOT_PRUNABLE', 'this node is not a layer with channels', {
      node: base.name,
      operator: base.node.opType,
      repair: 'Name a layer with parameters, such as a convolution or a fully connected layer.',
    });
  }

  /** Channels of one side of a layer now. */
  channelsOf(layer: Layer | string, side: 'out' | 'in'): number {
    return numericSize(this.#axisOf(this.prunableLayer(layer), side).term);
  }

  /**
   * The group of coupled channels that pruning `idxs` of a layer takes along.
   * @param idxs indices along the layer's channel axis, as it is now
   * @throws LayerError for a layer of another kind, an index out of range or given twice, or a channel that may not change
   */
  getPruningGroup(layer: Layer | string, pruningFn: PruningFunction, idxs: readonly number[]): Group {
    const target = this.prunableLayer(layer);
    if (!pruningFn.kinds.includes(target.spec.kind)) {
      throw new LayerError('WRONG_KIND', `${pruningFn.name} is for layers of kind ${pruningFn.kinds.join(' or ')}`, {
        node: target.name,
        operator: target.node.opType,
        expected: pruningFn.kinds.join(' or '),
        actual: target.spec.kind,
        repair: 'Use the pruning function of that kind of layer.',
      });
    }
    return this.groupOf(this.#axisOf(target, pruningFn.side), idxs);
  }

  #axisOf(layer: PrunableLayer, side: 'out' | 'in'): LayerAxis {
    const axis = layer.axes.find((candidate) => candidate.side === side);
    if (axis) return axis;
    throw new LayerError('LAYER_SIDE', `this layer has no ${side}put channels of its own`, {
      node: layer.name,
      operator: layer.node.opType,
      repair: `Prune its ${side === 'in' ? 'out' : 'in'}put channels, or a layer next to it.`,
    });
  }

  /** The group of channels `idxs` of one side of a layer. */
  groupOf(root: LayerAxis, idxs: readonly number[]): Group {
    checkIndices(root, idxs);
    const wanted = new Set(idxs);
    const cells = new Map<DimTerm, Set<number>>();
    const covered = new Set<number>();
    forEachCell(root.term, primaryLeaves(root.term), (leaf, channel, index) => {
      if (!wanted.has(index)) return;
      covered.add(index);
      const channels = cells.get(leaf);
      if (channels) channels.add(channel);
      else cells.set(leaf, new Set([channel]));
    });
    for (const index of wanted) if (!covered.has(index)) throw fixedChannel(root, index);
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
    return this.#emptied(this.#removalOf([group])) === undefined;
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
    const removal = this.#removalOf(groups);
    const emptied = this.#emptied(removal);
    if (emptied) throw emptied;
    removeChannels(this.analysis, removal);
    for (const group of groups) {
      this.#history.push([group.root.layer.name, group.root.side === 'out', Array.from(group.idxs)]);
    }
  }

  #removalOf(groups: readonly Group[]): LeafRemoval {
    const removed = new Map<DimTerm, Set<number>>();
    for (const group of groups) {
      for (const [leaf, channels] of group.cells) {
        removed.set(leaf, new Set([...(removed.get(leaf) ?? []), ...channels]));
      }
    }
    const removal = new Map<DimTerm, Int32Array>();
    for (const [leaf, channels] of removed) {
      const kept: number[] = [];
      for (let c = 0; c < numericSize(leaf); c++) if (!channels.has(c)) kept.push(c);
      removal.set(leaf, Int32Array.from(kept));
    }
    return removal;
  }

  /** An error that names the first axis left without channels, or undefined. */
  #emptied(removal: LeafRemoval): LayerError | undefined {
    const gone = [...removal].filter(([, kept]) => kept.length === 0);
    if (gone.length === 0) return undefined;
    const sizeAfter = (t: DimTerm): number => {
      const root = find(t);
      if (root.kind === 'leaf') return removal.get(root)?.length ?? numericSize(root);
      if (root.kind === 'fixed') return typeof root.count === 'number' ? root.count : 1;
      const sizes = root.children.map(sizeAfter);
      return root.kind === 'sum' ? sizes.reduce((a, b) => a + b, 0) : sizes.reduce((a, b) => a * b, 1);
    };
    for (const [value, axes] of this.analysis.terms.axes) {
      const axis = axes.findIndex((term) => numericOrOne(term) > 0 && sizeAfter(term) === 0);
      if (axis < 0) continue;
      const tensor = this.analysis.shapes.constants.get(value);
      return new LayerError('NO_CHANNELS_LEFT', 'pruning would leave an axis without channels', {
        value,
        axis,
        expected: 'at least 1 channel',
        actual: `0 of ${tensor ? tensorDims(tensor)[axis] : axes[axis].size}`,
        repair: 'Keep at least one channel: give fewer indices or a smaller ratio.',
      });
    }
    return undefined;
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

/** Customized records take the place of standard ones for the same operator. */
function registryWith(customized: readonly OperatorRecord[]): OperatorRegistry {
  const replaced = new Set(customized.map((record) => `${record.domain}::${record.opType}`));
  const standard = standardOperators.filter((record) => !replaced.has(`${record.domain}::${record.opType}`));
  return new OperatorRegistry([...customized, ...standard]);
}

function numericOrOne(term: DimTerm): number {
  return typeof term.size === 'number' ? term.size : 1;
}

/**
 * The leaves through which an axis is pruned by default: in a product the innermost free factor that is not a number of
 * groups, so that a grouped axis loses the same local channels in every group.
 */
export function primaryLeaves(term: DimTerm, into = new Set<DimTerm>()): Set<DimTerm> {
  const root = find(term);
  if (root.kind === 'leaf') into.add(root);
  if (root.kind === 'sum') for (const part of root.children) primaryLeaves(part, into);
  if (root.kind === 'product') {
    const free = root.children.filter((factor) => leavesOf(factor).length > 0);
    const channels = free.filter((factor) => leavesOf(factor).some((leaf) => leaf.role !== 'group'));
    const chosen = channels.at(-1) ?? free.at(-1);
    if (chosen) forEachLeaf(chosen, (leaf) => into.add(leaf));
  }
  return into;
}

/** Numbers of groups or heads that stand before free channels along some axis. */
function outerLeaves(layers: readonly PrunableLayer[]): Set<DimTerm> {
  const outer = new Set<DimTerm>();
  for (const { term } of layers.flatMap((layer) => layer.axes)) {
    const primary = primaryLeaves(term);
    for (const leaf of leavesOf(term)) if (leaf.role === 'group' && !primary.has(leaf)) outer.add(leaf);
  }
  return outer;
}

function checkIndices(root: LayerAxis, idxs: readonly number[]): void {
  const size = numericSize(root.term);
  const where = { node: root.layer.name, operator: root.layer.node.opType };
  const seen = new Set<number>();
  for (const index of idxs) {
    if (!Number.isInteger(index) || index < 0 || index >= size) {
      throw new LayerError('INDEX_RANGE', `a channel index is out of range`, {
        ...where,
        expected: `an integer from 0 to ${size - 1}`,
        actual: index,
        repair: `The layer has ${size} ${root.side}put channels now; earlier pruning renumbers them.`,
      });
    }
    if (seen.has(index)) {
      throw new LayerError('INDEX_TWICE', 'a channel index is given twice', {
        ...where,
        actual: index,
        repair: 'Give every index once.',
      });
    }
    seen.add(index);
  }
  if (idxs.length === 0) {
    throw new LayerError('NO_INDICES', 'no channel indices are given', {
      ...where,
      repair: 'Give at least one index.',
    });
  }
}

function fixedChannel(root: LayerAxis, index: number): LayerError {
  const reasons = [...fixedReasons(root.term)].map((reason) => reason.because);
  return new LayerError(
    'FIXED_CHANNEL',
    `channel ${index} may not change${reasons.length ? ` because ${reasons.join('; ')}` : ''}`,
    {
      node: root.layer.name,
      operator: root.layer.node.opType,
      repair: 'Choose other channels or another layer; explain(layer) lists what is fixed.',
    },
  );
}
