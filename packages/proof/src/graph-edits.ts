/** The graph editor in the words of the reference: nodes with one output that are named after their input. */
import { GraphEditor, type Model, type NodeProto, type TensorProto } from '@onnx-pruning/onnx';

/** Where a node goes. */
export type Place = { readonly before: NodeProto } | { readonly after: NodeProto };

export class GraphEdits {
  readonly #editor: GraphEditor;

  constructor(model: Model) {
    this.#editor = new GraphEditor(model);
  }

  /** A value name that nothing else has. */
  freshName(like: string): string {
    return this.#editor.freshName(like);
  }

  /** The copy of a node that will take its place. */
  edit(node: NodeProto): NodeProto {
    return this.#editor.edit(node);
  }

  /** Adds a constant under a fresh name like its own. */
  addConstant(tensor: TensorProto): string {
    return this.#editor.initializer(tensor);
  }

  /** Adds a node with one output, fresh unless it is given; returns the output. */
  addNode(
    place: Place,
    opType: string,
    input: readonly string[],
    ints: Record<string, number> = {},
    output: string = this.freshName(`${input[0]}_${opType.toLowerCase()}`),
  ): string {
    return this.#editor.node(opType, input, ints, { ...place, name: output, outputs: [output] });
  }

  commit(): void {
    this.#editor.commit();
  }
}
