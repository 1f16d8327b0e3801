/**
 * Arrays as numpy.save writes them: a header, which is the text of a Python dictionary, and the elements. Source: NEP 1,
 * "A Simple File Format for NumPy Arrays", and numpy.lib.format for versions 2 and 3. It must not run what is in a file:
 * arrays of Python objects are pickles, and are refused.
 */
import { DataType } from '@onnx-pruning/onnx';
import { elementCount, type TensorValue } from '@onnx-pruning/runtime';
import { checkLength, valueOfContent } from './content.ts';
import { DataError, type Place } from './errors.ts';

const MAGIC = [0x93, ...Buffer.from('NUMPY')];
const LONGEST_HEADER = 10_000;

/** numpy's kinds and widths that ONNX has as well. */
const DATA_TYPES: ReadonlyMap<string, number> = new Map<string, number>([
  ['b1', DataType.BOOL],
  ['i1', DataType.INT8],
  ['i2', DataType.INT16],
  ['i4', DataType.INT32],
  ['i8', DataType.INT64],
  ['u1', DataType.UINT8],
  ['u2', DataType.UINT16],
  ['u4', DataType.UINT32],
  ['u8', DataType.UINT64],
  ['f2', DataType.FLOAT16],
  ['f4', DataType.FLOAT],
  ['f8', DataType.DOUBLE],
]);

/** What else numpy can write, by kind. */
const OTHER_KINDS: Readonly<Record<string, string>> = {
  U: 'strings',
  S: 'byte strings',
  O: 'Python objects',
  c: 'complex numbers',
  M: 'dates',
  m: 'durations',
  V: 'records or raw bytes',
};

interface Header {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly dims: readonly number[];
}

/**
 * The array in row-major order, whatever order and byte order it was written in.
 * @throws DataError for bytes that are no such file, elements that ONNX has no numbers for, and content that is more or
 * less than the header says
 */
export function parseNpy(bytes: Uint8Array, place: Place): TensorValue {
  const { text, end } = headerText(bytes, place);
  const { descr, fortranOrder, dims } = parseHeader(text, place);
  const { dataType, width, bigEndian } = elementType(descr, place);
  checkLength(dataType, dims, bytes.length - end, place);
  const content = new Uint8Array(bytes.subarray(end));
  if (bigEndian) swapBytes(content, width);
  return valueOfContent(dataType, dims, fortranOrder ? rowMajor(content, width, dims) : content, place);
}

