/**
 * The strongest pruning whose measured loss stays within a bound: tries several ratios and measures what each costs. It must
 * not know how channels are chosen, or how accuracy is won back.
 */
import { DATASET, type Dataset, type Evaluation, evaluate } from '@onnx-pruning/data';
import {
  checkArguments,
  checkOptions,
  type Kind,
  kinds,
  listOf,
  type Model,
  type OptionKinds,
} from '@onnx-pruning/onnx';
import { checkRunOptions, type SessionOptions } from '@onnx-pruning/runtime';
import { RecoveryError } from '../errors.ts';
import { type Bound, checkOriginal, checkSamples, type Drop, dropOf, isWithin, points } from './bound.ts';

/** One ratio, and what it costs. */
export interface RatioCost extends Drop {
  /** The pruning ratio. */
  readonly ratio: number;
  /** Whether it is within the bound. */
  readonly isWithin: boolean;
}

/** How the search goes. */
export interface WithinDropOptions extends SessionOptions {
  /** Most that may be lost, as a share: 0.01 for one point. */
  readonly maxDrop: number;
  /**
   * Bounds the upper end of the drop's interval at this confidence, such as 0.95, in place of the measured drop. Default:
   * what was measured is bounded, and intervals are those of 95 %.
   */
  readonly confidence?: number;
  /** Ratios to choose from, ascending. Default: from 0.05 to 0.95 in steps of 0.025. */
  readonly ratios?: readonly number[];
  /** Ends the search before the next measurement: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called before every ratio that is tried, with what was found so far. */
  readonly onProgress?: (progress: WithinDropProgress) => void;
}

/** How far a search has come. */
export interface WithinDropProgress {
  /** Ratios that were tried. */
  readonly done: number;
  /** Ratios that are tried at most. */
  readonly total: number;
  /** The one that is tried now. */
  readonly ratio: number;
  /** What was measured, in the order in which it was. */
  readonly curve: readonly RatioCost[];
}

/** What a search gives. */
export interface WithinDrop<Result> {
  /** The largest ratio that was found to be within the bound. */
  readonly ratio: number;
  /** What was made with it. */
  readonly result: Result;
  /** What it costs. */
  readonly cost: RatioCost;
  /** What was measured, from the smallest ratio to the largest. */
  readonly curve: readonly RatioCost[];
  /** What the original is right in; undefined without labels. */
  readonly original: Evaluation | undefined;
  /** `top1`, or `agreement` without labels. */
  readonly metric: 'top1' | 'agreement';
}

const share = (expected: string): Kind => ({
  expected,
  accepts: (value) => typeof value === 'number' && value > 0 && value < 1,
});

const OPTIONS: OptionKinds<Omit<WithinDropOptions, keyof SessionOptions>> = {
  maxDrop: share('a share above 0 and below 1: 0.01 is one point'),
  confidence: share('a confidence above 0 and below 1, such as 0.95'),
  ratios: {
    expected: 'ratios above 0 and below 1, ascending',
    accepts: (value) =>
      listOf(share('')).accepts(value) &&
      (value as number[]).length > 0 &&
      (value as number[]).every((ratio, i, all) => i === 0 || ratio > all[i - 1]!),
  },
  signal: kinds.object,
  onProgress: kinds.callback,
};

const RATIOS: readonly number[] = Array.from({ length: 37 }, (_, i) => (i + 2) / 40);

/**
 * Finds the largest ratio at which a pruned model loses no more than a bound, by bisection: of accuracy where the samples
 * have labels, else of agreement with the original. What is lost is measured on the same samples for both models. Loss is
 * taken to grow with the ratio, as it does but for noise; every ratio that was tried is in the result.
 *
 * @param prune makes the pruned model of a ratio, recovered in whichever way; a model that is undefined says that this ratio
 * leaves every channel in place
 * @param measured samples that nothing else has seen, neither training nor what wins accuracy back. The ratio is
 * chosen on them, so that the loss on others may be somewhat larger
 * @throws RecoveryError where the samples are too few to resolve the bound, where the original is no better than guessing,
 * both before `prune` is called, and where no ratio stays within the bound; DataError, SessionError and FeedError as
 * `evaluate` does; whatever `prune` throws, and `signal` was aborted with
 * @example
 * const within = await pruneWithinDrop(original, async (pruningRatio) => {
 *   const model = original.clone();
 *   const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio });
 *   pruner.step();
 *   return reconstruct(original, model, pruner.plan(), train.feeds());
 * }, test, { maxDrop: 0.01 });
 * await saveModel(within.result.model, 'pruned.onnx');
 */
