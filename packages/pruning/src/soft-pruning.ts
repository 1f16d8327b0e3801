/**
 * Soft pruning: channels are masked in place of being removed, so that the model keeps its shapes and the choice can be
 * taken back (He et al., Soft Filter Pruning for Accelerating Deep Convolutional Neural Networks, IJCAI 2018). The
 * masked model computes what the pruned one does. Chooses nothing.
 */
import {
  type Analysis,
  type DependencyGraph,
  emptiedAxis,
  GRAPH,
  GROUP,
  type Group,
  KeptIndices,
  type LeafRemoval,
  nodeLabel,
  numericSize,
  removalOf,
  termOf,
} from '@onnx-pruning/depgraph';
import {
  checkArguments,
  constantTensors,
  type Kind,
  listOf,
  type Model,
  OnnxPruningError,
  replaceConstant,
  type TensorProto,
} from '@onnx-pruning/onnx';
import { maskTensor } from './mask.ts';
import { createPlan, initializerChanges, type Plan } from './plan.ts';

/** A mask that cannot be taken back or made permanent. */
export class SoftPruningError extends OnnxPruningError {}

const ITERABLE: Kind = {
  expected: 'a list of groups',
  accepts: (value) => typeof value === 'object' && value !== null && Symbol.iterator in value,
};

/**
 * Masks the channels of some groups: their slices of weights and biases become zero, in place. Running statistics stay,
 * and so do bare factors, since zero times anything is zero.
 *
 * The masked model computes what the pruned one does, except as `inexactBecause` of the result says; and where an
 * operator on the way makes no number of zeros, such as MeanVarianceNormalization, which divides by their spread.
 *
 * @param groups from this graph, asked for since it was last pruned; they may share channels
 * @throws LayerError for a group that is out of date, or an axis that would be left without channels; nothing is changed
 * @example
 * const soft = softPrune(graph, [graph.getPruningGroup('conv1', pruneConvOutChannels, [2, 6, 9])]);
 * const accuracy = await evaluate(model);
 * if (accuracy > wanted) soft.commit();
 * else soft.restore();
 */
export function softPrune(graph: DependencyGraph, groups: Iterable<Group>): SoftPruning {
  checkArguments('softPrune', { graph: [graph, GRAPH], groups: [groups, ITERABLE] });
  const chosen = [...groups];
  checkArguments('softPrune', { groups: [chosen, listOf(GROUP)] });
  for (const group of chosen) group.assertFresh();
  const removal = removalOf(chosen.map((group) => group.cells));
  const refused = emptiedAxis(graph.analysis, removal);
  if (refused) throw refused;
  const kept = new KeptIndices({ size: numericSize, kept: (leaf) => removal.get(leaf) });
  const inexactBecause = [...statisticsOver(chosen), ...unweightedSums(graph.analysis, kept)];
  return new SoftPruning({ graph, groups: chosen, removal, inexactBecause, masks: maskParameters(graph, kept) });
}

interface SoftPruningParts {
  readonly graph: DependencyGraph;
  readonly groups: readonly Group[];
  readonly removal: LeafRemoval;
  readonly inexactBecause: readonly string[];
  readonly masks: readonly Mask[];
}

/** Channels that are masked, until they are restored or removed for good. */
export class SoftPruning {
  /** The dependency graph of the masked model. */
  readonly graph: DependencyGraph;
  /** The groups whose channels are masked. */
  readonly groups: readonly Group[];
  /** What makes the masked model differ from the pruned one, or may do so; empty where they compute the same. */
  readonly inexactBecause: readonly string[];
  readonly #removal: LeafRemoval;
  readonly #masks: readonly Mask[];
  #state: 'masked' | 'restored' | 'committed' = 'masked';

  constructor({ graph, groups, removal, inexactBecause, masks }: SoftPruningParts) {
    this.graph = graph;
    this.groups = groups;
    this.inexactBecause = inexactBecause;
    this.#removal = removal;
    this.#masks = masks;
  }

  /** `masked` until `restore` or `commit` was called. */
  get state(): 'masked' | 'restored' | 'committed' {
    return this.#state;
  }

