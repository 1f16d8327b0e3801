/**
 * The layout of test data in the ONNX model zoo and in ONNX's own tests: a folder with input_0.pb, input_1.pb, ..., one
 * for each input of the model; beside the model, one such folder for each set, named test_data_set_0, test_data_set_1, ...
 * What else lies there (output_0.pb, the model) is left alone. It reads no tensors.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from './errors.ts';
import { unreadable } from './regular-file.ts';

const INPUT = /^input_(\d+)\.pb$/;
const SET = /^test_data_set_.+$/;

const LAYOUT = 'input_0.pb, input_1.pb, ... or folders test_data_set_0, test_data_set_1, ... that hold them';

/** Whether a folder with these names in it is meant to be of this layout. */
export const isZooLayout = (names: readonly string[]): boolean =>
  names.some((name) => INPUT.test(name) || SET.test(name));

/**
 * The files of every set, in the order of the model's inputs; sets in the order of their numbers.
 * @throws DataError for a folder of another layout
 */
export async function setsInFolder(folder: string): Promise<string[][]> {
  const names = await namesIn(folder);
  const files = inputFiles(folder, names);
  const folders = await setFolders(folder, names);
  if (files.length > 0 && folders.length > 0) throw layoutError(folder, 'both');
  if (files.length > 0) return [files];
  if (folders.length === 0) throw layoutError(folder, 'neither');
  const sets: string[][] = [];
  for (const set of folders) {
    const inSet = inputFiles(set, await namesIn(set));
    if (inSet.length === 0) throw layoutError(set, 'no such file');
    sets.push(inSet);
  }
  return sets;
}

/** What is in a folder. @throws DataError where it cannot be read */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw unreadable(folder, cause);
  }
}

/** Files by the number in their names, which must be 0, 1, 2 and so on. */
function inputFiles(folder: string, names: readonly string[]): string[] {
  const found = names.flatMap((name) => {
    const number = INPUT.exec(name)?.[1];
    return number === undefined ? [] : [{ name, number: Number(number) }];
  });
  found.sort((a, b) => a.number - b.number);
  const gap = found.findIndex(({ number }, i) => number !== i);
  if (gap >= 0) throw layoutError(folder, `${found[gap]!.name} where input_${gap}.pb should be`);
  return found.map(({ name }) => join(folder, name));
}

async function setFolders(folder: string, names: readonly string[]): Promise<string[]> {
  const byNumber = new Intl.Collator('en', { numeric: true });
  const paths = names
    .filter((name) => SET.test(name))
    .sort(byNumber.compare)
    .map((name) => join(folder, name));
  const found = await Promise.all(
    paths.map((path) =>
      stat(path).catch((cause: unknown) => {
        throw unreadable(path, cause);
      }),
    ),
  );
  return paths.filter((_, i) => found[i]!.isDirectory());
}

function layoutError(path: string, actual: string): DataError {
  return new DataError('DATA_LAYOUT', 'the folder does not hold inputs as the model zoo lays them out', {
    path,
    expected: LAYOUT,
    actual,
  });
}
