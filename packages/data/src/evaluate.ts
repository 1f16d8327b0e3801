/**
 * Measures a model on a data set: the mean of a score with its interval, and how two models compare on the same samples,
 * so that "no worse" is a statement. It must not judge whether a result is good enough.
 */
import { anyOf, checkArguments, checkOptions, type Kind, kinds, type OptionKinds, oneOf } from '@onnx-pruning/onnx';
import {
  checkRunOptions,
  MODEL_SOURCE,
  type ModelSource,
  type Session,
  type SessionOptions,
  type TensorValue,
  valueNumbers,
  withSession,
} from '@onnx-pruning/runtime';
import { type Batch, DATASET, type Dataset } from './dataset.ts';
import { DataError } from './errors.ts';
import { METRICS, type Metric, type MetricName } from './metrics.ts';
import {
  bootstrapInterval,
  CONFIDENCE,
  type Interval,
  mcnemarMidP,
  pairedShareInterval,
  wilsonInterval,
} from './statistics.ts';

/** How far a measurement has come. */
export interface EvaluateProgress {
  /** Samples. */
  readonly done: number;
  /** Samples of the data set. */
  readonly total: number;
  /** Estimated from the samples so far. */
  readonly secondsLeft: number;
}

export interface EvaluateOptions extends SessionOptions {
  /** The model that outputs are compared with, for metrics that need one: the original. */
  readonly against?: ModelSource;
  /** Name of the output that is scored. Default: the first. */
  readonly output?: string;
  /** Of the interval. Default 0.95. */
  readonly confidence?: number;
  /** Of the bootstrap. Default 0. */
  readonly seed?: number;
  /** Ends the work before the next batch: `evaluate` rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every batch. */
  readonly onProgress?: (progress: EvaluateProgress) => void;
}

/** What was measured. */
export interface Evaluation {
  /** Name of the metric. */
  readonly metric: string;
  /** The mean of the scores. */
  readonly value: number;
  /** How many samples were scored: all of the data set. */
  readonly samples: number;
  /** With a confidence of 95 % unless another is asked for: Wilson's for shares, by bootstrap for others. */
  readonly interval: Interval;
  /** What one who always names the most frequent classes is right in; undefined without labels. */
  readonly chance: number | undefined;
  /** Whether scores are 1 or 0, and the value is a share. */
  readonly isShare: boolean;
  /** One for every sample, in the order of the data set. */
  readonly scores: Float64Array;
}

/** How the second of two measurements of the same samples compares with the first. */
export interface PairedComparison {
  /** Second minus first. */
  readonly difference: number;
  /** Interval of the difference, with a confidence of 95 % unless another is asked for. */
  readonly interval: Interval;
  /** Of shares: how probable so uneven a difference is, were neither better (McNemar, mid-p). */
  readonly pValue: number | undefined;
}

const isMetric: Kind = {
  expected: `one of ${Object.keys(METRICS).join(', ')}, or a metric { name, isShare, needs, score }`,
  accepts: (value) => kinds.object.accepts(value) && typeof (value as Partial<Metric>).score === 'function',
};
/** What is measured: a name, or a metric of one's own. */
export const METRIC: Kind = anyOf(oneOf(...(Object.keys(METRICS) as MetricName[])), isMetric);

const CONFIDENCE_KIND: Kind = {
  expected: 'a confidence above 0 and below 1, such as 0.95',
  accepts: (value) => typeof value === 'number' && value > 0 && value < 1,
};

const OPTIONS: OptionKinds<Omit<EvaluateOptions, keyof SessionOptions>> = {
  against: MODEL_SOURCE,
  output: kinds.text,
  confidence: CONFIDENCE_KIND,
  seed: kinds.integer,
  signal: kinds.object,
  onProgress: kinds.callback,
};

