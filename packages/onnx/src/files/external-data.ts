/**
 * Finds tensor content that lies in files next to the model, where it stays until it is needed. Only files inside the model's folder are opened:
 * a location that leaves it, by `..`, an absolute path or a link, is refused.
 */
import { realpathSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep, win32 } from 'node:path';
import { StoredBytes } from '../content/stored-bytes.ts';
import { byteLength, dataTypeName } from '../data-type.ts';
import { type ErrorDetails, ExternalDataError } from '../errors.ts';
import type { TensorProto } from '../proto.ts';
import { attachContent, tensorDims, tensorSize } from '../tensor.ts';
import { SourceFile } from './source-file.ts';

/** Content of fewer bytes is read at once: what stands for it would take as much. */
export const KEPT_IN_MEMORY = 512;

/** Where a tensor's content lies. */
interface Extent {
  readonly tensor: TensorProto;
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * Gives `tensors` the content that their external data says they have. The tensors stay marked as external, so that saving
 * puts them into a data file again.
 * @param folder the model's folder.
 * @returns the real paths of the files.
 * @throws ExternalDataError when a file is missing, short, unreadable or outside the folder.
 */
export function attachExternalData(tensors: readonly TensorProto[], folder: string): string[] {
  const byLocation = new Map<string, Extent[]>();
  for (const tensor of tensors) {
    const extent = extentOf(tensor);
    const extents = byLocation.get(extent.location);
    if (extents === undefined) byLocation.set(extent.location, [extent]);
    else extents.push(extent);
  }
  return [...byLocation].map(([location, extents]) => {
    const path = locate(location, folder, extents[0]?.tensor.name ?? '');
    attachExtents(path, extents);
    return path;
  });
}

function entry(tensor: TensorProto, key: string): string | undefined {
  return tensor.externalData?.find((candidate) => candidate.key === key)?.value;
}

function extentOf(tensor: TensorProto): Extent {
  const location = entry(tensor, 'location');
  if (location === undefined || location === '') {
    throw new ExternalDataError('EXTERNAL_DATA_LOCATION', 'A tensor is stored externally but says not where', {
      value: tensor.name ?? '',
      expected: "an entry 'location' with a relative path",
    });
  }
  const expected = byteLength(tensor.dataType, tensorSize(tensor));
  if (!Number.isSafeInteger(expected) || expected < 0) {
    throw new ExternalDataError('EXTERNAL_DATA_SIZE', 'An external tensor has dims that no content has', {
      value: tensor.name ?? '',
      actual: `[${tensorDims(tensor).join(', ')}] of ${dataTypeName(tensor.dataType)}`,
      repair: 'Export the model again; the dims of the tensor are damaged.',
    });
  }
  const length = count(tensor, 'length') ?? expected;
  if (length !== expected) {
    throw new ExternalDataError('EXTERNAL_DATA_SIZE', 'An external tensor has more or less content than its dims say', {
      value: tensor.name ?? '',
      expected: `${expected} bytes for [${tensorDims(tensor).join(', ')}] of ${dataTypeName(tensor.dataType)}`,
      actual: `${length} bytes`,
    });
  }
  return { tensor, location, offset: count(tensor, 'offset') ?? 0, length };
}

/** A number of bytes, written as decimal text. */
function count(tensor: TensorProto, key: string): number | undefined {
  const text = entry(tensor, key);
  if (text === undefined) return undefined;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new ExternalDataError('EXTERNAL_DATA_LOCATION', `The ${key} of an external tensor is not a number of bytes`, {
    value: tensor.name ?? '',
    actual: text,
  });
}

/** The real path of a location. */
function locate(location: string, folder: string, value: string): string {
  const details: ErrorDetails = { value, path: location };
  const outside = (how: string): ExternalDataError =>
    new ExternalDataError('EXTERNAL_DATA_OUTSIDE', `External data must lie in the model's folder, but ${how}`, {
      ...details,
      expected: "a path below the model's folder",
      repair: "Move the data file into the model's folder and make the location relative to it.",
    });
  if (isAbsolute(location) || win32.isAbsolute(location)) throw outside('its location is an absolute path');
  const path = resolve(folder, location);
  if (!isInside(path, resolve(folder))) throw outside("its location leads out of it by '..'");
  let real: string;
  try {
    real = realpathSync(path);
  } catch (cause) {
    throw new ExternalDataError(
      'EXTERNAL_DATA_MISSING',
      "A file with the model's external data is missing",
      { ...details, repair: `Put it into '${folder}'; a model with external data consists of both files.` },
      { cause },
    );
  }
  if (!isInside(real, realpathSync(folder))) throw outside('a link leads out of it');
  return real;
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function attachExtents(path: string, extents: readonly Extent[]): void {
  const file = open(path, extents[0]?.tensor.name ?? '');
  for (const { tensor, offset, length } of extents) {
    if (offset + length > file.size) {
      throw new ExternalDataError('EXTERNAL_DATA_SHORT', "A file with the model's external data is too short", {
        path,
        value: tensor.name ?? '',
        expected: `${offset + length} bytes or more`,
        actual: `${file.size} bytes`,
        repair: 'Copy or download it again; the transfer was not complete.',
      });
    }
    const content = new StoredBytes(file, offset, length);
    // A buffer of its own per tensor: it is aligned, so that views of it need no copy.
    attachContent(tensor, length < KEPT_IN_MEMORY ? content.read() : content);
  }
}

function open(path: string, value: string): SourceFile {
  let file: SourceFile | undefined;
  try {
    file = SourceFile.open(path);
  } catch (cause) {
    throw new ExternalDataError('EXTERNAL_DATA_UNREADABLE', 'External data cannot be read', { path, value }, { cause });
  }
  if (file !== undefined) return file;
  throw new ExternalDataError('EXTERNAL_DATA_UNREADABLE', 'External data is not in a regular file', { path, value });
}
