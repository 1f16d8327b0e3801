/** Checks that a tensor's content fits its dims and data type. Reads lengths only, never the content. */
import { bitsPerElement, byteLength, DataType, dataTypeName } from './data-type.ts';
import type { ErrorDetails } from './errors.ts';
import type { TensorProto } from './proto.ts';
import { isExternal, tensorDims, tensorSize } from './tensor.ts';

type Fail = (code: string, what: string, details: ErrorDetails) => never;

/** Fails when the content does not fit; content that lies in another file and was not loaded is not looked at. */
export function checkTensor(t: TensorProto, fail: Fail): void {
  const value = t.name ?? '';
  const dims = tensorDims(t);
  if (dims.some((dim) => dim < 0)) {
    fail('TENSOR_DIMS', 'A tensor has a negative dimension', { value, actual: `[${dims.join(', ')}]` });
  }
  if (t.dataType !== DataType.STRING && bitsPerElement(t.dataType) === 0) {
    fail('TENSOR_TYPE', 'A tensor is of no data type that ONNX defines', { value, actual: dataTypeName(t.dataType) });
  }
  if (isExternal(t)) return;
  const { expected, actual, unit } = contentLength(t);
  if (expected === actual) return;
  fail('TENSOR_SIZE', 'The content of a tensor does not fit its dims', {
    value,
    expected: `${expected} ${unit} for ${dataTypeName(t.dataType)} [${dims.join(', ')}]`,
    actual: `${actual} ${unit}`,
    repair: 'Export the model again; the tensor is incomplete or its dims are wrong.',
  });
}

interface Lengths {
  readonly expected: number;
  readonly actual: number;
  readonly unit: 'bytes' | 'values';
}

function contentLength(t: TensorProto): Lengths {
  const size = tensorSize(t);
  if (t.rawData !== undefined && t.rawData.length > 0) {
    return { expected: byteLength(t.dataType, size), actual: t.rawData.length, unit: 'bytes' };
  }
  const [field, perElement] = typedField(t);
  return { expected: Math.ceil(size * perElement), actual: field?.length ?? 0, unit: 'values' };
}

/** The typed field of a data type, and how many of its entries one element takes. */
function typedField(t: TensorProto): readonly [field: ArrayLike<unknown> | undefined, perElement: number] {
  switch (t.dataType) {
    case DataType.STRING:
      return [t.stringData, 1];
    case DataType.FLOAT:
      return [t.floatData, 1];
    case DataType.COMPLEX64:
      return [t.floatData, 2];
    case DataType.DOUBLE:
      return [t.doubleData, 1];
    case DataType.COMPLEX128:
      return [t.doubleData, 2];
    case DataType.INT64:
      return [t.int64Data, 1];
    case DataType.UINT32:
    case DataType.UINT64:
      return [t.uint64Data, 1];
    default:
      return [t.int32Data, Math.min(1, bitsPerElement(t.dataType) / 8)];
  }
}
