/** Names, scopes and order of one graph and the graphs nested in it. */
import type { ErrorDetails } from './errors.ts';
import { nearestNames } from './layer-names.ts';
import { canonicalDomain } from './model.ts';
import { explainOrder } from './order.ts';
import type { GraphProto, NodeProto } from './proto.ts';
import { outerReferences, subgraphs } from './walk.ts';

export interface GraphRules {
  fail(code: string, what: string, details: ErrorDetails): never;
  /** Imported versions by domain; '' is ai.onnx. */
  readonly opsets: ReadonlyMap<string, number>;
}

/** The names that are visible at one point: those defined so far in this graph, and those of the graphs around it. */
export class Scope {
  readonly #outer: Scope | undefined;
  readonly #definitions = new Map<string, string | NodeProto>();

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  /** @param by what it is, or the node that computes it */
  define(name: string, by: string | NodeProto): void {
    this.#definitions.set(name, by);
  }

  /** What defines the name in this very graph. */
  definition(name: string): string | undefined {
    const by = this.#definitions.get(name);
    return typeof by === 'object' ? `an output of node '${nodeLabel(by)}'` : by;
  }

  /** Whether this very graph defines the name. */
  defines(name: string): boolean {
    return this.#definitions.has(name);
  }

  has(name: string): boolean {
    return this.#definitions.has(name) || (this.#outer?.has(name) ?? false);
  }

  names(): string[] {
    return [...this.#definitions.keys(), ...(this.#outer?.names() ?? [])];
  }
}

/** How a node is called in errors: its name, else its first output. */
export const nodeLabel = (node: NodeProto): string => node.name || node.output.find((name) => name !== '') || '';

function details(node: NodeProto, rules: GraphRules): ErrorDetails {
  const opset = rules.opsets.get(canonicalDomain(node.domain));
  const operator = node.domain ? `${node.domain}::${node.opType}` : (node.opType ?? '');
  return { node: nodeLabel(node), operator, ...(opset !== undefined && { opset }) };
}

/** Checks a graph and everything nested in it. */
export function checkGraph(graph: GraphProto, outer: Scope, rules: GraphRules): void {
  const scope = new Scope(outer);
  defineInputs(graph, scope, rules);
  defineInitializers(graph, scope, rules);
  checkNodes(graph.node, scope, rules);
  for (const output of graph.output) {
    const name = output.name ?? '';
    if (!scope.has(name)) {
      rules.fail('UNDEFINED_VALUE', 'A graph output is computed by no node', {
        value: name,
        repair: didYouMean(name, scope),
      });
    }
  }
}

function defineInputs(graph: GraphProto, scope: Scope, rules: GraphRules): void {
  for (const input of graph.input) {
    const name = input.name ?? '';
    if (name === '') rules.fail('UNNAMED_VALUE', 'A graph input has no name', {});
    if (scope.definition(name) !== undefined) {
      rules.fail('DUPLICATE_VALUE', 'Two graph inputs have the same name', { value: name });
    }
    scope.define(name, 'a graph input');
  }
}

/** An initializer may carry the name of an input, and is its default value then. */
function defineInitializers(graph: GraphProto, scope: Scope, rules: GraphRules): void {
  const names = [...graph.initializer.map((t) => t.name), ...graph.sparseInitializer.map((t) => t.values?.name)];
  const seen = new Set<string>();
  for (const name of names) {
    if (name === undefined || name === '') rules.fail('UNNAMED_VALUE', 'An initializer has no name', {});
    if (seen.has(name)) {
      rules.fail('DUPLICATE_INITIALIZER', 'Two initializers have the same name', { value: name });
    }
    seen.add(name);
    scope.define(name, 'an initializer');
  }
}

/** Checks nodes in order; adds their outputs to the scope. */
export function checkNodes(nodes: readonly NodeProto[], scope: Scope, rules: GraphRules): void {
  for (const node of nodes) {
    checkOperator(node, rules);
    checkInputs(node, nodes, scope, rules);
    for (const graph of subgraphs(node)) {
      const missing = notYetDefined(graph, scope, nodes);
      if (missing !== undefined) failOrder(node, missing, nodes, rules);
      checkGraph(graph, scope, rules);
    }
    defineOutputs(node, scope, rules);
  }
}

function checkOperator(node: NodeProto, rules: GraphRules): void {
  if (!node.opType) rules.fail('NO_OPERATOR', 'A node names no operator', { node: nodeLabel(node) });
  const domain = canonicalDomain(node.domain);
  if (rules.opsets.has(domain)) return;
  // Models of IR versions 1 and 2 import nothing and mean the first opset of ai.onnx.
  if (domain === '' && rules.opsets.size === 0) return;
  rules.fail('MISSING_OPSET_IMPORT', `The model imports no version of operator set '${domain || 'ai.onnx'}'`, {
    ...details(node, rules),
    repair: 'Add an opset import for this domain, or export the model again.',
  });
}

function checkInputs(node: NodeProto, nodes: readonly NodeProto[], scope: Scope, rules: GraphRules): void {
  for (const input of node.input) {
    if (input === '' || scope.has(input)) continue;
    if (isProduced(input, nodes)) failOrder(node, input, nodes, rules);
    rules.fail('UNDEFINED_VALUE', 'A node uses a value that nothing defines', {
      ...details(node, rules),
      value: input,
      repair: didYouMean(input, scope),
    });
  }
}

/** A value that the subgraph takes from one of `nodes` before that has computed it. */
function notYetDefined(graph: GraphProto, scope: Scope, nodes: readonly NodeProto[]): string | undefined {
  return outerReferences(graph).find((name) => !scope.has(name) && isProduced(name, nodes));
}

const isProduced = (name: string, nodes: readonly NodeProto[]): boolean =>
  nodes.some((node) => node.output.includes(name));

/** A value is used before it is defined: because of a cycle, or because the nodes are not sorted. */
function failOrder(node: NodeProto, value: string, nodes: readonly NodeProto[], rules: GraphRules): never {
  const cycle = explainOrder(nodes);
  if (cycle !== undefined) {
    const labels = cycle.map((member) => `'${nodeLabel(member)}'`);
    return rules.fail('CYCLE', 'The graph has a cycle: a node needs its own result', {
      ...details(cycle[0] ?? node, rules),
      actual: [...labels, labels[0]].join(' -> '),
    });
  }
  return rules.fail('NOT_SORTED', 'The nodes are not in topological order: a value is used before it is computed', {
    ...details(node, rules),
    value,
    repair: 'Sort the nodes so that each comes after those that compute its inputs.',
  });
}

function defineOutputs(node: NodeProto, scope: Scope, rules: GraphRules): void {
  for (const output of node.output) {
    if (output === '') continue;
    if (scope.defines(output)) {
      rules.fail('DUPLICATE_VALUE', 'A value is defined twice', {
        ...details(node, rules),
        value: output,
        expected: 'a name of its own',
        actual: `the name of ${scope.definition(output)}`,
      });
    }
    scope.define(output, node);
  }
}

function didYouMean(name: string, scope: Scope): string {
  const near = nearestNames(name, new Set(scope.names()), 2);
  return near.length === 0 ? '' : `Did you mean ${near.map((candidate) => `'${candidate}'`).join(' or ')}?`;
}
