/**
 * Runs two models on the same inputs: the building block of every check that one computes what the other computes.
 * It must not know why they should agree.
 */
import { type RandomInputOptions, randomFeeds } from './inputs.ts';
import type { ModelSource } from './model-source.ts';
import { checkedFeeds } from './run-sizes.ts';
import { withSession } from './session.ts';
import type { SessionOptions } from './session-options.ts';
import type { TensorValues } from './values.ts';

export interface RunBothOptions extends SessionOptions, RandomInputOptions {
  /** Input values; by default `randomInputs` of the reference. */
  readonly feeds?: TensorValues;
}

export interface BothResults {
  readonly feeds: TensorValues;
  readonly reference: TensorValues;
  readonly candidate: TensorValues;
}

/**
 * Runs the reference, then the candidate, on the same inputs and returns all outputs of both. Only one of the two is
 * loaded at a time.
 *
 * @throws FeedError when the inputs do not fit either model; SessionError when either does not load or run, or has an
 * output that is not a tensor; ExecutionProviderError, ModelFileError and ExternalDataError as
 * `createSession` does
 */
export async function runBoth(
  reference: ModelSource,
  candidate: ModelSource,
  options: RunBothOptions = {},
): Promise<BothResults> {
  const known = checkedFeeds(reference, options);
  const first = await withSession(reference, options, async (session) => {
    const feeds = known ?? randomFeeds(reference, session, options);
    return { feeds, results: await session.run(feeds) };
  });
  const second = await withSession(candidate, options, (session) => session.run(first.feeds));
  return { feeds: first.feeds, reference: first.results, candidate: second };
}

/**
 * Runs a model once, on random inputs unless `feeds` are given.
 *
 * @throws SessionError (`RUN_TOO_LARGE`) before a model is loaded of which a value is known to be too large, and as `runBoth`
 */
export async function runModel(model: ModelSource, options: RunBothOptions = {}): Promise<TensorValues> {
  const known = checkedFeeds(model, options);
  return withSession(model, options, (session) => session.run(known ?? randomFeeds(model, session, options)));
}
