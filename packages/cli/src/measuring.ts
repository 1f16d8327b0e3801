/**
 * `--data`, `--labels` and `--max-drop`: what a pruned model has lost is measured on samples that nothing was fitted to. The
 * search is that of packages/recovery. It must not prune or write files.
 */
import { type Dataset, type Evaluation, evaluate } from '@onnx-pruning/data';
import type { Model } from '@onnx-pruning/onnx';
import { OptionError } from '@onnx-pruning/pruning';
import { dropOf, type RatioCost } from '@onnx-pruning/recovery';

/** Of the intervals that a report gives. */
const CONFIDENCE = 0.95;

/** The options of `prune` that are about measuring. */
export interface MeasuringOptions {
  /** File with samples to measure on. */
  readonly data?: string;
  /** How many of them are used. */
  readonly dataSize?: number;
  /** File with the class of every sample of `data`; without `data`, of `calib`. */
  readonly labels?: string;
  /** Most points that may be lost. */
  readonly maxDrop?: number;
  /** Bounds the upper end of the interval at this confidence. */
  readonly maxDropConfidence?: number;
}

/** What a pruned model is right in, and what it has lost. */
export interface Accuracy {
  readonly metric: 'top1' | 'agreement';
  readonly samples: number;
  /** With the pruned weights as they were, where something was refitted. */
  readonly asPruned?: number;
  readonly value: number;
  /** 95 % interval of the value. */
  readonly interval: readonly [number, number];
  /** What the original is right in; undefined for the agreement with it. */
  readonly original?: number;
  /** What was lost, as a share: of accuracy, or of agreement. */
  readonly drop: number;
  /** 95 % interval of it, of the same samples. */
  readonly dropInterval: readonly [number, number];
}

/** One ratio that was tried, and what it costs. */
export interface CurvePoint extends RatioCost {
  /** MACs as a share of the original's; undefined where they cannot be counted. */
  readonly macs?: number;
}

/** What `--max-drop` found. */
export interface RatioChoice {
  /** A share. */
  readonly maxDrop: number;
  readonly confidence?: number;
  readonly ratio: number;
  readonly curve: readonly CurvePoint[];
}

/** Whether the first output is a score for each of several classes, so that two models may agree on the largest. */
export function isClassifier({ graph }: Model): boolean {
  const dims = graph.output[0]?.type?.tensorType?.shape?.dim;
  return dims?.length === 2 && Number(dims[1]!.dimValue ?? 0) !== 1;
}

/** @throws OptionError where options need others that are not there */
export function checkMeasuring(job: MeasuringOptions & { readonly calib?: string }, model: Model): void {
  const { data, dataSize, labels, maxDrop, maxDropConfidence, calib } = job;
  const missing = (option: string, needs: string, repair: string): OptionError =>
    new OptionError('MEASURE_NEEDS', `${option} is about samples to measure on, and there are none`, {
      expected: needs,
      repair,
    });
  const give = 'Give samples with --data; without it, those of --calib are measured on that nothing was fitted to.';
  if (dataSize !== undefined && data === undefined) throw missing('--data-size', '--data', give);
  if (labels !== undefined && data === undefined && calib === undefined) throw missing('--labels', '--data', give);
  if (maxDrop === undefined) {
    if (maxDropConfidence === undefined) return;
    throw new OptionError('MAX_DROP_MISSING', '--max-drop-confidence is about --max-drop', {
      expected: '--max-drop',
      repair: 'Say how many points may be lost: --max-drop 1.',
    });
  }
  if (data === undefined && calib === undefined) throw missing('--max-drop', '--data or --calib', give);
  if (labels === undefined && !isClassifier(model)) {
    throw new OptionError('MAX_DROP_OUTPUT', 'agreement says nothing of a model that gives no scores of classes', {
      value: model.graph.output[0]?.name,
      expected: 'an output of [samples, classes]',
      repair: 'Choose a --ratio, and measure with onnx-pruning evaluate.',
    });
  }
}

/** Measures the finished model, and what it was before anything was refitted. */
export async function measure(
  original: Model,
  result: Model,
  asPruned: Model | undefined,
  data: Dataset,
): Promise<Accuracy> {
  const metric = data.hasLabels ? 'top1' : 'agreement';
  const score = (model: Model): Promise<Evaluation> =>
    evaluate(model, data, metric, data.hasLabels ? {} : { against: original });
  const own = await score(result);
  const before = asPruned && { asPruned: (await score(asPruned)).value };
  const dense = data.hasLabels ? await score(original) : undefined;
  const { drop, interval: dropInterval } = dropOf(own, dense, CONFIDENCE);
  const { samples, value, interval } = own;
  return { metric, samples, ...before, value, interval, original: dense?.value, drop, dropInterval };
}
