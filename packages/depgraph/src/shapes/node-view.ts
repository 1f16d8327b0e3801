/**
 * What a record is shown of a node: attributes, inputs and constants. No policy here.
 */
import {
  attrFloat,
  attrInt,
  attrInts,
  attrString,
  getAttribute,
  type NodeProto,
  type TensorProto,
} from '@onnx-pruning/onnx';
import type { NodeView, ValueInfo } from '@onnx-pruning/ops';

export class GraphNodeView implements NodeView {
  readonly node: NodeProto;
  readonly opset: number;
  readonly inputs: readonly (ValueInfo | undefined)[];
  readonly #constants: ReadonlyMap<string, TensorProto>;

  constructor(
    node: NodeProto,
    opset: number,
    inputs: readonly (ValueInfo | undefined)[],
    constants: ReadonlyMap<string, TensorProto>,
  ) {
    this.node = node;
    this.opset = opset;
    this.inputs = inputs;
    this.#constants = constants;
  }

  constant(i: number): TensorProto | undefined {
    return this.#constants.get(this.node.input[i] ?? '');
  }

  int(name: string, fallback: number): number {
    return attrInt(this.node, name, fallback);
  }

  ints(name: string): number[] | undefined {
    return attrInts(this.node, name);
  }

  float(name: string, fallback: number): number {
    return attrFloat(this.node, name, fallback);
  }

  string(name: string, fallback: string): string {
    return attrString(this.node, name, fallback);
  }

  has(name: string): boolean {
    return getAttribute(this.node, name) !== undefined;
  }
}

/** How a node is called in messages: its name, or its first output where it has none. */
export function nodeLabel(node: NodeProto): string {
  return node.name || node.output.find((name) => name) || '(unnamed)';
}
