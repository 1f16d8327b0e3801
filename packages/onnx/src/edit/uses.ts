/**
 * Who uses a value: nodes of a graph, the bodies in them, and graph outputs. Kept up to date while the graph is edited,
 * so that thousands of replacements do not each look at the whole graph.
 */
import type { GraphProto, NodeProto } from '../proto.ts';
import { subgraphs } from '../walk.ts';
import { EditError } from './edit-error.ts';
import { renameEntry } from './entries.ts';
import { type GraphStage, namesUsed } from './stage.ts';

/** The graphs of a model as they are edited. */
export interface EditedGraphs {
  stage(graph: GraphProto, outer: { readonly graph: GraphProto; readonly owner: NodeProto }): GraphStage;
  uses(stage: GraphStage): UseIndex;
  knownUses(stage: GraphStage): UseIndex | undefined;
}

/** One place that uses a value: a node of a graph, or (without a node) the outputs of a graph. */
export interface UseSite {
  readonly stage: GraphStage;
  readonly node?: NodeProto;
}

export class UseIndex {
  readonly #stage: GraphStage;
  readonly #users = new Map<string, Set<NodeProto>>();
  /** Copies that callers hold: what they use may change at any time. */
  readonly #handedOut = new Set<NodeProto>();

  constructor(stage: GraphStage, stageOf: (graph: GraphProto) => GraphStage | undefined) {
    this.#stage = stage;
    for (const node of stage.identities()) this.note(node, namesUsed(stage.current(node), stageOf));
    for (const node of stage.edited.keys()) this.handOut(node);
  }

  /** Adds uses by a node of the graph, its own or those of its bodies; those of a body's outer values as well. */
  note(node: NodeProto, names: Iterable<string>): void {
    for (const name of names) {
      if (name === '') continue;
      const users = this.#users.get(name);
      if (users === undefined) this.#users.set(name, new Set([node]));
      else users.add(node);
    }
  }

  handOut(node: NodeProto): void {
    this.#handedOut.add(node);
  }

  /** Nodes that may use the value, themselves or in a body. */
  candidates(name: string): Set<NodeProto> {
    const found = [...(this.#users.get(name) ?? []), ...this.#handedOut];
    return new Set(found.filter((node) => !this.#stage.removed.has(node)));
  }
}

/** Tells the graph of a node, and those around it, what the node uses. */
export function noteUses(graphs: EditedGraphs, stage: GraphStage, node: NodeProto, names: readonly string[]): void {
  let at: { stage: GraphStage; owner: NodeProto } | undefined = { stage, owner: node };
  let open = names;
  while (at !== undefined && open.length > 0) {
    const inner: GraphStage = at.stage;
    graphs.knownUses(inner)?.note(at.owner, open);
    at = inner.outer;
    if (at !== undefined) open = open.filter((name) => !inner.defines(name));
  }
}

/** Tells the graph of a node, and those around it, that a caller holds a copy of it. */
export function noteHandedOut(graphs: EditedGraphs, stage: GraphStage, node: NodeProto): void {
  let at: { stage: GraphStage; owner: NodeProto } | undefined = { stage, owner: node };
  for (; at !== undefined; at = at.stage.outer) graphs.knownUses(at.stage)?.handOut(at.owner);
}

export interface FindUses {
  readonly nodes?: ((node: NodeProto) => boolean) | undefined;
  readonly outputs?: boolean | undefined;
}

/**
 * All uses of a value of a graph.
 * @param replacement a name that must mean the same value at every place
 * @throws EditError where a body defines the replacement itself, so that it would mean another value there
 */
export function findUses(
  graphs: EditedGraphs,
  stage: GraphStage,
  name: string,
  replacement: string,
  { nodes = () => true, outputs = false }: FindUses,
): UseSite[] {
  const sites: UseSite[] = [];
  for (const node of graphs.uses(stage).candidates(name)) {
    const now = stage.current(node);
    if (!nodes(node)) continue;
    if (now.input.includes(name)) sites.push({ stage, node });
    for (const body of subgraphs(now)) {
      const inner = graphs.stage(body, { graph: stage.graph, owner: node });
      for (const site of usesInBody(graphs, inner, name, replacement)) sites.push(site);
    }
  }
  if (outputs && stage.outputs.some((output) => output.name === name)) sites.push({ stage });
  return sites;
}

function usesInBody(graphs: EditedGraphs, stage: GraphStage, name: string, replacement: string): UseSite[] {
  if (stage.defines(name)) return [];
  const found = findUses(graphs, stage, name, replacement, { outputs: true });
  if (found.length === 0 || !stage.defines(replacement)) return found;
  throw new EditError('NAME_HIDDEN', 'a body defines the new name itself, so that it would mean another value there', {
    value: replacement,
    node: stage.outer?.owner.name,
    repair: 'Take a name from freshName: it is free in every body.',
  });
}

/** Lets one place use another value. */
export function replaceAt(graphs: EditedGraphs, { stage, node }: UseSite, value: string, replacement: string): void {
  if (node === undefined) {
    const renamed = new Map([[value, replacement]]);
    stage.outputs = stage.outputs.map((output) => renameEntry(output, renamed));
    const { outer } = stage;
    if (outer !== undefined) noteUses(graphs, outer.stage, outer.owner, [replacement]);
    return;
  }
  const copy = stage.editable(node);
  copy.input = copy.input.map((name) => (name === value ? replacement : name));
  noteUses(graphs, stage, node, [replacement]);
}
