/** What a graph and a group answer directly, without a way into the analysis. */
import { DependencyGraph, leavesOf, numericSize, pruneConvOutChannels } from '../src/index.ts';
import { residualNetwork } from './networks.ts';

/** x -> a (4) -> relu -> b (4), with b added to relu, -> c (2). */
const graph = new DependencyGraph().buildDependency(residualNetwork());
const nameOf = (index: number): string => graph.model.graph.node[index].output[0];
const [relu, sum] = [nameOf(1), nameOf(3)];

it('termOf: the same channels on both sides of an addition, and nothing for what does not exist', () => {
  const [leaf] = leavesOf(graph.termOf(relu, 1)!);
  expect(leavesOf(graph.termOf(sum, 1)!)).toEqual([leaf]);
  expect(numericSize(leaf)).toBe(4);
  expect(graph.axesOf(sum)).toHaveLength(4);
  expect(graph.termOf(sum, 4)).toBeUndefined();
  expect(graph.termOf('no such value', 0)).toBeUndefined();
});

it('usesOf: sides of layers, in graph order', () => {
  const [leaf] = leavesOf(graph.termOf(relu, 1)!);
  expect(graph.usesOf(leaf).map(({ layer, side }) => `${layer.name} ${side}`)).toEqual([
    'a out',
    'b out',
    'b in',
    'c in',
  ]);
});

it('consumersOf: the nodes that sum over the channels', () => {
  const [leaf] = leavesOf(graph.termOf(relu, 1)!);
  expect(graph.consumersOf(leaf).map(({ node, value, axis }) => `${node.name} ${value} ${axis}`)).toEqual([
    `b ${relu} 1`,
    `c ${sum} 1`,
  ]);
});

it('parameters: every tensor that loses channels, once for each axis on which it does', () => {
  const group = graph.getPruningGroup('a', pruneConvOutChannels, [1]);
  const found = [...group.parameters()].map(({ name, axis, item }) => `${name} axis ${axis}: ${[...item.idxs]}`);
  expect(found.sort()).toEqual([
    'a.weight axis 0: 1',
    'b.weight axis 0: 1',
    'b.weight axis 1: 1',
    'c.weight axis 1: 1',
  ]);
  for (const { name, tensor } of group.parameters()) expect(tensor).toBe(graph.tensorOf(name));
});
