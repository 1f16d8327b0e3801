/** Collects what of a model may not be pruned, and why, in the words of the engine. It judges nothing itself. */
import {
  type DependencyGraph,
  type DimTerm,
  type FixedReason,
  foldTerm,
  leavesOf,
  type PrunableLayer,
} from '@onnx-pruning/depgraph';

/** Layers whose output channels stay, or some of them, for one reason. */
export interface Refusal {
  /** Reads after "because". */
  readonly reason: string;
  /** The node that the reason is about, e.g. `LRN 'norm1'`; absent where the reason says it itself. */
  readonly where?: string;
  readonly layers: readonly string[];
  /** Layers of which other channels can be pruned. */
  readonly partly: readonly string[];
}

/** What may not be pruned, most layers first. Layers that merely follow others (normalizations, ...) are left out. */
export function refusalsOf(graph: DependencyGraph): Refusal[] {
  const found = new Map<string, { reason: FixedReason; layers: Set<string>; partly: Set<string> }>();
  for (const layer of graph.layers) {
    if (!ownsChannels(layer)) continue;
    for (const axis of layer.axes) {
      if (axis.side !== 'out') continue;
      for (const reason of fixedChannels(axis.term)) {
        const key = `${reason.because} ${reason.node ?? ''}`;
        const entry = found.get(key) ?? { reason, layers: new Set(), partly: new Set() };
        (leavesOf(axis.term).length > 0 ? entry.partly : entry.layers).add(layer.name);
        found.set(key, entry);
      }
    }
  }
  const size = (refusal: Refusal): number => refusal.layers.length + refusal.partly.length;
  return [...found.values()].map(toRefusal).sort((a, b) => size(b) - size(a));
}

/** Whether a layer decides about channels of its own: it turns some channels into others. */
function ownsChannels(layer: PrunableLayer): boolean {
  return layer.axes.some((axis) => axis.side === 'in');
}

/** Why channels are fixed. A factor that is fixed (heads, height x width) leaves the channels beside it free. */
function fixedChannels(term: DimTerm): Set<FixedReason> {
  const union = (sets: readonly Set<FixedReason>[]): Set<FixedReason> => new Set(sets.flatMap((set) => [...set]));
  return foldTerm(term, {
    leaf: () => new Set<FixedReason>(),
    fixed: ({ reason }) => new Set([reason]),
    sum: union,
    product: (factors, product) => (leavesOf(product).length > 0 ? new Set() : union(factors)),
    family: union,
  });
}

function toRefusal(entry: { reason: FixedReason; layers: Set<string>; partly: Set<string> }): Refusal {
  const { because, node, operator } = entry.reason;
  return {
    reason: because,
    ...(node === undefined ? {} : { where: `${operator} '${node}'` }),
    layers: [...entry.layers],
    partly: [...entry.partly],
  };
}

/** One line per refusal: `fc: it is an axis of the graph output 'logits'`. */
export function showRefusals(refusals: readonly Refusal[], limit: number): string[] {
  const lines = refusals.slice(0, limit).map(({ reason, where, layers, partly }) => {
    const names = [...layers, ...partly.map((name) => `${name} in part`)];
    const shown = names.slice(0, 3).join(', ');
    const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
    return `${shown}${more}: ${reason}${where ? ` (${where})` : ''}`;
  });
  return refusals.length > limit ? [...lines, `and ${refusals.length - limit} more reasons (--json lists all)`] : lines;
}
