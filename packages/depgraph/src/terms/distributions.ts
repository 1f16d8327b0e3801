/**
 * Channels that carry a meaning each: over which a distribution is taken that is then read by number, with a constant for
 * every channel (bins of a distribution focal loss, entries of a codebook, classes that are weighed). Here they are found,
 * and kept. Attention is not meant: there another activation has the same channels, and both lose them together.
 */
import type { NodeProto } from '@onnx-pruning/onnx';
import { nodeLabel } from '../shapes/node-view.ts';
import type { Consumption, Mixing } from './consumption.ts';
import { type DimTerm, type FixedReason, type Leaf, leavesOf, someLeaf } from './term.ts';

/** What is known of the graph, as far as it matters here. */
interface KnownGraph {
  readonly nodes: readonly NodeProto[];
  readonly axes: ReadonlyMap<string, readonly DimTerm[]>;
  readonly mixings: readonly Mixing[];
  /** Whether a value is the same in every run. */
  isConstant(value: string): boolean;
}

/** An axis whose channels have a meaning each, and why. */
export interface MeaningfulAxis {
  readonly term: DimTerm;
  readonly reason: FixedReason;
}

/** Axes of distributions that are read by number. */
export function distributionAxes(graph: KnownGraph): MeaningfulAxis[] {
  const distributions = graph.mixings.filter(({ isDistribution }) => isDistribution);
  if (distributions.length === 0) return [];
  const readers = readersIn(graph.nodes);
  return distributions.flatMap((at): MeaningfulAxis[] => {
    const term = graph.axes.get(at.value)?.[at.axis];
    const leaves = term && new Set(leavesOf(term));
    if (!leaves || leaves.size === 0) return [];
    const reader = readerByNumber(graph, readers, at, leaves);
    if (!reader) return [];
    const because =
      `a ${at.statistic} is taken over it, and '${reader.constant}' gives each of its channels a meaning; ` +
      'pruneDistributions (--prune-distributions) lets them go';
    return [{ term, reason: { because, node: nodeLabel(reader.node), operator: reader.node.opType ?? '' } }];
  });
}

function readersIn(nodes: readonly NodeProto[]): Map<string, NodeProto[]> {
  const readers = new Map<string, NodeProto[]>();
  for (const node of nodes) {
    for (const name of new Set(node.input)) {
      const list = readers.get(name);
      if (list) list.push(node);
      else readers.set(name, [node]);
    }
  }
  return readers;
}

/** The first node that brings the distribution together with a constant that has its channels, too. */
function readerByNumber(
  { axes, isConstant }: KnownGraph,
  readers: ReadonlyMap<string, readonly NodeProto[]>,
  { node: start }: Consumption,
  leaves: ReadonlySet<Leaf>,
): { readonly node: NodeProto; readonly constant: string } | undefined {
  const holds = (name: string): boolean =>
    axes.get(name)?.some((term) => someLeaf(term, (leaf) => leaves.has(leaf))) ?? false;
  const derived = new Set(start.output);
  for (const value of derived) {
    for (const node of readers.get(value) ?? []) {
      const others = node.input.filter((name) => name !== '' && !derived.has(name) && holds(name));
      const constant = others.find(isConstant);
      if (constant !== undefined) return { node, constant };
      // Another activation has the channels, too: they are its own, and the distribution weighs them.
      if (others.length > 0) continue;
      for (const name of node.output) if (holds(name)) derived.add(name);
    }
  }
  return undefined;
}
