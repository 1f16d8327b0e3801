/**
 * Samples, batch by batch: an immutable choice of samples from a source with random access. It must not know formats of
 * files.
 */
import { checkArguments, createRandom, instanceOf, type Kind, kinds, optional } from '@onnx-pruning/onnx';
import type { TensorValues } from '@onnx-pruning/runtime';
import { DataError } from './errors.ts';

/** Some samples, stacked along the first axis of every input. */
export interface Batch {
  /** By name of the input. */
  readonly feeds: TensorValues;
  /** Samples. The feeds hold more where the model takes no fewer at once: the last one is repeated. */
  readonly size: number;
  /** The class of each sample. */
  readonly labels?: Int32Array;
}

/** Where samples come from. */
export interface SampleSource {
  /** What it is called in messages: a path. */
  readonly name: string;
  /** Samples. */
  readonly length: number;
  /** Whether the class of every sample is known. */
  readonly hasLabels: boolean;
  /**
   * Reads samples.
   * @param indices from 0 to `length - 1`, in any order, also repeated
   */
  read(indices: readonly number[]): Promise<Pick<Batch, 'feeds' | 'labels'>>;
}

/** How samples are put together. */
export interface DatasetOptions {
  /** Samples of one batch. Default 64. */
  readonly batchSize?: number;
  /** Whether every batch has as many samples, the last one repeated where they run out. Default false. */
  readonly isFixed?: boolean;
}

const BATCH_SIZE = 64;

const SOURCE: Kind = {
  expected: 'a source of samples { name, length, hasLabels, read }',
  accepts: (value) => kinds.object.accepts(value) && typeof (value as Partial<SampleSource>).read === 'function',
};

const ORDER: Kind = instanceOf(Uint32Array, 'positions of samples');

/**
 * A number of samples in a fixed order. Every walk over it begins anew; `take`, `slice`, `shuffle` and `split` give other
 * data sets of the same source.
 *
 * @example
 * const data = await openDataset(model, 'train-images-idx3-ubyte.gz', { preprocess: 'fashion-mnist' });
 * for await (const { feeds } of data.take(1024, { seed: 1 })) await session.run(feeds);
 */
export class Dataset implements AsyncIterable<Batch> {
  readonly #source: SampleSource;
  readonly #order: Uint32Array;
  readonly #isFixed: boolean;
  /** Samples of one batch; the last one may have fewer. */
  readonly batchSize: number;

  /** internal: use `Dataset.of`, or what opens files. */
  constructor(source: SampleSource, order: Uint32Array, options: DatasetOptions) {
    checkArguments('new Dataset', {
      source: [source, SOURCE],
      order: [order, ORDER],
      options: [options, kinds.object],
    });
    const { batchSize = BATCH_SIZE, isFixed = false } = options;
    this.#source = source;
    this.#order = order;
    this.#isFixed = isFixed;
    this.batchSize = batchSize;
  }

  /**
   * All samples of a source, in its order.
   * @throws ArgumentError for what is no source; DataError for a batch size below 1
   */
  static of(source: SampleSource, options: DatasetOptions = {}): Dataset {
    checkArguments('Dataset.of', { source: [source, SOURCE], options: [options, kinds.object] });
    const all = Uint32Array.from({ length: source.length }, (_, i) => i);
    return new Dataset(source, all, { ...options, batchSize: positive('batchSize', options.batchSize ?? BATCH_SIZE) });
  }

  /** Samples. */
  get length(): number {
    return this.#order.length;
  }

  /** Whether batches have labels. */
  get hasLabels(): boolean {
    return this.#source.hasLabels;
  }

  /** Where the samples are from. */
  get name(): string {
    return this.#source.name;
  }

  /** The batches, from the first one on at every walk. @throws DataError when a sample cannot be read */
  async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
    for (let from = 0; from < this.length; from += this.batchSize) {
      const chosen = [...this.#order.subarray(from, from + this.batchSize)];
      const size = chosen.length;
      while (this.#isFixed && chosen.length < this.batchSize) chosen.push(chosen[size - 1]!);
      const { feeds, labels } = await this.#source.read(chosen);
      yield { feeds, size, ...(labels && { labels: labels.slice(0, size) }) };
    }
  }

  /** The feeds alone, as `observe` and `reconstruct` take them. */
  feeds(): AsyncIterable<TensorValues> {
    const batches = (): AsyncIterator<Batch> => this[Symbol.asyncIterator]();
    return {
      async *[Symbol.asyncIterator]() {
        const iterator = batches();
        for (let step = await iterator.next(); !step.done; step = await iterator.next()) yield step.value.feeds;
      },
    };
  }

  /**
   * So many samples: the first ones, or, with a seed, some that are drawn without being put back.
   * @throws DataError when there are fewer
   */
  take(count: number, { seed }: { readonly seed?: number } = {}): Dataset {
    checkArguments('take', { count: [count, kinds.count], seed: [seed, optional(kinds.integer)] });
    positive('count', count);
    if (count > this.length) {
      throw new DataError('DATA_TOO_FEW', 'the data set has fewer samples than are asked for', {
        path: this.name,
        expected: `${count} samples`,
        actual: this.length,
        repair: 'Ask for fewer, or give more.',
      });
    }
    return (seed === undefined ? this : this.shuffle(seed)).slice(0, count);
  }

  /** Samples from one position to another, as of an array. */
  slice(from: number, to = this.length): Dataset {
    checkArguments('slice', { from: [from, kinds.integer], to: [to, kinds.integer] });
    return this.#with(this.#order.slice(from, to));
  }

  /** All samples in a random order that the seed decides. */
  shuffle(seed: number): Dataset {
    checkArguments('shuffle', { seed: [seed, kinds.integer] });
    const random = createRandom(seed);
    const order = this.#order.slice();
    for (let last = order.length - 1; last > 0; last--) {
      const at = Math.floor(random.next() * (last + 1));
      [order[last], order[at]] = [order[at]!, order[last]!];
    }
    return this.#with(order);
  }

  /** Two data sets without a common sample. @param share of the first, above 0 and below 1 */
  split(share: number, options: { readonly seed?: number } = {}): [Dataset, Dataset] {
    checkArguments('split', { share: [share, kinds.number], options: [options, kinds.object] });
    const all = options.seed === undefined ? this : this.shuffle(options.seed);
    const cut = Math.round(share * this.length);
    if (cut > 0 && cut < this.length) return [all.slice(0, cut), all.slice(cut)];
    throw new DataError('DATA_TOO_FEW', 'a share of the data set has no samples', {
      path: this.name,
      expected: 'at least one sample on either side',
      actual: `${cut} of ${this.length}`,
    });
  }

  /** The same samples in batches of another size. */
  withBatchSize(batchSize: number): Dataset {
    checkArguments('withBatchSize', { batchSize: [batchSize, kinds.count] });
    if (this.#isFixed && batchSize !== this.batchSize) {
      throw new DataError('DATA_BATCH', 'the model takes batches of one size only', {
        path: this.name,
        expected: this.batchSize,
        actual: batchSize,
      });
    }
    return new Dataset(this.#source, this.#order, {
      batchSize: positive('batchSize', batchSize),
      isFixed: this.#isFixed,
    });
  }

  #with(order: Uint32Array): Dataset {
    return new Dataset(this.#source, order, { batchSize: this.batchSize, isFixed: this.#isFixed });
  }
}

/** What is a data set. */
export const DATASET: Kind = instanceOf(Dataset, 'a data set, as openDataset gives it');

function positive(what: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new DataError('DATA_COUNT', `${what} must be a whole number from 1 on`, { actual: value });
}
