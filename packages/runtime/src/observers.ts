/** The observers that come with the project. */
import { checkArguments, checkOptions, kinds } from '@onnx-pruning/onnx';
import { CHANNEL_STATISTICS, type ChannelStatistics } from './channel-statistics.ts';
import { gramMatrix } from './gram.ts';
import { assertFinite, type Fold, ObserveError, type Observer } from './observer.ts';
import { type TensorValue, valueNumbers } from './values.ts';

/** How a statistic is taken. */
export interface StatisticOptions {
  /** The axis of the channels, each of which has a number of its own; negative counts from the end. Default: one number for all. */
  readonly axis?: number;
}

type Statistic = (value: string, options?: StatisticOptions) => Observer<Float64Array>;

const statistic =
  (make: (channels: number) => ChannelStatistics): Statistic =>
  (value, options = {}) => {
    checkArguments('an observer', { value: [value, kinds.text] });
    checkOptions('an observer', options, { axis: kinds.integer });
    return { value, begin: () => new StatisticFold(value, options.axis, make) };
  };

/**
 * Statistics of a value, with x running over all elements (of each index along `axis`) in all batches, summed in
 * float64; and Gram matrices, which onnxruntime computes.
 *
 * @example observers.variance('relu_out', { axis: 1 })
 */
export const observers = {
  /** mean x */
  mean: statistic(CHANNEL_STATISTICS.mean),
  /** mean |x| */
  meanAbs: statistic(CHANNEL_STATISTICS.meanAbs),
  /** mean (x - mean x)^2 over the population */
  variance: statistic(CHANNEL_STATISTICS.variance),
  /** sum |x| */
  l1Norm: statistic(CHANNEL_STATISTICS.l1Norm),
  /** sqrt(sum x^2) */
  l2Norm: statistic(CHANNEL_STATISTICS.l2Norm),
  /** sqrt(mean x^2) */
  rootMeanSquare: statistic(CHANNEL_STATISTICS.rootMeanSquare),
  /** the share of elements that are zero (APoZ) */
  zeroShare: statistic(CHANNEL_STATISTICS.zeroShare),
  /** the share of elements that are not zero */
  nonzeroShare: statistic(CHANNEL_STATISTICS.nonzeroShare),
  /** the least element */
  min: statistic(CHANNEL_STATISTICS.min),
  /** the greatest element */
  max: statistic(CHANNEL_STATISTICS.max),
  /** sums of products of channels with channels (see `GramOptions`) */
  gramMatrix,
} as const;

class StatisticFold implements Fold<Float64Array> {
  readonly #value: string;
  readonly #axis: number | undefined;
  readonly #make: (channels: number) => ChannelStatistics;
  #statistics: ChannelStatistics | undefined;
  #channels = 0;

  constructor(value: string, axis: number | undefined, make: (channels: number) => ChannelStatistics) {
    this.#value = value;
    this.#axis = axis;
    this.#make = make;
  }

  add([seen]: readonly TensorValue[], batch: number): void {
    const { dims, axis } = this.#place(seen!.dims);
    const channels = dims[axis] ?? 0;
    this.#statistics ??= this.#make(channels);
    if (batch === 0) this.#channels = channels;
    if (channels !== this.#channels) {
      throw this.#error('OBSERVE_SIZE', 'the size of the axis differs between batches', this.#channels, channels);
    }
    this.#statistics.add(valueNumbers(seen!), dims, axis);
    if (seen!.data.length > 0) assertFinite(this.#statistics.result(), { value: this.#value, axis: this.#axis, batch });
  }

  /** The axis in dimensions that have it; all elements are one index of an axis in front. */
  #place(dims: readonly number[]): { dims: readonly number[]; axis: number } {
    if (this.#axis === undefined) return { dims: [1, ...dims], axis: 0 };
    const axis = this.#axis < 0 ? this.#axis + dims.length : this.#axis;
    if (axis >= 0 && axis < dims.length) return { dims, axis };
    throw this.#error('OBSERVE_AXIS', 'the value has no such axis', `an axis of ${dims.length}`, this.#axis);
  }

  #error(code: string, what: string, expected: string | number, actual: string | number): ObserveError {
    const axis = this.#axis === undefined ? {} : { axis: this.#axis };
    return new ObserveError(code, what, { value: this.#value, ...axis, expected, actual });
  }

  result(): Float64Array {
    return this.#statistics?.result() ?? new Float64Array();
  }
}
