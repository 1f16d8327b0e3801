/** Tensors as ONNX keeps them on their own, in .pb files: one TensorProto message each. */
import {
  DataType,
  decodeMessage,
  isStoredExternally,
  type TensorProto,
  tensorBytes,
  tensorDims,
} from '@onnx-pruning/onnx';
import { elementCount, isCarried, type TensorValue } from '@onnx-pruning/runtime';
import { valueOfContent } from './content.ts';
import { DataError, type Place } from './errors.ts';

/** A tensor with the name that it carries; '' where it carries none. */
export interface NamedTensor {
  /** As the message names it; '' where it does not. */
  readonly name: string;
  /** Its type, dimensions and elements. */
  readonly value: TensorValue;
}

/** @throws DataError for bytes that are no such message, or hold more or less than one tensor */
export function parseTensorProto(bytes: Uint8Array, place: Place): NamedTensor {
  const tensor = decode(bytes, place);
  const dims = tensorDims(tensor);
  const isMessage = tensor.dataType !== undefined && tensor.dataType !== DataType.UNDEFINED;
  // Unknown fields are what follows the message, or a message of another kind: neither is a tensor to rely on.
  if (!isMessage || (tensor.$unknowns?.length ?? 0) > 0 || dims.some((dim) => dim < 0)) throw notATensor(place);
  if (isStoredExternally(tensor) || tensor.segment !== undefined) {
    throw new DataError('DATA_FORMAT', 'the content of the tensor is not in the file', {
      ...place,
      repair: 'Save the tensor with its content: onnx.save_tensor(onnx.numpy_helper.from_array(array), file).',
    });
  }
  return { name: tensor.name ?? '', value: tensorValue(tensor, tensor.dataType ?? 0, dims, place) };
}

function decode(bytes: Uint8Array, place: Place): TensorProto {
  try {
    return decodeMessage('TensorProto', bytes);
  } catch (cause) {
    throw notATensor(place, cause);
  }
}

function tensorValue(tensor: TensorProto, dataType: number, dims: readonly number[], place: Place): TensorValue {
  if (dataType === DataType.STRING) return stringsOf(tensor, dims, place);
  // Types that cannot be carried are refused by name below; some of them have no bytes of fixed width to ask for.
  const bytes = isCarried(dataType) ? new Uint8Array(tensorBytes(tensor)) : new Uint8Array();
  return valueOfContent(dataType, dims, bytes, place);
}

function stringsOf(tensor: TensorProto, dims: readonly number[], place: Place): TensorValue {
  const strings = tensor.stringData ?? [];
  const [expected, actual] = [elementCount(dims), strings.length];
  if (expected !== actual) {
    throw new DataError('DATA_FORMAT', 'the tensor holds more or fewer strings than its dims say', {
      ...place,
      expected,
      actual,
    });
  }
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return { dataType: DataType.STRING, dims, data: strings.map((bytes) => utf8.decode(bytes.slice())) };
  } catch (cause) {
    throw new DataError('DATA_FORMAT', 'a string in the tensor is not UTF-8', { ...place }, { cause });
  }
}

function notATensor(place: Place, cause?: unknown): DataError {
  return new DataError(
    'DATA_FORMAT',
    'the file is not one complete TensorProto message',
    { ...place, repair: 'Save it with onnx.save_tensor, or copy it again where the transfer was not complete.' },
    { cause },
  );
}
