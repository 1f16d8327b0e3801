/** What can be asked of a graph, in a form that two graphs can be compared by. Prunes nothing. */
import {
  type DependencyGraph,
  forEachCell,
  type LayerAxis,
  type Leaf,
  leavesOf,
  primaryLeaves,
} from '@onnx-pruning/depgraph';

/**
 * Every free dimension that can be pruned, with the parameter axes that hold it and the indices of each channel. What
 * could only be removed as a whole is left out: such channels stay, whether they are called fixed or not.
 */
export function askableGroups(graph: DependencyGraph): string[] {
  const members = new Map<Leaf, string[]>();
  for (const axis of graph.layers.flatMap((layer) => layer.axes)) {
    for (const leaf of leavesOf(axis.term)) {
      members.set(leaf, [...(members.get(leaf) ?? []), `${parameters(axis)} ${indices(axis, leaf)}`]);
    }
  }
  return [...members]
    .filter(([leaf]) => isAskable(graph, leaf))
    .map(([leaf, list]) => `${graph.isOffered(leaf) ? '' : 'not offered: '}${list.sort().join(' | ')}`)
    .sort();
}

/** Tensors and axes; vectors that several layers share are copied under a name that depends on which comes first. */
function parameters({ layer, side, parameters: list }: LayerAxis): string {
  const names = list.map(({ tensor, axis }) => `${tensor.replace(/_copy_\d+$/, '')}[${axis}]`);
  return `${layer.name} ${side} ${names.sort().join()}`;
}

function indices({ term }: LayerAxis, leaf: Leaf): string {
  const channels: Set<number>[] = [];
  forEachCell(term, new Set([leaf]), (_, channel, index) => {
    channels[channel] ??= new Set();
    channels[channel].add(index);
  });
  return channels.map((set) => [...set].sort((a, b) => a - b).join('+')).join();
}

/** Whether the first channel of a leaf can be removed through some layer. */
function isAskable(graph: DependencyGraph, leaf: Leaf): boolean {
  const axis = graph.analysis.uses.get(leaf)?.find(({ term }) => primaryLeaves(term).has(leaf));
  return axis !== undefined && graph.checkPruningGroup(graph.groupOfCells(axis, new Map([[leaf, new Set([0])]])));
}
