/**
 * The weights as the model has them now. Whoever trains a model between two steps puts new tensors into it; scores and
 * removals must see those, never the ones that were there when the graph was analysed. Weights may be others, sizes and
 * integers, which decide about shapes, may not: then the analysis is of another model, and that is said.
 */
import {
  constantTensor,
  contentKey,
  dataTypeName,
  type Model,
  type NodeProto,
  type TensorProto,
  tensorDims,
} from '@onnx-pruning/onnx';
import { isFloat } from '@onnx-pruning/ops';
import { LayerError } from '../layers/layers.ts';
import { constantInfo, type ShapeTable } from '../shapes/shapes.ts';

export class LiveWeights {
  readonly #model: Model;
  readonly #shapes: ShapeTable;
  /** Where initializers were found last. */
  #places = new Map<string, number>();
  #constantNodes: ReadonlyMap<string, NodeProto> | undefined;
  #replaced = false;

  constructor(model: Model, shapes: ShapeTable) {
    this.#model = model;
    this.#shapes = shapes;
  }

  /**
   * A constant as it is now; undefined where the model had none of this name.
   * @throws LayerError where its type or shape is not what was analysed
   */
  of(name: string): TensorProto | undefined {
    const known = this.#shapes.constants.get(name);
    const now = known && this.#find(name);
    if (!now || now === known || contentKey(now) === contentKey(known)) return known;
    this.#take(name, known, now);
    return now;
  }

  /**
   * Takes all weights as they are now.
   * @returns whether some were replaced since the analysis by something else than pruning
   * @throws LayerError as `of`
   */
  takeAll(): boolean {
    for (const name of [...this.#shapes.constants.keys()]) this.of(name);
    return this.#replaced;
  }

  #find(name: string): TensorProto | undefined {
    const { initializer } = this.#model.graph;
    const place = this.#places.get(name);
    if (place !== undefined && initializer[place]?.name === name) return initializer[place];
    const found = initializer.findIndex((tensor) => tensor.name === name);
    if (found < 0) return this.#inNode(name);
    this.#places = new Map(initializer.map((tensor, i) => [tensor.name ?? '', i]));
    return initializer[found];
  }

  #inNode(name: string): TensorProto | undefined {
    const { node: nodes } = this.#model.graph;
    this.#constantNodes ??= new Map(nodes.filter((node) => constantTensor(node)).map((node) => [node.output[0], node]));
    const node = this.#constantNodes.get(name);
    // Numbers in other attributes are made into a new tensor by every look at them.
    return node?.attribute.some((attribute) => attribute.name === 'value') ? constantTensor(node) : undefined;
  }

  #take(name: string, known: TensorProto, now: TensorProto): void {
    const [before, after] = [known, now].map((t) => `${dataTypeName(t.dataType)} [${tensorDims(t).join(', ')}]`);
    const decides = !isFloat(now.dataType ?? 0);
    if (before !== after || decides) {
      throw new LayerError('MODEL_EDITED', 'the model is not the one that was analysed any more', {
        value: name,
        expected: before,
        actual: before === after ? 'other integers, which shapes may depend on' : after,
        repair: 'Call buildDependency again, or make a new pruner, after a model was edited.',
      });
    }
    this.#replaced = true;
    this.#shapes.constants.set(name, now);
    this.#shapes.values.set(name, constantInfo(now));
    for (const copy of this.#shapes.vectors.replace(name, now)) this.#shapes.constants.set(copy.name ?? '', copy);
  }
}
