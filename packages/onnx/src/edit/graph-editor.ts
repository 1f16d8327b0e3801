/**
 * The one way in which graphs are changed: everything that adds, replaces or renames nodes goes through an editor. It
 * knows all names of a model, stages what it is told, and commits all of it at once or nothing. It knows no operator.
 */
import { checkArgument, checkArguments, checkOptions, kinds, listOf, optional } from '../arguments.ts';
import { type AttributeValue, attributeOf } from '../attribute-value.ts';
import { getAttribute } from '../attributes.ts';
import { constantTensor } from '../constants.ts';
import type { Model } from '../model.ts';
import type { GraphProto, NodeProto, TensorProto, ValueInfoProto } from '../proto.ts';
import { tensorDims } from '../tensor.ts';
import { tensorType } from '../tensor-type.ts';
import { subgraphs } from '../walk.ts';
import { removeDead } from './dead.ts';
import { EditError, noSuch } from './edit-error.ts';
import { declarationOf, named, renameKey } from './entries.ts';
import { type NameScheme, numbered, suffixed } from './names.ts';
import { makeNode, outputNames } from './new-node.ts';
import {
  type GraphEditorOptions,
  INSERTED_NODE_OPTIONS,
  type InsertedNodeOptions,
  type ReplaceUsesOptions,
} from './options.ts';
import { type GraphStage, namesUsed } from './stage.ts';
import { Transaction } from './transaction.ts';
import { findUses, noteHandedOut, noteUses, replaceAt } from './uses.ts';

export { EditError } from './edit-error.ts';

interface EditedBody {
  readonly transaction: Transaction;
  readonly graph: GraphProto;
  readonly editor: GraphEditor;
  readonly owner: NodeProto;
}

/**
 * Edits one graph of a model. Editors of its bodies (`body`) share names, staging and commit with it.
 *
 * Nothing reaches the model before `commit`; an editor that is dropped has changed nothing. Nodes keep their identity
 * when they are edited. Content of tensors is never written to: tensors are exchanged.
 *
 * @example
 * const editor = new GraphEditor(model);
 * const mask = editor.initializer(makeTensor('mask', DataType.FLOAT, [1, 3, 1, 1], [1, 0, 1]));
 * const masked = editor.node('Mul', ['relu_out', mask]);
 * editor.replaceUses('relu_out', masked, { nodes: (node) => node.name === 'conv2' });
 * editor.commit();
 */
export class GraphEditor {
  readonly #transaction: Transaction;
  readonly #graph: GraphProto;
  readonly #outer: { readonly editor: GraphEditor; readonly owner: NodeProto } | undefined;
  readonly #prefix: string;

  /** @param body internal: the body to edit, by an editor of the graph around it */
  constructor(model: Model, options: GraphEditorOptions = {}, body?: EditedBody) {
    checkArguments('new GraphEditor', { model: [model, kinds.model] });
    checkOptions('new GraphEditor', options, { prefix: kinds.text, names: kinds.object });
    const { prefix = '', names } = options;
    this.#prefix = prefix;
    this.#transaction = body?.transaction ?? new Transaction(model, names);
    this.#graph = body?.graph ?? model.graph;
    this.#outer = body;
    this.#stage(); // The graph is watched from here on.
  }

  /** The graph that is edited, as it was at the last commit. */
  get graph(): GraphProto {
    return this.#graph;
  }

