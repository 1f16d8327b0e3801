/**
 * Statistics of values, channel by channel, gathered over any number of tensors without keeping them. Knows no models.
 */

/** A statistic of the values at every index along one axis. */
export interface ChannelStatistics {
  /**
   * Takes in a tensor.
   * @param data row-major elements
   */
  add(data: ArrayLike<number>, dims: readonly number[], axis: number): void;
  /** One number per index; NaN where nothing was taken in. */
  result(): Float64Array;
}

const square = (x: number): number => x * x;
const isZero = (x: number): number => (x === 0 ? 1 : 0);
const isNotZero = (x: number): number => (x === 0 ? 0 : 1);
const mean = (sum: number, count: number): number => sum / count;

/** What can be measured, with x running over all elements of a channel in all tensors. */
export const CHANNEL_STATISTICS = {
  /** mean x */
  mean: (channels: number): ChannelStatistics => new Sums(channels, (x) => x, mean),
  /** mean |x| */
  meanAbs: (channels: number): ChannelStatistics => new Sums(channels, Math.abs, mean),
  /** sqrt(mean x^2) */
  rootMeanSquare: (channels: number): ChannelStatistics =>
    new Sums(channels, square, (sum, count) => Math.sqrt(sum / count)),
  /** sum |x| */
  l1Norm: (channels: number): ChannelStatistics => new Sums(channels, Math.abs, (sum) => sum),
  /** sqrt(sum x^2) */
  l2Norm: (channels: number): ChannelStatistics => new Sums(channels, square, Math.sqrt),
  /** the share of elements that are zero */
  zeroShare: (channels: number): ChannelStatistics => new Sums(channels, isZero, mean),
  /** the share of elements that are not zero */
  nonzeroShare: (channels: number): ChannelStatistics => new Sums(channels, isNotZero, mean),
  /** mean (x - mean x)^2, of the population */
  variance: (channels: number): ChannelStatistics => new Variances(channels),
  min: (channels: number): ChannelStatistics => new Extremes(channels, Math.min),
  max: (channels: number): ChannelStatistics => new Extremes(channels, Math.max),
} as const;

/** Calls `visit` with the range of every run of elements that belong to one index of the axis. */
function forEachRun(
  dims: readonly number[],
  axis: number,
  visit: (index: number, from: number, to: number) => void,
): void {
  const inner = dims.slice(axis + 1).reduce((n, size) => n * size, 1);
  const runs = dims.slice(0, axis + 1).reduce((n, size) => n * size, 1);
  for (let run = 0; run < runs; run++) visit(run % dims[axis]!, run * inner, (run + 1) * inner);
}

const elementsPerIndex = (dims: readonly number[], axis: number): number =>
  dims.reduce((n, size, i) => (i === axis ? n : n * size), 1);

/** A function of the sum of a function of the elements. NaN is not zero, but no number either: it makes the sum NaN. */
class Sums implements ChannelStatistics {
  readonly #sums: Float64Array;
  readonly #of: (x: number) => number;
  readonly #finish: (sum: number, count: number) => number;
  #count = 0;

  constructor(channels: number, of: (x: number) => number, finish: (sum: number, count: number) => number) {
    this.#sums = new Float64Array(channels);
    this.#of = of;
    this.#finish = finish;
  }

  add(data: ArrayLike<number>, dims: readonly number[], axis: number): void {
    const [sums, of] = [this.#sums, this.#of];
    this.#count += elementsPerIndex(dims, axis);
    forEachRun(dims, axis, (index, from, to) => {
      let sum = 0;
      for (let i = from; i < to; i++) sum += of(data[i]!);
      sums[index]! += sum;
    });
  }

  result(): Float64Array {
    return this.#sums.map((sum) => (this.#count === 0 ? Number.NaN : this.#finish(sum, this.#count)));
  }
}

/** The smallest or largest element. */
class Extremes implements ChannelStatistics {
  readonly #found: Float64Array;
  readonly #choose: (a: number, b: number) => number;
  #count = 0;

  constructor(channels: number, choose: (...values: number[]) => number) {
    this.#found = new Float64Array(channels).fill(choose());
    this.#choose = choose;
  }

  add(data: ArrayLike<number>, dims: readonly number[], axis: number): void {
    const [found, choose] = [this.#found, this.#choose];
    this.#count += elementsPerIndex(dims, axis);
    forEachRun(dims, axis, (index, from, to) => {
      for (let i = from; i < to; i++) found[index] = choose(found[index]!, data[i]!);
    });
  }

  result(): Float64Array {
    return this.#count === 0 ? this.#found.map(() => Number.NaN) : this.#found.slice();
  }
}

/**
 * Population variances, merged from tensor to tensor (Chan, Golub and LeVeque, Updating Formulae and a Pairwise
 * Algorithm for Computing Sample Variances, 1979): a difference of large sums would lose the small ones.
 */
class Variances implements ChannelStatistics {
  readonly #means: Float64Array;
  readonly #squares: Float64Array;
  #count = 0;

  constructor(channels: number) {
    this.#means = new Float64Array(channels);
    this.#squares = new Float64Array(channels);
  }

  add(data: ArrayLike<number>, dims: readonly number[], axis: number): void {
    const added = elementsPerIndex(dims, axis);
    if (added === 0) return;
    const means = new Float64Array(this.#means.length);
    forEachRun(dims, axis, (index, from, to) => {
      for (let i = from; i < to; i++) means[index]! += data[i]! / added;
    });
    forEachRun(dims, axis, (index, from, to) => {
      let squares = 0;
      for (let i = from; i < to; i++) squares += (data[i]! - means[index]!) ** 2;
      this.#squares[index]! += squares;
    });
    this.#merge(means, added);
  }

  #merge(means: Float64Array, added: number): void {
    const total = this.#count + added;
    means.forEach((mean, index) => {
      const gap = mean - this.#means[index]!;
      this.#squares[index]! += (gap * gap * this.#count * added) / total;
      this.#means[index]! += (gap * added) / total;
    });
    this.#count = total;
  }

  result(): Float64Array {
    return this.#squares.map((squares) => squares / this.#count);
  }
}
