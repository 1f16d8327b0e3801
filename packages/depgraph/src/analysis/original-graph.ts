/**
 * The graph as it was analysed, kept beside the graph as it is now. Sizes that nodes state are always rewritten from
 * here, with everything that was removed so far: the result does not depend on the steps in which it was removed, and
 * nothing piles up. Only what was edited is kept twice, and that is small: weights are sliced where they are.
 */
import {
  cloneProto,
  GraphEditor,
  type Model,
  NameTable,
  type NodeProto,
  outerReferences,
  replaceConstants,
  subgraphs,
  type TensorProto,
  withContentOf,
} from '@onnx-pruning/onnx';
import type { ValueInfo } from '@onnx-pruning/ops';
import { constantInfo, type ShapeTable } from '../shapes/shapes.ts';
import type { Staged } from './staged.ts';

export class OriginalGraph {
  /** The nodes that were analysed, in order. */
  readonly nodes: readonly NodeProto[];
  /** What was known of every value. */
  readonly values: Map<string, ValueInfo>;
  /** Names that its values had, with those of vectors that were separated since. */
  readonly names: NameTable;
  readonly #model: Model;
  readonly #shapes: ShapeTable;
  readonly #uses: ReadonlyMap<string, number>;
  /** Nodes as they were analysed, where they are others now or were shown with vectors of their own. */
  readonly #nodes = new Map<NodeProto, NodeProto>();
  /** Replaced constants as they were. */
  readonly #constants = new Map<string, TensorProto>();
  #added: readonly TensorProto[] = [];
  #inserted: ReadonlySet<NodeProto> = new Set();

  constructor(model: Model, shapes: ShapeTable) {
    this.#model = model;
    this.#shapes = shapes;
    this.nodes = [...model.graph.node];
    this.values = new Map(shapes.values);
    this.names = NameTable.valuesOf(model.proto);
    for (const { copy } of shapes.vectors.copies) this.names.claim(copy.name ?? '');
    this.#uses = countUses(model, (node) => shapes.vectors.node(node));
    for (const { node } of shapes.vectors.copies) this.#nodes.set(node, shapes.vectors.node(node));
  }

  /** A node as it was. */
  node(node: NodeProto): NodeProto {
    return this.#nodes.get(node) ?? node;
  }

  /** The constants that were there, with their weights as they are and their sizes as they were. */
  constants(): Map<string, TensorProto> {
    const constants = new Map([...this.#shapes.constants, ...this.#constants]);
    for (const { name = '' } of this.#added) constants.delete(name);
    return constants;
  }

  /** What is known of a constant of `constants()`. */
  constantInfo(name: string): ValueInfo | undefined {
    return (this.#constants.has(name) ? this.values : this.#shapes.values).get(name);
  }

  /** Whether nothing but one input of one node uses the value. */
  hasOneUse(name: string): boolean {
    return this.#uses.get(name) === 1;
  }

  /** Puts staged edits in the place of all earlier ones. */
  commit(staged: Staged): void {
    this.#commitGraph(staged);
    const written = new Map<string, TensorProto>();
    this.#withdraw(staged, written);
    this.#commitConstants(staged, written);
    replaceConstants(this.#model.graph, written);
    for (const [name, info] of staged.values) this.#shapes.values.set(name, info);
  }

  #withdraw(staged: Staged, written: Map<string, TensorProto>): void {
    const { values, constants, records } = this.#shapes;
    for (const node of this.#inserted) {
      records.delete(node);
      for (const name of node.output) values.delete(name);
    }
    for (const { name = '' } of this.#added) {
      constants.delete(name);
      values.delete(name);
    }
    for (const [name, tensor] of this.#constants) if (!staged.replaced.has(name)) this.#write(name, tensor, written);
  }

  #commitConstants(staged: Staged, written: Map<string, TensorProto>): void {
    for (const [name, tensor] of staged.constants) {
      const now = this.#shapes.constants.get(name);
      if (!now || now === tensor) continue;
      if (staged.replaced.has(name) && !this.#constants.has(name)) {
        this.#constants.set(name, now);
        this.values.set(name, constantInfo(now));
      }
      this.#write(name, tensor, written);
    }
    for (const tensor of staged.added) this.#shapes.constants.set(tensor.name ?? '', tensor);
    this.#added = staged.added;
    this.#inserted = new Set([...staged.before.values()].flat());
  }

  /** Puts a tensor with this content in the place of the one that holds a constant. */
  #write(name: string, content: TensorProto, written: Map<string, TensorProto>): void {
    const tensor = withContentOf(this.#shapes.constants.get(name)!, content);
    this.#shapes.constants.set(name, tensor);
    written.set(name, tensor);
  }

  /** Nodes and initializers come, go and change all at once; a graph that would not be valid stays as it is. */
  #commitGraph(staged: Staged): void {
    // What is inserted has its names already: `names` must not learn those, for they are given again after a withdrawal.
    const editor = new GraphEditor(this.#model, { names: new NameTable() });
    this.#shapes.vectors.stage(editor);
    for (const node of this.#inserted) editor.removeNode(node);
    for (const { name = '' } of this.#added) editor.removeInitializer(name);
    const originals = [...staged.nodes.keys()].filter((node) => !this.#nodes.has(node));
    const before = originals.map((node) => [node, cloneProto(node)] as const);
    for (const [node, original] of this.#nodes) assign(editor.edit(node), staged.nodes.get(node) ?? original);
    for (const node of originals) assign(editor.edit(node), staged.nodes.get(node) ?? node);
    for (const [node, added] of staged.before) for (const one of added) editor.insert(one, { before: node });
    for (const tensor of staged.added) editor.insertInitializer(tensor);
    editor.commit();
    this.#shapes.vectors.settle();
    for (const [node, original] of before) this.#nodes.set(node, original);
  }
}

/** What a rewritten node states anew. */
function assign(copy: NodeProto, { input, attribute }: NodeProto): void {
  copy.input = [...input];
  copy.attribute = attribute;
}

/** How often every value is used: by nodes, by what subgraphs capture, and as graph outputs. */
function countUses({ graph }: Model, shown: (node: NodeProto) => NodeProto): Map<string, number> {
  const uses = new Map<string, number>();
  const use = (name: string): void => {
    uses.set(name, (uses.get(name) ?? 0) + 1);
  };
  for (const node of graph.node) {
    shown(node).input.forEach(use);
    subgraphs(node).flatMap(outerReferences).forEach(use);
  }
  for (const { name = '' } of graph.output) use(name);
  return uses;
}
