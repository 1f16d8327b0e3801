/**
 * What nodes compute, as far as fits of weights must know it: which node is linear in a weight, and what may lie between it
 * and the value that it is fitted to. Types alone.
 */
import type { GraphEditor } from '@onnx-pruning/onnx';

/** How a node is linear in its weight: in each of `groups` groups, outputs = rows x matrix, at every position. */
export interface LinearMap {
  /** Which input of the node is added to every position, where the operator has one. */
  readonly bias: number | undefined;
  /** The axis of the output's channels: 1 or -1. */
  readonly outputAxis: number;
  /** Parts of the channels that are computed apart. */
  readonly groups: number;
  /** Rows of each group's matrix. */
  readonly inputs: number;
  /** Rows that belong to one channel of the input; they follow each other. */
  readonly taps: number;
  /** Columns of each group's matrix: channels of the output. */
  readonly outputs: number;
  /** What the product, and what the bias, is multiplied with. */
  readonly scale: { readonly product: number; readonly bias: number };
  /** Emits what the matrices are multiplied with: [groups, positions, inputs]. */
  emitRows(editor: GraphEditor, value: string, elemType: number): string;
  /** Emits a value of the output's shape as [groups, positions, outputs]. */
  emitOutputs(editor: GraphEditor, value: string): string;
  /** The weight's numbers as one matrix for each group: inputs x outputs, row-major. */
  matrices(weight: ArrayLike<number>): Float64Array[];
  /** The inverse of `matrices`. */
  weightOf(matrices: readonly Float64Array[]): Float64Array;
}

/** A factor and a summand for every channel. */
export interface ChannelAffine {
  /** One factor for each channel. */
  readonly scale: Float64Array;
  /** One summand for each channel, added afterwards. */
  readonly shift: Float64Array;
}

/** What a node computes. */
export type Algebra =
  /** The product of input `value` and a weight; `map` is undefined where the weight is no constant, or its form has no rule. */
  | { readonly kind: 'linear'; readonly value: number; readonly weight: number; readonly map: LinearMap | undefined }
  /**
   * An affine function of each channel of input 0, by constants: of those, `statistics` names the inputs with the mean that
   * is subtracted first, and with the variance, by whose root (`epsilon` added) is divided.
   */
  | {
      readonly kind: 'affine';
      readonly statistics: { readonly mean: number; readonly variance: number; readonly epsilon: number };
      readonly of: ChannelAffine;
    }
  /** The sum of its two inputs. */
  | { readonly kind: 'sum' }
  /** Its input 0, as it is. */
  | { readonly kind: 'copy' }
  /** Something of the sizes of its input, and of none of its numbers. */
  | { readonly kind: 'sizes' };
