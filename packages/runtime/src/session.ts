/**
 * Sessions of onnxruntime on an execution provider that was asked for and on no other. The one place that calls
 * onnxruntime; it must not decide what a result means.
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkArguments, DataType, discard, kinds, Model, temporaryFolder } from '@onnx-pruning/onnx';
import type { InferenceSession } from 'onnxruntime-node';
import { messageOf, SessionError } from './errors.ts';
import { checkFeeds, type ValueInfo } from './feeds.ts';
import { modelInputs } from './inputs.ts';
import { type ModelSource, type PreparedModel, prepareModel } from './model-source.ts';
import { CPU, openOrt, profileOrt, runOrt } from './ort.ts';
import { assertOnDevice, type NodePlacement, readPlacement } from './placement.ts';
import { missingProvider, providerError } from './providers.ts';
import { checkRunOptions, MODEL_SOURCE } from './run-options.ts';
import type { SessionOptions } from './session-options.ts';
import { dataTypeOfOrt, type TensorValues } from './values.ts';

/** internal: part of onnxruntime's message when a node of the model has no kernel on the execution provider. */
export const REFUSED_FALLBACK = 'fallback to CPU EP has been explicitly disabled';

/** A model that is loaded into onnxruntime. */
export interface Session {
  /** That every node of the model runs on, unless `cpuNodes` allowed others. */
  readonly executionProvider: string;
  /** What it must be fed; dims are undefined where onnxruntime does not say them. */
  readonly inputs: readonly ValueInfo[];
  /** What it returns; of type `UNDEFINED` where it is not a tensor and cannot be returned. */
  readonly outputs: readonly ValueInfo[];
  /**
   * Runs the model once.
   *
   * @param outputs names of the outputs to return; by default all
   * @throws FeedError when the feeds do not fit the inputs; SessionError when the model fails;
   * ExecutionProviderError when the first run shows that the CPU does another provider's work
   */
  run(feeds: TensorValues, outputs?: readonly string[]): Promise<TensorValues>;
  /** Runs the model once in a profiled session and says where each node ran. */
  placement(feeds: TensorValues): Promise<NodePlacement[]>;
  /** Frees the model. A disposed session does not run. */
  dispose(): Promise<void>;
}

/**
 * Loads a model into onnxruntime.
 *
 * There is no fall-back: where the execution provider is missing or does not start, or where a node that does the
 * model's work has no kernel on it, this (or, where only a run can tell, the first `run`) throws. Models beyond
 * 2 GiB go through a temporary folder.
 *
 * @throws RuntimeError where onnxruntime-node is not installed
 * @throws ExecutionProviderError that lists the execution providers that are here and how to get the one asked for
 * @throws ModelFileError or ExternalDataError for a path that leads to anything but regular files
 * @throws SessionError when onnxruntime does not accept the model
 */
export async function createSession(model: ModelSource, options: SessionOptions = {}): Promise<Session> {
  checkArguments('createSession', { model: [model, MODEL_SOURCE] });
  checkRunOptions('createSession', options);
  const provider = options.executionProvider ?? CPU;
  const missing = missingProvider(provider);
  if (missing !== undefined) throw await providerError(provider, missing);
  const prepared = await prepareModel(model, options);
  try {
    const opened =
      provider === CPU ? await openOnCpu(prepared, options) : await openOnDevice(prepared, options, provider);
    return new OrtSession(opened, prepared, options, model instanceof Model ? modelInputs(model) : undefined);
  } catch (error) {
    await prepared.dispose();
    throw error;
  }
}

/** Creates a session, hands it to `use`, and disposes it whatever happens. */
export async function withSession<T>(
  model: ModelSource,
  options: SessionOptions,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  checkArguments('withSession', { use: [use, kinds.callback] });
  const session = await createSession(model, options);
  try {
    return await use(session);
  } finally {
    await session.dispose();
  }
}

interface Opened {
  readonly ort: InferenceSession;
  /** Every node is known to run where it was asked to. */
  readonly placementKnown: boolean;
}

class OrtSession implements Session {
  readonly executionProvider: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly #prepared: PreparedModel;
  readonly #options: SessionOptions;
  #ort: InferenceSession | undefined;
  #placementKnown: boolean;

