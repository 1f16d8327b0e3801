/**
 * The base of all errors that users can meet, and the errors of this package. Every error says what is wrong, where,
 * and what to do; programs read `code` and `details`, people read `message`.
 */

/** Where and what; every field that is known is filled. */
export interface ErrorDetails {
  /** Name of the node, else its first output. */
  node?: string;
  /** ONNX name of the operator, with its domain where that is not `ai.onnx`. */
  operator?: string;
  /** Version of the operator set that the model imports for the node's domain. */
  opset?: number;
  /** Name of the value (tensor, input, output, option) that is at fault. */
  value?: string;
  /** Axis of the value, from 0. */
  axis?: number;
  /** Path of the file. */
  path?: string;
  /** What would have been right, in words or as a number. */
  expected?: string | number;
  /** What was found in its place. */
  actual?: string | number;
  /** What the user can do about it: a sentence. */
  repair?: string;
}

function where(d: ErrorDetails): string {
  const parts: string[] = [];
  if (d.path !== undefined) parts.push(`file '${String(d.path)}'`);
  if (d.node !== undefined) parts.push(`node '${String(d.node)}'`);
  if (d.operator !== undefined) parts.push(`operator ${d.operator}${d.opset === undefined ? '' : ` v${d.opset}`}`);
  if (d.value !== undefined) parts.push(`value '${String(d.value)}'`);
  if (d.axis !== undefined) parts.push(`axis ${d.axis}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function comparison(d: ErrorDetails): string {
  if (d.expected !== undefined && d.actual !== undefined) return `: expected ${d.expected}, found ${d.actual}`;
  if (d.expected !== undefined) return `: expected ${d.expected}`;
  return d.actual === undefined ? '' : `: found ${d.actual}`;
}

/** Base of all typed errors of the project. */
export class OnnxPruningError extends Error {
  /** Stable machine-readable kind, e.g. `MODEL_TRUNCATED`. */
  readonly code: string;
  /** Where it happened, what was expected and found, and what to do; what is not known is left out. */
  readonly details: ErrorDetails;

  /** @param what the problem in a few words, without a full stop; the details complete the sentence. */
  constructor(code: string, what: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(`${what}${where(details)}${comparison(details)}.${details.repair ? ` ${details.repair}` : ''}`, options);
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

/** An argument or option of another kind than a function takes, or an option that it does not have. */
export class ArgumentError extends OnnxPruningError {}
/** A file or byte array that is not a readable ONNX model. */
export class ModelFileError extends OnnxPruningError {}
/** Tensor content in another file that is missing, short or outside the model's folder. */
export class ExternalDataError extends OnnxPruningError {}
/** A model that breaks a rule of the ONNX specification. */
export class InvalidModelError extends OnnxPruningError {}
/** A layer name that no node answers to. */
export class UnknownLayerError extends OnnxPruningError {}
/** A name that means several layers where one is needed. */
export class AmbiguousLayerError extends OnnxPruningError {}
/** Tensor content that cannot be read or made as asked. */
export class TensorError extends OnnxPruningError {}
/** An attribute of another kind than asked for. */
export class AttributeError extends OnnxPruningError {}
/** A model that cannot be written where it should go. */
export class SaveError extends OnnxPruningError {}

/** The `code` of an error of Node (`ENOENT`, ...) or of ours; undefined when it has none. */
export function errorCode(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
