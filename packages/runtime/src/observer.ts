/** What an observer is: what it wants to see of a value, and the fold that it keeps of it. Runs nothing. */
import { type GraphEditor, OnnxPruningError } from '@onnx-pruning/onnx';
import type { TensorValue } from './values.ts';

/** Looks at one value of a model. A description: every run of `observe` folds anew. */
export interface Observer<R> {
  /** Name of a value of the main graph. */
  readonly value: string;
  /**
   * Emits nodes that compute, next to the model, what the fold needs, so that onnxruntime does the arithmetic and the
   * value itself stays where it is.
   * @returns names of the values that `add` is given; without this method, that is the observed value itself
   */
  emit?(editor: GraphEditor): readonly string[];
  /** Starts a fold. */
  begin(): Fold<R>;
}

/** What is kept of everything seen so far. */
export interface Fold<R> {
  /** @param batch which batch the values are of, from 0 @throws ObserveError for values that it cannot take in */
  add(values: readonly TensorValue[], batch: number): void;
  /** What was found in all batches so far. */
  result(): R;
}

/** A value that cannot be observed, or whose content cannot be folded. */
export class ObserveError extends OnnxPruningError {}

/** A value that is not finite where only numbers can be folded. */
export class NotFiniteError extends ObserveError {
  /** The index along the axis. */
  readonly index: number;
  /** Which batch it was, from 0. */
  readonly batch: number;

  constructor(at: { value: string; axis: number | undefined; index: number; batch: number; actual: number }) {
    const where = at.axis === undefined ? 'a value' : `index ${at.index} of a value`;
    super('OBSERVE_NOT_FINITE', `${where} is not finite after batch ${at.batch}`, {
      value: at.value,
      ...(at.axis !== undefined && { axis: at.axis }),
      expected: 'finite numbers',
      actual: at.actual,
      repair: 'Check the inputs: their scale, and that they hold no NaN.',
    });
    this.index = at.index;
    this.batch = at.batch;
  }
}

/** internal: @throws NotFiniteError for the first number that is not finite */
export function assertFinite(
  numbers: Float64Array,
  at: { value: string; axis: number | undefined; batch: number; columns?: number },
): void {
  const found = numbers.findIndex((x) => !Number.isFinite(x));
  if (found < 0) return;
  throw new NotFiniteError({ ...at, index: Math.floor(found / (at.columns ?? 1)), actual: numbers[found]! });
}
