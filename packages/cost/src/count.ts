/**
 * Counts multiply-accumulates and parameters. Only the records know what a node costs and which inputs are parameters;
 * this file adds it up.
 */

import {
  BUILD_OPTIONS,
  GraphNodeView,
  type InputShapes,
  inferShapes,
  isVector,
  nodeLabel,
  opsetOf,
  registryWith,
  type SeparatedVectors,
  ShapeError,
  type ShapeTable,
} from '@onnx-pruning/depgraph';
import {
  checkArguments,
  checkNesting,
  checkOptions,
  DataType,
  kinds,
  type Model,
  type NodeProto,
  OnnxPruningError,
  type OptionKinds,
} from '@onnx-pruning/onnx';
import type { LayerKind, ModuleContext, ModuleView, OperatorRecord, ValueInfo } from '@onnx-pruning/ops';

/**
 * What counts as an operation. `conv-linear`: the multiply-accumulates of convolutions, matrix products and their kin.
 * `torch-pruning`: what Torch-Pruning's counter says, which charges biases, normalizations, activations and pooling
 * too, and is per sample of the batch.
 */
export type CountConvention = 'conv-linear' | 'torch-pruning';

const CONVENTIONS: readonly CountConvention[] = ['conv-linear', 'torch-pruning'];

export interface CountOptions {
  /** Sizes of symbolic dimensions, by input name or symbol. A symbolic batch counts as 1. */
  readonly inputShapes?: InputShapes;
  /** Default `conv-linear`. */
  readonly convention?: CountConvention;
  /** Whether to list what every layer costs. Default false. */
  readonly layerWise?: boolean;
  /** Records of operators that the engine does not know, or other rules for those that it does. */
  readonly customizedOperators?: readonly OperatorRecord[];
}

const COUNT_OPTIONS: OptionKinds<CountOptions> = {
  inputShapes: BUILD_OPTIONS.inputShapes,
  convention: kinds.anything,
  layerWise: kinds.boolean,
  customizedOperators: BUILD_OPTIONS.customizedOperators,
};

export interface LayerCount {
  readonly name: string;
  readonly operator: string;
  readonly macs: number;
  readonly params: number;
}

export interface ModelCount {
  /** Operations of one inference, by the convention that was asked for. */
  readonly macs: number;
  /** Elements of floating-point weights and biases; running statistics and single numbers are not parameters. */
  readonly params: number;
}

/** Totals, and where they come from. */
export interface LayerWiseCount extends ModelCount {
  /** Nodes that compute or own something, in graph order. */
  readonly layers: readonly LayerCount[];
}

/** A way to count that does not exist. */
export class CountError extends OnnxPruningError {}

const FLOATS: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.DOUBLE, DataType.FLOAT16, DataType.BFLOAT16]);

/**
 * Counts what one inference costs and what the model stores.
 * @throws ShapeError where a size is symbolic and not given; CountError for a convention that does not exist;
 * InvalidModelError when graphs or types are nested more deeply than a file can hold
 */
export function countOpsAndParams(model: Model, options: CountOptions & { readonly layerWise: true }): LayerWiseCount;
export function countOpsAndParams(model: Model, options?: CountOptions): ModelCount;
export function countOpsAndParams(model: Model, options: CountOptions = {}): ModelCount | LayerWiseCount {
  checkArguments('countOpsAndParams', { model: [model, kinds.model] });
  checkOptions('countOpsAndParams', options, COUNT_OPTIONS);
  checkNesting('ModelProto', model.proto);
  const { convention = 'conv-linear', layerWise = false } = options;
  if (!CONVENTIONS.includes(convention)) throw unknownConvention(convention);
  const layers = countNodes(model, concreteShapes(model, options), convention);
  const total = (pick: (layer: LayerCount) => number): number => layers.reduce((n, layer) => n + pick(layer), 0);
  const totals = { macs: total((layer) => layer.macs), params: total((layer) => layer.params) };
  return layerWise ? { ...totals, layers: layers.filter(({ macs, params }) => macs > 0 || params > 0) } : totals;
}

/** Shapes of all values with every size a number where options or a batch of one give it. */
export function concreteShapes(
  model: Model,
  { inputShapes, customizedOperators }: CountOptions = {},
  vectors?: SeparatedVectors,
): ShapeTable {
  return inferShapes(model, registryWith(customizedOperators), { ...batchOfOne(model), ...inputShapes }, vectors);
}

