/** What `reconstruct` is told and what it tells. It must not do anything. */
import { type Kind, kinds, listOf, type Model, type OptionKinds, oneOf } from '@onnx-pruning/onnx';
import type { Plan, PlanOptions } from '@onnx-pruning/pruning';
import type { SessionOptions } from '@onnx-pruning/runtime';
import type { NotRefitted } from './layers/refittable.ts';

/** How far a reconstruction has come. */
export interface ReconstructProgress {
  /** Layers that are done. */
  readonly done: number;
  /** Layers that are refitted in all. */
  readonly total: number;
  /** The layer that is refitted now. */
  readonly layer: string;
}

/** How weights are refitted. */
export interface ReconstructOptions extends SessionOptions, PlanOptions {
  /** What is chosen anew: weights and biases (`weights`, the default), or biases alone (`bias`). */
  readonly fit?: 'weights' | 'bias';
  /**
   * The pull towards the pruned weights, as a share of the mean diagonal of the inputs' covariance. Of several, each
   * layer takes the one that is best on held-out data. Default 0.02.
   */
  readonly lambda?: number | readonly number[];
  /** Share of the batches that each layer's error is measured on, above 0 and up to 0.5. Default 0.125. */
  readonly holdOut?: number;
  /**
   * Mixtures of two samples each that layers are fitted to besides, for every sample. Default 1; and 0 for biases alone, and
   * where inputs are not real numbers, or not of one size.
   */
  readonly mixtures?: number;
  /** Most positions of one batch that a layer is fitted to; where there are more, some are drawn. Default 16,384. */
  readonly positions?: number;
  /** In which products of a batch are summed; batches are summed in float64 either way. Default `float32`, which is faster. */
  readonly precision?: 'float32' | 'float64';
  /**
   * Most bytes that the equations of one layer may take. Where those of all weights would need more, whole channels are
   * fitted, which takes less (see `RefittedLayer.method`); where they would, too, the layer is left. Default 2 GB.
   */
  readonly memoryLimit?: number;
  /** Of the positions and mixtures that are drawn. Default 0. */
  readonly seed?: number;
  /** Ends the work before the next batch: `reconstruct` rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called before every layer. */
  readonly onProgress?: (progress: ReconstructProgress) => void;
}

/** What happened to one layer. */
export interface RefittedLayer {
  /** Its name, as `model.layers()` has it. */
  readonly layer: string;
  /**
   * How it was fitted: `ridge`, every weight; `channels`, where that would take too much memory: the original's channels
   * are predicted from those that stay, and the weights follow, alike at all positions of a kernel; `bias`, the bias alone.
   */
  readonly method: 'ridge' | 'channels' | 'bias';
  /** The pull that was chosen; undefined where the layer kept its weights, since a fit was no better on held-out data. */
  readonly lambda: number | undefined;
  /** Mean squared error of the layer's output on held-out data, as pruned: a share of the variance of what it should be. */
  readonly errorBefore: number;
  /** The same with weights that were fitted to the rest of the data; the layer has those of a fit to all of it. */
  readonly errorAfter: number;
  /** Names of the initializers that hold other numbers now. */
  readonly initializers: readonly string[];
}

/** What a reconstruction gives. */
export interface Reconstruction {
  /** The pruned model with other weights; what was given is not changed. */
  readonly model: Model;
  /** The plan, with what was changed: what `verify` needs to prove the structure of `model`. */
  readonly plan: Plan;
  /** The layers whose inputs pruning has changed, in the order in which they were refitted. */
  readonly layers: readonly RefittedLayer[];
  /** Those that keep their weights although their inputs have changed, and why. */
  readonly left: readonly NotRefitted[];
}

const number = (expected: string, accepts: (value: number) => boolean): Kind => ({
  expected,
  accepts: (value) => typeof value === 'number' && accepts(value),
});
const PULL = number('a number from 0 on', (x) => x >= 0 && Number.isFinite(x));

export const RECONSTRUCT_OPTIONS: OptionKinds<Omit<ReconstructOptions, keyof SessionOptions>> = {
  fit: oneOf('weights', 'bias'),
  lambda: { expected: 'a number from 0 on, or several', accepts: (x) => PULL.accepts(x) || listOf(PULL).accepts(x) },
  holdOut: number('a share above 0 and up to 0.5', (x) => x > 0 && x <= 0.5),
  mixtures: number('a whole number from 0 on', (x) => x >= 0 && Number.isInteger(x)),
  positions: number('a whole number from 1 on', (x) => x >= 1 && Number.isInteger(x)),
  precision: oneOf('float32', 'float64'),
  memoryLimit: number('a number of bytes', (x) => x > 0),
  seed: kinds.integer,
  signal: kinds.object,
  onProgress: kinds.callback,
  customizedOperators: listOf(kinds.object),
};

/** What is not about sessions. */
export type Settings = Omit<ReconstructOptions, keyof SessionOptions>;

/** Options of sessions, and all others. */
export function splitOptions(options: ReconstructOptions): { session: SessionOptions; settings: Settings } {
  const part = (isOwn: boolean): object =>
    Object.fromEntries(Object.entries(options).filter(([name]) => name in RECONSTRUCT_OPTIONS === isOwn));
  return { session: part(false), settings: part(true) };
}
