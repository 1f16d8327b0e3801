/**
 * What users import: the public API of every package of the engine under one name. The command line is a program, not
 * a library, and no part of this. Where two packages have one name, a line here decides: the newest opset is the same
 * in both, and of the two types ValueInfo, operator records use one and sessions the other.
 */
export * from '@onnx-pruning/cost';
export * from '@onnx-pruning/depgraph';
export * from '@onnx-pruning/onnx';
export { NEWEST_OPSET } from '@onnx-pruning/onnx';
export type { ValueInfo } from '@onnx-pruning/ops';
export * from '@onnx-pruning/ops';
export * from '@onnx-pruning/proof';
export * from '@onnx-pruning/pruning';
export * from '@onnx-pruning/report';
export type { ValueInfo as SessionValueInfo } from '@onnx-pruning/runtime';
export * from '@onnx-pruning/runtime';
