/** Names of layers: what a node is called. Pure functions of the graph; nothing is stored. Finding is not done here. */
import { ArgumentError } from './errors.ts';
import type { GraphProto, NodeProto } from './proto.ts';

/** The part before the last dot; empty when there is none. */
const parent = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('.')));

function commonParent(a: string, b: string): string {
  let prefix = a;
  while (prefix !== '' && prefix !== b && !b.startsWith(`${prefix}.`)) prefix = parent(prefix);
  return prefix;
}

/**
 * The dotted prefix that the node's initializers share: `layer1.0.conv1` for `layer1.0.conv1.weight` and `.bias`.
 * Empty when it has none. Names without a dot (`onnx::Conv_193`) say nothing and are passed over.
 */
export function initializerPrefix(node: NodeProto, initializers: ReadonlySet<string>): string {
  let prefix: string | undefined;
  for (const input of node.input) {
    if (!input.includes('.') || !initializers.has(input)) continue;
    prefix = prefix === undefined ? parent(input) : commonParent(prefix, parent(input));
  }
  return prefix ?? '';
}

/**
 * The scopes of a name as the parts of a module path. torch.onnx repeats the path of a container in front of its
 * members: `layer1`, `layer1.0`, `conv1` is `layer1.0.conv1`, and `model.22`, `cv2.0`, `cv2.0.0` is `model.22.cv2.0.0`.
 */
export function moduleParts(scopes: readonly string[]): string[] {
  const path: string[] = [];
  for (const scope of scopes) {
    const last = path.at(-1);
    if (last !== undefined && scope.startsWith(`${last}.`)) path.pop();
    path.push(scope);
  }
  return path;
}

/**
 * The module path in a node name as torch.onnx writes it: `/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`.
 * Empty for names of another form. It is what is left of a layer's name once folding has renamed its weights.
 */
export function scopeName(nodeName: string): string {
  const scopes = nodeName.split('/').slice(0, -1);
  return moduleParts(scopes.filter((scope) => scope !== '')).join('.');
}

export function initializerNames(graph: GraphProto): ReadonlySet<string> {
  return new Set(graph.initializer.map((tensor) => tensor.name ?? ''));
}

/**
 * A name for every node, no two alike: the initializer prefix, else the node name, else the first output. Where several
 * nodes share a prefix (exporters store equal vectors once), the one that holds most of its initializers has the name.
 */
export function layerNames(graph: GraphProto): Map<NodeProto, string> {
  const initializers = initializerNames(graph);
  const prefixes = graph.node.map((node) => initializerPrefix(node, initializers));
  const owners = ownersOf(graph.node, prefixes, initializers);
  const names = new Map<NodeProto, string>();
  const taken = new Set<string>(owners.keys());
  for (const [i, node] of graph.node.entries()) {
    const prefix = prefixes[i]!;
    const own = prefix !== '' && owners.get(prefix) === node;
    const name = own ? prefix : (freeName(node, names.size, taken) ?? '');
    taken.add(name);
    names.set(node, name);
  }
  return names;
}

/** The node name, the first output, or else a name by number: the first that no other node has. */
function freeName(node: NodeProto, index: number, taken: ReadonlySet<string>): string | undefined {
  const isFree = (name: string | undefined): boolean => name !== undefined && name !== '' && !taken.has(name);
  if (isFree(node.name)) return node.name;
  return node.output.find(isFree) ?? [`${node.name || node.opType}_${index}`].find(isFree);
}

/** By initializer prefix: the node that holds most of the initializers of that prefix, its weight above all. */
export function prefixOwners(graph: GraphProto, initializers: ReadonlySet<string>): Map<string, NodeProto> {
  const prefixes = graph.node.map((node) => initializerPrefix(node, initializers));
  return ownersOf(graph.node, prefixes, initializers);
}

/** @param prefixes the initializer prefix of each node */
function ownersOf(
  nodes: readonly NodeProto[],
  prefixes: readonly string[],
  initializers: ReadonlySet<string>,
): Map<string, NodeProto> {
  const owners = new Map<string, NodeProto>();
  const held = (node: NodeProto, prefix: string): number => {
    const own = node.input.filter((input) => initializers.has(input) && input.startsWith(`${prefix}.`));
    return own.length + (own.includes(`${prefix}.weight`) ? 0.5 : 0);
  };
  for (const [i, node] of nodes.entries()) {
    const prefix = prefixes[i]!;
    if (prefix === '') continue;
    const owner = owners.get(prefix);
    if (!owner || held(node, prefix) > held(owner, prefix)) owners.set(prefix, node);
  }
  return owners;
}

/** Up to `count` names with the smallest edit distance, nearest first; ties in alphabetical order. */
export function nearestNames(name: string, names: Iterable<string>, count = 3): string[] {
  if (typeof name !== 'string' || typeof names?.[Symbol.iterator] !== 'function') throw notNames();
  return [...names]
    .map((candidate) => ({ candidate, distance: nameDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

/** Checked by hand: the checks of arguments need this file. */
function notNames(): ArgumentError {
  return new ArgumentError('ARGUMENT', 'nearestNames takes a name and the names to search');
}

/** People often leave out or shorten the path before the last dot, so the last part alone counts as well. */
function nameDistance(name: string, candidate: string): number {
  const last = (path: string): string => path.slice(path.lastIndexOf('.') + 1);
  return Math.min(editDistance(name, candidate), 1 + editDistance(last(name), last(candidate)));
}

/** Levenshtein (1966), in one row that is overwritten from left to right. */
function editDistance(a: string, b: string): number {
  const { min } = Math;
  const row = Uint32Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const code = a.charCodeAt(i - 1);
    let diagonal = i - 1;
    let left = i;
    row[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j] ?? 0;
      left = min(diagonal + (code === b.charCodeAt(j - 1) ? 0 : 1), above + 1, left + 1);
      diagonal = above;
      row[j] = left;
    }
  }
  return row[b.length] ?? 0;
}
