/**
 * The layers of a model as the pruning API sees them: nodes with parameters, the channel axes of those parameters, and
 * the order in which groups are offered. Built once from the solved terms; names no operator.
 */
import {
  type GraphProto,
  type Layer,
  type Model,
  type NodeProto,
  OnnxPruningError,
  outerReferences,
  subgraphs,
} from '@onnx-pruning/onnx';
import type { LayerKind, LayerSpec, ParameterSpec } from '@onnx-pruning/ops';
import type { ShapeTable } from '../shapes/shapes.ts';
import type { SolvedTerms } from '../terms/equations.ts';
import { type DimTerm, find } from '../terms/term.ts';

export type Side = 'out' | 'in';

/** One parameter tensor of a layer, seen along one channel axis. */
export interface ParameterAxis {
  /** Name of the initializer or constant. */
  readonly tensor: string;
  readonly axis: number;
  readonly role: ParameterSpec['role'];
}

/** The output or input channels of a layer: one term, and the parameter axes that hold it. */
export interface LayerAxis {
  readonly layer: PrunableLayer;
  readonly side: Side;
  readonly term: DimTerm;
  readonly parameters: readonly ParameterAxis[];
}

/** A layer with its specification and channel axes. */
export interface PrunableLayer extends Layer {
  /** What the layer is (a convolution, a normalization, ...), and which inputs of the node are its parameters. */
  readonly spec: LayerSpec;
  /**
   * Its output and input channels, each with the parameters that have them on an axis; several of one side where a
   * weight keeps heads on an axis of their own.
   */
  readonly axes: readonly LayerAxis[];
}

/** Layers by node, in trace order (see traceOrder). */
export function collectLayers(model: Model, terms: WeightTerms): PrunableLayer[] {
  const byNode = new Map(model.layers().map((layer) => [layer.node, layer]));
  const layers: PrunableLayer[] = [];
  for (const node of traceOrder(model.graph)) {
    const spec = terms.constantPart.layerOf(node, (value) => terms.constantPart.sourceOf(value) !== undefined);
    if (spec) layers.push(describeLayer(byNode.get(node)!, spec, terms));
  }
  return layers;
}

/** What is known of weights: their terms, and how they follow from initializers. */
type WeightTerms = Pick<SolvedTerms, 'axes' | 'constantPart'>;

function describeLayer(base: Layer, spec: LayerSpec, terms: WeightTerms): PrunableLayer {
  const found: LayerAxis[] = [];
  const layer: PrunableLayer = { model: base.model, node: base.node, name: base.name, spec, axes: found };
  const inputs = terms.constantPart.inputsOf(base.node);
  for (const side of ['out', 'in'] as const) {
    const byTerm = new Map<DimTerm, ParameterAxis[]>();
    for (const parameter of spec.parameters) {
      const axis = parameter[side];
      const stored = axis === undefined ? undefined : storedAxis(terms, inputs[parameter.input] ?? '', axis);
      if (!stored) continue;
      const { term, tensor } = stored;
      byTerm.set(term, [...(byTerm.get(term) ?? []), { tensor, axis: stored.axis, role: parameter.role }]);
    }
    // Some weights hold the channels of one group only; the axis that holds all of them stands for the layer.
    const widestFirst = [...byTerm].sort(([a], [b]) => Number(b.size) - Number(a.size));
    for (const [term, parameters] of widestFirst) found.push({ layer, side, term, parameters });
  }
  return layer;
}

/** The initializer that a weight is, and which of its axes an axis of the weight is: nodes may rearrange it in between. */
function storedAxis(
  { axes, constantPart }: WeightTerms,
  value: string,
  axis: number,
): { term: DimTerm; tensor: string; axis: number } | undefined {
  const tensor = constantPart.sourceOf(value);
  const held = axes.get(value)?.[axis];
  if (tensor === undefined || held === undefined) return undefined;
  const term = find(held);
  if (tensor === value) return { term, tensor, axis };
  const stored = (axes.get(tensor) ?? []).findIndex((candidate) => find(candidate) === term);
  return stored < 0 ? undefined : { term, tensor, axis: stored };
}

/**
 * Nodes in the order in which a backward trace from the graph outputs meets them: a depth-first walk that registers the
 * inputs of a node in order and descends into the last one first. Torch-Pruning offers its groups in this order (it
 * walks the autograd graph), so group roots and their order agree with it.
 */
