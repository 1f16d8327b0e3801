/**
 * Counts multiply-accumulates and parameters. Only the records know what a node costs and which inputs are parameters;
 * this file adds it up.
 */
import { DataType, type Model, type NodeProto, tensorSize } from '@onnx-pruning/onnx';
import { type CostContext, OperatorRegistry, standardOperators, type ValueInfo } from '@onnx-pruning/ops';
import { GraphNodeView, nodeLabel } from './node-view.ts';
import { type InputShapes, inferShapes, opsetOf, ShapeError, type ShapeTable } from './shapes.ts';
import { isVector } from './unshare.ts';

export interface CountOptions {
  /** Sizes of symbolic dimensions, by input name or symbol. A symbolic batch counts as 1. */
  readonly inputShapes?: InputShapes;
}

export interface LayerCount {
  readonly name: string;
  readonly operator: string;
  readonly macs: number;
  readonly params: number;
}

export interface ModelCount {
  /** Multiply-accumulates of convolutions, transposed convolutions and matrix products in one inference. */
  readonly macs: number;
  /** Elements of floating-point weights and biases; running statistics and single numbers are not parameters. */
  readonly params: number;
  /** Nodes that compute or own something, in graph order. */
  readonly layers: readonly LayerCount[];
}

const FLOATS: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.DOUBLE, DataType.FLOAT16, DataType.BFLOAT16]);

/**
 * Counts what one inference costs and what the model stores.
 * @throws ShapeError where a size is symbolic and not given
 */
export function countOpsAndParams(model: Model, options: CountOptions = {}): ModelCount {
  const registry = new OperatorRegistry(standardOperators);
  const shapes = inferShapes(model, registry, { ...batchOfOne(model), ...options.inputShapes });
  const names = new Map(model.layers().map((layer) => [layer.node, layer.name]));
  const owned = new Set<string>();
  const layers = model.graph.node.map((node): LayerCount => {
    const view = new CostView(model, shapes, node);
    const macs = shapes.records.get(node)?.macs(view) ?? 0;
    const params = ownParameters(shapes, view, owned);
    return { name: names.get(node) ?? nodeLabel(node), operator: node.opType ?? '', macs, params };
  });
  const total = (pick: (layer: LayerCount) => number): number => layers.reduce((n, layer) => n + pick(layer), 0);
  return {
    macs: total((layer) => layer.macs),
    params: total((layer) => layer.params),
    layers: layers.filter((layer) => layer.macs > 0 || layer.params > 0),
  };
}

/** Every input whose first axis is symbolic is taken as a batch of one. */
function batchOfOne(model: Model): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const input of model.graph.input) {
    const first = input.type?.tensorType?.shape?.dim[0];
    if (first && first.dimValue === undefined) sizes[first.dimParam || `${input.name}.0`] = 1;
  }
  return sizes;
}

/**
 * Elements of the float constants that are a node's own. Shared kernels belong to the first node that uses them; equal
 * vectors that an exporter stored once count for every layer, as they do in the network.
 */
function ownParameters(shapes: ShapeTable, view: CostView, owned: Set<string>): number {
  const spec = shapes.records.get(view.node)?.layer(view);
  let params = 0;
  view.node.input.forEach((name, i) => {
    const tensor = view.constant(i);
    const statistic = spec?.parameters.some((parameter) => parameter.input === i && parameter.role === 'statistic');
    if (!tensor || statistic || owned.has(name) || !FLOATS.has(tensor.dataType ?? 0)) return;
    if (!isVector(tensor)) owned.add(name);
    if (tensorSize(tensor) > 1) params += tensorSize(tensor);
  });
  return params;
}

class CostView extends GraphNodeView implements CostContext {
  readonly #outputs: readonly (ValueInfo | undefined)[];

  constructor(model: Model, shapes: ShapeTable, node: NodeProto) {
    const inputs = node.input.map((name) => (name ? shapes.values.get(name) : undefined));
    super(node, opsetOf(model, node), inputs, shapes.constants);
    this.#outputs = node.output.map((name) => shapes.values.get(name));
  }

  inDims(i: number): readonly number[] {
    return this.#concrete(this.inputs[i], this.node.input[i]);
  }

  outDims(i: number): readonly number[] {
    return this.#concrete(this.#outputs[i], this.node.output[i]);
  }

  #concrete(info: ValueInfo | undefined, value: string | undefined): readonly number[] {
    const dims = info?.dims;
    if (dims?.every((size) => typeof size === 'number')) return dims as readonly number[];
    throw new ShapeError('SIZE_UNKNOWN', 'the cost of a node depends on a size that is not known', {
      node: nodeLabel(this.node),
      operator: this.node.opType,
      value,
      actual: dims ? `[${dims.join(', ')}]` : 'unknown rank',
      repair: 'Give inputShapes: sizes by input name or symbol.',
    });
  }
}
