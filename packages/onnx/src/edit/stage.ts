/**
 * What is to become of one graph: edited copies, insertions, removals and lists of inputs, outputs and initializers.
 * Nothing of it reaches the graph before `apply`, which can be undone.
 */
import { shallowCloneProto } from '../clone.ts';
import type { GraphProto, NodeProto, TensorProto, ValueInfoProto } from '../proto.ts';
import { definedNames, subgraphs } from '../walk.ts';
import { EditError } from './edit-error.ts';
import { renameAnnotation, renameEntry } from './entries.ts';
import { placeNodes } from './placement.ts';

/** A copy of a node whose lists and attributes may be set anew. Bodies are shared: they have edits of their own. */
export function copyNode(node: NodeProto): NodeProto {
  const copy = shallowCloneProto(node);
  copy.input = node.input.slice();
  copy.output = node.output.slice();
  copy.attribute = node.attribute.map(shallowCloneProto);
  return copy;
}

/** A list by name, in order. @throws EditError when two entries have one name */
function byName<T>(entries: readonly T[], nameOf: (entry: T) => string | undefined, what: string): Map<string, T> {
  const map = new Map(entries.map((entry) => [nameOf(entry) ?? '', entry]));
  if (map.size === entries.length) return map;
  const names = entries.map(nameOf);
  const value = names.find((name, i) => names.indexOf(name) !== i);
  throw new EditError('DUPLICATE_VALUE', `two ${what}s of the graph have the same name`, { value });
}

export class GraphStage {
  readonly graph: GraphProto;
  /** The stage of the graph around this one, and the node there whose body this is. */
  readonly outer: { readonly stage: GraphStage; readonly owner: NodeProto } | undefined;
  readonly edited = new Map<NodeProto, NodeProto>();
  readonly replaced = new Map<NodeProto, NodeProto>();
  readonly removed = new Set<NodeProto>();
  readonly before = new Map<NodeProto, NodeProto[]>();
  readonly after = new Map<NodeProto, NodeProto[]>();
  /** Added nodes that stand where they are needed, else at the end. */
  readonly floating: NodeProto[] = [];
  readonly renamed = new Map<string, string>();
  readonly #baseNodes: readonly NodeProto[];
  readonly #baseLength: number;
  readonly #added = new Set<NodeProto>();
  #base: ReadonlySet<NodeProto> | undefined;
  #producers: Map<string, NodeProto> | undefined;
  #initializers: Map<string, TensorProto> | undefined;
  #inputs: Map<string, ValueInfoProto> | undefined;
  outputs: readonly ValueInfoProto[];

  constructor(graph: GraphProto, outer?: { readonly stage: GraphStage; readonly owner: NodeProto }) {
    this.graph = graph;
    this.outer = outer;
    this.outputs = graph.output;
    this.#baseNodes = graph.node;
    this.#baseLength = graph.node.length;
  }

  get depth(): number {
    return this.outer === undefined ? 0 : this.outer.stage.depth + 1;
  }

  get initializers(): Map<string, TensorProto> {
    this.#initializers ??= byName(this.graph.initializer, (tensor) => tensor.name, 'initializer');
    return this.#initializers;
  }

  get inputs(): Map<string, ValueInfoProto> {
    this.#inputs ??= byName(this.graph.input, (input) => input.name, 'input');
    return this.#inputs;
  }

  /** The node that computes a value of this graph, as staged. */
  get producers(): Map<string, NodeProto> {
    if (this.#producers === undefined) {
      this.#producers = new Map();
      for (const node of this.graph.node) this.#produce(node);
    }
    return this.#producers;
  }

  /** Whether this very graph defines the name. */
  defines(name: string): boolean {
    return (
      this.producers.has(name) ||
      this.initializers.has(name) ||
      this.inputs.has(name) ||
      this.graph.sparseInitializer.some((sparse) => sparse.values?.name === name)
    );
  }

  has(node: NodeProto): boolean {
    this.#base ??= new Set(this.graph.node);
    return this.#base.has(node) || this.#added.has(node);
  }

  /** A node as staged: its edited copy, what replaces it, or itself. */
  current(node: NodeProto): NodeProto {
    return this.replaced.get(node) ?? this.edited.get(node) ?? node;
  }

