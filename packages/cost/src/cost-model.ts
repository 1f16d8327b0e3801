/**
 * What a model would cost if some channels were gone, without removing them: sizes follow the terms, costs follow the
 * sizes. Budgets are met by asking this many times.
 */

import type { Analysis, Leaf, ShapeTable } from '@onnx-pruning/depgraph';
import { SizesAfter } from '@onnx-pruning/depgraph';
import { bitsPerElement, encodedSize, type Model, type TensorProto } from '@onnx-pruning/onnx';
import type { Dim, ValueInfo } from '@onnx-pruning/ops';
import { type CountOptions, concreteShapes, countNodes } from './count.ts';

/** Three measures of a model. */
export interface Cost {
  /** Multiply-accumulates of one inference, by the `conv-linear` convention. */
  readonly macs: number;
  /** Elements of weights and biases. */
  readonly params: number;
  /** Size of the encoded file. */
  readonly bytes: number;
}

/** Costs of one analysed model for any number of channels left. */
export class CostModel {
  readonly #analysis: Analysis;
  readonly #model: Model;
  readonly #shapes: ShapeTable;
  readonly #fileBytes: number;
  readonly #tensorBytes: number;

  /** @throws ShapeError when it is used while a size that matters is symbolic and not given */
  constructor(analysis: Analysis, options: Pick<CountOptions, 'inputShapes'> = {}) {
    this.#analysis = analysis;
    this.#model = analysis.model;
    this.#shapes = concreteShapes(analysis.model, options, analysis.shapes.vectors);
    this.#tensorBytes = this.#bytesOf(this.#shapes.values);
    this.#fileBytes = encodedSize(analysis.model);
  }

  /** The cost when each of the given leaves keeps `length` channels. */
  after(removal: ReadonlyMap<Leaf, { readonly length: number }>): Cost {
    const values = this.#valuesAfter(new SizesAfter(removal));
    const layers = countNodes(this.#model, { ...this.#shapes, values }, 'conv-linear');
    return {
      macs: layers.reduce((n, layer) => n + layer.macs, 0),
      params: layers.reduce((n, layer) => n + layer.params, 0),
      bytes: this.#fileBytes - this.#tensorBytes + this.#bytesOf(values),
    };
  }

  /** Symbolic axes keep the concrete size that they were given; all others follow their terms. */
  #valuesAfter(sizes: SizesAfter): Map<string, ValueInfo> {
    const values = new Map<string, ValueInfo>();
    for (const [name, info] of this.#shapes.values) {
      const axes = this.#analysis.terms.axes.get(name);
      const dims = info.dims?.map((size, axis): Dim => {
        const after = axes?.[axis] ? sizes.of(axes[axis]) : size;
        return typeof after === 'number' ? after : size;
      });
      values.set(name, { elemType: info.elemType, dims });
    }
    return values;
  }

  #bytesOf(values: ReadonlyMap<string, ValueInfo>): number {
    let bytes = 0;
    for (const [name, tensor] of this.#shapes.constants) bytes += tensorBytesFor(tensor, values.get(name)?.dims ?? []);
    return bytes;
  }
}

function tensorBytesFor(tensor: TensorProto, dims: readonly Dim[]): number {
  const elements = dims.reduce<number>((n, size) => n * Number(size), 1);
  return Math.ceil((elements * bitsPerElement(tensor.dataType)) / 8);
}
