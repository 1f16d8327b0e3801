/**
 * The ONNX wire format as data: message -> field -> [number, type, rule].
 *
 * Names are those of onnx-proto (camelCase); numbers are those of the ONNX IR definition up to IR version 13.
 * This file only states the format; it knows nothing about how bytes are read or written.
 */

/**
 * - `one`: an optional field; absent reads as undefined, an explicit zero or empty value stays.
 * - `list`: a repeated field that reads as an array even when empty.
 * - `many`: a repeated field that reads as undefined when empty.
 * - `packed`: as `many`, numbers written as one block.
 */
export type FieldRule = 'one' | 'list' | 'many' | 'packed';
export type FieldSpec = readonly [id: number, type: string, rule: FieldRule];

/** Fields of every message. A type that is not a protobuf scalar is a message of this table. */
export const SCHEMA: Readonly<Record<string, Readonly<Record<string, FieldSpec>>>> = {
  ModelProto: {
    irVersion: [1, 'int64', 'one'],
    producerName: [2, 'string', 'one'],
    producerVersion: [3, 'string', 'one'],
    domain: [4, 'string', 'one'],
    modelVersion: [5, 'int64', 'one'],
    docString: [6, 'string', 'one'],
    graph: [7, 'GraphProto', 'one'],
    opsetImport: [8, 'OperatorSetIdProto', 'list'],
    metadataProps: [14, 'StringStringEntryProto', 'list'],
    trainingInfo: [20, 'TrainingInfoProto', 'list'],
    functions: [25, 'FunctionProto', 'list'],
    configuration: [26, 'DeviceConfigurationProto', 'many'],
  },
  GraphProto: {
    node: [1, 'NodeProto', 'list'],
    name: [2, 'string', 'one'],
    initializer: [5, 'TensorProto', 'list'],
    docString: [10, 'string', 'one'],
    input: [11, 'ValueInfoProto', 'list'],
    output: [12, 'ValueInfoProto', 'list'],
    valueInfo: [13, 'ValueInfoProto', 'list'],
    quantizationAnnotation: [14, 'TensorAnnotation', 'list'],
    sparseInitializer: [15, 'SparseTensorProto', 'list'],
    metadataProps: [16, 'StringStringEntryProto', 'many'],
  },
  NodeProto: {
    input: [1, 'string', 'list'],
    output: [2, 'string', 'list'],
    name: [3, 'string', 'one'],
    opType: [4, 'string', 'one'],
    attribute: [5, 'AttributeProto', 'list'],
    docString: [6, 'string', 'one'],
    domain: [7, 'string', 'one'],
    overload: [8, 'string', 'one'],
    metadataProps: [9, 'StringStringEntryProto', 'many'],
    deviceConfigurations: [10, 'NodeDeviceConfigurationProto', 'many'],
  },
  AttributeProto: {
    name: [1, 'string', 'one'],
    f: [2, 'float', 'one'],
    i: [3, 'int64', 'one'],
    s: [4, 'bytes', 'one'],
    t: [5, 'TensorProto', 'one'],
    g: [6, 'GraphProto', 'one'],
    floats: [7, 'float', 'many'],
    ints: [8, 'int64', 'many'],
    strings: [9, 'bytes', 'many'],
    tensors: [10, 'TensorProto', 'many'],
    graphs: [11, 'GraphProto', 'many'],
    docString: [13, 'string', 'one'],
    tp: [14, 'TypeProto', 'one'],
    typeProtos: [15, 'TypeProto', 'many'],
    type: [20, 'int32', 'one'],
    refAttrName: [21, 'string', 'one'],
    sparseTensor: [22, 'SparseTensorProto', 'one'],
    sparseTensors: [23, 'SparseTensorProto', 'many'],
  },
  TensorProto: {
    dims: [1, 'int64', 'list'],
    dataType: [2, 'int32', 'one'],
    segment: [3, 'TensorProto.Segment', 'one'],
    floatData: [4, 'float', 'packed'],
    int32Data: [5, 'int32', 'packed'],
    stringData: [6, 'bytes', 'many'],
    int64Data: [7, 'int64', 'packed'],
    name: [8, 'string', 'one'],
    rawData: [9, 'bytes', 'one'],
    doubleData: [10, 'double', 'packed'],
    uint64Data: [11, 'uint64', 'packed'],
    docString: [12, 'string', 'one'],
    externalData: [13, 'StringStringEntryProto', 'many'],
    dataLocation: [14, 'int32', 'one'],
    metadataProps: [16, 'StringStringEntryProto', 'many'],
  },
  'TensorProto.Segment': {
    begin: [1, 'int64', 'one'],
    end: [2, 'int64', 'one'],
  },
  SparseTensorProto: {
    values: [1, 'TensorProto', 'one'],
    indices: [2, 'TensorProto', 'one'],
    dims: [3, 'int64', 'list'],
  },
  ValueInfoProto: {
    name: [1, 'string', 'one'],
    type: [2, 'TypeProto', 'one'],
    docString: [3, 'string', 'one'],
    metadataProps: [4, 'StringStringEntryProto', 'many'],
  },
  TypeProto: {
    tensorType: [1, 'TypeProto.Tensor', 'one'],
    sequenceType: [4, 'TypeProto.Sequence', 'one'],
    mapType: [5, 'TypeProto.Map', 'one'],
    denotation: [6, 'string', 'one'],
    opaqueType: [7, 'TypeProto.Opaque', 'one'],
    sparseTensorType: [8, 'TypeProto.SparseTensor', 'one'],
    optionalType: [9, 'TypeProto.Optional', 'one'],
  },
  'TypeProto.Tensor': {
    elemType: [1, 'int32', 'one'],
    shape: [2, 'TensorShapeProto', 'one'],
  },
  'TypeProto.SparseTensor': {
    elemType: [1, 'int32', 'one'],
    shape: [2, 'TensorShapeProto', 'one'],
  },
  'TypeProto.Sequence': { elemType: [1, 'TypeProto', 'one'] },
  'TypeProto.Optional': { elemType: [1, 'TypeProto', 'one'] },
  'TypeProto.Map': {
    keyType: [1, 'int32', 'one'],
    valueType: [2, 'TypeProto', 'one'],
  },
  'TypeProto.Opaque': {
    domain: [1, 'string', 'one'],
    name: [2, 'string', 'one'],
  },
  TensorShapeProto: { dim: [1, 'TensorShapeProto.Dimension', 'list'] },
  'TensorShapeProto.Dimension': {
    dimValue: [1, 'int64', 'one'],
    dimParam: [2, 'string', 'one'],
    denotation: [3, 'string', 'one'],
  },
  OperatorSetIdProto: {
    domain: [1, 'string', 'one'],
    version: [2, 'int64', 'one'],
  },
  StringStringEntryProto: {
    key: [1, 'string', 'one'],
    value: [2, 'string', 'one'],
  },
  TensorAnnotation: {
    tensorName: [1, 'string', 'one'],
    quantParameterTensorNames: [2, 'StringStringEntryProto', 'list'],
  },
  FunctionProto: {
    name: [1, 'string', 'one'],
    input: [4, 'string', 'list'],
    output: [5, 'string', 'list'],
    attribute: [6, 'string', 'list'],
    node: [7, 'NodeProto', 'list'],
    docString: [8, 'string', 'one'],
    opsetImport: [9, 'OperatorSetIdProto', 'list'],
    domain: [10, 'string', 'one'],
    attributeProto: [11, 'AttributeProto', 'many'],
    valueInfo: [12, 'ValueInfoProto', 'many'],
    overload: [13, 'string', 'one'],
    metadataProps: [14, 'StringStringEntryProto', 'many'],
  },
  TrainingInfoProto: {
    initialization: [1, 'GraphProto', 'one'],
    algorithm: [2, 'GraphProto', 'one'],
    initializationBinding: [3, 'StringStringEntryProto', 'list'],
    updateBinding: [4, 'StringStringEntryProto', 'list'],
  },
  DeviceConfigurationProto: {
    name: [1, 'string', 'one'],
    numDevices: [2, 'int32', 'one'],
    device: [3, 'string', 'list'],
  },
  NodeDeviceConfigurationProto: {
    configurationId: [1, 'string', 'one'],
    shardingSpec: [2, 'ShardingSpecProto', 'list'],
    pipelineStage: [3, 'int32', 'one'],
  },
  ShardingSpecProto: {
    tensorName: [1, 'string', 'one'],
    device: [2, 'int64', 'list'],
    indexToDeviceGroupMap: [3, 'IntIntListEntryProto', 'list'],
    shardedDim: [4, 'ShardedDimProto', 'list'],
  },
  ShardedDimProto: {
    axis: [1, 'int64', 'one'],
    simpleSharding: [2, 'SimpleShardedDimProto', 'list'],
  },
  SimpleShardedDimProto: {
    dimValue: [1, 'int64', 'one'],
    dimParam: [2, 'string', 'one'],
    numShards: [3, 'int64', 'one'],
  },
  IntIntListEntryProto: {
    key: [1, 'int64', 'one'],
    value: [2, 'int64', 'list'],
  },
};
