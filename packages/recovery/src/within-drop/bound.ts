/** How much a model may lose, and what a measurement says of it. It must not run models. */
import { comparePaired, type Evaluation, type Interval, normalQuantile } from '@onnx-pruning/data';
import { RecoveryError } from '../errors.ts';

/** What a pruned model has lost. */
export interface Drop {
  /** A share: 0.01 is one point. Of accuracy; without labels, of samples that it says something else of than the original. */
  readonly drop: number;
  /** Interval of the drop, at the confidence that was asked for. */
  readonly interval: Interval;
}

/** How much may be lost. */
export interface Bound {
  /** Most that may be lost, as a share. */
  readonly maxDrop: number;
  /** Whether the upper end of the interval is bounded, and not what was measured. */
  readonly isUpperEnd: boolean;
  /** Of intervals. */
  readonly confidence: number;
}

/**
 * What a model has lost, with its interval at a confidence.
 * @param original undefined where `own` is the agreement with the original, measured at the same confidence
 */
export function dropOf(own: Evaluation, original: Evaluation | undefined, confidence: number): Drop {
  if (original === undefined) return { drop: 1 - own.value, interval: [1 - own.interval[1], 1 - own.interval[0]] };
  const { difference, interval } = comparePaired(original, own, { confidence });
  return { drop: -difference, interval: [-interval[1], -interval[0]] };
}

/** A share that is less than one sample's of any data set: 1 - 0.95 is a little more than 0.05. */
const ROUNDING = 1e-12;

/** Whether what was measured is within the bound. */
export function isWithin({ drop, interval }: Drop, { maxDrop, isUpperEnd }: Bound): boolean {
  return (isUpperEnd ? interval[1] : drop) <= maxDrop + ROUNDING;
}

/**
 * Samples that a bound needs at least. For the upper end of an interval: so many that it is within the bound where nothing
 * was lost at all (Wilson's interval of none). For what is measured: so many that a drop as large as the bound can be told
 * from none, were every answer that changes a loss.
 */
export function samplesNeeded({ maxDrop, isUpperEnd, confidence }: Bound): number {
  const z = normalQuantile(confidence);
  const needed = isUpperEnd ? (z ** 2 * (1 - maxDrop)) / maxDrop : z ** 2 / maxDrop;
  return Math.ceil(needed);
}

/** @throws RecoveryError for fewer samples than the bound needs */
export function checkSamples(samples: number, bound: Bound, path: string): void {
  const needed = samplesNeeded(bound);
  if (samples >= needed) return;
  throw new RecoveryError('DROP_SAMPLES', 'there are too few samples to tell so small a drop', {
    path,
    expected: `at least ${needed} samples for ${points(bound.maxDrop)}`,
    actual: samples,
    repair: 'Measure on more samples, or allow a larger drop.',
  });
}

/**
 * @throws RecoveryError where the original is no better than guessing: a drop from there says nothing
 */
export function checkOriginal({ chance, value, interval }: Evaluation, path: string): void {
  if (chance === undefined || interval[0] > chance) return;
  throw new RecoveryError('DROP_CHANCE', 'the original itself cannot be told from guessing on these samples', {
    path,
    expected: `an accuracy above ${percent(chance)}, the share of the most frequent class`,
    actual: percent(value),
    repair: 'Check the labels, their order, and the preprocessing.',
  });
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** As text: `0.5 points`. */
export const points = (share: number): string => `${Number((100 * share).toFixed(2))} points`;
