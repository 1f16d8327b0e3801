/**
 * The ONNX messages as plain objects. Message and field names are those of onnx-proto.
 *
 * Types only. A field that is absent in the file is absent in the object; unknown fields ride along in a hidden
 * `$unknowns` property, so copy messages with `cloneProto`, not with object spread.
 */
import type protobuf from 'protobufjs/light.js';
import type { Bytes } from './content/bytes.ts';
import type { Content } from './content/stored-bytes.ts';

/** A 64-bit integer beyond 2^53 as protobufjs represents it. */
export type Long = protobuf.Long;
/** An int64 field. Read it with `toNumber` or `toBigInt`. */
export type Int64 = number | Long;

/** Raw bytes of fields that this version of the schema does not know, in wire format with their tags. */
export interface WithUnknown {
  $unknowns?: Uint8Array[];
}

export interface StringStringEntryProto extends WithUnknown {
  key?: string;
  value?: string;
}

export interface OperatorSetIdProto extends WithUnknown {
  domain?: string;
  version?: Int64;
}

export interface TensorSegment extends WithUnknown {
  begin?: Int64;
  end?: Int64;
}

/**
 * The fields that may hold a tensor's content. Content never changes: a tensor with other content is another tensor,
 * which `withContent` makes. Read it with `tensorBytes` or `readNumbers`, whichever field holds it.
 */
export interface ContentFields {
  /** Little-endian bytes: in memory, perhaps as a view of a file's bytes, or in a file, to be read when needed. */
  readonly rawData?: Content;
  readonly floatData?: readonly number[];
  readonly int32Data?: readonly number[];
  readonly stringData?: readonly Bytes[];
  readonly int64Data?: readonly Int64[];
  readonly doubleData?: readonly number[];
  readonly uint64Data?: readonly Int64[];
}

/** A tensor: data type, dimensions, and content in memory or in a file. */
export interface TensorProto extends WithUnknown, ContentFields {
  dims: Int64[];
  dataType?: number;
  segment?: TensorSegment;
  name?: string;
  docString?: string;
  externalData?: StringStringEntryProto[];
  /** 0 or absent: the content is in this message. 1: it is in another file. */
  dataLocation?: number;
  metadataProps?: StringStringEntryProto[];
}

export interface SparseTensorProto extends WithUnknown {
  values?: TensorProto;
  indices?: TensorProto;
  dims: Int64[];
}

export interface Dimension extends WithUnknown {
  dimValue?: Int64;
  dimParam?: string;
  denotation?: string;
}

export interface TensorShapeProto extends WithUnknown {
  dim: Dimension[];
}

export interface TensorTypeProto extends WithUnknown {
  elemType?: number;
  shape?: TensorShapeProto;
}

export interface TypeProto extends WithUnknown {
  tensorType?: TensorTypeProto;
  sequenceType?: { elemType?: TypeProto } & WithUnknown;
  mapType?: { keyType?: number; valueType?: TypeProto } & WithUnknown;
  optionalType?: { elemType?: TypeProto } & WithUnknown;
  sparseTensorType?: TensorTypeProto;
  opaqueType?: { domain?: string; name?: string } & WithUnknown;
  denotation?: string;
}

export interface ValueInfoProto extends WithUnknown {
  name?: string;
  type?: TypeProto;
  docString?: string;
  metadataProps?: StringStringEntryProto[];
}

export interface AttributeProto extends WithUnknown {
  name?: string;
  refAttrName?: string;
  docString?: string;
  /** A member of `AttributeType`. */
  type?: number;
  f?: number;
  i?: Int64;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  sparseTensor?: SparseTensorProto;
  tp?: TypeProto;
  floats?: number[];
  ints?: Int64[];
  strings?: Uint8Array[];
  tensors?: TensorProto[];
  graphs?: GraphProto[];
  sparseTensors?: SparseTensorProto[];
  typeProtos?: TypeProto[];
}

export interface NodeProto extends WithUnknown {
  input: string[];
  output: string[];
  name?: string;
  opType?: string;
  domain?: string;
  overload?: string;
  attribute: AttributeProto[];
  docString?: string;
  metadataProps?: StringStringEntryProto[];
  deviceConfigurations?: NodeDeviceConfigurationProto[];
}

export interface TensorAnnotation extends WithUnknown {
  tensorName?: string;
  quantParameterTensorNames: StringStringEntryProto[];
}

export interface GraphProto extends WithUnknown {
  node: NodeProto[];
  name?: string;
  initializer: TensorProto[];
  sparseInitializer: SparseTensorProto[];
  docString?: string;
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  valueInfo: ValueInfoProto[];
  quantizationAnnotation: TensorAnnotation[];
  metadataProps?: StringStringEntryProto[];
}

export interface FunctionProto extends WithUnknown {
  name?: string;
  input: string[];
  output: string[];
  attribute: string[];
  attributeProto?: AttributeProto[];
  node: NodeProto[];
  docString?: string;
  opsetImport: OperatorSetIdProto[];
  domain?: string;
  overload?: string;
  valueInfo?: ValueInfoProto[];
  metadataProps?: StringStringEntryProto[];
}

export interface TrainingInfoProto extends WithUnknown {
  initialization?: GraphProto;
  algorithm?: GraphProto;
  initializationBinding: StringStringEntryProto[];
  updateBinding: StringStringEntryProto[];
}

export interface DeviceConfigurationProto extends WithUnknown {
  name?: string;
  numDevices?: number;
  device: string[];
}

export interface NodeDeviceConfigurationProto extends WithUnknown {
  configurationId?: string;
  shardingSpec: ShardingSpecProto[];
  pipelineStage?: number;
}

export interface ShardingSpecProto extends WithUnknown {
  tensorName?: string;
  device: Int64[];
  indexToDeviceGroupMap: ({ key?: Int64; value: Int64[] } & WithUnknown)[];
  shardedDim: ShardedDimProto[];
}

export interface ShardedDimProto extends WithUnknown {
  axis?: Int64;
  simpleSharding: ({ dimValue?: Int64; dimParam?: string; numShards?: Int64 } & WithUnknown)[];
}

export interface ModelProto extends WithUnknown {
  irVersion?: Int64;
  opsetImport: OperatorSetIdProto[];
  producerName?: string;
  producerVersion?: string;
  domain?: string;
  modelVersion?: Int64;
  docString?: string;
  graph?: GraphProto;
  metadataProps: StringStringEntryProto[];
  trainingInfo: TrainingInfoProto[];
  functions: FunctionProto[];
  configuration?: DeviceConfigurationProto[];
}
