/** Reads whole files. Only regular files are opened: a pipe would wait for ever, and a device has no end. */
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { checkArguments, errorCode, kinds } from '@onnx-pruning/onnx';
import { DataError } from './errors.ts';

/** @throws DataError for a file that is missing, no regular file, too large or unreadable */
export async function readRegularFile(path: string): Promise<Buffer<ArrayBuffer>> {
  checkArguments('a reader', { path: [path, kinds.text] });
  try {
    // Looked at before it is opened, and again as what was opened: opening a pipe would wait for its writer.
    if (!(await stat(path)).isFile()) throw notAFile(path);
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await file.stat()).isFile()) throw notAFile(path);
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof DataError ? error : unreadable(path, error);
  }
}

function notAFile(path: string): DataError {
  return new DataError('DATA_NOT_A_FILE', 'tensors are read from regular files only', {
    path,
    repair: 'Give the path of a file.',
  });
}

/** What Node says of a file or folder that cannot be read, for people. */
export function unreadable(path: string, cause: unknown): DataError {
  const code = errorCode(cause);
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new DataError('DATA_NOT_FOUND', 'there is no such file', { path, repair: 'Check the path.' }, { cause });
    case 'ERR_FS_FILE_TOO_LARGE':
      return new DataError(
        'DATA_TOO_LARGE',
        'a file of tensors must be smaller than 2 GiB',
        { path, repair: 'Give fewer samples.' },
        { cause },
      );
    default:
      return new DataError('DATA_UNREADABLE', `the file cannot be read (${code})`, { path }, { cause });
  }
}
