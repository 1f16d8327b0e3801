/**
 * How the scores of a group's members become one score per root channel: reduction over members, then normalization
 * over channels. Names and formulas are Torch-Pruning's, so that scores agree with it.
 */
import { optionError } from './options.ts';

/** How scores of several members are combined for one channel. */
export type GroupReduction = 'sum' | 'mean' | 'max' | 'prod' | 'first' | 'gate' | 'none';

/** How the scores of a group are scaled to be comparable with those of other groups. */
export type Normalizer =
  | 'sum'
  | 'standardization'
  | 'mean'
  | 'max'
  | 'gaussian'
  | `sentinel_${number}`
  | 'lamp'
  | 'none'
  | null
  | ((scores: Float64Array) => ArrayLike<number>);

export const GROUP_REDUCTIONS: readonly GroupReduction[] = ['sum', 'mean', 'max', 'prod', 'first', 'gate', 'none'];
const NORMALIZERS = [
  'sum',
  'standardization',
  'mean',
  'max',
  'gaussian',
  'sentinel_<q>',
  'lamp',
  'none',
  null,
  'a function',
];

/** Scores of one member: `scores[indices[k]]` belongs to the root channel at position `channels[k]`. */
export interface MemberScores {
  readonly scores: Float64Array;
  /** Undefined where the scores are in the order of the channels. */
  readonly indices?: Int32Array;
  readonly channels: Int32Array;
}

/**
 * Combines member scores into `size` channel scores. `none` adds them as they are: every channel needs one score, and a
 * group of one member keeps its own.
 */
export function reduceMembers(members: readonly MemberScores[], size: number, reduction: GroupReduction): Float64Array {
  const start = { prod: 1, max: Number.NEGATIVE_INFINITY }[reduction as string] ?? 0;
  const reduced = new Float64Array(size).fill(start);
  const chosen = chooseMembers(members, reduction);
  for (const { scores, indices, channels } of chosen) {
    for (let k = 0; k < channels.length; k++) {
      const c = channels[k];
      const score = scores[indices ? indices[k] : k];
      if (reduction === 'prod') reduced[c] *= score;
      else if (reduction === 'max') reduced[c] = Math.max(reduced[c], score);
      else reduced[c] += score;
    }
  }
  return reduction === 'mean' ? reduced.map((sum) => sum / members.length) : reduced;
}

function chooseMembers(members: readonly MemberScores[], reduction: GroupReduction): readonly MemberScores[] {
  if (reduction === 'first') return members.slice(0, 1);
  if (reduction === 'gate') return members.slice(-1);
  return members;
}

/** Scales the scores of one group. */
export function normalize(scores: Float64Array, normalizer: Normalizer): Float64Array {
  if (normalizer === null || normalizer === 'none') return scores;
  if (typeof normalizer === 'function') return Float64Array.from(normalizer(scores));
  if (normalizer === 'lamp') return lamp(scores);
  if (normalizer === 'standardization') {
    const { min, max } = extent(scores);
    return scores.map((x) => (x - min) / (max - min + 1e-8));
  }
  if (normalizer === 'gaussian') {
    const mean = sum(scores) / scores.length;
    const variance = sum(scores.map((x) => (x - mean) ** 2)) / (scores.length - 1);
    return scores.map((x) => (x - mean) / (Math.sqrt(variance) + 1e-8));
  }
  const divisor = divisorOf(scores, normalizer);
  // A group of zeros stays one: its channels contribute nothing, and go first.
  return divisor === 0 ? scores : scores.map((x) => x / divisor);
}

function divisorOf(scores: Float64Array, normalizer: string): number {
  if (normalizer === 'sum') return sum(scores);
  if (normalizer === 'mean') return sum(scores) / scores.length;
  if (normalizer === 'max') return extent(scores).max;
  const q = sentinelOf(normalizer);
  if (q === undefined) throw optionError('normalizer', normalizer, NORMALIZERS);
  return Float64Array.from(scores).sort()[Math.min(Math.trunc(q * scores.length), scores.length - 1)] + 1e-8;
}

function sentinelOf(normalizer: string): number | undefined {
  const q = Number(/^sentinel_([\d.]+)$/.exec(normalizer)?.[1] ?? Number.NaN);
  return q >= 0 && q <= 1 ? q : undefined;
}

/** Throws for a normalizer that does not exist, before any model is read. */
export function checkNormalizer(normalizer: Normalizer): void {
  if (normalizer === null || typeof normalizer === 'function') return;
  if (!NORMALIZERS.includes(normalizer) && sentinelOf(normalizer) === undefined) {
    throw optionError('normalizer', normalizer, NORMALIZERS);
  }
}

/**
 * LAMP: each score over the sum of all scores that are not smaller (Lee et al., Layer-adaptive Sparsity for the
 * Magnitude-based Pruning, ICLR 2021, equation 1).
 */
function lamp(scores: Float64Array): Float64Array {
  const order = Array.from(scores.keys()).sort((a, b) => scores[a] - scores[b]);
  const out = new Float64Array(scores.length);
  let rest = sum(scores);
  for (const i of order) {
    out[i] = scores[i] === 0 ? 0 : scores[i] / rest;
    rest -= scores[i];
  }
  return out;
}

function sum(values: Float64Array): number {
  return values.reduce((a, b) => a + b, 0);
}

function extent(values: Float64Array): { min: number; max: number } {
  return { min: values.reduce((a, b) => Math.min(a, b)), max: values.reduce((a, b) => Math.max(a, b)) };
}
