/** Scores channels by what the others cannot predict of them. */
import type { Group } from '@onnx-pruning/depgraph';
import { checkArguments, type Model } from '@onnx-pruning/onnx';
import type { Batches } from '@onnx-pruning/runtime';
import { errorRule, errorsOfRemoval } from './consumer-errors.ts';
import type { CovarianceImportanceOptions } from './data-importance-options.ts';
import { MEASURED_SCORES, MeasuredScores } from './measured-scores.ts';

/**
 * The residual of linear prediction: the variance of a channel that no affine function of the group's other channels
 * gives, 1 / (G^-1)_jj with the covariance G of the channels, times the square of the weights that read it. That is what
 * the squared error of a consumer grows by when the channel alone goes and the other weights make up for it (Hassibi and
 * Stork, Second Order Derivatives for Network Pruning: Optimal Brain Surgeon, NeurIPS 1992), as a share of the variance of
 * what the consumer computes; shares of several consumers add up. Positions of a kernel, and pixels behind a Flatten, are
 * taken as consumers of their own: a channel is predicted from what others hold at the same position. Where a consumer has
 * no weights, the channels themselves are what it computes.
 *
 * Of two channels that predict each other both scores are low: see `ReconstructionImportance`.
 *
 * @example
 * const importance = await PredictionImportance.measure(model, batches);
 * new BasePruner(model, { importance, pruningRatio: 0.5 }).step();
 */
export class PredictionImportance {
  readonly #scores: MeasuredScores;

  private constructor(scores: MeasuredScores) {
    checkArguments('new PredictionImportance (await PredictionImportance.measure makes one)', {
      scores: [scores, MEASURED_SCORES],
    });
    this.#scores = scores;
  }

  /**
   * Runs the model on calibration inputs, of which there may be any number; it is not changed.
   *
   * @param inputs feeds of the model, one batch after the other
   * @throws CriterionError for covariances beyond `memoryLimit`; FeedError for inputs that do not fit, or none;
   * ObserveError for activations that are not finite; OptionError for a normalizer that does not exist; SessionError and
   * ExecutionProviderError as `createSession`; whatever `signal` was aborted with
   */
  static async measure(
    model: Model,
    inputs: Batches,
    options: CovarianceImportanceOptions = {},
  ): Promise<PredictionImportance> {
    const rule = errorRule('PredictionImportance', options, errorsOfRemoval);
    return new PredictionImportance(await MeasuredScores.measure(model, inputs, options, rule));
  }

  /**
   * One score per root channel; undefined where nothing reads the group's channels. Channels that are left after pruning
   * through the group's graph keep their scores.
   * @throws CriterionError when the activations were measured on another model, or before other pruning: measure again
   */
  score(group: Group): Float64Array | undefined {
    return this.#scores.of(group);
  }
}
