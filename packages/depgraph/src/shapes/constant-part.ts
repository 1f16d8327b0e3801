/**
 * What a graph computes from initializers and constants alone. Exporters leave transposes, reshapes and casts of weights
 * there, and parametrizations such as weight norm. This file says what belongs to it, and which initializer a computed
 * value is when nothing but its layout or its scale differs.
 */
import type { Model, NodeProto, TensorProto } from '@onnx-pruning/onnx';
import {
  type Dim,
  isFloat,
  type LayerSpec,
  type OperatorRecord,
  productOfDims,
  type ValueInfo,
} from '@onnx-pruning/ops';
import { GraphNodeView } from './node-view.ts';
import { opsetOf, type ShapeTable } from './shapes.ts';

export class ConstantPart {
  readonly #model: Model;
  readonly #shapes: ShapeTable;
  readonly #producers = new Map<string, NodeProto>();

  constructor(model: Model, shapes: ShapeTable) {
    this.#model = model;
    this.#shapes = shapes;
    for (const node of model.graph.node) {
      const inputs = shapes.vectors.node(node).input.filter((name) => name !== '');
      const isConstant = inputs.length > 0 && inputs.every((name) => this.holds(name));
      if (isConstant) for (const name of node.output) if (name !== '') this.#producers.set(name, node);
    }
  }

  /** Whether a value is a constant, or computed from constants alone. */
  holds(name: string): boolean {
    return this.#shapes.constants.has(name) || this.#producers.has(name);
  }

  /** The node that computes a value from constants; undefined for every other value, also for constants. */
  producerOf(value: string): NodeProto | undefined {
    return this.#producers.get(value);
  }

  /** Inputs of a node, with vectors of its own. */
  inputsOf(node: NodeProto): readonly string[] {
    return this.#shapes.vectors.node(node).input;
  }

  /** Whether a node computes from constants alone. */
  has(node: NodeProto): boolean {
    return node.output.some((name) => this.#producers.has(name));
  }

  /**
   * The floating-point initializer or constant that a value is, behind nodes that keep its elements one by one
   * (transposes, reshapes, casts, factors of one element); undefined where there is none, or more than one.
   */
  sourceOf(value: string): string | undefined {
    let name: string | undefined = value;
    while (name !== undefined && !this.#shapes.constants.has(name)) name = this.#onlyTensorInto(name);
    const elemType = name === undefined ? undefined : this.#shapes.constants.get(name)?.dataType;
    return isFloat(elemType ?? 0) ? name : undefined;
  }

  /** The one input of more than one element of a node that gives as many elements as it takes. */
  #onlyTensorInto(value: string): string | undefined {
    const node = this.#producers.get(value);
    if (!node) return undefined;
    const { values } = this.#shapes;
    const floats = this.#shapes.vectors.node(node).input.filter((name) => {
      const info = values.get(name);
      return info !== undefined && isFloat(info.elemType) && sizeOf(info) !== 1;
    });
    const [input] = floats;
    const size = floats.length === 1 ? sizeOf(values.get(input)) : undefined;
    return size !== undefined && size === sizeOf(values.get(value)) ? input : undefined;
  }

  /** The layer that a node is to a user when weights that `counts` accepts are taken for initializers. */
  layerOf(node: NodeProto, counts: (value: string) => boolean): LayerSpec | undefined {
    return new ParameterView(
      this.#model,
      this.#shapes,
      node,
      (name) => this.#producers.has(name) && counts(name),
    ).spec();
  }
}

function sizeOf(info: ValueInfo | undefined): Dim | undefined {
  return info?.dims && productOfDims(info.dims);
}

/** A node as it would be if some computed values were initializers. */
class ParameterView extends GraphNodeView {
  readonly #record: OperatorRecord | undefined;
  readonly #counts: (value: string) => boolean;

  constructor(model: Model, shapes: ShapeTable, node: NodeProto, counts: (value: string) => boolean) {
    const shown = shapes.vectors.node(node);
    const inputs = shown.input.map((name) => (name === '' ? undefined : shapes.values.get(name)));
    super(shown, opsetOf(model, node), inputs, shapes.constants);
    this.#record = shapes.records.get(node);
    this.#counts = counts;
  }

  /** Only that there is a tensor, and of what type and rank, matters to a record that names its parameters. */
  override constant(i: number): TensorProto | undefined {
    const name = this.node.input[i] ?? '';
    if (!this.#counts(name)) return super.constant(i);
    const { elemType, dims = [] } = this.inputs[i] ?? { elemType: 0 };
    return { name, dataType: elemType, dims: dims.map((size) => (typeof size === 'number' ? size : 1)) };
  }

  spec(): LayerSpec | undefined {
    const ranksKnown = this.inputs.every((info, i) => this.node.input[i] === '' || info?.dims !== undefined);
    return ranksKnown ? (this.#record?.layer(this) ?? undefined) : undefined;
  }
}
