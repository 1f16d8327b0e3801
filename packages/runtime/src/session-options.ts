/**
 * How a session may be set up, in this project's words. Types alone: what onnxruntime-node makes of them is said in ort.ts.
 */
/** internal: from the least severe. */
export const LOG_LEVELS = ['verbose', 'info', 'warning', 'error', 'fatal'] as const;

/** How a model is loaded and run. */
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
  /**
   * Folders that temporary copies of large models may go into, besides the temporary files of the system and the folders of
   * the model's own files. The first with room is taken.
   */
  readonly temporaryFolders?: readonly string[];
  /** Most bytes that a temporary copy may take; by default what the disk has left. */
  readonly diskLimit?: number;
  /** Further configuration entries of onnxruntime, such as `session.intra_op.allow_spinning`. */
  readonly config?: Readonly<Record<string, string>>;
}
