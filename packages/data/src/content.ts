/** From the bytes of a tensor to its value, with the checks that are the same for every format. */
import { byteLength, DataType, dataTypeName } from '@onnx-pruning/onnx';
import { elementCount, isCarried, type TensorValue, valueOfBytes } from '@onnx-pruning/runtime';
import { DataError, type Place } from './errors.ts';

/**
 * @param bytes little-endian, in row-major order; kept where they are aligned
 * @throws DataError for a type that onnxruntime-node does not carry, for more or fewer bytes than the dimensions ask for,
 * and for truth values that are neither 0 nor 1
 */
export function valueOfContent(
  dataType: number,
  dims: readonly number[],
  bytes: Uint8Array<ArrayBuffer>,
  place: Place,
): TensorValue {
  if (!isCarried(dataType) || dataType === DataType.STRING) {
    throw new DataError('DATA_TYPE', `${dataTypeName(dataType)} cannot be fed to a model from a file of this kind`, {
      ...place,
      repair: 'Give numbers of a type that JavaScript has, and let the model cast them.',
    });
  }
  checkLength(dataType, dims, bytes.length, place);
  if (dataType === DataType.BOOL && bytes.some((byte) => byte > 1)) {
    throw new DataError('DATA_FORMAT', 'a truth value is neither 0 nor 1', {
      ...place,
      repair: 'Convert the array to bool before it is saved.',
    });
  }
  return valueOfBytes(dataType, dims, bytes);
}

/** @throws DataError unless there are as many bytes as the dimensions ask for */
export function checkLength(dataType: number, dims: readonly number[], actual: number, place: Place): void {
  const expected = byteLength(dataType, elementCount(dims));
  if (actual === expected) return;
  const details = {
    ...place,
    expected: `${expected} bytes for ${dataTypeName(dataType)} [${dims.join(', ')}]`,
    actual: `${actual} bytes`,
  };
  if (actual < expected) {
    const repair = 'Write or copy the file again where it is not complete, or give the shape that it has.';
    throw new DataError('DATA_TRUNCATED', 'a tensor ends too early', { ...details, repair });
  }
  const repair = 'Give a file that holds this one tensor and nothing else, in its own shape.';
  throw new DataError('DATA_TRAILING', 'more bytes follow a tensor than belong to it', { ...details, repair });
}
