/**
 * Measures how much memory it takes to load and run a model in onnxruntime. The measured model lives in a process of its
 * own; this one must not add to the figure.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkArguments, discard, loadModel, Model, temporaryFolder } from '@onnx-pruning/onnx';
import { messageOf, SessionError } from './errors.ts';
import type { RandomInputOptions } from './inputs.ts';
import { onnxruntimeNodePath } from './library.ts';
import { type ModelSource, prepareModel } from './model-source.ts';
import { ortSessionOptions } from './ort.ts';
import { missingProvider, providerError } from './providers.ts';
import { checkRunOptions, MODEL_SOURCE } from './run-options.ts';
import { checkedFeeds } from './run-sizes.ts';
import type { SessionOptions } from './session-options.ts';
import { elementCount, ortTypeOf, type TensorValues } from './values.ts';

/** Resident memory of a process that does nothing but load onnxruntime, load the model and run it. */
export interface MemoryUse {
  /** Largest resident set, in bytes. */
  readonly peakBytes: number;
  /** Of that, what Node.js and onnxruntime took before they saw the model. */
  readonly baselineBytes: number;
}

/**
 * The peak of the process that evaluates this, in bytes. Linux is asked for the peak of this very process: the resource
 * usage of a child also counts what its parent held when it was started.
 */
const PEAK = `(process.platform === 'linux'
  ? Number(/VmHWM:\\s*(\\d+)/.exec(require('node:fs').readFileSync('/proc/self/status', 'latin1'))[1])
  : process.resourceUsage().maxRSS) * 1024`;

/** Arguments: path of onnxruntime-node, path of the model, session options, inputs. */
const SCRIPT = `
const peak = () => ${PEAK};
const [library, model, options, inputs] = process.argv.slice(1);
const { InferenceSession, Tensor } = require(library);
const baselineBytes = peak();
const feeds = {};
for (const { name, type, array, size, dims } of JSON.parse(inputs)) {
  feeds[name] = new Tensor(type, new globalThis[array](size), dims);
}
InferenceSession.create(model, JSON.parse(options))
  .then((session) => session.run(feeds))
  .then(() => process.stdout.write(JSON.stringify({ peakBytes: peak(), baselineBytes })))
  .catch((error) => process.stdout.write(JSON.stringify({ error: error.message })));
`;

/**
 * Loads and runs a model once, on zeros, in a process of its own.
 *
 * @throws FeedError as `randomInputs` does; ModelFileError and ExternalDataError as `loadModel`;
 * ExecutionProviderError and SessionError when the model does not load or run
 */
export async function measureMemory(
  model: ModelSource,
  options: SessionOptions & RandomInputOptions = {},
): Promise<MemoryUse> {
  checkArguments('measureMemory', { model: [model, MODEL_SOURCE] });
  checkRunOptions('measureMemory', options);
  const missing = missingProvider(options.executionProvider ?? 'cpu');
  if (missing !== undefined) throw await providerError(options.executionProvider ?? 'cpu', missing);
  const feeds = checkedFeeds(model instanceof Model ? model : await loadModel(model), options)!;
  const prepared = await prepareModel(model, { asFile: true });
  const folder = await temporaryFolder();
  try {
    const path = typeof prepared.source === 'string' ? prepared.source : join(folder, 'model.onnx');
    if (typeof prepared.source !== 'string') await writeFile(path, prepared.source);
    return await measureFile(path, feeds, options);
  } finally {
    discard(folder);
    await prepared.dispose();
  }
}

/** Largest resident set of a Node.js process that does nothing, in bytes. */
export async function emptyNodeBytes(): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-p', PEAK]);
  return Number(stdout);
}

async function measureFile(path: string, feeds: TensorValues, options: SessionOptions): Promise<MemoryUse> {
  const inputs = Object.entries(feeds).map(([name, value]) => {
    const array = value.data.constructor.name;
    return { name, type: ortTypeOf(value.dataType), array, size: elementCount(value.dims), dims: value.dims };
  });
  const args = [onnxruntimeNodePath(), path, JSON.stringify(ortSessionOptions(options)), JSON.stringify(inputs)];
  const result = await promisify(execFile)(process.execPath, ['-e', SCRIPT, ...args]).catch((error: unknown) => {
    throw new SessionError('SESSION_PROCESS', `the measuring process failed: ${messageOf(error)}`, { path });
  });
  const answer = JSON.parse(result.stdout) as MemoryUse & { readonly error?: string };
  if (answer.error === undefined) return answer;
  throw new SessionError('SESSION_RUN', `onnxruntime cannot load or run the model: ${answer.error.trim()}`, { path });
}
