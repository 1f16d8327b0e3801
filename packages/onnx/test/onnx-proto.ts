/**
 * Compiles only while the project's messages have the fields and types of onnx-proto's. Not among the sources: the
 * declarations of onnx-proto use a global name that not every program has, so users must not come across them.
 */
import type { onnx } from 'onnx-proto';
import type { Content } from '../src/content/stored-bytes.ts';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  SparseTensorProto,
  TensorAnnotation,
  TensorProto,
  TrainingInfoProto,
  TypeProto,
  ValueInfoProto,
} from '../src/proto.ts';

/** A message of onnx-proto as it may be read: content need not be in memory, and never changes. */
type Readable<T> = T extends Uint8Array
  ? Content
  : T extends { high: number; low: number }
    ? T
    : T extends readonly (infer Element)[]
      ? readonly Readable<Element>[]
      : T extends object
        ? { readonly [Key in keyof T]: Readable<T[Key]> }
        : T;

/** Compiles only while every message can be read where onnx-proto's can: same field names, same types. */
type Conforms<Ours extends Readable<Theirs>, Theirs> = Ours;
export type ConformsToOnnxProto = [
  Conforms<ModelProto, onnx.IModelProto>,
  Conforms<GraphProto, onnx.IGraphProto>,
  Conforms<NodeProto, onnx.INodeProto>,
  Conforms<AttributeProto, onnx.IAttributeProto>,
  Conforms<TensorProto, onnx.ITensorProto>,
  Conforms<SparseTensorProto, onnx.ISparseTensorProto>,
  Conforms<ValueInfoProto, onnx.IValueInfoProto>,
  Conforms<TypeProto, onnx.ITypeProto>,
  Conforms<TensorAnnotation, onnx.ITensorAnnotation>,
  Conforms<FunctionProto, onnx.IFunctionProto>,
  Conforms<TrainingInfoProto, onnx.ITrainingInfoProto>,
];