/**
 * Scores a model on every sample of a data set.
 *
 * @param metric `top1`, `top5` (labels), `agreement`, `meanSquaredError`, `cosineSimilarity` (`against`), or one of your own
 * @returns the mean score with its 95 % interval, and all scores, for `comparePaired`
 * @throws DataError where labels or `against` are missing, a label is no class of the model, or an output is no row of
 * numbers for each sample or holds NaN; SessionError and FeedError as `createSession` and `run`
 * @example
 * const dense = await evaluate(original, data, 'top1');
 * const pruned = await evaluate(recovered, data, 'top1');
 * const { difference, interval } = comparePaired(dense, pruned);
 */
export async function evaluate(
  model: ModelSource,
  dataset: Dataset,
  metric: MetricName | Metric,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  checkArguments('evaluate', {
    model: [model, MODEL_SOURCE],
    dataset: [dataset, DATASET],
    metric: [metric, METRIC],
    options: [options, kinds.object],
  });
  const { against, output, confidence, seed, signal, onProgress, ...session } = options;
  checkOptions('evaluate', { against, output, confidence, seed, signal, onProgress }, OPTIONS);
  checkRunOptions('evaluate', session);
  const how: Metric = typeof metric === 'string' ? METRICS[metric] : metric;
  checkLabels(how, dataset);
  if (how.needs === 'reference' && against === undefined) {
    throw missing(how, dataset, 'a model to compare with', "Give the original: the option against, or '--against'.");
  }
  const classes = new Map<number, number>();
  const run = (reference?: Session): Promise<Float64Array> =>
    withSession(model, session, (own) => scoresOf({ own, reference, dataset, metric: how, classes }, options));
  const isCompared = against !== undefined && how.needs === 'reference';
  const scores = isCompared ? await withSession(against, session, run) : await run();
  return evaluationOf(how, scores, { seed, confidence, chance: chanceOf(how, classes) });
}

/** The share of the most frequent classes, as many as may be guessed. */
function chanceOf({ guesses }: Metric, classes: ReadonlyMap<number, number>): number | undefined {
  if (guesses === undefined || classes.size === 0) return undefined;
  const counts = [...classes.values()].sort((a, b) => b - a);
  const sum = (of: readonly number[]): number => of.reduce((total, n) => total + n, 0);
  return sum(counts.slice(0, guesses)) / sum(counts);
}

interface Measuring {
  readonly own: Session;
  readonly reference: Session | undefined;
  readonly dataset: Dataset;
  readonly metric: Metric;
  /** Samples of each class, which are counted on the way. */
  readonly classes: Map<number, number>;
}

/** @throws DataError for a metric that needs labels of samples that have none */
export function checkLabels(metric: Metric, dataset: Dataset): void {
  if (metric.needs === 'labels' && !dataset.hasLabels) throw missing(metric, dataset, 'labels', 'Give labels.');
}

/** The mean of scores, and how sure it is. */
export function evaluationOf(
  { name, isShare }: Metric,
  scores: Float64Array,
  { seed, confidence, chance }: Pick<EvaluateOptions, 'seed' | 'confidence'> & { readonly chance?: number } = {},
): Evaluation {
  const samples = scores.length;
  const value = scores.reduce((sum, x) => sum + x, 0) / samples;
  const interval = isShare
    ? wilsonInterval(value * samples, samples, confidence)
    : bootstrapInterval(scores, seed, confidence);
  return { metric: name, value, samples, interval, chance, isShare, scores };
}

async function scoresOf(
  { own, reference, dataset, metric, classes }: Measuring,
  { output, signal, onProgress }: EvaluateOptions,
): Promise<Float64Array> {
  const name = output ?? own.outputs[0]?.name ?? '';
  const scores = new Float64Array(dataset.length);
  const start = performance.now();
  let done = 0;
  for await (const batch of dataset) {
    signal?.throwIfAborted();
    const found = (await own.run(batch.feeds, [name]))[name]!;
    const other = reference && (await reference.run(batch.feeds, [name]))[name];
    scoreBatch(scores, done, batch, { name, found, other }, metric);
    for (const label of batch.labels ?? []) classes.set(label, (classes.get(label) ?? 0) + 1);
    done += batch.size;
    const secondsLeft = ((performance.now() - start) / 1000 / done) * (dataset.length - done);
    onProgress?.({ done, total: dataset.length, secondsLeft });
  }
  return scores;
}