  /** All nodes that stay or are added, by which they are known: `current` says what each has become. */
  *identities(): Generator<NodeProto> {
    for (const node of this.graph.node) if (!this.removed.has(node)) yield node;
    for (const node of this.#added) if (!this.removed.has(node)) yield node;
  }

  /** All nodes that stay or are added, as staged, in no particular order. */
  *nodes(): Generator<NodeProto> {
    for (const node of this.identities()) yield this.current(node);
  }

  /** What may be changed in place of a node: its copy; an added node itself. */
  editable(node: NodeProto): NodeProto {
    const now = this.current(node);
    if (now !== node || this.#added.has(node)) return now;
    const copy = copyNode(node);
    this.edited.set(node, copy);
    return copy;
  }

  /** Adds a node beside another one, or wherever it can be computed. */
  add(node: NodeProto, { before, after }: { readonly before?: NodeProto; readonly after?: NodeProto } = {}): void {
    if (before !== undefined) beside(this.before, before).push(node);
    else if (after !== undefined) beside(this.after, after).push(node);
    else this.floating.push(node);
    this.#added.add(node);
    this.#produce(node);
  }

  #produce(node: NodeProto): void {
    for (const name of node.output) if (name !== '') this.producers.set(name, node);
  }

  /** Writes everything into the graph. Returns what undoes it. @throws EditError when the graph changed meanwhile */
  apply(): () => void {
    const { graph } = this;
    if (graph.node !== this.#baseNodes || graph.node.length !== this.#baseLength) {
      throw new EditError('GRAPH_CHANGED', 'the graph was changed by others while it was edited', {
        repair: 'Make a new editor, and commit it before the graph is changed otherwise.',
      });
    }
    const before: Partial<GraphProto> = {
      node: graph.node,
      initializer: graph.initializer,
      input: graph.input,
      output: graph.output,
      valueInfo: graph.valueInfo,
      quantizationAnnotation: graph.quantizationAnnotation,
    };
    const nodes = [...this.edited].filter(([node]) => !this.removed.has(node) && !this.replaced.has(node));
    const contents = nodes.map(([node]) => [node, shallowCloneProto(node)] as const);
    const undo = (): void => {
      for (const [node, content] of contents) setContent(node, content);
      Object.assign(graph, before);
    };
    const touched = [...this.edited.keys(), ...this.replaced.keys(), ...this.removed];
    const vanished = new Set(touched.flatMap((node) => node.output));
    for (const [node, copy] of nodes) setContent(node, copy);
    graph.node = placeNodes(this);
    if (this.#initializers !== undefined) graph.initializer = [...this.#initializers.values()];
    if (this.#inputs !== undefined) graph.input = [...this.#inputs.values()];
    graph.output = [...this.outputs];
    this.#updateDeclarations(vanished);
    return undo;
  }

  /** Declared types and annotations follow renamed values; those of values that are gone go too. */
  #updateDeclarations(vanished: Set<string>): void {
    const { graph, renamed } = this;
    if (renamed.size > 0) {
      graph.valueInfo = graph.valueInfo.map((info) => renameEntry(info, renamed));
      graph.quantizationAnnotation = graph.quantizationAnnotation.map((entry) => renameAnnotation(entry, renamed));
    }
    if (vanished.size === 0) return;
    for (const name of definedNames(graph)) vanished.delete(name);
    if (vanished.size === 0) return;
    graph.valueInfo = graph.valueInfo.filter(({ name = '' }) => !vanished.has(name));
    graph.quantizationAnnotation = graph.quantizationAnnotation.filter(
      ({ tensorName = '' }) => !vanished.has(tensorName),
    );
  }
}

/** Lets a message hold what another holds; its identity stays, because others refer to it. */
function setContent(node: NodeProto, content: NodeProto): void {
  for (const key of Object.keys(node)) if (!Object.hasOwn(content, key)) Reflect.deleteProperty(node, key);
  Object.assign(node, content);
}

/** Names that a node uses: its inputs, and what its bodies take from around them. @param stageOf edits of a body */
export function namesUsed(node: NodeProto, stageOf: (graph: GraphProto) => GraphStage | undefined): string[] {
  if (node.attribute.length === 0) return node.input;
  const bodies = subgraphs(node);
  return bodies.length === 0 ? node.input : [...node.input, ...bodies.flatMap((body) => captured(body, stageOf))];
}

/** Values that a body, as staged, uses and does not define. */
function captured(graph: GraphProto, stageOf: (graph: GraphProto) => GraphStage | undefined): string[] {
  const stage = stageOf(graph) ?? new GraphStage(graph);
  const used = stage.outputs.map(({ name = '' }) => name);
  for (const node of stage.nodes()) for (const name of namesUsed(node, stageOf)) used.push(name);
  return used.filter((name) => name !== '' && !stage.defines(name));
}

/** The nodes that were put beside one so far. */
function beside(places: Map<NodeProto, NodeProto[]>, at: NodeProto): NodeProto[] {
  const known = places.get(at) ?? [];
  places.set(at, known);
  return known;
}
