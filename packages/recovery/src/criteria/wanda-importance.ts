/** Scores channels by activation times weight. */
import type { Group } from '@onnx-pruning/depgraph';
import { checkArguments, type Model } from '@onnx-pruning/onnx';
import { type Batches, type Observer, observers } from '@onnx-pruning/runtime';
import type { Matrix } from '../solve/matrix.ts';
import { DATA_OPTIONS, type DataImportanceOptions } from './data-importance-options.ts';
import { MEASURED_SCORES, MeasuredScores, type Rule } from './measured-scores.ts';
import type { Reading } from './readings.ts';

/**
 * Activation times weight: the score of a channel is, summed over its consumers, the root mean square of its values times
 * the sum of the absolute weights that read it (Sun et al., A Simple and Effective Pruning Approach for Large Language
 * Models, ICLR 2024, for single weights; here summed over the outputs and kernel positions of a channel). Where a consumer
 * has no weights, a weight of 1 stands for them.
 *
 * @example
 * const importance = await WandaImportance.measure(model, batches);
 * new BasePruner(model, { importance, pruningRatio: 0.5 }).step();
 */
export class WandaImportance {
  readonly #scores: MeasuredScores;

  private constructor(scores: MeasuredScores) {
    checkArguments('new WandaImportance (await WandaImportance.measure makes one)', {
      scores: [scores, MEASURED_SCORES],
    });
    this.#scores = scores;
  }

  /**
   * Runs the model on calibration inputs, of which there may be any number; it is not changed.
   *
   * @param inputs feeds of the model, one batch after the other
   * @throws FeedError for inputs that do not fit, or none; ObserveError for activations that are not finite; OptionError
   * for a normalizer that does not exist; SessionError and ExecutionProviderError as `createSession`; whatever `signal` was
   * aborted with
   */
  static async measure(model: Model, inputs: Batches, options: DataImportanceOptions = {}): Promise<WandaImportance> {
    return new WandaImportance(await MeasuredScores.measure(model, inputs, options, RULE));
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

const RULE: Rule<Float64Array> = {
  criterion: 'WandaImportance',
  options: DATA_OPTIONS,
  normalizer: 'mean',
  observer: rootMeanSquares,
  score: (readings, channels) => {
    const scores = new Float64Array(channels);
    for (const { measured, weights } of readings) for (const each of weights) addScores(scores, measured, each);
    return scores;
  },
};

function addScores(scores: Float64Array, sizes: Float64Array, { columns, data }: Matrix): void {
  for (let channel = 0; channel < scores.length; channel++) {
    let sum = 0;
    for (let at = channel * columns; at < (channel + 1) * columns; at++) sum += Math.abs(data[at]!);
    scores[channel]! += sizes[channel]! * sum;
  }
}

/** Of each channel, over all its indices along the axis. */
function rootMeanSquares({ point, indices, channels, repeats }: Reading): Observer<Float64Array> {
  const { begin, ...observer } = observers.rootMeanSquare(point.value, { axis: point.axis });
  return {
    ...observer,
    begin: () => {
      const fold = begin();
      const result = (): Float64Array => {
        const found = fold.result();
        const squares = new Float64Array(channels);
        indices.forEach((index, i) => {
          squares[Math.floor(i / repeats)]! += found[index]! ** 2 / repeats;
        });
        return squares.map(Math.sqrt);
      };
      return { add: (values, batch) => fold.add(values, batch), result };
    },
  };
}