/** What a model gives for a batch, and what the one gives that it is compared with. */
export interface Outputs {
  /** Of the output. */
  readonly name: string;
  readonly found: TensorValue;
  readonly other: TensorValue | undefined;
}

/**
 * Scores the samples of a batch.
 * @param scores where they go, the first at `first`
 * @throws DataError as `evaluate`
 */
export function scoreBatch(scores: Float64Array, first: number, batch: Batch, outputs: Outputs, metric: Metric): void {
  const own = rowsOf(outputs.found, batch, outputs.name);
  const reference = outputs.other && rowsOf(outputs.other, batch, outputs.name);
  for (let i = 0; i < batch.size; i++) {
    const output = own(i);
    const label = batch.labels?.[i];
    if (label !== undefined && metric.needs === 'labels' && label >= output.length) {
      throw new DataError('DATA_LABELS', 'a label is no class of the model', {
        value: outputs.name,
        expected: `a class from 0 to ${output.length - 1}`,
        actual: label,
        repair: 'Give the labels that the model was trained with.',
      });
    }
    const score = metric.score(output, { label, reference: reference?.(i) });
    if (Number.isNaN(score)) throw notANumber(outputs.name, first + i);
    scores[first + i] = score;
  }
}

/** One row of numbers for each sample, which must be numbers. */
function rowsOf(value: TensorValue, { feeds }: Batch, name: string): (sample: number) => ArrayLike<number> {
  const samples = Object.values(feeds)[0]?.dims[0] ?? 0;
  if (value.dims[0] !== samples) {
    throw new DataError('EVALUATE_OUTPUT', 'an output does not have one row for each sample', {
      value: name,
      expected: `[${samples}, ...]`,
      actual: `[${value.dims.join(', ')}]`,
      repair: 'Name another output, or feed one sample at a time.',
    });
  }
  const numbers = valueNumbers(value);
  const width = numbers.length / samples;
  return (sample) => {
    const row = Array.prototype.slice.call(numbers, sample * width, (sample + 1) * width) as number[];
    if (row.some(Number.isNaN)) throw notANumber(name, sample);
    return row;
  };
}

function notANumber(value: string, sample: number): DataError {
  return new DataError('EVALUATE_NOT_A_NUMBER', `an output is not a number for sample ${sample}`, {
    value,
    repair: 'Check the data and its preprocessing; a model that gives NaN cannot be measured.',
  });
}

function missing({ name }: Metric, { name: path }: Dataset, what: string, repair: string): DataError {
  return new DataError('EVALUATE_NEEDS', `${name} needs ${what}`, { path, repair });
}

const EVALUATION: Kind = {
  expected: 'what evaluate gives',
  accepts: (value) => kinds.object.accepts(value) && 'scores' in (value as object),
};

/**
 * Compares two measurements of the same samples: what one model gains or loses against another.
 * @throws DataError for measurements of different samples or metrics
 */
export function comparePaired(
  first: Evaluation,
  second: Evaluation,
  { confidence = CONFIDENCE }: { readonly confidence?: number } = {},
): PairedComparison {
  checkArguments('comparePaired', {
    first: [first, EVALUATION],
    second: [second, EVALUATION],
    confidence: [confidence, CONFIDENCE_KIND],
  });
  if (first.samples !== second.samples || first.metric !== second.metric) {
    throw new DataError('EVALUATE_PAIR', 'these measurements are not of the same samples by the same metric', {
      expected: `${first.metric} of ${first.samples} samples`,
      actual: `${second.metric} of ${second.samples} samples`,
    });
  }
  const changes = second.scores.map((score, i) => score - first.scores[i]!);
  const difference = second.value - first.value;
  if (!first.isShare) {
    return { difference, interval: bootstrapInterval(changes, 0, confidence), pValue: undefined };
  }
  const gained = changes.filter((x) => x > 0).length;
  const lost = changes.filter((x) => x < 0).length;
  return {
    difference,
    interval: pairedShareInterval(gained, lost, first.samples, confidence),
    pValue: mcnemarMidP(gained, lost),
  };
}