  /** The plan of removing what is masked, together with everything that was pruned through this graph before. */
  plan(reason = 'masked'): Plan {
    this.#assertMasked();
    return createPlan(this.graph, reason, this.#removal);
  }

  /**
   * Brings the original bytes back, exactly.
   * @throws SoftPruningError when the masked parameters were changed since; nothing is changed then
   */
  restore(): void {
    this.#assertMasked();
    const live = constantTensors(this.graph.model.graph);
    for (const mask of this.#masks) mask.assertUntouched(live);
    for (const mask of this.#masks) mask.undo();
    this.#state = 'restored';
  }

  /**
   * Removes the masked channels from the model for good.
   * @throws LayerError when they were pruned otherwise since; RewriteError as `pruneGroups` does. The mask stays then
   */
  commit(): void {
    this.#assertMasked();
    this.graph.pruneGroups(this.groups);
    this.#state = 'committed';
  }

  #assertMasked(): void {
    if (this.#state === 'masked') return;
    throw new SoftPruningError('SOFT_PRUNING_OVER', `these channels are no longer masked: they were ${this.#state}`, {
      node: this.groups[0]?.root.layer.name,
      repair: 'Call softPrune again with groups of the model as it is now.',
    });
  }
}

/** Statistics that zeros take part in, and removed channels do not. */
function statisticsOver(groups: readonly Group[]): string[] {
  const mixings = new Set(groups.flatMap((group) => group.inexactBecause));
  return [...mixings].map(({ node, statistic }) => `${statistic} in ${node.opType} '${nodeLabel(node)}'`);
}

/**
 * Nodes that sum over masked channels without weights to be masked. The sum is the same where the channels reach them
 * as zeros, which an operator between them and the masked layers (a sigmoid) may prevent.
 */
function unweightedSums(analysis: Analysis, kept: KeptIndices): string[] {
  const weighted = new Set(
    analysis.layers.flatMap(({ node, axes }) =>
      axes.some(({ side, term }) => side === 'in' && kept.changes(term)) ? [node] : [],
    ),
  );
  const sums = analysis.terms.consumptions.filter((at) => {
    const term = termOf(analysis, at);
    const isConstant = analysis.shapes.constants.has(at.value);
    return term !== undefined && !isConstant && !weighted.has(at.node) && kept.changes(term);
  });
  const nodes = new Set(sums.map(({ node }) => node));
  return [...nodes].map((node) => `${node.opType} '${nodeLabel(node)}' sums over masked channels as they reach it`);
}

function maskParameters(graph: DependencyGraph, kept: KeptIndices): Mask[] {
  const { analysis, model } = graph;
  const parameters = maskedParameters(graph);
  analysis.weights.takeAll();
  analysis.shapes.vectors.materialise(model);
  return Object.entries(initializerChanges(analysis, kept)).flatMap(([name, change]) => {
    const tensor = parameters.has(name) ? analysis.shapes.constants.get(name) : undefined;
    if (!tensor) return [];
    return [new Mask(graph, name, tensor, maskTensor(tensor, change))];
  });
}

/** Weights and biases of layers; a bare factor stays, because dividing by zero would not give zero. */
function maskedParameters(graph: DependencyGraph): Set<string> {
  const parameters = graph.layers.flatMap(({ spec, axes }) =>
    axes.flatMap((axis) =>
      axis.parameters.filter(({ role }) => role === 'bias' || (role === 'weight' && spec.kind !== 'parameter')),
    ),
  );
  return new Set(parameters.map(({ tensor }) => tensor));
}

/** A tensor in the place of another one, and the way back. */
class Mask {
  readonly #name: string;
  readonly #constants: Map<string, TensorProto>;
  readonly #model: Model;
  readonly #before: TensorProto;
  readonly #after: TensorProto;
  readonly #undoAttributes: () => void;

  constructor(graph: DependencyGraph, name: string, before: TensorProto, after: TensorProto) {
    this.#name = name;
    this.#constants = graph.analysis.shapes.constants;
    this.#model = graph.model;
    this.#before = before;
    this.#after = after;
    // Constant nodes may hold numbers in attributes instead of a tensor, which `replaceConstant` makes one of.
    const node = this.#model.graph.node.find(({ output }) => output[0] === name);
    const attributes = node?.attribute;
    this.#undoAttributes = () => {
      if (node && attributes) node.attribute = attributes;
    };
    this.#put(after);
  }

  #put(tensor: TensorProto): void {
    this.#constants.set(this.#name, tensor);
    replaceConstant(this.#model.graph, this.#name, tensor);
  }

  /** @param live the constants of the model as it is now */
  assertUntouched(live: ReadonlyMap<string, TensorProto>): void {
    if (live.get(this.#name) === this.#after) return;
    throw new SoftPruningError('SOFT_PRUNING_CHANGED', 'a masked parameter was changed since', {
      value: this.#name,
      repair: 'Restore later masks first; parameters that were pruned or trained cannot be brought back.',
    });
  }

  undo(): void {
    this.#put(this.#before);
    this.#undoAttributes();
  }
}
