/** Scores channels by what their consumers lose as they go one after the other. */
import type { Group } from '@onnx-pruning/depgraph';
import { checkArguments, type Model } from '@onnx-pruning/onnx';
import type { Batches } from '@onnx-pruning/runtime';
import { errorRule, greedyErrors } from './consumer-errors.ts';
import type { CovarianceImportanceOptions } from './data-importance-options.ts';
import { MEASURED_SCORES, MeasuredScores } from './measured-scores.ts';

/**
 * The reconstruction error of the consumers, greedily: the channel whose loss costs them least goes first, the weights of
 * the others make up for it, and what each of those would cost now is asked again. The cost is that of
 * `PredictionImportance`, so that of two channels that predict each other one goes early and the other stays. The score of
 * a channel is the cost at its turn, and never less than those before: the lowest scores are the channels that went first.
 *
 * @example
 * const importance = await ReconstructionImportance.measure(model, batches);
 * new BasePruner(model, { importance, pruningRatio: 0.5 }).step();
 */
export class ReconstructionImportance {
  readonly #scores: MeasuredScores;

  private constructor(scores: MeasuredScores) {
    checkArguments('new ReconstructionImportance (await ReconstructionImportance.measure makes one)', {
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
  ): Promise<ReconstructionImportance> {
    const rule = errorRule('ReconstructionImportance', options, greedyErrors);
    return new ReconstructionImportance(await MeasuredScores.measure(model, inputs, options, rule));
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
