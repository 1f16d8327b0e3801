/**
 * The calls into onnxruntime-node itself: options translated, values converted, native errors typed. It must not choose
 * an execution provider or hold a session.
 */
import { InferenceSession } from 'onnxruntime-node';
import { messageOf, SessionError } from './errors.ts';
import type { PreparedModel } from './model-source.ts';
import { fromOrtTensor, type TensorValues, toOrtTensor } from './values.ts';

export const CPU = 'cpu';
export const LOG_LEVELS = ['verbose', 'info', 'warning', 'error', 'fatal'] as const;

export interface SessionOptions {
  /** `cpu` (the default), `cuda`, ...: see `availableExecutionProviders`. */
  readonly executionProvider?: string;
  /** Which device of the execution provider; 0 by default. */
  readonly deviceId?: number;
  /** Threads inside an operator on the CPU; by default onnxruntime chooses one per physical core. */
  readonly threads?: number;
  /** Least severe message that onnxruntime writes to stderr; `fatal` by default, since errors are thrown anyway. */
  readonly logSeverity?: (typeof LOG_LEVELS)[number];
  /** onnxruntime's graph optimizations; `all` by default. */
  readonly graphOptimization?: 'disabled' | 'basic' | 'extended' | 'all';
  /**
   * On other execution providers than the CPU: `sizes` (the default) lets onnxruntime run on the CPU what computes
   * sizes, and refuses a model with any other node there; `any` accepts every placement.
   */
  readonly cpuNodes?: 'sizes' | 'any';
  /**
   * Whether onnxruntime keeps memory that a run has used for the next one, which is faster; `true` by default. Without it,
   * a model of which many values are fetched needs far less.
   */
  readonly memoryArena?: boolean;
  /** Further configuration entries of onnxruntime, such as `session.intra_op.allow_spinning`. */
  readonly config?: Readonly<Record<string, string>>;
}

/** internal: loads a prepared model. */
export async function openOrt(
  prepared: PreparedModel,
  options: SessionOptions,
  more: InferenceSession.SessionOptions = {},
): Promise<InferenceSession> {
  const { source, config } = prepared;
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