export function traceOrder(graph: GraphProto): NodeProto[] {
  const producer = new Map<string, NodeProto>();
  for (const node of graph.node) for (const name of node.output) producer.set(name, node);
  const registered = new Set<NodeProto>();
  const visited = new Set<NodeProto>();
  for (const output of graph.output) {
    const start = producer.get(output.name ?? '');
    const stack = start ? [start] : [];
    for (let node = stack.pop(); node; node = stack.pop()) {
      if (visited.has(node)) continue;
      visited.add(node);
      registered.add(node);
      for (const name of [...node.input, ...subgraphs(node).flatMap(outerReferences)]) {
        const before = producer.get(name);
        if (!before) continue;
        registered.add(before);
        if (!visited.has(before)) stack.push(before);
      }
    }
  }
  return [...registered];
}

/** A parameter that is no layer's, and the axis along which it has channels. */
export interface UnwrappedParameter {
  /** Name of the initializer. */
  readonly name: string;
  readonly axis: number;
}

/**
 * A layer for a bare parameter, under the parameter's name.
 * @throws LayerError when there is no such parameter or axis
 */
export function unwrappedLayer(
  model: Model,
  shapes: ShapeTable,
  axes: ReadonlyMap<string, readonly DimTerm[]>,
  { name, axis }: UnwrappedParameter,
): PrunableLayer {
  const node = model.graph.node.find((candidate) => candidate.input.includes(name));
  const term = shapes.constants.has(name) ? axes.get(name)?.[axis] : undefined;
  if (!node || !term) {
    throw new LayerError(
      'UNWRAPPED_PARAMETER',
      'unwrappedParameters names a parameter or an axis that does not exist',
      {
        value: name,
        axis,
        expected: 'an initializer that a node uses, and one of its axes',
        actual: axes.has(name) ? `${axes.get(name)!.length} axes` : 'no such initializer',
        repair: 'Give the name of an initializer and the axis to prune.',
      },
    );
  }
  const spec: LayerSpec = {
    kind: 'parameter',
    parameters: [{ input: node.input.indexOf(name), role: 'weight', out: axis }],
  };
  const found: LayerAxis[] = [];
  const layer: PrunableLayer = { model, node, name, spec, axes: found };
  found.push({ layer, side: 'out', term, parameters: [{ tensor: name, axis, role: 'weight' }] });
  return layer;
}

/** A layer that was asked for has no channels of the kind asked for, or is not a layer of this graph. */
export class LayerError extends OnnxPruningError {}

/** The error for a node without channels. */
export function notALayer(layer: Layer): LayerError {
  return new LayerError('NOT_PRUNABLE', 'this node is not a layer with channels', {
    node: layer.name,
    operator: layer.node.opType,
    repair: 'Name a layer with parameters, such as a convolution or a fully connected layer.',
  });
}

/** What a pruning function prunes: one side of some kinds of layers. */
export interface PruningTarget {
  /** As it is exported, such as `pruneConvOutChannels`. */
  readonly name: string;
  /** Kinds of layers that it prunes; it refuses others. */
  readonly kinds: readonly LayerKind[];
  /** `out`: channels that the layer makes; `in`: channels that it takes. */
  readonly side: Side;
}

/**
 * The channel axis of a layer that a pruning function means.
 * @throws LayerError when the layer is of another kind or has no channels of its own on that side
 */
export function axisOf(layer: PrunableLayer, fn: PruningTarget): LayerAxis {
  if (!fn.kinds.includes(layer.spec.kind)) {
    throw new LayerError('WRONG_KIND', `${fn.name} is for layers of kind ${fn.kinds.join(' or ')}`, {
      node: layer.name,
      operator: layer.node.opType,
      expected: fn.kinds.join(' or '),
      actual: layer.spec.kind,
      repair: 'Use the pruning function of that kind of layer.',
    });
  }
  return sideOf(layer, fn.side);
}

/** The position of an axis among those of the same side of its layer. */
export function partOf({ layer, side, term }: LayerAxis): number {
  return layer.axes.filter((axis) => axis.side === side).findIndex((axis) => axis.term === term);
}

/** @throws LayerError when the layer has no channels of its own on that side */
export function sideOf(layer: PrunableLayer, side: Side, part = 0): LayerAxis {
  const axis = layer.axes.filter((candidate) => candidate.side === side)[part];
  if (axis) return axis;
  throw new LayerError('LAYER_SIDE', `this layer has no ${side}put channels of its own`, {
    node: layer.name,
    operator: layer.node.opType,
    repair: `Prune its ${side === 'in' ? 'out' : 'in'}put channels, or a layer next to it.`,
  });
}
