/**
 * Everything that is known of a model before it is pruned: shapes, solved terms and layers. One value that the later
 * stages read; only `rewrite.ts` brings it up to date after channels were removed.
 */
import type { Model, NodeProto } from '@onnx-pruning/onnx';
import type { OperatorRegistry } from '@onnx-pruning/ops';
import {
  collectLayers,
  type LayerAxis,
  LayerError,
  type PrunableLayer,
  type Side,
  sideOf,
  type UnwrappedParameter,
  unwrappedLayer,
} from '../layers/layers.ts';
import { LayerSelection } from '../layers/select.ts';
import { type UnlistedLayer, unlistedLayers } from '../layers/unlisted.ts';
import { SeparatedVectors } from '../shapes/separated-vectors.ts';
import { type InputShapes, inferShapes, type ShapeTable } from '../shapes/shapes.ts';
import type { Consumption, Mixing } from '../terms/consumption.ts';
import { type SolvedTerms, type SolveOptions, solveTerms } from '../terms/equations.ts';
import { chooseIndependently } from '../terms/families.ts';
import { type DimTerm, find, forEachLeaf, type Leaf, numericSize, someLeaf } from '../terms/term.ts';
import { LiveWeights } from './live-weights.ts';
import { OriginalGraph } from './original-graph.ts';

export interface Analysis {
  readonly model: Model;
  readonly registry: OperatorRegistry;
  readonly shapes: ShapeTable;
  readonly terms: SolvedTerms;
  /** The graph before anything was pruned. */
  readonly original: OriginalGraph;
  /** Weights as they are now. */
  readonly weights: LiveWeights;
  /** Layers in trace order. */
  readonly layers: readonly PrunableLayer[];
  /** Nodes with weights that are no layers, and why. */
  readonly unlisted: readonly UnlistedLayer[];
  /** The layer that each node is; a bare parameter's where it is no other. */
  readonly layerOf: ReadonlyMap<NodeProto, PrunableLayer>;
  /** Finds layers by their names. */
  readonly selection: LayerSelection;
  /** Channel axes of layers that hold a leaf, in graph order. */
  readonly uses: ReadonlyMap<Leaf, readonly LayerAxis[]>;
}

/** Channels of layers that lie in groups although no operator says so. */
export interface ChannelGroups {
  /** The name of a layer, or a pattern. */
  readonly selector: string;
  readonly side: Side;
  readonly groups: number;
}

export interface AnalysisOptions extends SolveOptions {
  /** Bare parameters that are to be layers of their own. */
  readonly unwrappedParameters?: readonly UnwrappedParameter[];
  /** Whether groups may keep different channels (see families.ts). Default false. */
  readonly independentGroups?: boolean;
  readonly channelGroups?: readonly ChannelGroups[];
}

/**
 * Analyses a model and leaves it as it is. Vectors that layers of different groups share count as copies (see
 * separated-vectors.ts), which become part of the model when channels are removed.
 */
export function analyse(
  model: Model,
  registry: OperatorRegistry,
  inputShapes: InputShapes = {},
  options: AnalysisOptions = {},
): Analysis {
  const vectors = SeparatedVectors.of(model.graph);
  const shapes = inferShapes(model, registry, inputShapes, vectors);
  const terms = solveTerms(model, shapes, options);
  const unneeded = vectors.copies.filter(({ original, copy }) => sameTerms(terms, original, copy.name ?? ''));
  vectors.merge(unneeded);
  for (const { copy } of unneeded) forget(shapes, terms, copy.name ?? '');
  const layers = collectLayers(model, terms);
  const unwrapped = options.unwrappedParameters ?? [];
  for (const given of unwrapped) layers.push(unwrappedLayer(model, shapes, terms.axes, given));
  // Bare parameters come last and share a node with others: the node's own layer answers for it.
  const layerOf = new Map([...layers].reverse().map((layer) => [layer.node, layer]));
  const selection = new LayerSelection(model, layers, layerOf, unwrapped.length, shapes.constants);
  for (const { selector, side, groups } of options.channelGroups ?? []) {
    for (const layer of selection.keyed(selector)) groupChannels(terms, layer, side, groups);
  }
  if (options.independentGroups) chooseIndependently(terms, shapes);
  const unlisted = unlistedLayers(model, shapes, terms, layers);
  const original = new OriginalGraph(model, shapes);
  const weights = new LiveWeights(model, shapes);
  const uses = collectUses(model, layers);
  return { model, registry, shapes, terms, original, weights, layers, unlisted, layerOf, selection, uses };
}

/**
 * Writes the channels of a layer as groups x channels of a group, so that every group loses the same local channels.
 * @throws LayerError when the layer has no such channels or they do not divide
 */
function groupChannels(terms: SolvedTerms, layer: PrunableLayer, side: Side, groups: number): void {
  const { term } = sideOf(layer, side);
  const size = numericSize(term);
  const factored = size % groups === 0 && terms.universe.factor(term, size / groups, { node: layer.name });
  if (factored) return;
  throw new LayerError('CHANNEL_GROUPS', `the ${side}put channels cannot be divided into groups`, {
    node: layer.name,
    operator: layer.node.opType,
    expected: `a divisor of ${size}`,
    actual: groups,
    repair: 'Give the number of groups or heads that the layer really has.',
  });
}

function sameTerms(terms: SolvedTerms, a: string, b: string): boolean {
  const [x, y] = [terms.axes.get(a), terms.axes.get(b)];
  return x !== undefined && y !== undefined && x.every((term, axis) => find(term) === find(y[axis]) || term.size === 1);
}

function forget(shapes: ShapeTable, terms: SolvedTerms, name: string): void {
  shapes.values.delete(name);
  shapes.constants.delete(name);
  terms.axes.delete(name);
}

function collectUses(model: Model, layers: readonly PrunableLayer[]): Map<Leaf, LayerAxis[]> {
  const byNode = new Map<NodeProto, PrunableLayer[]>();
  for (const layer of layers) byNode.set(layer.node, [...(byNode.get(layer.node) ?? []), layer]);
  const uses = new Map<Leaf, LayerAxis[]>();
  for (const node of model.graph.node) {
    for (const axis of (byNode.get(node) ?? []).flatMap((layer) => layer.axes)) {
      const seen = new Set<Leaf>();
      forEachLeaf(axis.term, (leaf) => seen.add(leaf));
      for (const leaf of seen) {
        const list = uses.get(leaf);
        if (list) list.push(axis);
        else uses.set(leaf, [axis]);
      }
    }
  }
  return uses;
}

/** Nodes that compute a statistic over an axis holding one of the leaves: pruning them is not exact. */
export function mixingsOf(analysis: Analysis, leaves: ReadonlySet<Leaf>): Mixing[] {
  return analysis.terms.mixings.filter((mixing) => holds(termOf(analysis, mixing), leaves));
}

/** The term that a consumption or mixing runs over. */
export function termOf(analysis: Analysis, at: Consumption): DimTerm | undefined {
  return analysis.terms.axes.get(at.value)?.[at.axis];
}

function holds(term: DimTerm | undefined, leaves: ReadonlySet<Leaf>): boolean {
  return term !== undefined && someLeaf(term, (leaf) => leaves.has(leaf));
}
