/** Collects what of a model may not be pruned, and why, in the words of the engine. It judges nothing itself. */
import {
  channelReasons,
  type DependencyGraph,
  type FixedReason,
  GRAPH,
  leavesOf,
  type PrunableLayer,
  placeOf,
} from '@onnx-pruning/depgraph';
import { checkArguments, kinds, listOf, tensorSize } from '@onnx-pruning/onnx';

/** Layers whose output channels stay, or some of them, for one reason. */
export interface Refusal {
  /** Reads after "because". */
  readonly reason: string;
  /** The node that the reason is about, e.g. `LRN 'norm1'`; absent where the reason says it itself. */
  readonly where?: string;
  /** Names of the layers, in graph order. */
  readonly layers: readonly string[];
  /** Layers of which other channels can be pruned. */
  readonly partly: readonly string[];
  /** Elements of the weights of `layers`: what these channels hold. */
  readonly parameters: number;
}

/** What may not be pruned, most layers first. Layers that merely follow others (normalizations, ...) are left out. */
export function refusalsOf(graph: DependencyGraph): Refusal[] {
  checkArguments('refusalsOf', { graph: [graph, GRAPH] });
  const refusals = new RefusalList();
  for (const layer of graph.layers) {
    if (!ownsChannels(layer)) continue;
    for (const { side, term } of layer.axes) {
      if (side !== 'out') continue;
      const partly = leavesOf(term).length > 0;
      for (const reason of channelReasons(term)) refusals.add(reason, layer.name, partly, weightsOf(graph, layer));
    }
  }
  for (const { name, node, reason } of graph.analysis.unlisted) {
    refusals.add(
      reason,
      name,
      false,
      node.input.reduce((sum, input) => sum + sizeOfTensor(graph, input), 0),
    );
  }
  return refusals.sorted();
}

/** Refusals by reason, each once. */
class RefusalList {
  readonly #found = new Map<string, { reason: FixedReason; layers: Map<string, number>; partly: Set<string> }>();

  add(reason: FixedReason, layer: string, partly: boolean, parameters: number): void {
    const key = `${reason.because} ${reason.node ?? ''}`;
    const entry = this.#found.get(key) ?? { reason, layers: new Map(), partly: new Set() };
    if (partly) entry.partly.add(layer);
    else entry.layers.set(layer, parameters);
    this.#found.set(key, entry);
  }

  sorted(): Refusal[] {
    const size = (refusal: Refusal): number => refusal.layers.length + refusal.partly.length;
    const refusals = [...this.#found.values()].map(({ reason, layers, partly }): Refusal => {
      const where = placeOf(reason);
      return {
        reason: reason.because,
        ...(where !== undefined && { where }),
        layers: [...layers.keys()],
        partly: [...partly].filter((name) => !layers.has(name)),
        parameters: [...layers.values()].reduce((sum, count) => sum + count, 0),
      };
    });
    return refusals.sort((a, b) => size(b) - size(a));
  }
}

/** Whether a layer decides about channels of its own: it turns some channels into others. */
function ownsChannels(layer: PrunableLayer): boolean {
  return layer.axes.some((axis) => axis.side === 'in');
}

function weightsOf(graph: DependencyGraph, { axes }: PrunableLayer): number {
  const tensors = new Set(axes.flatMap(({ parameters }) => parameters.map(({ tensor }) => tensor)));
  return [...tensors].reduce((sum, name) => sum + sizeOfTensor(graph, name), 0);
}

function sizeOfTensor(graph: DependencyGraph, name: string): number {
  const tensor = graph.tensorOf(name);
  return tensor ? tensorSize(tensor) : 0;
}

/**
 * One line per reason: `fc: it is an axis of the graph output 'logits'`. What stays for the same reason at several nodes is
 * said once.
 */
export function showRefusals(refusals: readonly Refusal[], limit: number): string[] {
  checkArguments('showRefusals', { refusals: [refusals, listOf(kinds.object)], limit: [limit, kinds.count] });
  const byReason = new Map<string, Refusal[]>();
  for (const refusal of refusals) byReason.set(refusal.reason, [...(byReason.get(refusal.reason) ?? []), refusal]);
  const lines = [...byReason].slice(0, limit).map(([reason, same]) => {
    const layers = new Set(same.flatMap((refusal) => refusal.layers));
    const partly = new Set(same.flatMap((refusal) => refusal.partly).filter((name) => !layers.has(name)));
    const names = [...layers, ...[...partly].map((name) => `${name} in part`)];
    const places = [...new Set(same.flatMap(({ where }) => where ?? []))];
    return `${firstOf(names, 3)}: ${reason}${places.length > 0 ? ` (${firstOf(places, 1)})` : ''}`;
  });
  const more = byReason.size - lines.length;
  return more > 0 ? [...lines, `and ${more} more reasons (--json lists all)`] : lines;
}

function firstOf(names: readonly string[], count: number): string {
  const more = names.length > count ? ` and ${names.length - count} more` : '';
  return `${names.slice(0, count).join(', ')}${more}`;
}
