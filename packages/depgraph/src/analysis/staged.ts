/** Edits of a model that are collected, until all of them are known to fit. */
import type { NodeProto, TensorProto } from '@onnx-pruning/onnx';
import type { ValueInfo } from '@onnx-pruning/ops';

/** What is edited, until it is committed. */
export interface Staged {
  /** Constants by name; new ones are appended to the initializers. */
  readonly constants: Map<string, TensorProto>;
  readonly added: TensorProto[];
  /** Names of the constants that state new sizes, as opposed to those whose channels were gathered. */
  readonly replaced: Set<string>;
  /** Edited copies of nodes. */
  readonly nodes: Map<NodeProto, NodeProto>;
  /** Nodes to insert in front of a node. */
  readonly before: Map<NodeProto, NodeProto[]>;
  readonly values: Map<string, ValueInfo>;
}
