/** The errors of this package: an execution provider, a session, an input or a comparison that cannot be had. */
import { OnnxPruningError } from '@onnx-pruning/onnx';

/** onnxruntime-node is not installed (`RUNTIME_MISSING`), or does not load here (`RUNTIME_BROKEN`). */
export class RuntimeError extends OnnxPruningError {}
/** An execution provider that is not here, does not start, or does not run what it was asked to run. */
export class ExecutionProviderError extends OnnxPruningError {}
/** A model that onnxruntime does not load or run. */
export class SessionError extends OnnxPruningError {}
/** Input values that do not fit the model, or that cannot be made up for it. */
export class FeedError extends OnnxPruningError {}

/** The text of whatever was thrown. Errors of native code need not be instances of this realm's Error. */
export function messageOf(thrown: unknown): string {
  if (typeof thrown === 'object' && thrown !== null && 'message' in thrown) return String(thrown.message);
  return String(thrown);
}
