/**
 * Gram matrices of activations: everything that least-squares fits need of data. The products are MatMul nodes beside
 * the model, so that activations never leave onnxruntime; only the sum over batches is kept here, in float64.
 */
import {
  checkArguments,
  checkOptions,
  DataType,
  type GraphEditor,
  kinds,
  makeTensor,
  type OptionKinds,
  oneOf,
} from '@onnx-pruning/onnx';
import { assertFinite, type Fold, ObserveError, type Observer } from './observer.ts';
import { type TensorValue, valueNumbers } from './values.ts';

/** X'Y, where the rows of X and Y are the positions at which channels are seen. */
export interface GramMatrix {
  /** Channels of X, channels of Y. */
  readonly dims: readonly [number, number];
  /** Row-major. */
  readonly data: Float64Array;
  /** Rows that were summed over: all positions in all batches. */
  readonly count: number;
}

/** What the Gram matrix of a value is taken over. */
export interface GramOptions {
  /** The axis of the channels. Negative counts from the end. Default 1. */
  readonly axis?: number;
  /** The value whose channels are the columns, at the same positions. Default: the observed value itself. */
  readonly with?: {
    /** Name of the value. */
    readonly value: string;
    /** The axis of its channels. Default: `axis`, that of the observed value. */
    readonly axis?: number;
  };
  /** In which the products of a batch are summed; batches are summed in float64 either way. Default `float32`. */
  readonly precision?: 'float32' | 'float64';
}

const GRAM_OPTIONS: OptionKinds<GramOptions> = {
  axis: kinds.integer,
  with: kinds.object,
  precision: oneOf('float32', 'float64'),
};

/**
 * X'X over all positions of a value, or X'Y with another: for a convolution's [N, C, H, W] along axis 1, X has N H W
 * rows and C columns. Any rank and type of number; needs opset 11.
 */
export function gramMatrix(value: string, options: GramOptions = {}): Observer<GramMatrix> {
  checkArguments('gramMatrix', { value: [value, kinds.text] });
  checkOptions('gramMatrix', options, GRAM_OPTIONS);
  const { axis = 1, precision = 'float32' } = options;
  const elemType = precision === 'float64' ? DataType.DOUBLE : DataType.FLOAT;
  return {
    value,
    emit(editor) {
      editor.requireOpset('', 11);
      const rows = flattened(editor, value, axis, elemType);
      const { with: other } = options;
      const columns = other ? flattened(editor, other.value, other.axis ?? axis, elemType) : rows;
      const transposed = editor.node('Transpose', [rows], { perm: [1, 0] });
      return [editor.node('MatMul', [transposed, columns]), editor.node('Shape', [rows])];
    },
    begin: () => new GramFold(value, axis),
  };
}

/** A value as positions x channels. Ranks are not known here, so sizes are taken from shapes at run time. */
function flattened(editor: GraphEditor, value: string, axis: number, elemType: number): string {
  const ints = (...elements: number[]): string =>
    editor.initializer(makeTensor('gram_size', DataType.INT64, [elements.length], elements));
  const numbers = editor.node('Cast', [value], { to: elemType });
  const sizeAt = (of: string, at: number): string =>
    editor.node('Gather', [editor.node('Shape', [of]), ints(at)], { axis: 0 });
  const channels = sizeAt(value, axis);
  const shape = editor.node('Concat', [ints(-1), channels], { axis: 0 });
  if (axis === -1) return editor.node('Reshape', [numbers, shape]);
  const flat = editor.node('Flatten', [numbers], { axis: axis + 1 });
  const split = editor.node('Concat', [ints(-1), channels, sizeAt(flat, 1)], { axis: 0 });
  const last = editor.node('Transpose', [editor.node('Reshape', [flat, split])], { perm: [0, 2, 1] });
  return editor.node('Reshape', [last, shape]);
}

class GramFold implements Fold<GramMatrix> {
  readonly #value: string;
  readonly #axis: number;
  #dims: readonly [number, number] = [0, 0];
  #sums: Float64Array | undefined;
  #count = 0;

  constructor(value: string, axis: number) {
    this.#value = value;
    this.#axis = axis;
  }

  add([product, shape]: readonly TensorValue[], batch: number): void {
    const numbers = valueNumbers(product!);
    const [rows = 0, columns = 0] = product!.dims;
    this.#sums ??= new Float64Array(numbers.length);
    const sums = this.#sums;
    if (this.#count === 0) this.#dims = [rows, columns];
    if (rows !== this.#dims[0] || columns !== this.#dims[1]) {
      throw new ObserveError('OBSERVE_SIZE', 'the number of channels differs between batches', {
        value: this.#value,
        axis: this.#axis,
        expected: this.#dims.join(' x '),
        actual: `${rows} x ${columns} in batch ${batch}`,
      });
    }
    for (let i = 0; i < sums.length; i++) sums[i]! += numbers[i]!;
    this.#count += Number(valueNumbers(shape!)[0]);
    assertFinite(sums, { value: this.#value, axis: this.#axis, batch, columns });
  }

  result(): GramMatrix {
    return { dims: this.#dims, data: this.#sums ?? new Float64Array(), count: this.#count };
  }
}
