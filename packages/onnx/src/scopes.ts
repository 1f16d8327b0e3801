/**
 * Graphs and what is visible in them. A body of If, Loop or Scan sees the values of the graphs around it, so a name
 * alone does not say which value is meant: a name and the scope that defines it do.
 */
import { checkArgument, kinds } from './arguments.ts';
import type { GraphProto, ModelProto, NodeProto } from './proto.ts';
import { definedNames, subgraphs } from './walk.ts';

/** One graph among those that are nested in each other. */
export class GraphScope {
  readonly graph: GraphProto;
  /** The scope around this one; undefined for the main graph. */
  readonly outer: GraphScope | undefined;
  /** The node of the outer graph whose body this is. */
  readonly owner: NodeProto | undefined;
  #names: ReadonlySet<string> | undefined;

  constructor(graph: GraphProto, outer?: GraphScope, owner?: NodeProto) {
    this.graph = graph;
    this.outer = outer;
    this.owner = owner;
  }

  /**
   * The scope that defines what a name means inside this graph; undefined where nothing does. A value is identified by
   * its name and this scope. The names of a graph are read once, when they are first asked for.
   */
  resolve(name: string): GraphScope | undefined {
    this.#names ??= new Set(definedNames(this.graph));
    return this.#names.has(name) ? this : this.outer?.resolve(name);
  }
}

/** Visits a graph and everything nested in it, outer graphs before their bodies. */
export function* nestedScopes(graph: GraphProto, outer?: GraphScope, owner?: NodeProto): Generator<GraphScope> {
  const scope = new GraphScope(graph, outer, owner);
  yield scope;
  for (const node of graph.node) {
    for (const body of subgraphs(node)) yield* nestedScopes(body, scope, node);
  }
}

/** All graphs of a model: the main graph with its bodies, and the training graphs, which see the main graph. */
export function* scopesOf(model: ModelProto): Generator<GraphScope> {
  checkArgument('scopesOf', 'model', model, kinds.modelMessage);
  let main: GraphScope | undefined;
  for (const scope of model.graph === undefined ? [] : nestedScopes(model.graph)) {
    main ??= scope;
    yield scope;
  }
  for (const { initialization, algorithm } of model.trainingInfo) {
    for (const graph of [initialization, algorithm]) if (graph !== undefined) yield* nestedScopes(graph, main);
  }
}
