/** Staged additions to a graph: nodes before and after others, constants, renamed inputs. Committed all at once. */
import { cloneProto, type GraphProto, type NodeProto, setAttribute, type TensorProto } from '@onnx-pruning/onnx';

export class GraphEdits {
  readonly #graph: GraphProto;
  readonly #names = new Set<string>();
  readonly #edited = new Map<NodeProto, NodeProto>();
  readonly #before = new Map<NodeProto, NodeProto[]>();
  readonly #after = new Map<NodeProto, NodeProto[]>();
  readonly #constants: TensorProto[] = [];

  constructor(graph: GraphProto) {
    this.#graph = graph;
    for (const node of graph.node) for (const name of [...node.input, ...node.output]) this.#names.add(name);
    for (const tensor of graph.initializer) this.#names.add(tensor.name ?? '');
  }

  /** A value name that nothing else has. */
  freshName(like: string): string {
    let name = like;
    for (let i = 0; this.#names.has(name); i++) name = `${like}_${i}`;
    this.#names.add(name);
    return name;
  }

  /** The copy of a node that will take its place. */
  edit(node: NodeProto): NodeProto {
    let copy = this.#edited.get(node);
    if (!copy) {
      copy = cloneProto(node);
      this.#edited.set(node, copy);
    }
    return copy;
  }

  /** Adds a constant under a fresh name like its own. */
  addConstant(tensor: TensorProto): string {
    tensor.name = this.freshName(tensor.name || 'constant');
    this.#constants.push(tensor);
    return tensor.name;
  }

  /** Makes a node with one output and hands it to `insert`; returns the output. */
  addNode(
    insert: (added: NodeProto) => void,
    opType: string,
    input: string[],
    ints: Record<string, number> = {},
  ): string {
    const output = this.freshName(`${input[0]}_${opType.toLowerCase()}`);
    const node: NodeProto = { input, output: [output], name: output, opType, attribute: [] };
    for (const [name, value] of Object.entries(ints)) setAttribute(node, name, value, 'int');
    insert(node);
    return output;
  }

  insertBefore(node: NodeProto, added: NodeProto): void {
    this.#before.set(node, [...(this.#before.get(node) ?? []), added]);
  }

  insertAfter(node: NodeProto, added: NodeProto): void {
    this.#after.set(node, [...(this.#after.get(node) ?? []), added]);
  }

  commit(): void {
    this.#graph.initializer.push(...this.#constants);
    this.#graph.node = this.#graph.node.flatMap((node) => [
      ...(this.#before.get(node) ?? []),
      this.#edited.get(node) ?? node,
      ...(this.#after.get(node) ?? []),
    ]);
  }
}
