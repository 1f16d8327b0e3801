/**
 * What a layer with some weights leaves of what it should give: the layer itself is run, so that no row is unfolded and no
 * covariance is needed. It must not know how the weights were found.
 */
import { DataType, type Model, type TensorProto, tensorDims, tensorType } from '@onnx-pruning/onnx';
import { createSession, type Session, type SessionOptions, valueNumbers } from '@onnx-pruning/runtime';
import type { Matrix } from '../solve/matrix.ts';
import type { Refittable } from './refittable.ts';
import { beginSeenGraph, emitSpread, endSeenGraph, feedsOf, positionsIn, type Seen } from './seen-graph.ts';

/** Of what is left, and of what the layer should give: mean and variance of every output. */
export interface Residual {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  /** The variances of what the layer should give, summed up. */
  readonly spread: number;
}

/** The mean square of what is left with a bias, summed over the outputs. */
export function errorWith({ mean, variance }: Residual, bias: Float64Array): number {
  return variance.reduce((sum, square, j) => sum + square + (mean[j]! - bias[j]!) ** 2, 0);
}

/** Runs one layer that has one group. */
export class Residuals {
  readonly #layer: Refittable;
  readonly #weight: TensorProto;
  readonly #session: Session;

  private constructor(layer: Refittable, weight: TensorProto, session: Session) {
    this.#layer = layer;
    this.#weight = weight;
    this.#session = session;
  }

  /** @param weight the layer's as it is: its size counts */
  static async open(
    model: Model,
    layer: Refittable,
    weight: TensorProto,
    like: Seen,
    options: SessionOptions,
  ): Promise<Residuals> {
    const session = await createSession(residualModel(model, layer, weight, like), options);
    return new Residuals(layer, weight, session);
  }

  /** What is left by a layer with these weights and no bias. */
  async of(batches: readonly Seen[], { data }: Matrix): Promise<Residual> {
    const { map } = this.#layer;
    const numbers = map.weightOf([data.map((x) => x / map.scale.product)]);
    const sums = { rest: new Sums(map.outputs), wanted: new Sums(map.outputs) };
    for (const seen of batches) {
      const dims = tensorDims(this.#weight);
      const weight =
        seen.input.dataType === DataType.DOUBLE
          ? { dataType: DataType.DOUBLE, dims, data: numbers }
          : { dataType: DataType.FLOAT, dims, data: Float32Array.from(numbers) };
      const found = await this.#session.run({ ...feedsOf(seen), weight });
      const count = positionsIn(this.#layer, seen);
      for (const part of ['rest', 'wanted'] as const) {
        sums[part].add(count, valueNumbers(found[part]!), valueNumbers(found[`${part}Squares`]!));
      }
    }
    return {
      mean: sums.rest.mean(),
      variance: sums.rest.variance(),
      spread: sums.wanted.variance().reduce((sum, x) => sum + x, 0),
    };
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}

/** Sums over batches, in float64. */
class Sums {
  #count = 0;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;

  constructor(size: number) {
    this.#sum = new Float64Array(size);
    this.#squares = new Float64Array(size);
  }

  /** @param squares about the means */
  add(count: number, means: ArrayLike<number>, squares: ArrayLike<number>): void {
    this.#count += count;
    for (let j = 0; j < this.#sum.length; j++) {
      this.#sum[j]! += count * means[j]!;
      this.#squares[j]! += squares[j]! + count * means[j]! ** 2;
    }
  }

  mean(): Float64Array {
    return this.#sum.map((sum) => sum / this.#count);
  }

  variance(): Float64Array {
    return this.#squares.map((sum, j) => sum / this.#count - (this.#sum[j]! / this.#count) ** 2);
  }
}

function residualModel(model: Model, layer: Refittable, weight: TensorProto, like: Seen): Model {
  const graph = beginSeenGraph(model, layer, like, false);
  const { editor, elemType } = graph;
  editor.insertInput({ name: 'weight', type: tensorType(elemType, tensorDims(weight)) });
  const output = editor.node(layer.node.opType ?? '', [graph.input, 'weight']);
  editor.edit(editor.producer(output)!).attribute.push(...layer.node.attribute);
  const rest = emitSpread(editor, editor.node('Sub', [graph.target, layer.map.emitOutputs(editor, output)]));
  const wanted = emitSpread(editor, graph.target);
  return endSeenGraph(graph, {
    rest: rest.mean,
    restSquares: rest.squares,
    wanted: wanted.mean,
    wantedSquares: wanted.squares,
  });
}
