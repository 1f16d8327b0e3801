/** Labels of samples: out of files, or out of the samples themselves. It must not know what is measured with them. */
import { extname } from 'node:path';
import { DataType, dataTypeName } from '@onnx-pruning/onnx';
import { elementCount, type TensorValue, valueNumbers } from '@onnx-pruning/runtime';
import { DataError, type Place } from './errors.ts';
import { isImageName } from './image-folder.ts';
import { readRegularFile } from './regular-file.ts';

/** Labels, as many for each sample, one sample after the other. */
export interface Labels {
  /** Numbers of classes; `IGNORED` where there is none. */
  readonly values: Int32Array;
  /** 1, or the places of a sequence. */
  readonly perSample: number;
}

/** The label of a place that is not measured: PyTorch's `ignore_index`. */
export const IGNORED = -100;

/** The labels of some samples. */
export function labelsAt({ values, perSample }: Labels, indices: readonly number[]): Int32Array {
  const out = new Int32Array(indices.length * perSample);
  for (const [at, i] of indices.entries()) {
    out.set(values.subarray(i * perSample, (i + 1) * perSample), at * perSample);
  }
  return out;
}

/**
 * Labels out of an array: [samples], or [samples, places] of sequences.
 * @throws DataError for other numbers of samples, and for what is no class
 */
export function labelsOfArray(array: TensorValue, length: number, path: string): Labels {
  const { dims } = array;
  if (
    dims.length === 0 ||
    dims.length > 2 ||
    dims[0] !== length ||
    dims[1] === 0 ||
    array.dataType === DataType.STRING
  ) {
    throw new DataError('DATA_LABELS', 'there must be one label for every sample', {
      path,
      expected: `[${length}], or [${length}, places] for sequences`,
      actual: `${dataTypeName(array.dataType)} [${dims.join(', ')}]`,
      repair: 'Give the labels that belong to these samples.',
    });
  }
  const numbers = valueNumbers(array);
  const perSample = elementCount(dims.slice(1));
  const isLabel = (label: number): boolean =>
    Number.isInteger(label) && label < 2 ** 31 && (label >= 0 || (perSample > 1 && label === IGNORED));
  const odd = Array.prototype.find.call(numbers, (label: number) => !isLabel(label)) as number | undefined;
  if (odd === undefined) return { values: Int32Array.from(numbers), perSample };
  throw new DataError('DATA_LABELS', 'a label is the number of a class', {
    path,
    expected: perSample > 1 ? `0, 1, 2, ..., or ${IGNORED} for a place that does not count` : '0, 1, 2, ...',
    actual: odd,
  });
}

/**
 * Labels of a language model: at every place the token that follows it in the input. The last place has none.
 * @param tokens [samples, places]
 * @throws DataError for values that are no tokens in sequences
 */
export function nextTokens({ dataType, dims, data }: TensorValue, place: Place): Labels {
  const [samples = 0, places = 0] = dims;
  const isInteger = dataType === DataType.INT64 || dataType === DataType.INT32;
  if (!isInteger || dims.length !== 2 || places < 2) {
    throw new DataError('DATA_LABELS', 'next tokens are taken from an input with the numbers of tokens', {
      ...place,
      expected: 'INT64 or INT32 [samples, places], with two places or more',
      actual: `${dataTypeName(dataType)} [${dims.join(', ')}]`,
      repair: 'Name the input that holds the tokens.',
    });
  }
  const values = new Int32Array(samples * places).fill(IGNORED);
  for (let i = 0; i < values.length; i++) {
    if (i % places < places - 1) values[i] = tokenOf(data[i + 1] as number | bigint, place);
  }
  return { values, perSample: places };
}

function tokenOf(token: number | bigint, place: Place): number {
  if (token >= 0 && token < 2 ** 31) return Number(token);
  throw new DataError('DATA_LABELS', 'a token is a number from 0 on', { ...place, actual: String(token) });
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
export async function labelsOfCsv(path: string, names: readonly string[]): Promise<Labels> {
  const given = parseCsv(await readRegularFile(path), path);
  const known = new Set(names);
  const stray = [...given.keys()].find((name) => !known.has(name));
  if (stray !== undefined) throw csvError(path, 'a label is for an image that is not there', `'${stray}'`);
  const bare = names.find((name) => !given.has(name));
  if (bare !== undefined) throw csvError(path, 'an image has no label', `none for '${bare}'`);
  const labels = names.map((name) => given.get(name)!);
  const numbered = labels.filter((label) => /^\d{1,9}$/.test(label)).length;
  if (numbered === labels.length) return { values: Int32Array.from(labels, Number), perSample: 1 };
  const odd = labels.find((label) => label === '' || Number.isFinite(Number(label)));
  if (odd !== undefined) {
    throw csvError(path, 'labels are numbers of classes, or names of classes, and not both', `'${odd}' among others`);
  }
  const classes = new Map([...new Set(labels)].sort().map((label, number) => [label, number]));
  return { values: Int32Array.from(labels, (label) => classes.get(label)!), perSample: 1 };
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
