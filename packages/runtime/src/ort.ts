/**
 * The calls into onnxruntime-node itself: options translated, values converted, native errors typed. It must not choose
 * an execution provider or hold a session.
 */
import type { InferenceSession } from 'onnxruntime-node';
import { messageOf, SessionError } from './errors.ts';
import type { PreparedModel } from './model-source.ts';
import { onnxruntime } from './onnxruntime.ts';
import { fromOrtTensor, toOrtTensor } from './ort-values.ts';
import { LOG_LEVELS, type SessionOptions } from './session-options.ts';
import type { TensorValues } from './values.ts';

export const CPU = 'cpu';
/** internal: loads a prepared model. */
export async function openOrt(
  prepared: PreparedModel,
  options: SessionOptions,
  more: InferenceSession.SessionOptions = {},
): Promise<InferenceSession> {
  const { source, config } = prepared;
  const { InferenceSession } = onnxruntime();
  const ortOptions = { ...ortSessionOptions({ ...options, config: { ...options.config, ...config } }), ...more };
  try {
    return await (typeof source === 'string'
      ? InferenceSession.create(source, ortOptions)
      : InferenceSession.create(source, ortOptions));
  } catch (error) {
    const path = typeof source === 'string' ? { path: source } : {};
    throw new SessionError('SESSION_LOAD', `onnxruntime cannot load the model: ${messageOf(error).trim()}`, path, {
      cause: error,
    });
  }
}

/** internal: the options in onnxruntime-node's words. */
export function ortSessionOptions(options: SessionOptions): InferenceSession.SessionOptions {
  const { deviceId, threads, logSeverity = 'fatal', graphOptimization = 'all', memoryArena = true } = options;
  const name = options.executionProvider ?? CPU;
  const onDevice = { name, deviceId };
  return {
    // One provider alone: of several, onnxruntime-node drops those that are missing.
    executionProviders: [deviceId === undefined ? name : onDevice],
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    interOpNumThreads: 1,
    enableCpuMemArena: memoryArena,
    enableMemPattern: memoryArena,
    logSeverityLevel: LOG_LEVELS.indexOf(logSeverity) as 0 | 1 | 2 | 3 | 4,
    graphOptimizationLevel: graphOptimization,
    extra: { ...options.config },
  };
}

/** internal: runs once in a session of its own and writes onnxruntime's profile to a file with this prefix. */
export async function profileOrt(
  prepared: PreparedModel,
  options: SessionOptions,
  profileFilePrefix: string,
  feeds: TensorValues,
  outputs: readonly string[],
): Promise<void> {
  const ort = await openOrt(prepared, options, { enableProfiling: true, profileFilePrefix });
  try {
    await runOrt(ort, feeds, outputs);
    ort.endProfiling();
  } finally {
    await ort.release();
  }
}

/** internal: runs once. */
export async function runOrt(
  ort: InferenceSession,
  feeds: TensorValues,
  outputs: readonly string[],
): Promise<TensorValues> {
  const tensors = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, toOrtTensor(value)]));
  try {
    const results = await ort.run(tensors, outputs);
    return Object.fromEntries(outputs.map((name) => [name, fromOrtTensor(results[name]!)]));
  } catch (error) {
    throw new SessionError(
      'SESSION_RUN',
      `onnxruntime cannot run the model: ${messageOf(error).trim()}`,
      {},
      {
        cause: error,
      },
    );
  }
}
