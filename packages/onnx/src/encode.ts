/** Models to bytes, with tensor content inside or in a data file of its own. Writes no files. */

import { shallowCloneProto } from './clone.ts';
import { concatenate, encodeMessageChunks } from './codec.ts';
import { SaveError } from './errors.ts';
import type { Model } from './model.ts';
import type { TensorProto } from './proto.ts';
import { isStoredExternally, tensorBytes } from './tensor.ts';

/** Protobuf cannot hold more (its lengths are signed 32-bit numbers). */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** Data files are made to be mapped into memory: large tensors start at a page, others at a cache line. */
const PAGE = 4096;
const CACHE_LINE = 64;
const LARGE_TENSOR = 2 ** 20;

const EXTERNAL = 1;

/** A model as it is written: the chunks of the model file, and those of its data file. */
export interface EncodedModel {
  readonly model: readonly Uint8Array[];
  readonly data: readonly Uint8Array[];
}

/**
 * The model as one ONNX file in memory, external data included in it.
 * @throws SaveError when it is larger than 2 GiB.
 */
export function encodeModel(model: Model): Uint8Array {
  return concatenate(encodeEmbedded(model).model);
}

/** The model with all content inside, as chunks; tensor content is not copied. */
export function encodeEmbedded(model: Model): EncodedModel {
  const chunks = encodeMessageChunks('ModelProto', model.proto, embedded);
  checkSize(chunks);
  return { model: chunks, data: [] };
}

/**
 * The model with tensors moved to a data file.
 * @param location name of the data file, as the model will refer to it.
 * @param isExternal which tensors are moved.
 */
export function encodeExternal(
  model: Model,
  location: string,
  isExternal: (tensor: TensorProto) => boolean,
): EncodedModel {
  const data: Uint8Array[] = [];
  let end = 0;
  const store = (tensor: TensorProto): TensorProto => {
    if (!isExternal(tensor)) return embedded(tensor);
    const bytes = tensorBytes(tensor);
    const alignment = bytes.length >= LARGE_TENSOR ? PAGE : CACHE_LINE;
    const offset = Math.ceil(end / alignment) * alignment;
    if (offset > end) data.push(new Uint8Array(offset - end));
    data.push(bytes);
    end = offset + bytes.length;
    return reference(tensor, location, offset, bytes.length);
  };
  const chunks = encodeMessageChunks('ModelProto', model.proto, store);
  checkSize(chunks);
  return { model: chunks, data };
}

/** The tensor with its content in the message. */
function embedded(tensor: TensorProto): TensorProto {
  if (!isStoredExternally(tensor)) return tensor;
  const copy = shallowCloneProto(tensor);
  copy.rawData = tensorBytes(tensor);
  delete copy.dataLocation;
  delete copy.externalData;
  return copy;
}

/** The tensor without content, but with the place where it lies. */
function reference(tensor: TensorProto, location: string, offset: number, length: number): TensorProto {
  const copy = shallowCloneProto(tensor);
  for (const field of ['rawData', 'floatData', 'int32Data', 'int64Data', 'doubleData', 'uint64Data'] as const) {
    delete copy[field];
  }
  copy.dataLocation = EXTERNAL;
  copy.externalData = [
    { key: 'location', value: location },
    { key: 'offset', value: String(offset) },
    { key: 'length', value: String(length) },
  ];
  return copy;
}

function checkSize(chunks: readonly Uint8Array[]): void {
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (size <= MAX_MODEL_BYTES) return;
  throw new SaveError('MODEL_TOO_LARGE', 'An ONNX file cannot be larger than 2 GiB', {
    expected: `at most ${MAX_MODEL_BYTES} bytes`,
    actual: `${size} bytes`,
    repair: 'Save the model with external data.',
  });
}
