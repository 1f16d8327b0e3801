/**
 * Means and covariances of channels over all positions of all batches. The products are MatMul nodes beside the model;
 * what is kept here is one matrix. It must not know what channels are scored by.
 */
import { DataType, type GraphEditor, makeTensor } from '@onnx-pruning/onnx';
import { type Fold, NotFiniteError, type Observer, type TensorValue, valueNumbers } from '@onnx-pruning/runtime';
import { type Matrix, matrix } from '../solve/matrix.ts';
import type { Reading } from './readings.ts';

/** What is known of the channels of one reading. */
export interface ChannelMoments {
  readonly mean: Float64Array;
  /** Over the population. */
  readonly covariance: Matrix;
}

/**
 * Observes the channels of a reading. Every position counts alike, and so does every index that a channel has along the
 * axis: a pixel behind a Flatten is a position, as it was in front of it.
 */
export function channelMoments(reading: Reading): Observer<ChannelMoments> {
  return {
    value: reading.point.value,
    emit: (editor) => emitMoments(editor, reading),
    begin: () => new MomentsFold(reading),
  };
}

/** Sums of products about the means of the batch, sums of the channels, and the number of positions. */
function emitMoments(editor: GraphEditor, reading: Reading): string[] {
  editor.requireOpset('', 11);
  const ints = (...elements: number[]): string =>
    editor.initializer(makeTensor('sizes', DataType.INT64, [elements.length], elements));
  const rows = emitRows(editor, reading, ints);
  const count = editor.node('Gather', [editor.node('Shape', [rows]), ints(0)], { axis: 0 });
  const ones = editor.node('ConstantOfShape', [editor.node('Concat', [ints(1), count], { axis: 0 })], {
    value: makeTensor('one', DataType.FLOAT, [1], [1]),
  });
  const sums = editor.node('MatMul', [ones, rows]);
  const mean = editor.node('Div', [sums, editor.node('Cast', [count], { to: DataType.FLOAT })]);
  // Products of large numbers that hardly vary would lose what varies.
  const centred = editor.node('Sub', [rows, mean]);
  const products = editor.node('MatMul', [editor.node('Transpose', [centred], { perm: [1, 0] }), centred]);
  return [products, mean, count];
}

/** The channels as columns: [positions, channels]. */
function emitRows(
  editor: GraphEditor,
  { point, channels, indices, isWholeAxis }: Reading,
  ints: (...elements: number[]) => string,
): string {
  const all = editor.node('Cast', [point.value], { to: DataType.FLOAT });
  const own = isWholeAxis ? all : editor.node('Gather', [all, ints(...indices)], { axis: point.axis });
  const flat = editor.node('Flatten', [own], { axis: point.axis });
  const split = editor.node('Reshape', [flat, ints(0, channels, -1)]);
  const last = editor.node('Transpose', [split], { perm: [0, 2, 1] });
  return editor.node('Reshape', [last, ints(-1, channels)]);
}

/**
 * Merges batches (Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances,
 * 1979).
 */
class MomentsFold implements Fold<ChannelMoments> {
  readonly #reading: Reading;
  readonly #mean: Float64Array;
  readonly #products: Float64Array;
  #count = 0;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.#mean = new Float64Array(reading.channels);
    this.#products = new Float64Array(reading.channels ** 2);
  }

  add([products, means, counts]: readonly TensorValue[], batch: number): void {
    const added = Number(valueNumbers(counts!)[0]);
    if (added === 0) return;
    const [within, mean] = [valueNumbers(products!), valueNumbers(means!)];
    const total = this.#count + added;
    const n = this.#mean.length;
    const gap = this.#mean.map((before, i) => mean[i]! - before);
    const share = (this.#count * added) / total;
    for (let i = 0, at = 0; i < n; i++) {
      const scaled = gap[i]! * share;
      for (let j = 0; j < n; j++, at++) this.#products[at]! += within[at]! + scaled * gap[j]!;
    }
    for (let i = 0; i < n; i++) this.#mean[i]! += (gap[i]! * added) / total;
    this.#count = total;
    this.#assertFinite(batch);
  }

  #assertFinite(batch: number): void {
    const n = this.#mean.length;
    for (let index = 0; index < n; index++) {
      const actual = this.#products[index * (n + 1)]! + this.#mean[index]!;
      if (Number.isFinite(actual)) continue;
      const { value, axis } = this.#reading.point;
      throw new NotFiniteError({ value, axis, index, batch, actual });
    }
  }

  result(): ChannelMoments {
    const n = this.#mean.length;
    return {
      mean: this.#mean,
      covariance: matrix(
        n,
        n,
        this.#products.map((sum) => sum / this.#count),
      ),
    };
  }
}
