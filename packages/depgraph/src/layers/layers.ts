/**
 * The layers of a model as the pruning API sees them: nodes with parameters, the channel axes of those parameters, and
 * the order in which groups are offered. Built once from the solved terms; names no operator.
 */
import { type GraphProto, type Layer, type Model, type NodeProto, OnnxPruningError } from '@onnx-pruning/onnx';
import type { LayerKind, LayerSpec, ParameterSpec } from '@onnx-pruning/ops';
import { GraphNodeView } from '../shapes/node-view.ts';
import { opsetOf, type ShapeTable } from '../shapes/shapes.ts';
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
  readonly spec: LayerSpec;
  readonly axes: readonly LayerAxis[];
}

/** Layers by node, in trace order (see traceOrder). */
export function collectLayers(
  model: Model,
  shapes: ShapeTable,
  axes: ReadonlyMap<string, readonly DimTerm[]>,
): PrunableLayer[] {
  const byNode = new Map(model.layers().map((layer) => [layer.node, layer]));
  const constantBehind = constantResolver(model.graph, shapes);
  const layers: PrunableLayer[] = [];
  for (const node of traceOrder(model.graph)) {
    const shown = shapes.vectors.node(node);
    const inputs = shown.input.map((name) => (name ? shapes.values.get(name) : undefined));
    const view = new GraphNodeView(shown, opsetOf(model, node), inputs, shapes.constants);
    const ranksKnown = inputs.every((info, i) => shown.input[i] === '' || info?.dims);
    const spec = ranksKnown ? shapes.records.get(node)?.layer(view) : undefined;
    if (spec) layers.push(describeLayer(byNode.get(node)!, shown.input, spec, axes, constantBehind));
  }
  return layers;
}

/**
 * The constant that a value is, when nodes only hand it on: older exporters store equal vectors once and give the other
 * layers an Identity of it. A record says so by returning what is known of its input, unread.
 */
function constantResolver(graph: GraphProto, shapes: ShapeTable): (value: string) => string | undefined {
  const handedOn = new Map<string, string>();
  for (const { input, output } of graph.node) {
    const info = input.length === 1 ? shapes.values.get(input[0]) : undefined;
    if (info && output.length === 1 && shapes.values.get(output[0]) === info) handedOn.set(output[0], input[0]);
  }
  return (value) => {
    let name: string | undefined = value;
    while (name !== undefined && !shapes.constants.has(name)) name = handedOn.get(name);
    return name;
  };
}

function describeLayer(
  base: Layer,
  inputs: readonly string[],
  spec: LayerSpec,
  axes: ReadonlyMap<string, readonly DimTerm[]>,
  constantBehind: (value: string) => string | undefined,
): PrunableLayer {
  const found: LayerAxis[] = [];
  const layer: PrunableLayer = { model: base.model, node: base.node, name: base.name, spec, axes: found };
  for (const side of ['out', 'in'] as const) {
    const byTerm = new Map<DimTerm, ParameterAxis[]>();
    for (const parameter of spec.parameters) {
      const axis = parameter[side];
      const tensor = constantBehind(inputs[parameter.input] ?? '');
      const term = axis === undefined || tensor === undefined ? undefined : axes.get(tensor)?.[axis];
      if (axis === undefined || tensor === undefined || !term) continue;
      const root = find(term);
      byTerm.set(root, [...(byTerm.get(root) ?? []), { tensor, axis, role: parameter.role }]);
    }
    // Some weights hold the channels of one group only; the axis that holds all of them stands for the layer.
    const widestFirst = [...byTerm].sort(([a], [b]) => Number(b.size) - Number(a.size));
    for (const [term, parameters] of widestFirst) found.push({ layer, side, term, parameters });
  }
  return layer;
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
      for (const name of node.input) {
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
  readonly name: string;
  readonly kinds: readonly LayerKind[];
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