  /** @param declared the inputs as the model declares them, where that is known; onnxruntime knows less. */
  constructor(opened: Opened, prepared: PreparedModel, options: SessionOptions, declared?: readonly ValueInfo[]) {
    this.executionProvider = options.executionProvider ?? CPU;
    this.inputs = declared ?? opened.ort.inputMetadata.map(valueInfo);
    this.outputs = opened.ort.outputMetadata.map(valueInfo);
    this.#ort = opened.ort;
    this.#prepared = prepared;
    this.#options = options;
    this.#placementKnown = opened.placementKnown;
  }

  async run(feeds: TensorValues, outputs = this.outputs.map((output) => output.name)): Promise<TensorValues> {
    checkFeeds(this.inputs, feeds);
    this.#checkFetches(outputs);
    await this.#provePlacement(feeds);
    if (this.#ort === undefined) throw disposed();
    return runOrt(this.#ort, feeds, outputs);
  }

  async placement(feeds: TensorValues): Promise<NodePlacement[]> {
    checkFeeds(this.inputs, feeds);
    if (this.#ort === undefined) throw disposed();
    const folder = await temporaryFolder();
    try {
      const names = this.outputs.filter(isTensor).map((output) => output.name);
      await profileOrt(this.#prepared, this.#options, join(folder, 'profile'), feeds, names);
      const [profile] = await readdir(folder);
      return profile === undefined ? [] : await readPlacement(join(folder, profile));
    } finally {
      discard(folder);
    }
  }

  async dispose(): Promise<void> {
    const ort = this.#ort;
    this.#ort = undefined;
    await ort?.release();
    await this.#prepared.dispose();
  }

  #checkFetches(names: readonly string[]): void {
    for (const name of names) {
      const output = this.outputs.find((candidate) => candidate.name === name);
      if (output !== undefined && isTensor(output)) continue;
      const what = output === undefined ? 'the model has no such output' : 'an output is not a tensor';
      throw new SessionError('SESSION_OUTPUT', what, {
        value: name,
        expected: this.outputs
          .filter(isTensor)
          .map((known) => `'${known.name}'`)
          .join(', '),
        repair: 'Name the outputs to return.',
      });
    }
  }

  /** Once per session, and only where onnxruntime put something on the CPU: looks at what that is. */
  async #provePlacement(feeds: TensorValues): Promise<void> {
    if (this.#placementKnown || this.#options.cpuNodes === 'any') return;
    assertOnDevice(this.executionProvider, await this.placement(feeds));
    this.#placementKnown = true;
  }
}

async function openOnCpu(prepared: PreparedModel, options: SessionOptions): Promise<Opened> {
  return { ort: await openOrt(prepared, options), placementKnown: true };
}

/** Asks for a session without any node on the CPU first; only where that is refused, a run must tell what is there. */
async function openOnDevice(prepared: PreparedModel, options: SessionOptions, provider: string): Promise<Opened> {
  const strict = { ...options, config: { ...options.config, 'session.disable_cpu_ep_fallback': '1' } };
  try {
    return { ort: await openOrt(prepared, strict), placementKnown: true };
  } catch (error) {
    if (!messageOf(error).includes(REFUSED_FALLBACK)) throw await deviceError(prepared, provider, error);
  }
  return { ort: await openOrt(prepared, options), placementKnown: false };
}

/** A model that the CPU does not load either is at fault itself, and its error says more. */
async function deviceError(prepared: PreparedModel, provider: string, cause: unknown): Promise<unknown> {
  try {
    await (await openOrt(prepared, {})).release();
  } catch (error) {
    return error;
  }
  return providerError(provider, messageOf(cause), cause);
}

function valueInfo(metadata: InferenceSession.ValueMetadata): ValueInfo {
  if (!metadata.isTensor) return { name: metadata.name, dataType: DataType.UNDEFINED, dims: undefined };
  // onnxruntime-node shows a scalar and an undeclared rank alike.
  const dims = metadata.shape.length === 0 ? undefined : [...metadata.shape];
  return { name: metadata.name, dataType: dataTypeOfOrt(metadata.type), dims };
}

function isTensor(value: ValueInfo): boolean {
  return value.dataType !== DataType.UNDEFINED;
}

function disposed(): SessionError {
  return new SessionError('SESSION_DISPOSED', 'the session was disposed', { repair: 'Create a new one.' });
}
