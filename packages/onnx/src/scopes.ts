/**
 * Graphs and what is visible in them. A body of If, Loop or Scan sees the values of the graphs around it, so a name
 * alone does not say which value is meant: a name and the scope that defines it do.
 */
import { checkArgument, kinds } from './arguments.ts';
import { bodyDepth } from './nesting.ts';
import type { GraphProto, ModelProto, NodeProto } from './proto.ts';
import { definedNames, subgraphs } from './walk.ts';

/** One graph among those that are nested in each other. */
export class GraphScope {
  /** The graph whose names this scope resolves first. */
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
    for (let scope: GraphScope | undefined = this; scope !== undefined; scope = scope.outer) {
      scope.#names ??= new Set(definedNames(scope.graph));
      if (scope.#names.has(name)) return scope;
    }
    return undefined;
  }
}

/** Visits a graph and everything nested in it, outer graphs before their bodies. */
export function nestedScopes(graph: GraphProto, outer?: GraphScope): Generator<GraphScope> {
  return scopesFrom(new GraphScope(graph, outer), 0);
}

function* scopesFrom(scope: GraphScope, depth: number): Generator<GraphScope> {
  yield scope;
  for (const node of scope.graph.node) {
    for (const body of subgraphs(node)) yield* scopesFrom(new GraphScope(body, scope, node), bodyDepth(depth));
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
