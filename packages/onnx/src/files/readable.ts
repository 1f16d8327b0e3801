/**
 * Whether a model file can be handed to a program that opens it by its path. Such a program may wait for ever for the
 * writer of a pipe, or read a device without end, so only regular files are let through: the model, and the files of its
 * external data. What else may be wrong with a model is left to the program that reads it.
 */
import { realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { checkArguments, kinds } from '../arguments.ts';
import { decodeMessage } from '../codec.ts';
import { scanModel } from '../content/scan-model.ts';
import { ExternalDataError } from '../errors.ts';
import type { TensorProto } from '../proto.ts';
import { isStoredExternally } from '../tensor.ts';
import { visitTensors } from '../walk.ts';
import { KEPT_IN_MEMORY } from './external-data.ts';
import { notAModelFile, unreadable } from './load.ts';
import { SourceFile } from './source-file.ts';

/**
 * Checks that a path leads to a regular file, and that the external data of the model in it is in regular files.
 * @throws ModelFileError when the file is missing, a folder, a pipe or a device, or cannot be opened; ExternalDataError
 * when a file of its external data is one of these, or missing
 */
export function assertRegularFiles(path: string): void {
  checkArguments('assertRegularFiles', { path: [path, kinds.text] });
  const absolute = resolve(path);
  const file = openModel(absolute);
  const folders = new Set([dirname(absolute), dirname(realpathSync(absolute))]);
  for (const { name: value = '', externalData = [] } of externalTensors(file)) {
    const location = externalData.find(({ key }) => key === 'location')?.value;
    if (location) assertData(location, [...folders], value);
  }
}

function openModel(path: string): SourceFile {
  let file: SourceFile | undefined;
  try {
    file = SourceFile.open(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  if (file === undefined) throw notAModelFile(path);
  return file;
}

/** Tensors with content in other files; none of a file that is no model. */
function externalTensors(file: SourceFile): TensorProto[] {
  const found: TensorProto[] = [];
  try {
    const skeleton = scanModel(file, KEPT_IN_MEMORY);
    if (skeleton === undefined) return [];
    visitTensors(decodeMessage('ModelProto', skeleton.bytes, skeleton.stored), (tensor) => {
      if (isStoredExternally(tensor)) found.push(tensor);
    });
  } catch {
    // Whoever reads the file says what is wrong with it.
    return [];
  }
  return found;
}

/** @param folders from which the reader may look: a link to a model lies elsewhere than the model */
function assertData(location: string, folders: readonly string[], value: string): void {
  const found = folders.map((folder) => statSync(resolve(folder, location), { throwIfNoEntry: false }));
  const details = { path: location, value };
  if (found.every((stats) => stats === undefined)) {
    throw new ExternalDataError('EXTERNAL_DATA_MISSING', "A file with the model's external data is missing", {
      ...details,
      repair: `Put it into '${folders[0]}'; a model with external data consists of both files.`,
    });
  }
  if (found.every((stats) => stats === undefined || stats.isFile())) return;
  throw new ExternalDataError('EXTERNAL_DATA_UNREADABLE', 'External data is not in a regular file', {
    ...details,
    repair: 'Put the content of a pipe or a device into a file first.',
  });
}
