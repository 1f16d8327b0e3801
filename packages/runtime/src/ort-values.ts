/**
 * Tensor values in and out of onnxruntime-node's own form. It must not run anything. Apart from `values.ts`, so that the
 * types that users see do not need onnxruntime-node.
 */
import { DataType } from '@onnx-pruning/onnx';
import type { Tensor } from 'onnxruntime-node';
import { onnxruntime } from './onnxruntime.ts';
import { dataTypeOfOrt, ortTypeOf, type TensorValue, type ValueData } from './values.ts';

/** internal: a value as onnxruntime takes it. */
export function toOrtTensor(value: TensorValue): Tensor {
  const { Tensor } = onnxruntime();
  return new Tensor(ortTypeOf(value.dataType), value.data as Tensor.DataType, [...value.dims]);
}

/** internal: a value as onnxruntime gave it. The elements are the same memory. */
export function fromOrtTensor(tensor: Tensor): TensorValue {
  const dataType = dataTypeOfOrt(tensor.type);
  const data: ValueData | (ArrayBufferView & { readonly length: number }) = tensor.data;
  // Where JavaScript has a Float16Array, onnxruntime returns one; its bits are what this project carries.
  const isBits = dataType !== DataType.FLOAT16 || data instanceof Uint16Array;
  const bits = isBits
    ? data
    : new Uint16Array((data as Uint16Array).buffer, (data as Uint16Array).byteOffset, data.length);
  return { dataType, dims: tensor.dims, data: bits as ValueData };
}
