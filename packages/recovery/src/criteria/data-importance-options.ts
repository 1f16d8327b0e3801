/** What criteria on data are told. It must not measure or score. */
import { BUILD_OPTIONS, type BuildOptions } from '@onnx-pruning/depgraph';
import { type Kind, kinds, type OptionKinds } from '@onnx-pruning/onnx';
import type { Normalizer } from '@onnx-pruning/pruning';
import type { ObserveOptions } from '@onnx-pruning/runtime';

/** How channels are scored on data; besides: options of sessions, and those of the pruner that say what may be pruned. */
export interface DataImportanceOptions extends ObserveOptions, BuildOptions {
  /**
   * How the scores of a group are scaled. Default: `mean` for Wanda; `none` for the others, whose scores are shares of
   * what consumers compute and compare as they are.
   */
  readonly normalizer?: Normalizer;
}

/** How channels are scored by covariances. */
export interface CovarianceImportanceOptions extends DataImportanceOptions {
  /**
   * What is added to the diagonal of each covariance, as a share of its mean: predictions that rest on less variance than
   * that count little. Above 0; default 0.01.
   */
  readonly ridge?: number;
  /** Most bytes that the covariances of all groups may take together. Default 2 GB. */
  readonly memoryLimit?: number;
}

const POSITIVE: Kind = {
  expected: 'a number above 0',
  accepts: (value) => typeof value === 'number' && value > 0 && Number.isFinite(value),
};

/** Options besides those of the run; whether a normalizer exists is asked elsewhere. */
export const DATA_OPTIONS: OptionKinds<Omit<DataImportanceOptions, keyof ObserveOptions>> = {
  ...BUILD_OPTIONS,
  normalizer: kinds.anything,
};

export const COVARIANCE_OPTIONS: OptionKinds<Omit<CovarianceImportanceOptions, keyof ObserveOptions>> = {
  ...DATA_OPTIONS,
  ridge: POSITIVE,
  memoryLimit: POSITIVE,
};
