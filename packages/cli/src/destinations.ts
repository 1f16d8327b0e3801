/**
 * Where results may go, checked before any work is done, and how they get there: the model and its plan appear
 * together or not at all. It must not know what is in them.
 */
import { constants, realpathSync, statSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { type Model, SaveError, saveModel } from '@onnx-pruning/onnx';

export interface Destinations {
  /** The file that is read. */
  readonly source: string;
  readonly output: string;
  readonly plan?: string;
  /** Whether files that exist are replaced. */
  readonly force?: boolean;
}

/**
 * Says early what would go wrong late.
 * @throws SaveError when a result has no folder it can be written to, would replace a file without `force`, or would
 * take the place of another result
 */
export async function checkDestinations({ source, output, plan, force }: Destinations): Promise<void> {
  await checkDestination('--output', output, source, force);
  if (plan === undefined) return;
  if (realPath(plan) === realPath(output) || realPath(plan) === realPath(source)) {
    throw new SaveError('SAVE_SAME_PATH', 'The plan would take the place of a model', {
      path: plan,
      repair: 'Give --plan a path of its own.',
    });
  }
  await checkDestination('--plan', plan, source, force);
}

/**
 * Says early whether a result can go where an option wants it.
 * @throws SaveError as `checkDestinations`
 */
export async function checkDestination(option: string, path: string, source: string, force = false): Promise<void> {
  await checkFolder(path);
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing === undefined) return;
  if (!existing.isFile()) {
    const actual = existing.isDirectory() ? 'a folder' : 'something that is not a file';
    const repair = `Give ${option} the path of a file.`;
    throw new SaveError('SAVE_NOT_A_FILE', 'The output path is taken', { path, actual, repair });
  }
  if (force) return;
  const isSource = realPath(path) === realPath(source);
  throw new SaveError(
    isSource ? 'SAVE_OVER_SOURCE' : 'SAVE_EXISTS',
    isSource ? 'The output file is the one that the model is read from' : 'The output file exists',
    { path, repair: `Give ${option} another path, or replace the file with --force.` },
  );
}

/** @throws SaveError where no file can be written beside a path */
export async function checkFolder(path: string): Promise<void> {
  const folder = dirname(resolve(path));
  const existing = statSync(folder, { throwIfNoEntry: false });
  if (!existing?.isDirectory()) {
    throw new SaveError('SAVE_NO_FOLDER', 'The folder of the output file does not exist', {
      path,
      repair: `Create '${folder}' first, or choose another path.`,
    });
  }
  await access(folder, constants.W_OK).catch((cause) => {
    throw new SaveError(
      'SAVE_NOT_WRITABLE',
      'The file cannot be written here',
      { path, repair: 'Check the permissions of the folder, or choose another path.' },
      { cause },
    );
  });
}

/** The path with links followed, for comparing; the path itself where nothing is there. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** Paths of what was written. */
export interface Written {
  readonly model: string;
  /** External data of the model. */
  readonly data?: string;
  readonly plan?: string;
}

/**
 * Writes the model and the text of its plan, together or not at all.
 * @throws SaveError when a file cannot be written; all paths are as they were before then
 */
export async function writeResults(model: Model, planText: string | undefined, to: Destinations): Promise<Written> {
  const { output, plan, force } = to;
  const alongside = plan === undefined || planText === undefined ? [] : [{ path: plan, content: planText }];
  const { data } = await saveModel(model, output, { overwrite: force === true, alongside }).catch((error: unknown) => {
    throw error instanceof SaveError && error.code === 'SAVE_EXISTS' ? appeared(error) : error;
  });
  // As the user wrote it: relative, where the output is.
  return { model: output, plan, ...(data !== undefined && { data: join(dirname(output), basename(data)) }) };
}

/** A file that was not there when the work began, in the words of the command. */
function appeared(cause: SaveError): SaveError {
  const { path } = cause.details;
  const repair = 'Choose another path, or replace the file with --force.';
  return new SaveError('SAVE_EXISTS', 'The output file exists', { path, repair }, { cause });
}
