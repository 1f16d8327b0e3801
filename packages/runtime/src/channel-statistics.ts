/**
 * Statistics of activations, channel by channel, gathered over any number of tensors without keeping them. Knows no
 * models.
 */

/** What is measured of the values of a channel; see ActivationImportance for formulas and sources. */
export type ActivationStatistic = 'meanAbs' | 'l2' | 'variance' | 'apoz';

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

export function channelStatistics(statistic: ActivationStatistic, channels: number): ChannelStatistics {
  switch (statistic) {
    case 'meanAbs':
      return new Means(channels, Math.abs, (mean) => mean);
    case 'l2':
      return new Means(channels, (x) => x * x, Math.sqrt);
    case 'apoz':
      return new Means(
        channels,
        (x) => (x === 0 ? 0 : 1),
        (mean) => mean,
      );
    case 'variance':
      return new Variances(channels);
  }
}

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

/** A function of the mean of a function of the elements. */
class Means implements ChannelStatistics {
  readonly #sums: Float64Array;
  readonly #of: (x: number) => number;
  readonly #finish: (mean: number) => number;
  #count = 0;

  constructor(channels: number, of: (x: number) => number, finish: (mean: number) => number) {
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
    return this.#sums.map((sum) => this.#finish(sum / this.#count));
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
