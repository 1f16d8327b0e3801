/**
 * Models to bytes, with tensor content inside or in a data file of its own. Writes no files, and reads no content that lies
 * in one: whoever takes the chunks does, one by one.
 */

import { checkArguments, kinds } from './arguments.ts';
import { shallowCloneProto } from './clone.ts';
import { concatenate, encodeMessageChunks, totalLength } from './codec.ts';
import type { Content } from './content/stored-bytes.ts';
import { SaveError } from './errors.ts';
import type { Model } from './model.ts';
import type { TensorProto } from './proto.ts';
import { isStoredExternally, tensorContent } from './tensor.ts';

/** Protobuf cannot hold more (its lengths are signed 32-bit numbers). */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** Data files are made to be mapped into memory: large tensors start at a page, others at a cache line. */
const PAGE = 4096;
const CACHE_LINE = 64;
const LARGE_TENSOR = 2 ** 20;

const EXTERNAL = 1;

/** A model as it is written: the chunks of the model file, and those of its data file. */
export interface EncodedModel {
  readonly model: readonly Content[];
  readonly data: readonly Content[];
}

/**
 * The model as one ONNX file in memory, external data included in it.
 * @throws SaveError when it is larger than 2 GiB; InvalidModelError when it is nested more deeply than it could be read.
 */
export function encodeModel(model: Model): Uint8Array {
  checkArguments('encodeModel', { model: [model, kinds.model] });
  return concatenate(encodeEmbedded(model).model);
}

/**
 * The number of bytes that the model has as one ONNX file, external data included. Nothing is encoded but the structure;
 * there is no limit.
 */
export function encodedSize(model: Model): number {
  return totalLength(encodeMessageChunks('ModelProto', model.proto, embedded));
}

/** The model with all content inside, as chunks; tensor content is neither copied nor read. */
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
  const data: Content[] = [];
  let end = 0;
  const store = (tensor: TensorProto): TensorProto => {
    if (!isExternal(tensor)) return embedded(tensor);
    const content = tensorContent(tensor);
    const alignment = content.length >= LARGE_TENSOR ? PAGE : CACHE_LINE;
    const offset = Math.ceil(end / alignment) * alignment;
    if (offset > end) data.push(new Uint8Array(offset - end));
    data.push(content);
    end = offset + content.length;
    return reference(tensor, location, offset, content.length);
  };
  const chunks = encodeMessageChunks('ModelProto', model.proto, store);
  checkSize(chunks);
  return { model: chunks, data };
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** internal: the tensor with its content in the message. */
export function embedded(tensor: TensorProto): TensorProto {
  if (!isStoredExternally(tensor)) return tensor;
  const copy: Writable<TensorProto> = shallowCloneProto(tensor);
  copy.rawData = tensorContent(tensor);
  delete copy.dataLocation;
  delete copy.externalData;
  return copy;
}

/** internal: the tensor without content, but with the place where it lies. */
export function reference(tensor: TensorProto, location: string, offset: number, length: number): TensorProto {
  const copy: Writable<TensorProto> = shallowCloneProto(tensor);
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

function checkSize(chunks: readonly Content[]): void {
  const size = totalLength(chunks);
  if (size <= MAX_MODEL_BYTES) return;
  throw new SaveError('MODEL_TOO_LARGE', 'An ONNX file cannot be larger than 2 GiB', {
    expected: `at most ${MAX_MODEL_BYTES} bytes`,
    actual: `${size} bytes`,
    repair: 'Save the model with external data.',
  });
}
