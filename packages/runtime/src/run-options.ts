/**
 * What the options of everything that runs models may be. Sessions, inputs and runs hand their options on to each other
 * whole, so that each of them accepts what another one takes, and refuses what none does.
 */
import { anyOf, checkOptions, type Kind, kinds, listOf, type OptionKinds, oneOf, recordOf } from '@onnx-pruning/onnx';
import type { DimOptions } from './input-dims.ts';
import { LOG_LEVELS, type SessionOptions } from './session-options.ts';

/** A model, its bytes or its path. */
export const MODEL_SOURCE: Kind = {
  expected: 'a model, bytes or a path',
  accepts: (value) => typeof value === 'string' || value instanceof Uint8Array || kinds.model.accepts(value),
};

/** Values by the names of inputs. */
const FEEDS: Kind = recordOf({
  expected: 'a value { dataType, dims, data }',
  accepts: (value) => kinds.tensor.accepts(value) && 'data' in (value as object),
});

const SESSION_OPTIONS: OptionKinds<SessionOptions> = {
  executionProvider: kinds.text,
  deviceId: kinds.count,
  threads: kinds.positive,
  logSeverity: oneOf(...LOG_LEVELS),
  graphOptimization: oneOf('disabled', 'basic', 'extended', 'all'),
  cpuNodes: oneOf('sizes', 'any'),
  memoryArena: kinds.boolean,
  temporaryFolders: listOf(kinds.text),
  diskLimit: kinds.count,
  config: recordOf(kinds.text),
};

const DIM_OPTIONS: OptionKinds<DimOptions> = {
  dims: recordOf(anyOf(kinds.number, listOf(kinds.number))),
  batch: kinds.number,
};

const RUN_OPTIONS: Readonly<Record<string, Kind>> = {
  ...SESSION_OPTIONS,
  ...DIM_OPTIONS,
  seed: kinds.number,
  ranges: recordOf(listOf(kinds.number)),
  warmup: kinds.positive,
  runs: kinds.positive,
  feeds: anyOf(FEEDS, listOf(FEEDS)),
  onProgress: kinds.callback,
  signal: { expected: 'an AbortSignal', accepts: (value) => value instanceof AbortSignal },
};

/**
 * Checks the options of something that runs models.
 * @param further options of the caller alone
 * @throws ArgumentError
 */
export function checkRunOptions(what: string, options: object, further: Readonly<Record<string, Kind>> = {}): void {
  checkOptions<object>(what, options, { ...RUN_OPTIONS, ...further });
}
