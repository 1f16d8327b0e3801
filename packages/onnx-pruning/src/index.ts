/**
 * What users import: the public API of every package of the engine under one name. The command line is a program, not
 * a library, and no part of this.
 */
export * from '@onnx-pruning/depgraph';
export * from '@onnx-pruning/onnx';
// Names that two packages have: the opsets that can be read and those with records are kept equal by a test; of the two
// ValueInfo, operator records use one, and sessions the other.
export { NEWEST_OPSET } from '@onnx-pruning/onnx';
export type { ValueInfo } from '@onnx-pruning/ops';
export * from '@onnx-pruning/ops';
export * from '@onnx-pruning/pruning';
export type { ValueInfo as SessionValueInfo } from '@onnx-pruning/runtime';
export * from '@onnx-pruning/runtime';
