/**
 * Everything that is staged for one model: its graphs, names and operator sets. Commits all of it or nothing.
 */
import { checkGraph, Scope } from '../check-graph.ts';
import type { ErrorDetails } from '../errors.ts';
import { toNumber } from '../int64.ts';
import { canonicalDomain, type Model } from '../model.ts';
import type { GraphProto, NodeProto, OperatorSetIdProto } from '../proto.ts';
import { EditError } from './edit-error.ts';
import { NameTable } from './names.ts';
import { GraphStage } from './stage.ts';
import { type EditedGraphs, UseIndex } from './uses.ts';

export class Transaction implements EditedGraphs {
  readonly model: Model;
  #values: NameTable | undefined;
  #nodeNames: NameTable | undefined;
  readonly #stages = new Map<GraphProto, GraphStage>();
  readonly #uses = new Map<GraphStage, UseIndex>();
  #opsets: readonly OperatorSetIdProto[] | undefined;

  constructor(model: Model, values?: NameTable) {
    this.model = model;
    this.#values = values;
  }

  /** Value names of the whole model, read when the first one is asked for. */
  get values(): NameTable {
    this.#values ??= NameTable.valuesOf(this.model.proto);
    return this.#values;
  }

  get nodeNames(): NameTable {
    this.#nodeNames ??= NameTable.nodesOf(this.model.proto);
    return this.#nodeNames;
  }

  /** The stage of a graph, made when it is first edited. */
  stage(graph: GraphProto, outer?: { readonly graph: GraphProto; readonly owner: NodeProto }): GraphStage {
    let stage = this.#stages.get(graph);
    if (stage === undefined) {
      stage = new GraphStage(graph, outer && { stage: this.stage(outer.graph), owner: outer.owner });
      this.#stages.set(graph, stage);
    }
    return stage;
  }

  /** The stage of a graph that has one. */
  readonly staged = (graph: GraphProto): GraphStage | undefined => this.#stages.get(graph);

  /** Who uses what in a graph. */
  uses(stage: GraphStage): UseIndex {
    let index = this.#uses.get(stage);
    if (index === undefined) {
      index = new UseIndex(stage, this.staged);
      this.#uses.set(stage, index);
    }
    return index;
  }

  /** The index of a graph, where one was made. */
  knownUses(stage: GraphStage): UseIndex | undefined {
    return this.#uses.get(stage);
  }

  /** Adds an import where the model has none of this domain. @throws EditError when it imports an older version */
  requireOpset(domain: string, version: number): void {
    const imports = this.#opsets ?? this.model.proto.opsetImport;
    const wanted = canonicalDomain(domain);
    const found = imports.find((entry) => canonicalDomain(entry.domain) === wanted);
    if (found === undefined) {
      this.#opsets = [...imports, { domain: wanted, version }];
      return;
    }
    if (toNumber(found.version) >= version) return;
    throw new EditError(
      'OPSET_TOO_OLD',
      `the model imports an older version of operator set '${wanted || 'ai.onnx'}'`,
      {
        expected: `version ${version} or later`,
        actual: toNumber(found.version),
        repair: 'Export the model with a newer opset, or convert it.',
      },
    );
  }

  /** Applies everything, checks the result, and takes it back where it does not hold. */
  commit(): void {
    const undo: (() => void)[] = [];
    try {
      // Bodies first: where a node is placed depends on what its bodies use.
      const stages = [...this.#stages.values()].sort((a, b) => b.depth - a.depth);
      for (const stage of stages) undo.push(stage.apply());
      undo.push(this.#applyOpsets());
      this.#check();
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
    this.#stages.clear();
    this.#uses.clear();
    this.#opsets = undefined;
  }

  #applyOpsets(): () => void {
    const { proto } = this.model;
    const before = proto.opsetImport;
    if (this.#opsets !== undefined) proto.opsetImport = [...this.#opsets];
    return () => {
      proto.opsetImport = before;
    };
  }

  #check(): void {
    const { graph, proto } = this.model;
    const opsets = new Map(proto.opsetImport.map((entry) => [canonicalDomain(entry.domain), toNumber(entry.version)]));
    const fail = (code: string, what: string, details: ErrorDetails): never => {
      throw new EditError(code, `The edited graph breaks a rule. ${what}`, details);
    };
    checkGraph(graph, new Scope(), { fail, opsets });
  }
}
