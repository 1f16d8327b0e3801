/**
 * Names that are free. A new name must differ from every name of every graph that is nested in, or around, the one it
 * is added to: a body that defined it would hide the new value, and one that used it would mean another.
 */
import type { GraphProto, ModelProto } from '../proto.ts';
import { nestedScopes, scopesOf } from '../scopes.ts';
import { definedNames } from '../walk.ts';

/** The n-th candidate (from 0) for a name like another. Must give new names for ever. */
export type NameScheme = (like: string, n: number) => string;

/** `like`, `like_0`, `like_1`, ... */
export const suffixed: NameScheme = (like, n) => (n === 0 ? like : `${like}_${n - 1}`);
/** `like_0`, `like_1`, ... */
export const numbered: NameScheme = (like, n) => `${like}_${n}`;

/** Names that are taken. Values and nodes are named apart, as ONNX does. */
export class NameTable {
  readonly #taken = new Set<string>();
  /** Where the search goes on, so that thousands of names of one kind take linear time. */
  readonly #next = new Map<NameScheme, Map<string, number>>();

  constructor(taken: Iterable<string> = []) {
    for (const name of taken) this.#taken.add(name);
  }

  /** Every value name of a model: defined, used, declared or annotated, in any graph of it. */
  static valuesOf(model: ModelProto): NameTable {
    const table = new NameTable();
    for (const { graph } of scopesOf(model)) table.#addValues(graph);
    return table;
  }

  /** Every node name of a model. */
  static nodesOf(model: ModelProto): NameTable {
    const table = new NameTable();
    for (const { graph } of scopesOf(model)) for (const { name = '' } of graph.node) table.claim(name);
    return table;
  }

  has(name: string): boolean {
    return this.#taken.has(name);
  }

  claim(name: string): void {
    this.#taken.add(name);
  }

  /** Takes in the names of a graph that becomes part of the model, with its bodies. */
  claimGraph(graph: GraphProto): void {
    for (const scope of nestedScopes(graph)) this.#addValues(scope.graph);
  }

  /** The first free name of the scheme, which is taken from now on. */
  fresh(like: string, scheme: NameScheme = suffixed): string {
    let byName = this.#next.get(scheme);
    if (byName === undefined) {
      byName = new Map();
      this.#next.set(scheme, byName);
    }
    for (let n = byName.get(like) ?? 0; ; n++) {
      const name = scheme(like, n);
      if (this.#taken.has(name) || name === '') continue;
      byName.set(like, n + 1);
      this.#taken.add(name);
      return name;
    }
  }

  #addValues(graph: GraphProto): void {
    for (const name of definedNames(graph)) this.#taken.add(name);
    for (const node of graph.node) for (const name of node.input) this.#taken.add(name);
    for (const { name = '' } of graph.output) this.#taken.add(name);
    for (const { name = '' } of graph.valueInfo) this.#taken.add(name);
    for (const { tensorName = '', quantParameterTensorNames } of graph.quantizationAnnotation) {
      this.#taken.add(tensorName);
      for (const { value = '' } of quantParameterTensorNames) this.#taken.add(value);
    }
  }
}
