/** Labels of samples, out of files. It must not know what is measured with them. */
import { extname } from 'node:path';
import { DataType, dataTypeName } from '@onnx-pruning/onnx';
import { elementCount, type TensorValue, valueNumbers } from '@onnx-pruning/runtime';
import { DataError } from './errors.ts';
import { isImageName } from './image-folder.ts';
import { readRegularFile } from './regular-file.ts';

/**
 * Labels out of an array with one for each sample.
 * @throws DataError for other numbers of samples, and for what is no class
 */
export function labelsOfArray(array: TensorValue, length: number, path: string): Int32Array {
  const { dims } = array;
  const isFlat = dims[0] === length && elementCount(dims) === length && array.dataType !== DataType.STRING;
  if (!isFlat) {
    throw new DataError('DATA_LABELS', 'there must be one label for every sample', {
      path,
      expected: `[${length}]`,
      actual: `${dataTypeName(array.dataType)} [${dims.join(', ')}]`,
      repair: 'Give the labels that belong to these samples.',
    });
  }
  const numbers = Float64Array.from(valueNumbers(array));
  const odd = numbers.find((label) => !Number.isInteger(label) || label < 0 || label >= 2 ** 31);
  if (odd === undefined) return Int32Array.from(numbers);
  throw new DataError('DATA_LABELS', 'a label is the number of a class', {
    path,
    expected: '0, 1, 2, ...',
    actual: odd,
  });
}

/** Whether a file of labels names images. */
export const isCsvName = (path: string): boolean => extname(path).toLowerCase() === '.csv';

/** A field of RFC 4180: in quotes, or without commas and quotes. */
const FIELD = '(?:"((?:[^"]|"")*)"|([^",]*))';
const LINE = new RegExp(`^${FIELD},${FIELD}$`);

/**
 * Labels out of a table `file,label`, with or without a header; names of classes become the numbers that they have in
 * their order (by code units).
 * @param names of the images, below their folder
 * @throws DataError for a table that does not have every image once, or both numbers and names
 */
export async function labelsOfCsv(path: string, names: readonly string[]): Promise<Int32Array> {
  const given = parseCsv(await readRegularFile(path), path);
  const known = new Set(names);
  const stray = [...given.keys()].find((name) => !known.has(name));
  if (stray !== undefined) throw csvError(path, 'a label is for an image that is not there', `'${stray}'`);
  const bare = names.find((name) => !given.has(name));
  if (bare !== undefined) throw csvError(path, 'an image has no label', `none for '${bare}'`);
  const labels = names.map((name) => given.get(name)!);
  const numbered = labels.filter((label) => /^\d{1,9}$/.test(label)).length;
  if (numbered === labels.length) return Int32Array.from(labels, Number);
  const odd = labels.find((label) => label === '' || Number.isFinite(Number(label)));
  if (odd !== undefined) {
    throw csvError(path, 'labels are numbers of classes, or names of classes, and not both', `'${odd}' among others`);
  }
  const classes = new Map([...new Set(labels)].sort().map((label, number) => [label, number]));
  return Int32Array.from(labels, (label) => classes.get(label)!);
}

function parseCsv(bytes: Buffer, path: string): Map<string, string> {
  const lines = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  const given = new Map<string, string>();
  for (const [at, line] of lines.entries()) {
    const found = LINE.exec(line);
    if (found === null)
      throw csvError(path, 'a line is not a file and a label', `line ${at + 1}: '${line.slice(0, 60)}'`);
    const unquoted = (quoted: string | undefined, plain: string | undefined): string =>
      quoted?.replaceAll('""', '"') ?? plain!.trim();
    const [name, label] = [unquoted(found[1], found[2]), unquoted(found[3], found[4])];
    if (at === 0 && !isImageName(name)) continue;
    if (given.has(name)) throw csvError(path, 'an image has two labels', `'${name}' twice`);
    given.set(name, label);
  }
  return given;
}

function csvError(path: string, what: string, actual: string): DataError {
  return new DataError('DATA_LABELS', what, {
    path,
    expected: 'lines of file,label: one for every image',
    actual,
    repair: 'Write file names as they are below the folder of the images.',
  });
}
