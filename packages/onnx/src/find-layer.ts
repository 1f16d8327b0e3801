/** Finds the one node that a name means, and says what is wrong with a name that means none or several. */
import { DataType } from './data-type.ts';
import { AmbiguousLayerError, UnknownLayerError } from './errors.ts';
import {
  initializerNames,
  initializerPrefix,
  layerNames,
  nearestNames,
  prefixOwners,
  scopeName,
} from './layer-names.ts';
import { NodeNames } from './node-names.ts';
import type { GraphProto, NodeProto } from './proto.ts';
import { tensorSize } from './tensor.ts';

/**
 * The node that a name means: a node name, else an output name, else the prefix of the node's initializers (see
 * `layerNames`), else the only node with parameters in the module of that name, else the only node in it.
 * @throws UnknownLayerError that suggests the nearest names; AmbiguousLayerError that lists what a module holds.
 */
export function findLayer(graph: GraphProto, name: string): NodeProto {
  const direct =
    graph.node.find((node) => node.name === name && name !== '') ??
    graph.node.find((node) => node.output.includes(name) && name !== '') ??
    (name === '' ? undefined : prefixOwners(graph, initializerNames(graph)).get(name));
  if (direct !== undefined) return direct;
  const matches = new NodeNames(graph).within(name);
  const weights = weightNames(graph);
  const withWeights = matches.filter(({ node }) => node.input.some((input) => weights.has(input)));
  const own = (found: typeof matches): typeof matches => found.filter(({ how }) => how === 'own');
  const found = [own(withWeights), withWeights, own(matches), matches].find((list) => list.length > 0);
  if (found === undefined) throw unknownLayer(name, namesIn(graph));
  if (found.length === 1) return found[0]!.node;
  const names = layerNames(graph);
  throw ambiguousLayer(
    name,
    found.map(({ node }) => names.get(node)!),
  );
}

const NO_WEIGHTS: ReadonlySet<number> = new Set([DataType.INT32, DataType.INT64, DataType.BOOL, DataType.STRING]);

/** Initializers that are weights, not shapes, indices or numbers. */
function weightNames(graph: GraphProto): Set<string> {
  const weights = graph.initializer.filter((t) => !NO_WEIGHTS.has(t.dataType ?? 0) && tensorSize(t) > 1);
  return new Set(weights.map((tensor) => tensor.name ?? ''));
}

function namesIn(graph: GraphProto): Set<string> {
  const initializers = initializerNames(graph);
  const names = graph.node.flatMap((node) => [
    initializerPrefix(node, initializers),
    node.name ?? '',
    scopeName(node.name ?? ''),
  ]);
  return new Set(names.filter((name) => name !== ''));
}

/** The error for a name or pattern that matches nothing. @param known names that could have been meant */
export function unknownLayer(name: string, known: Iterable<string>): UnknownLayerError {
  const near = nearestNames(name, known);
  const repair =
    near.length === 0
      ? 'The graph has no named layers.'
      : `Did you mean ${near.map((candidate) => `'${candidate}'`).join(' or ')}?`;
  return new UnknownLayerError('UNKNOWN_LAYER', 'There is no layer of that name', { node: name, repair });
}

const MOST_LISTED = 10;

/** Names between quotes, the first ten of them. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, MOST_LISTED).map((name) => `'${name}'`);
  return [...shown, ...(names.length > MOST_LISTED ? [`${names.length - MOST_LISTED} more`] : [])].join(', ');
}

/** The error for a name that means several layers where one is needed. */
export function ambiguousLayer(name: string, layers: readonly string[]): AmbiguousLayerError {
  return new AmbiguousLayerError('AMBIGUOUS_LAYER', 'This name means several layers, and one is needed', {
    node: name,
    expected: 'one layer',
    actual: `${layers.length}: ${listNames(layers)}`,
    repair: 'Give the name of one of them.',
  });
}