  /**
   * An editor of a body of a node of this graph.
   * @param attribute name of the attribute that holds it, such as `then_branch` or `body`
   * @throws EditError when the node has no such body
   */
  body(node: NodeProto, attribute: string): GraphEditor {
    this.#assertMine(node);
    const graph = getAttribute(this.#stage().current(node), attribute)?.g;
    if (graph === undefined) throw noSuch('body', attribute, node);
    return this.#editorOf(graph, node);
  }

  /** Editors of all bodies of a node of this graph. */
  bodies(node: NodeProto): GraphEditor[] {
    this.#assertMine(node);
    return subgraphs(this.#stage().current(node)).map((graph) => this.#editorOf(graph, node));
  }

  #editorOf(graph: GraphProto, owner: NodeProto): GraphEditor {
    const transaction = this.#transaction;
    return new GraphEditor(transaction.model, { prefix: this.#prefix }, { transaction, graph, editor: this, owner });
  }

  /** The editor of the graph that defines what a name means here: this one's, or one around it; undefined if none. */
  scopeOf(value: string): GraphEditor | undefined {
    return this.#stage().defines(value) ? this : this.#outer?.editor.scopeOf(value);
  }

  /** The node of this graph that computes a value; undefined for inputs, initializers and values of other graphs. */
  producer(value: string): NodeProto | undefined {
    return this.#stage().producers.get(value);
  }

  /** The tensor of an initializer or Constant node of this graph, as staged. */
  constant(value: string): TensorProto | undefined {
    const stage = this.#stage();
    const node = stage.producers.get(value);
    return stage.initializers.get(value) ?? (node && constantTensor(stage.current(node)));
  }

  // Names

  /** A value name that nothing in the model has, in any graph. */
  freshName(like: string, scheme: NameScheme = suffixed): string {
    checkArguments('freshName', { like: [like, kinds.text], scheme: [scheme, kinds.callback] });
    return this.#transaction.values.fresh(this.#prefix + like, scheme);
  }

  /** A node name that no node of the model has. */
  freshNodeName(like: string, scheme: NameScheme = numbered): string {
    checkArguments('freshNodeName', { like: [like, kinds.text], scheme: [scheme, kinds.callback] });
    return this.#transaction.nodeNames.fresh(this.#prefix + like, scheme);
  }

  // Nodes

  /** Adds a node; an empty input name is an absent optional input. Returns the name of its first output. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: InsertedNodeOptions = {},
  ): string {
    return this.nodeOutputs(opType, inputs, attributes, options)[0] ?? '';
  }

  /** As `node`, returning the names of all outputs. */
  nodeOutputs(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: InsertedNodeOptions = {},
  ): string[] {
    checkOptions('node', options, INSERTED_NODE_OPTIONS);
    const name = options.name ?? this.freshNodeName(opType);
    if (options.name !== undefined) this.#transaction.nodeNames.claim(name);
    const output = outputNames(this.#transaction.values, name, options.outputs ?? 1);
    const node = makeNode({ name, opType, inputs, outputs: output, attributes, domain: options.domain });
    this.insert(node, options);
    return output;
  }

  /** As `node`, for a node that is ready: it becomes part of the graph as it is, with the names that it has. */
  insert(node: NodeProto, place: Pick<InsertedNodeOptions, 'before' | 'after'> = {}): void {
    checkArguments('insert', { node: [node, kinds.node], place: [place, kinds.object] });
    const stage = this.#stage();
    for (const name of node.output) this.#transaction.values.claim(name);
    for (const body of subgraphs(node)) this.#transaction.values.claimGraph(body);
    const anchor = place.before ?? place.after;
    if (anchor !== undefined) this.#assertMine(anchor);
    stage.add(node, place);
    noteUses(this.#transaction, stage, node, namesUsed(node, this.#transaction.staged));
  }

  /** A copy of a node, to be changed: it becomes the node's content. The same copy every time; a new node itself. */
  edit(node: NodeProto): NodeProto {
    this.#assertMine(node);
    noteHandedOut(this.#transaction, this.#stage(), node);
    return this.#stage().editable(node);
  }

  /** Puts another operator in the place of a node: it computes the node's outputs. Default name: the node's. */
  replaceNode(
    node: NodeProto,
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: Pick<InsertedNodeOptions, 'name' | 'domain'> = {},
  ): void {
    this.#assertMine(node);
    checkArguments('replaceNode', { options: [options, kinds.object] });
    const stage = this.#stage();
    const { output, name = '' } = stage.current(node);
    const parts = { opType, inputs, outputs: output, attributes, domain: options.domain };
    const replacement = makeNode({ name: options.name ?? name, ...parts });
    for (const body of subgraphs(replacement)) this.#transaction.values.claimGraph(body);
    stage.replaced.set(node, replacement);
    noteUses(this.#transaction, stage, node, namesUsed(replacement, this.#transaction.staged));
  }

  /** Removes a node. What was inserted around it stays; uses of its outputs must be replaced before `commit`. */
  removeNode(node: NodeProto): void {
    this.#assertMine(node);
    const stage = this.#stage();
    stage.removed.add(node);
    for (const name of stage.current(node).output) if (stage.producers.get(name) === node) stage.producers.delete(name);
  }

  // Values

  /**
   * Lets what uses one value use another: nodes of this graph, and what their bodies take from it.
   * @returns how many nodes and lists of outputs were changed
   * @throws EditError when a body defines the replacement itself; nothing is staged then
   */
  replaceUses(value: string, replacement: string, options: ReplaceUsesOptions = {}): number {
    checkArguments('replaceUses', {
      value: [value, kinds.text],
      replacement: [replacement, kinds.text],
      options: [options, kinds.object],
    });
    const sites = findUses(this.#transaction, this.#stage(), value, replacement, options);
    for (const site of sites) replaceAt(this.#transaction, site, value, replacement);
    return sites.length;
  }

  /**
   * Gives a value of this graph another name, wherever it is defined, used, declared or returned.
   * @throws EditError when the name is taken, or this graph does not define the value (as other than a sparse
   * initializer, which keeps its name)
   */
  renameValue(value: string, name: string): void {
    checkArguments('renameValue', { value: [value, kinds.text], name: [name, kinds.text] });
    const stage = this.#stage();
    if (this.#transaction.values.has(name)) throw new EditError('NAME_TAKEN', 'the name is taken', { value: name });
    const producer = stage.producers.get(value);
    const isDefined = producer !== undefined || stage.initializers.has(value) || stage.inputs.has(value);
    if (!isDefined) throw noSuch('value', value);
    const renamed = new Map([[value, name]]);
    this.#transaction.values.claim(name);
    this.replaceUses(value, name, { outputs: true });
    if (producer !== undefined) {
      const copy = stage.editable(producer);
      copy.output = copy.output.map((output) => (output === value ? name : output));
      stage.producers.delete(value);
      stage.producers.set(name, producer);
    }
    renameKey(stage.initializers, renamed);
    renameKey(stage.inputs, renamed);
    stage.renamed.set(value, name);
  }

  // Constants

  /** Adds an initializer under a fresh name like the tensor's. Returns the name. */
  initializer(tensor: TensorProto, scheme?: NameScheme): string {
    checkArguments('initializer', { tensor: [tensor, kinds.tensor] });
    const name = this.freshName(tensor.name || 'constant', scheme);
    this.insertInitializer(named(tensor, name));
    return name;
  }

  /** Adds an initializer that is ready, under the name that it has. @throws EditError when another one has the name */
  insertInitializer(tensor: TensorProto): void {
    checkArguments('insertInitializer', { tensor: [tensor, kinds.tensor] });
    const { name = '' } = tensor;
    const { initializers } = this.#stage();
    if (initializers.has(name)) throw new EditError('NAME_TAKEN', 'another initializer has the name', { value: name });
    this.#transaction.values.claim(name);
    initializers.set(name, tensor);
  }

  /**
   * Makes a constant hold a tensor: an initializer, which keeps its place, or a Constant node.
   * @throws EditError when this graph has no such constant
   */
  replaceConstant(value: string, tensor: TensorProto): void {
    checkArguments('replaceConstant', { value: [value, kinds.text], tensor: [tensor, kinds.tensor] });
    const stage = this.#stage();
    if (stage.initializers.has(value)) {
      stage.initializers.set(value, named(tensor, value));
      return;
    }
    const node = stage.producers.get(value);
    if (node === undefined || constantTensor(stage.current(node)) === undefined) throw noSuch('constant', value);
    stage.editable(node).attribute = [attributeOf('value', tensor)];
  }

  /** Removes an initializer; its uses must be replaced before `commit`. @throws EditError when there is none */
  removeInitializer(value: string): void {
    if (!this.#stage().initializers.delete(value)) throw noSuch('initializer', value);
  }

  /**
   * Makes an initializer, or the value of a Constant node, an input of the graph, so that it is fed on every run.
   * @returns what it held, for `bind` or for feeding
   * @throws EditError when this graph has no such constant
   */
  promote(value: string): TensorProto {
    const stage = this.#stage();
    const tensor = this.constant(value);
    if (tensor === undefined) throw noSuch('constant', value);
    const node = stage.producers.get(value);
    if (!stage.initializers.delete(value) && node !== undefined) this.removeNode(node);
    if (!stage.inputs.has(value)) {
      stage.inputs.set(value, { name: value, type: tensorType(tensor.dataType ?? 0, tensorDims(tensor)) });
    }
    return tensor;
  }

  /** Makes an input of the graph an initializer: the inverse of `promote`. @throws EditError when there is none */
  bind(input: string, tensor: TensorProto): void {
    checkArguments('bind', { input: [input, kinds.text], tensor: [tensor, kinds.tensor] });
    const stage = this.#stage();
    if (!stage.inputs.delete(input)) throw noSuch('input', input);
    stage.initializers.set(input, named(tensor, input));
  }

  // The interface of the graph

  /** Adds an input under a fresh name like the given one; without dims its shape is left open. Returns the name. */
  addInput(like: string, elemType: number, dims?: readonly (number | string)[]): string {
    checkArguments('addInput', { elemType: [elemType, kinds.count], dims: [dims, optional(listOf(kinds.anything))] });
    const name = this.freshName(like);
    this.#stage().inputs.set(name, { name, type: tensorType(elemType, dims) });
    return name;
  }

  /**
   * Adds an input that is ready, under the name that it has: that of a value whose node was removed, for example, which
   * is fed from then on.
   * @throws EditError when the graph still defines the name
   */
  insertInput(input: ValueInfoProto): void {
    checkArguments('insertInput', { input: [input, kinds.object] });
    const { name = '' } = input;
    const stage = this.#stage();
    if (stage.defines(name)) throw new EditError('NAME_TAKEN', 'the graph defines the name itself', { value: name });
    this.#transaction.values.claim(name);
    stage.inputs.set(name, input);
  }

  /** Removes an input; its uses must be replaced before `commit`. @throws EditError when there is none */
  removeInput(name: string): void {
    if (!this.#stage().inputs.delete(name)) throw noSuch('input', name);
  }

  /** Makes a value an output as well. Its type is what the graph declares, where none is given. */
  addOutput(value: string, type?: ValueInfoProto['type']): void {
    checkArguments('addOutput', { value: [value, kinds.text], type: [type, optional(kinds.object)] });
    const stage = this.#stage();
    if (stage.outputs.some(({ name }) => name === value)) return;
    stage.outputs = [...stage.outputs, type === undefined ? declarationOf(this.#graph, value) : { name: value, type }];
  }

  /** Makes these values the outputs, in this order. Types are what the graph declares; else runtimes infer them. */
  setOutputs(values: readonly string[]): void {
    checkArguments('setOutputs', { values: [values, listOf(kinds.text)] });
    const known = new Map(this.#stage().outputs.map((output) => [output.name, output]));
    this.#stage().outputs = values.map((value) => known.get(value) ?? declarationOf(this.#graph, value));
  }

  /** @throws EditError when the value is no output */
  removeOutput(value: string): void {
    const stage = this.#stage();
    if (!stage.outputs.some(({ name }) => name === value)) throw noSuch('output', value);
    stage.outputs = stage.outputs.filter(({ name }) => name !== value);
  }

  /** Removes nodes of this graph whose results nothing uses, and initializers likewise; inputs and their defaults stay. */
  removeDead(): void {
    for (const node of removeDead(this.#stage(), this.#transaction.staged)) this.removeNode(node);
  }

  /** Adds the import of an operator set. @throws EditError when the model imports an older version of it */
  requireOpset(domain: string, version: number): void {
    checkArguments('requireOpset', { domain: [domain, kinds.text], version: [version, kinds.count] });
    this.#transaction.requireOpset(domain, version);
  }

  // The end

  /**
   * Writes everything that was staged, here and in bodies, into the model at once, and checks the rules that
   * `checkModel` has for graphs: names, definitions, order, operator sets. The editor can then be used again.
   * @throws EditError for the first rule that is broken, or when the graph was changed otherwise meanwhile. The model is
   * as it was then, and what was staged is staged still
   */
  commit(): void {
    this.#transaction.commit();
  }

  #stage(): GraphStage {
    const outer = this.#outer && { graph: this.#outer.editor.graph, owner: this.#outer.owner };
    return this.#transaction.stage(this.#graph, outer);
  }

  #assertMine(node: NodeProto): void {
    checkArgument('GraphEditor', 'node', node, kinds.node);
    if (this.#stage().has(node) && !this.#stage().removed.has(node)) return;
    throw noSuch('node', node.output[0] ?? '', node);
  }
}
