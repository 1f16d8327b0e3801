/**
 * What a run of `sensitivity` leaves in a file, so that a run that was stopped goes on where it was. A file of another
 * model, other data or other options is refused, never mixed in. It must not measure.
 */
import { readFile } from 'node:fs/promises';
import type { Interval } from '@onnx-pruning/data';
import { anyOf, errorCode, type Kind, kinds, listOf, recordOf, saveTexts } from '@onnx-pruning/onnx';
import { RecoveryError } from '../errors.ts';

const FORMAT = 'onnx-pruning sensitivities';
const VERSION = 1;

/** What results are of. */
export interface Identity {
  /** Fingerprint of the model. */
  readonly model: string;
  /** Everything else that results depend on, but for the data: texts and numbers by name. */
  readonly options: Readonly<Record<string, string | number | readonly number[] | null>>;
}

/** What one evaluation has given. */
export interface Result {
  /** Root of the group. */
  readonly root: string;
  readonly ratio: number;
  readonly value: number;
  readonly interval: Interval;
  readonly difference: number;
  readonly differenceInterval: Interval;
}

interface State extends Identity {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  /** Digest of the data. */
  readonly data: string;
  readonly results: readonly Result[];
}

const INTERVAL: Kind = listOf(kinds.number);

const RESULT: Kind = {
  expected: 'a result',
  accepts: (value) => {
    const { root, ratio, value: mean, difference, interval, differenceInterval } = (value ?? {}) as Partial<Result>;
    return (
      typeof root === 'string' &&
      [ratio, mean, difference].every(kinds.number.accepts) &&
      [interval, differenceInterval].every(INTERVAL.accepts)
    );
  },
};

const PARTS: Readonly<Record<keyof State, Kind>> = {
  format: { expected: FORMAT, accepts: (value) => value === FORMAT },
  version: { expected: String(VERSION), accepts: (value) => value === VERSION },
  model: kinds.text,
  data: kinds.text,
  options: recordOf(
    anyOf(kinds.text, kinds.number, listOf(kinds.number), { ...kinds.anything, accepts: (x) => x === null }),
  ),
  results: listOf(RESULT),
};

/** Results in memory, and in a file where there is one. */
export class Results {
  readonly #path: string | undefined;
  readonly #identity: Identity;
  readonly #earlier: State | undefined;
  readonly #results: Result[];
  #data = '';

  private constructor(path: string | undefined, identity: Identity, earlier: State | undefined) {
    this.#path = path;
    this.#identity = identity;
    this.#earlier = earlier;
    this.#results = [...(earlier?.results ?? [])];
  }

  /**
   * @param path of the file; undefined where results are not kept
   * @throws RecoveryError for a file that holds something else, or results of another model or of other options
   */
  static async open(path: string | undefined, identity: Identity): Promise<Results> {
    const earlier = path === undefined ? undefined : await readState(path);
    if (earlier !== undefined) assertSame(path!, earlier, identity);
    return new Results(path, identity, earlier);
  }

  /** Says what the data are, once that is known. @throws RecoveryError for results of other data */
  async ofData(digest: string): Promise<void> {
    const { data } = this.#earlier ?? {};
    if (data !== undefined && data !== digest) throw otherState(this.#path!, 'the data', data, digest);
    this.#data = digest;
    if (data === undefined) await this.#save();
  }

  /** The result of a group at a ratio, where there is one. */
  find(root: string, ratio: number): Result | undefined {
    return this.#results.find((result) => result.root === root && result.ratio === ratio);
  }

  /** Adds a result, and brings the file up to date. */
  async add(result: Result): Promise<void> {
    this.#results.push(result);
    await this.#save();
  }

  async #save(): Promise<void> {
    if (this.#path === undefined) return;
    const state: State = {
      format: FORMAT,
      version: VERSION,
      ...this.#identity,
      data: this.#data,
      results: this.#results,
    };
    await saveTexts([{ path: this.#path, content: `${JSON.stringify(state, undefined, 1)}\n` }]);
  }
}

/** @returns undefined where there is no file yet */
async function readState(path: string): Promise<State | undefined> {
  let state: unknown;
  try {
    state = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined;
    throw notAState(path, cause);
  }
  if (!kinds.object.accepts(state)) throw notAState(path);
  for (const [name, kind] of Object.entries(PARTS)) {
    if (!kind.accepts((state as Record<string, unknown>)[name])) throw notAState(path, undefined, name);
  }
  return state as State;
}

function notAState(path: string, cause?: unknown, part?: string): RecoveryError {
  return new RecoveryError(
    'SENSITIVITY_STATE',
    'the file holds no results that could be gone on with',
    {
      path,
      ...(part !== undefined && { value: part }),
      expected: 'what an earlier run of the same version has left in it',
      repair: 'Name another file; one that is not there yet is begun.',
    },
    cause === undefined ? undefined : { cause },
  );
}

function assertSame(path: string, earlier: State, { model, options }: Identity): void {
  if (earlier.model !== model) throw otherState(path, 'the model', earlier.model, model);
  const names = new Set([...Object.keys(earlier.options), ...Object.keys(options)]);
  for (const name of names) {
    const [was, is] = [earlier.options[name], options[name]].map((value) => JSON.stringify(value) ?? 'nothing');
    if (was !== is) throw otherState(path, name, was!, is!);
  }
}

function otherState(path: string, what: string, expected: string, actual: string): RecoveryError {
  return new RecoveryError('SENSITIVITY_STATE_OTHER', `the results in the file are of another run: ${what} differs`, {
    path,
    value: what,
    expected,
    actual,
    repair: 'Go on with what the file was begun with, or name another file.',
  });
}
