/**
 * Every name that a node can be found by, and the search in them: node name, output names, names of its parameters, and
 * the module paths that exporters leave in these and in the metadata. Which nodes are layers is not known here.
 */
import { initializerPrefix, moduleParts, prefixOwners, scopeName } from './layer-names.ts';
import type { GraphProto, NodeProto } from './proto.ts';

/** A node that a selector means. */
export interface NodeMatch {
  readonly node: NodeProto;
  /** The name that matched, as the file has it. */
  readonly name: string;
  /**
   * `exact`: the node's name or that of an output. `own`: the module that the node itself belongs to, or a pattern that
   * fits all of the name. `below`: something in the module that the selector names.
   */
  readonly how: 'exact' | 'own' | 'below';
}

/** One name, its parts joined by dots. */
interface Entry {
  readonly path: string;
  readonly name: string;
  readonly node: NodeProto;
  /** Place among the names of its node: the node's own name comes first. */
  readonly rank: number;
}

type Found = NodeMatch & Pick<Entry, 'rank'>;

/** Which of two names of a node says more about why it was found. */
const isBetter = (a: Found, b: Found): boolean => (a.how === b.how ? a.rank < b.rank : a.how === 'own');

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('.')));

/** Whether a selector is a pattern. */
export const isPattern = (selector: string): boolean => /[*?]/.test(selector);

/** A selector or name with dots between its parts, without separators at its ends. */
const dotted = (name: string): string => name.replaceAll('/', '.').replace(/^\.+|\.+$/g, '');

/** Finds the nodes of a graph by their names. Build it once: it reads the whole graph. */
export class NodeNames {
  readonly #exact = new Map<string, NodeProto[]>();
  readonly #order = new Map<NodeProto, number>();
  /** Sorted by path, so that everything below a module is one range. */
  readonly #entries: readonly Entry[];

