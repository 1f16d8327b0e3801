/**
 * Archives of arrays as numpy.savez and numpy.savez_compressed write them: a zip file with one .npy for each name. The zip
 * format is adm-zip's business; what it does not look at, bytes behind the archive, is looked at here.
 */
import { errorCode } from '@onnx-pruning/onnx';
import type { TensorValue } from '@onnx-pruning/runtime';
import AdmZip from 'adm-zip';
import { DataError, type Place } from './errors.ts';
import { parseNpy } from './npy.ts';

const ENTRY_ENDING = '.npy';
/** The record that ends a zip file: signature, and 22 bytes of which the last two are the length of a comment behind it. */
const END_SIGNATURE = Buffer.from([0x50, 0x4b, 5, 6]);
const END_LENGTH = 22;

/**
 * The arrays by name, in the order of the archive.
 * @throws DataError as parseNpy, and for bytes that are no complete zip file of .npy files
 */
export function parseNpz(bytes: Buffer, place: Place): Map<string, TensorValue> {
  checkEnd(bytes, place);
  const entries = unzip(place, () => new AdmZip(bytes, { noSort: true }).getEntries());
  return new Map(
    entries.map((entry) => {
      if (entry.isDirectory || !entry.entryName.endsWith(ENTRY_ENDING)) throw notAnArray(place, entry.entryName);
      const value = entry.entryName.slice(0, -ENTRY_ENDING.length);
      const content = unzip({ ...place, value }, () => entry.getData());
      return [value, parseNpy(content, { ...place, value })];
    }),
  );
}

function checkEnd(bytes: Buffer, place: Place): void {
  if (!bytes.subarray(0, 2).equals(END_SIGNATURE.subarray(0, 2).subarray(0, bytes.length))) {
    throw damaged(place, 'data that is no zip archive');
  }
  const at = bytes.lastIndexOf(END_SIGNATURE);
  if (at < 0 || at + END_LENGTH > bytes.length) {
    throw new DataError('DATA_TRUNCATED', 'the archive is not complete', {
      ...place,
      repair: 'Write or copy the file again.',
    });
  }
  const trailing = bytes.length - (at + END_LENGTH + bytes.readUInt16LE(at + END_LENGTH - 2));
  if (trailing === 0) return;
  throw new DataError('DATA_TRAILING', 'the archive does not end where the file ends', {
    ...place,
    actual: `${Math.abs(trailing)} bytes ${trailing > 0 ? 'too many' : 'missing'}`,
    repair: 'Write or copy the file again.',
  });
}

/** Whatever adm-zip throws for an archive (checksums, lengths, methods) as an error of ours. */
function unzip<T>(place: Place, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw damaged(place, errorCode(cause) === 'ERR_BUFFER_TOO_LARGE' ? 'an entry larger than it says' : message, cause);
  }
}

function notAnArray(place: Place, name: string): DataError {
  return new DataError('DATA_FORMAT', 'the archive holds something that is no .npy file', {
    ...place,
    expected: 'one .npy for each input, as numpy.savez(file, x=...) writes',
    actual: `'${name}'`,
  });
}

function damaged(place: Place, actual: string, cause?: unknown): DataError {
  const repair = 'Save the arrays again with numpy.savez.';
  const details = { ...place, actual, repair };
  return new DataError('DATA_FORMAT', 'the archive of arrays cannot be read', details, { cause });
}