function headerText(bytes: Uint8Array, place: Place): { text: string; end: number } {
  if (bytes.length === 0) throw truncated(place, 'an empty file');
  if (MAGIC.some((byte, i) => i < bytes.length && bytes[i] !== byte)) throw damaged(place, 'other data');
  if (bytes.length < 12) throw truncated(place, `${bytes.length} bytes`);
  const [major, minor] = [bytes[6]!, bytes[7]!];
  if (major < 1 || major > 3 || minor !== 0) {
    throw new DataError('DATA_FORMAT', 'this version of the .npy format is not known', {
      ...place,
      expected: '1.0, 2.0 or 3.0',
      actual: `${major}.${minor}`,
      repair: 'Save the array again with numpy.save.',
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (start + length > bytes.length) throw truncated(place, `${bytes.length} bytes`);
  if (length > LONGEST_HEADER) throw damaged(place, `a header of ${length} bytes`);
  const text = Buffer.from(bytes.subarray(start, start + length)).toString(major === 3 ? 'utf8' : 'latin1');
  return { text, end: start + length };
}

/** One entry of the dictionary: its key, and its value as a string, a truth value or a tuple of sizes; or what begins a list. */
const ENTRY = /\s*(['"])(\w+)\1\s*:\s*(?:(['"])([^'"]*)\3|(True|False)|\(([^()]*)\)|(\[).*)\s*(?:,|$)/sy;

function parseHeader(text: string, place: Place): Header {
  const dictionary = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1];
  if (dictionary === undefined) throw damaged(place, `the header '${shown(text)}'`);
  const entries = new Map<string, { text?: string; truth?: string; sizes?: string }>();
  ENTRY.lastIndex = 0;
  for (let match = ENTRY.exec(dictionary); match !== null; match = ENTRY.exec(dictionary)) {
    const [, , key, , value, truth, sizes, list] = match;
    if (key === 'descr' && list !== undefined) throw notNumbers(place, 'records', dictionary);
    if (list !== undefined || entries.has(key!)) break;
    entries.set(key!, { text: value, truth, sizes });
    if (dictionary.slice(ENTRY.lastIndex).trim() === '') return headerOf(entries, text, place);
  }
  throw damaged(place, `the header '${shown(text)}'`);
}

function headerOf(
  entries: ReadonlyMap<string, { text?: string; truth?: string; sizes?: string }>,
  text: string,
  place: Place,
): Header {
  const descr = entries.get('descr')?.text;
  const order = entries.get('fortran_order')?.truth;
  const sizes = entries.get('shape')?.sizes;
  const dims = sizes === undefined ? undefined : tupleOfSizes(sizes);
  if (descr === undefined || order === undefined || dims === undefined || entries.size !== 3) {
    throw damaged(place, `the header '${shown(text)}'`);
  }
  return { descr, fortranOrder: order === 'True', dims };
}

/** Between its parentheses; a tuple of one has a comma behind it. Python 2 marked long integers. */
function tupleOfSizes(text: string): number[] | undefined {
  if (text.trim() === '') return [];
  if (!/^\s*\d+L?\s*,(\s*\d+L?\s*,)*(\s*\d+L?)?\s*$/.test(text)) return undefined;
  const dims = (text.match(/\d+/g) ?? []).map(Number);
  return Number.isSafeInteger(elementCount(dims)) ? dims : undefined;
}

function elementType(descr: string, place: Place): { dataType: number; width: number; bigEndian: boolean } {
  const [, order, kind, width] = /^([<>|=]?)([a-zA-Z])(\d*)/.exec(descr) ?? [];
  const dataType = DATA_TYPES.get(descr.slice(order?.length));
  if (dataType === undefined) {
    const float = kind === 'f' ? `floats of ${width} bytes` : undefined;
    throw notNumbers(place, float ?? OTHER_KINDS[kind ?? ''] ?? 'elements of another type', descr);
  }
  // Without a byte order a wider element means that of the machine which wrote it, and nobody knows that one here.
  if (width !== '1' && order !== '<' && order !== '>') throw damaged(place, `the byte order '${order}' in '${descr}'`);
  return { dataType, width: Number(width), bigEndian: order === '>' };
}

/** Turns the byte order of every element around. */
export function swapBytes(content: Uint8Array<ArrayBuffer>, width: number): void {
  const buffer = Buffer.from(content.buffer);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else if (width === 8) buffer.swap64();
}

/** Elements whose first axis varies fastest, in the order in which the last one does. */
function rowMajor(content: Uint8Array, width: number, dims: readonly number[]): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(content.length);
  const strides = dims.map((_, axis) => elementCount(dims.slice(0, axis)) * width);
  const index = dims.map(() => 0);
  let from = 0;
  for (let to = 0; to < target.length; to += width) {
    for (let byte = 0; byte < width; byte++) target[to + byte] = content[from + byte]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < dims[axis]!) break;
      from -= strides[axis]! * dims[axis]!;
      index[axis] = 0;
    }
  }
  return target;
}

const shown = (text: string): string => text.trim().slice(0, 80);

function truncated(place: Place, actual: string): DataError {
  const repair = 'Write or copy the file again; it is not complete.';
  return new DataError('DATA_TRUNCATED', 'the file ends inside the .npy header', { ...place, actual, repair });
}

function damaged(place: Place, actual: string): DataError {
  const repair = 'Save the array again with numpy.save.';
  return new DataError('DATA_FORMAT', 'this is not an array that numpy.save has written', { ...place, actual, repair });
}

function notNumbers(place: Place, what: string, descr: string): DataError {
  return new DataError('DATA_TYPE', `an array of ${what} cannot be fed to a model`, {
    ...place,
    expected: 'bool, int8 to int64, uint8 to uint64, or float16 to float64',
    actual: `dtype ${shown(descr)}`,
    repair: 'Save numbers: numpy.save(file, array.astype(...)), with the type of the input.',
  });
}