  constructor(graph: GraphProto) {
    graph.node.forEach((node, i) => {
      this.#order.set(node, i);
      for (const name of new Set([node.name ?? '', ...node.output])) {
        const same = this.#exact.get(name);
        if (same) same.push(node);
        else if (name !== '') this.#exact.set(name, [node]);
      }
    });
    const entries = entriesOf(graph);
    this.#entries = entries.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  }

  /** The nodes with exactly this node name or output name. A node's own name wins over names of outputs. */
  exact(name: string): NodeMatch[] {
    const nodes = this.#exact.get(name) ?? [];
    const named = nodes.filter((node) => node.name === name);
    return (named.length > 0 ? named : nodes).map((node) => ({ node, name, how: 'exact' }));
  }

  /**
   * The nodes of a module and of everything below it, in graph order, each once.
   * @param selector a module path with `.` or `/` between its parts; `*` stands for any characters, `?` for one
   */
  within(selector: string): NodeMatch[] {
    const wanted = dotted(selector);
    if (wanted === '') return [];
    const found = new Map<NodeProto, Found>();
    for (const { path, name, node, rank } of this.#candidates(wanted)) {
      const how = howPathFits(wanted, path);
      const other = found.get(node);
      const match = how && { node, name, how, rank };
      if (match && (!other || isBetter(match, other))) found.set(node, match);
    }
    const inOrder = [...found.values()].sort((a, b) => this.#order.get(a.node)! - this.#order.get(b.node)!);
    return inOrder.map(({ node, name, how }) => ({ node, name, how }));
  }

  /** The entries whose path begins with what stands before the first wildcard. */
  *#candidates(wanted: string): Generator<Entry> {
    const start = wanted.split(/[*?]/, 1)[0];
    for (let i = this.#firstFrom(start); this.#entries[i]?.path.startsWith(start); i++) yield this.#entries[i]!;
  }

  #firstFrom(start: string): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle]!.path < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function howPathFits(wanted: string, path: string): NodeMatch['how'] | undefined {
  if (isPattern(wanted)) return howPatternFits(wanted, path);
  if (path === wanted || parentOf(path) === wanted) return 'own';
  return path.startsWith(`${wanted}.`) ? 'below' : undefined;
}

function howPatternFits(pattern: string, path: string): NodeMatch['how'] | undefined {
  if (fits(pattern, path) || fits(pattern, parentOf(path))) return 'own';
  return fits(`${pattern}.*`, path) ? 'below' : undefined;
}

/** How a selector fits one name by itself (of a parameter, say); undefined where it does not. */
export function howNameFits(selector: string, name: string): NodeMatch['how'] | undefined {
  if (name === selector) return 'exact';
  const wanted = dotted(selector);
  const fitting = wanted === '' ? [] : pathsOf(name).map((path) => howPathFits(wanted, path));
  return fitting.find((how) => how === 'own') ?? fitting.find((how) => how !== undefined);
}

/** Whether a pattern fits all of a text; in time of their product at most, unlike a regular expression. */
function fits(pattern: string, text: string): boolean {
  let [p, t, star, resume] = [0, 0, -1, 0];
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      resume = t;
    } else if (pattern[p] === '?' || pattern[p] === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

function entriesOf(graph: GraphProto): Entry[] {
  const parameters = new ParameterNames(graph);
  return graph.node.flatMap((node) => {
    const found = new Map<string, string>();
    const add = (path: string, name: string): void => {
      if (path !== '' && !found.has(path)) found.set(path, name);
    };
    for (const name of [node.name ?? '', ...node.output, ...parameters.of(node)]) {
      for (const path of pathsOf(name)) add(path, name);
    }
    for (const name of metadataPaths(node)) add(name, name);
    return [...found].map(([path, name], rank) => ({ path, name, node, rank }));
  });
}

/** Scopes that TensorFlow wraps around a whole model when it saves it. */
const WRAPPERS = /^(Stateful)?PartitionedCall(_\d+)?$/;

/** The module paths in one name: as written, with torch's repetitions taken out, and without TensorFlow's wrappers. */
function pathsOf(name: string): string[] {
  const parts = name
    .replace(/:\d+$/, '')
    .split('/')
    .filter((part) => part !== '');
  const wrappers = parts.findIndex((part) => !WRAPPERS.test(part));
  const inner = parts.slice(Math.max(0, wrappers));
  return [...new Set([parts.join('.'), inner.join('.'), moduleParts(inner).join('.')])];
}

/** The module path that torch.onnx.export (dynamo) writes beside a node, with the name of the operation at its end. */
function metadataPaths(node: NodeProto): string[] {
  const value = (key: string): string => node.metadataProps?.find((entry) => entry.key === key)?.value ?? '';
  const scopes = [...value('pkg.torch.onnx.name_scopes').matchAll(/'([^']*)'|"([^"]*)"/g)].map(
    (m) => m[1] ?? m[2] ?? '',
  );
  // `: pkg.Net/layer1: torch.nn.Sequential/layer1.0: pkg.Block/conv2d: aten.conv2d.default`
  const namespace = value('namespace')
    .split('/')
    .map((part) => (part.includes(': ') ? part.slice(0, part.indexOf(': ')) : ''));
  return [scopes, namespace].flatMap((names) => {
    const module = names.slice(0, -1).findLast((name) => name !== '');
    return module === undefined ? [] : [`${dotted(module)}.${dotted(names.at(-1)!) || 'node'}`];
  });
}

/** Names of the parameters that a node reads, also through nodes that compute with nothing but parameters. */
class ParameterNames {
  readonly #behind = new Map<string, readonly string[]>();
  readonly #uses = new Map<string, number>();
  readonly #initializers: ReadonlySet<string>;
  readonly #owners: ReadonlyMap<string, NodeProto>;

  constructor(graph: GraphProto) {
    this.#initializers = new Set(graph.initializer.map((tensor) => tensor.name ?? ''));
    this.#owners = prefixOwners(graph, this.#initializers);
    for (const name of this.#initializers) this.#behind.set(name, [name]);
    for (const node of graph.node) this.#follow(node);
  }

  #follow({ input, output }: NodeProto): void {
    const present = input.filter((name) => name !== '');
    const constant = present.every((name) => this.#behind.has(name));
    const names = constant
      ? [...new Set(present.flatMap((name) => this.#behind.get(name)!))].slice(0, MOST_BEHIND)
      : [];
    if (constant) for (const name of output) this.#behind.set(name, names);
    else for (const name of present) this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
  }

  /**
   * Exporters store equal vectors once: a parameter that several nodes read says nothing about those whose own name or
   * metadata tells their module, unless it is they who own its prefix.
   */
  of(node: NodeProto): string[] {
    const owns = this.#owners.get(initializerPrefix(node, this.#initializers)) === node;
    const hasModule = scopeName(node.name ?? '') !== '' || metadataPaths(node).length > 0;
    const own = node.input.filter((name) => owns || !hasModule || (this.#uses.get(name) ?? 0) <= 1);
    return own.flatMap((name) => this.#behind.get(name) ?? []).filter((name) => /[./]/.test(name));
  }
}

/** No weight is made from more parameters than this; a constant that is made from more belongs to no one module. */
const MOST_BEHIND = 8;
