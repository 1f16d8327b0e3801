/**
 * Arrays in the IDX format of MNIST and its successors, plain or gzip'ed: a magic number that states type and number of
 * axes, the sizes of the axes, and the elements, all big-endian. Source: Y. LeCun, C. Cortes and C. J. C. Burges, The
 * MNIST database of handwritten digits.
 */
import { gunzipSync } from 'node:zlib';
import { DataType, errorCode } from '@onnx-pruning/onnx';
import { elementCount, type TensorValue } from '@onnx-pruning/runtime';
import { checkLength, valueOfContent } from './content.ts';
import { DataError, type Place } from './errors.ts';
import { swapBytes } from './npy.ts';

const TYPES: ReadonlyMap<number, { readonly dataType: number; readonly width: number }> = new Map([
  [0x08, { dataType: DataType.UINT8, width: 1 }],
  [0x09, { dataType: DataType.INT8, width: 1 }],
  [0x0b, { dataType: DataType.INT16, width: 2 }],
  [0x0c, { dataType: DataType.INT32, width: 4 }],
  [0x0d, { dataType: DataType.FLOAT, width: 4 }],
  [0x0e, { dataType: DataType.DOUBLE, width: 8 }],
]);

const GZIP = Buffer.from([0x1f, 0x8b]);
/** What a compressed file may become. */
const LARGEST = 2 ** 31 - 1;

/** Whether a file is an IDX file by its name, as MNIST and its successors are named. */
export const isIdxName = (name: string): boolean =>
  /idx\d+-(?:ubyte|byte|short|int|float|double)(?:\.gz)?$|\.idx(?:\.gz)?$/.test(name);

/**
 * The array in row-major order.
 * @throws DataError for bytes that are no such file, and content that is more or less than the header says
 */
export function parseIdx(file: Buffer, place: Place): TensorValue {
  const bytes = file.subarray(0, 2).equals(GZIP) ? unpacked(file, place) : file;
  const type = bytes.length >= 4 && bytes.readUInt16BE(0) === 0 ? TYPES.get(bytes[2]!) : undefined;
  if (type === undefined) {
    throw new DataError('DATA_FORMAT', 'this is no IDX file', {
      ...place,
      expected: 'two zeros, a type and a number of axes',
      actual: bytes.length < 4 ? `${bytes.length} bytes` : bytes.subarray(0, 4).toString('hex'),
      repair: 'Give a file such as train-images-idx3-ubyte.gz.',
    });
  }
  const rank = bytes[3]!;
  const start = 4 + 4 * rank;
  if (bytes.length < start) {
    const actual = `${bytes.length} bytes`;
    throw new DataError('DATA_TRUNCATED', 'the file ends within its header', {
      ...place,
      expected: `${start} bytes`,
      actual,
    });
  }
  const dims = Array.from({ length: rank }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
  if (!Number.isSafeInteger(elementCount(dims))) {
    throw new DataError('DATA_FORMAT', 'the sizes of the axes are too large', { ...place, actual: dims.join(' x ') });
  }
  checkLength(type.dataType, dims, bytes.length - start, place);
  const content = new Uint8Array(bytes.subarray(start));
  swapBytes(content, type.width);
  return valueOfContent(type.dataType, dims, content, place);
}

function unpacked(file: Buffer, place: Place): Buffer {
  try {
    return gunzipSync(file, { maxOutputLength: LARGEST });
  } catch (cause) {
    const isLarge = errorCode(cause) === 'ERR_BUFFER_TOO_LARGE';
    const what = isLarge ? 'a compressed file holds too much' : 'a compressed file is damaged or not complete';
    const details = { ...place, ...(isLarge && { expected: 'less than 2 GiB' }), repair: 'Copy the file again.' };
    throw new DataError(isLarge ? 'DATA_TOO_LARGE' : 'DATA_FORMAT', what, details, { cause });
  }
}