/** What every node costs and owns when its values have these shapes; the tensors themselves are not looked at. */
export function countNodes(model: Model, shapes: ShapeTable, convention: CountConvention): LayerCount[] {
  return new Counter(model, shapes).count(convention);
}

function unknownConvention(convention: string): CountError {
  return new CountError('COUNT_CONVENTION', 'there is no such way to count operations', {
    expected: CONVENTIONS.map((known) => `'${known}'`).join(' or '),
    actual: `'${convention}'`,
    repair: 'Give the option convention one of these values.',
  });
}

class Counter {
  readonly #model: Model;
  readonly #shapes: ShapeTable;
  readonly #producers: ReadonlyMap<string, NodeProto>;
  readonly #owned = new Set<string>();

  constructor(model: Model, shapes: ShapeTable) {
    this.#model = model;
    this.#shapes = shapes;
    this.#producers = new Map(model.graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  }

  /** One entry per node. */
  count(convention: CountConvention): LayerCount[] {
    const names = new Map(this.#model.layers().map((layer) => [layer.node, layer.name]));
    const samples = convention === 'torch-pruning' ? this.#batch() : 1;
    return this.#model.graph.node.map((node): LayerCount => {
      const view = new CostView(this.#model, this.#shapes, node, this.#producers);
      return {
        name: names.get(node) ?? nodeLabel(node),
        operator: node.opType ?? '',
        macs: this.#macs(view, convention) / samples,
        params: this.#ownParameters(view),
      };
    });
  }

  #macs(view: CostView, convention: CountConvention): number {
    const record = this.#shapes.records.get(view.live);
    if (!record) return 0;
    if (convention === 'conv-linear') return record.macs(view);
    // A product of two activations is a function call in PyTorch, which Torch-Pruning does not see.
    return (record.layer(view) === null ? 0 : record.macs(view)) + record.overhead(view);
  }

  /** Samples of the first input, over which Torch-Pruning averages. */
  #batch(): number {
    const first = this.#model.graph.input.find(({ name }) => !this.#shapes.constants.has(name ?? ''));
    const size = this.#shapes.values.get(first?.name ?? '')?.dims?.[0];
    return typeof size === 'number' && size > 0 ? size : 1;
  }

  /**
   * Elements of the float constants that are a node's own. Shared kernels belong to the first node that uses them;
   * equal vectors that an exporter stored once count for every layer, as they do in the network.
   */
  #ownParameters(view: CostView): number {
    const spec = this.#shapes.records.get(view.live)?.layer(view);
    let params = 0;
    view.node.input.forEach((name, i) => {
      const tensor = view.constant(i);
      const role = spec?.parameters.find((parameter) => parameter.input === i)?.role;
      if (!tensor || role === 'statistic' || this.#owned.has(name) || !FLOATS.has(tensor.dataType ?? 0)) return;
      if (!isVector(tensor)) this.#owned.add(name);
      const size = (this.#shapes.values.get(name)?.dims ?? []).reduce<number>((n, dim) => n * Number(dim), 1);
      if (role !== undefined || size > 1) params += size;
    });
    return params;
  }
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

class CostView extends GraphNodeView implements ModuleContext, ModuleView {
  /** The node of the model; `node` shows it with vectors of its own. */
  readonly live: NodeProto;
  readonly #outputs: readonly (ValueInfo | undefined)[];
  readonly #viewOf: (node: NodeProto) => CostView;
  readonly #record: OperatorRecord | undefined;
  readonly #producers: ReadonlyMap<string, NodeProto>;

  constructor(model: Model, shapes: ShapeTable, node: NodeProto, producers: ReadonlyMap<string, NodeProto>) {
    const shown = shapes.vectors.node(node);
    const inputs = shown.input.map((name) => (name ? shapes.values.get(name) : undefined));
    super(shown, opsetOf(model, node), inputs, shapes.constants);
    this.live = node;
    this.#outputs = node.output.map((name) => shapes.values.get(name));
    this.#producers = producers;
    this.#record = shapes.records.get(node);
    this.#viewOf = (other) => new CostView(model, shapes, other, producers);
  }

  inDims(i: number): readonly number[] {
    return this.#concrete(this.inputs[i], this.node.input[i]);
  }

  outDims(i: number): readonly number[] {
    return this.#concrete(this.#outputs[i], this.node.output[i]);
  }

  isLayer(kind: LayerKind): boolean {
    return this.#record?.layer(this)?.kind === kind;
  }

  producer(i: number): ModuleView | undefined {
    const node = this.#producers.get(this.node.input[i] ?? '');
    return node && this.#viewOf(node);
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