export async function pruneWithinDrop<Result extends { readonly model?: Model | undefined }>(
  original: Model,
  prune: (ratio: number) => Promise<Result>,
  measured: Dataset,
  options: WithinDropOptions,
): Promise<WithinDrop<Result>> {
  checkArguments('pruneWithinDrop', {
    original: [original, kinds.model],
    prune: [prune, kinds.callback],
    measured: [measured, DATASET],
    options: [options, kinds.object],
  });
  const { maxDrop, confidence, ratios, signal, onProgress, ...session } = options;
  checkOptions('pruneWithinDrop', { maxDrop, confidence, ratios, signal, onProgress }, OPTIONS);
  checkRunOptions('pruneWithinDrop', session);
  const bound: Bound = { maxDrop, isUpperEnd: confidence !== undefined, confidence: confidence ?? 0.95 };
  checkSamples(measured.length, bound, measured.name);
  const metric = measured.hasLabels ? 'top1' : 'agreement';
  const scored = metric === 'top1' ? await evaluate(original, measured, metric, { ...session, signal }) : undefined;
  if (scored) checkOriginal(scored, measured.name);
  const costOf = async (ratio: number, model: Model): Promise<RatioCost> => {
    const against = scored ? {} : { against: original };
    const own = await evaluate(model, measured, metric, { ...session, ...against, confidence, signal });
    const drop = dropOf(own, scored, bound.confidence);
    return { ratio, ...drop, isWithin: isWithin(drop, bound) };
  };
  const found = await largestWithin(prune, costOf, options);
  if (!found.best) throw noneWithin(found.curve, bound);
  const { ratio } = found.best.cost;
  return { ratio, ...found.best, curve: found.curve, original: scored, metric };
}

/** Bisects the ratios. */
async function largestWithin<Result extends { readonly model?: Model | undefined }>(
  prune: (ratio: number) => Promise<Result>,
  costOf: (ratio: number, model: Model) => Promise<RatioCost>,
  { ratios = RATIOS, signal, onProgress }: WithinDropOptions,
): Promise<{ best?: { result: Result; cost: RatioCost }; curve: RatioCost[] }> {
  const curve: RatioCost[] = [];
  let best: { result: Result; cost: RatioCost } | undefined;
  let [within, beyond] = [-1, ratios.length];
  for (let done = 0; beyond - within > 1; done++) {
    signal?.throwIfAborted();
    const middle = Math.floor((within + beyond) / 2);
    const ratio = ratios[middle]!;
    const total = done + Math.ceil(Math.log2(beyond - within));
    onProgress?.({ done, total, ratio, curve });
    const result = await prune(ratio);
    const cost = result.model && (await costOf(ratio, result.model));
    if (cost) curve.push(cost);
    // A ratio that leaves every channel in place costs nothing, and gives nothing.
    if (cost && !cost.isWithin) beyond = middle;
    else within = middle;
    if (cost?.isWithin) best = { result, cost };
  }
  return { ...(best && { best }), curve: curve.sort((a, b) => a.ratio - b.ratio) };
}

function noneWithin(curve: readonly RatioCost[], { maxDrop, isUpperEnd }: Bound): RecoveryError {
  const least = curve[0];
  const upTo = isUpperEnd ? 'an interval that ends at' : 'a drop of';
  return new RecoveryError('DROP_EXCEEDED', 'no ratio stays within the drop that is allowed', {
    expected: `${upTo} ${points(maxDrop)} at most`,
    actual: least
      ? `${points(isUpperEnd ? least.interval[1] : least.drop)} at ratio ${least.ratio}`
      : 'no ratio that removes a channel',
    repair: 'Allow a larger drop, or ignore the layers that cost most.',
  });
}
