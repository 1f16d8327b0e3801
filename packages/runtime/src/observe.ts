/**
 * Runs a model over batches and folds what passes at values of its graph. Only the folds are kept, so there may be any
 * number of batches. It must not know what is observed: observers do.
 */

import { checkArguments, GraphEditor, type Kind, kinds, type Model, nearestNames, recordOf } from '@onnx-pruning/onnx';
import { FeedError } from './errors.ts';
import { checkFeeds } from './feeds.ts';
import { modelInputs } from './inputs.ts';
import { type Fold, ObserveError, type Observer } from './observer.ts';
import { checkRunOptions } from './run-options.ts';
import { type Session, withSession } from './session.ts';
import type { SessionOptions } from './session-options.ts';
import type { TensorValues } from './values.ts';

/** Feeds of a model, one batch after the other. */
export type Batches = Iterable<TensorValues> | AsyncIterable<TensorValues>;

/** How far an observation has come. */
export interface ObserveProgress {
  /** Batches that were folded. */
  readonly batches: number;
  /** How many there are, where that is known. */
  readonly total: number | undefined;
}

export interface ObserveOptions extends SessionOptions {
  /** Ends the run before the next batch, or while it is waited for. `observe` rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every batch. */
  readonly onProgress?: (progress: ObserveProgress) => void;
}

/** What the observers found, under their keys. */
export type Observed<O extends Readonly<Record<string, Observer<unknown>>>> = {
  readonly [K in keyof O]: O[K] extends Observer<infer R> ? R : never;
};

/**
 * Runs a model over batches of feeds and returns what its observers made of the values that they look at. The model is
 * not changed; what no observer needs is not computed.
 *
 * @param batches feeds, sync or async; read once, one at a time
 * @throws ObserveError for a value that the model does not have (with near names) or that cannot be folded;
 * NotFiniteError for NaN and infinities; FeedError for feeds that do not fit, or no batches at all; SessionError and
 * ExecutionProviderError as `createSession`; whatever `signal` was aborted with
 * @example
 * const { means, gram } = await observe(model, batches, {
 *   means: observers.mean('relu_out', { axis: 1 }),
 *   gram: observers.gramMatrix('relu_out', { axis: 1 }),
 * });
 */
export async function observe<O extends Readonly<Record<string, Observer<unknown>>>>(
  model: Model,
  batches: Batches,
  observers: O,
  options: ObserveOptions = {},
): Promise<Observed<O>> {
  checkArguments('observe', {
    model: [model, kinds.model],
    batches: [batches, BATCHES],
    observers: [observers, recordOf(OBSERVER)],
  });
  checkRunOptions('observe', options);
  const instrumented = instrument(model, Object.values(observers));
  const folds = Object.values(observers).map((observer) => observer.begin());
  const run = new Run(instrumented, folds, batches, options);
  if (instrumented.outputs.length === 0) await run.all();
  else await withSession(instrumented.model, options, (session) => run.all(session));
  const results = Object.keys(observers).map((key, i) => [key, folds[i]!.result()]);
  return Object.fromEntries(results) as Observed<O>;
}

/** Feeds, one batch after the other. */
export const BATCHES: Kind = {
  expected: 'feeds, one batch after the other (an iterable, or an asynchronous one)',
  accepts: (value) =>
    typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value),
};

const OBSERVER: Kind = {
  expected: 'an observer, such as observers.mean(value)',
  accepts: (value) => kinds.object.accepts(value) && ['value', 'begin'].every((part) => part in (value as object)),
};

interface Instrumented {
  readonly model: Model;
  /** Values to fetch; those that are fed need not be. */
  readonly outputs: readonly string[];
  /** What each observer is given. */
  readonly seen: readonly (readonly string[])[];
}

/** A copy of the model with the nodes that observers emit, which computes what they want to see and nothing else. */
function instrument(original: Model, observers: readonly Observer<unknown>[]): Instrumented {
  const model = original.clone();
  const editor = new GraphEditor(model, { prefix: 'observe/' });
  for (const { value } of observers) assertKnown(editor, model, value);
  const seen = observers.map((observer) => observer.emit?.(editor) ?? [observer.value]);
  const fed = new Set(modelInputs(model).map(({ name }) => name));
  const outputs = [...new Set(seen.flat())].filter((name) => !fed.has(name));
  if (outputs.length > 0) {
    editor.setOutputs(outputs);
    editor.removeDead();
    editor.commit();
  }
  return { model, outputs, seen };
}

function assertKnown(editor: GraphEditor, { graph }: Model, value: string): void {
  if (editor.scopeOf(value) !== undefined) return;
  const names = [...graph.input.map(({ name = '' }) => name), ...graph.node.flatMap(({ output }) => output)];
  const near = nearestNames(
    value,
    names.filter((name) => name !== ''),
  );
  throw new ObserveError('OBSERVE_VALUE', 'the main graph of the model has no such value', {
    value,
    repair: `Did you mean ${near.map((name) => `'${name}'`).join(' or ')}?`,
  });
}

class Run {
  readonly #model: Instrumented;
  readonly #folds: readonly Fold<unknown>[];
  readonly #batches: Batches;
  readonly #options: ObserveOptions;

  constructor(model: Instrumented, folds: readonly Fold<unknown>[], batches: Batches, options: ObserveOptions) {
    this.#model = model;
    this.#folds = folds;
    this.#batches = batches;
    this.#options = options;
  }

  /** @param session where anything is to be computed */
  async all(session?: Session): Promise<void> {
    const total = Array.isArray(this.#batches) ? this.#batches.length : undefined;
    let batches = 0;
    for await (const feeds of abortable(this.#batches, this.#options.signal)) {
      const values = { ...feeds, ...(await this.#compute(feeds, session)) };
      this.#folds.forEach((fold, i) => {
        const seen = this.#model.seen[i]!.map((name) => values[name]!);
        fold.add(seen, batches);
      });
      batches++;
      this.#options.onProgress?.({ batches, total });
    }
    if (batches > 0) return;
    throw new FeedError('FEED_NONE', 'there are no inputs to observe the model on', {
      expected: 'at least one batch',
      actual: 0,
      repair: 'Give a list of feeds, each with a value for every input of the model.',
    });
  }

  async #compute(feeds: TensorValues, session: Session | undefined): Promise<TensorValues> {
    if (session !== undefined) return session.run(feeds, this.#model.outputs);
    checkFeeds(modelInputs(this.#model.model), feeds);
    return {};
  }
}

/** The batches, until the signal is aborted: then it throws, also while a batch is waited for. */
async function* abortable(batches: Batches, signal: AbortSignal | undefined): AsyncGenerator<TensorValues> {
  const iterator = Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]();
  let isOver = false;
  try {
    for (;;) {
      const step = await unlessAborted(iterator.next(), signal);
      isOver = step.done === true;
      if (step.done) return;
      yield step.value;
    }
  } finally {
    // A source that is stuck cannot be waited for, and an error of its own would hide the reason of the end.
    if (!isOver) Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

async function unlessAborted<T>(awaited: T | PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return awaited;
  signal.throwIfAborted();
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([awaited, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
