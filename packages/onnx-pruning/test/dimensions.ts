/**
 * The free dimensions of a model as tests write them, numbers of heads included, and half of each of them as a group.
 * Knows no network.
 */
import { DependencyGraph, forEachCell, Group, type LayerAxis, type Leaf, leavesOf } from '@onnx-pruning/depgraph';
import type { Model } from '@onnx-pruning/onnx';
import { type Verification, verify } from '@onnx-pruning/proof';
import { createPlan } from '@onnx-pruning/pruning';

/** A dimension, and the first layer in graph order that holds it. */
export interface Dimension {
  readonly leaf: Leaf;
  readonly axis: LayerAxis;
}

/** All free dimensions, in the order in which the layers that hold them are computed. */
export function dimensionsOf(graph: DependencyGraph): Dimension[] {
  const position = new Map(graph.model.graph.node.map((node, i) => [node, i]));
  const layers = [...graph.layers].sort((a, b) => position.get(a.node)! - position.get(b.node)!);
  const found = new Map<Leaf, Dimension>();
  for (const axis of layers.flatMap((layer) => layer.axes)) {
    for (const leaf of leavesOf(axis.term)) if (!found.has(leaf)) found.set(leaf, { leaf, axis });
  }
  return [...found.values()];
}

/** `q out 12, k out 12`: its members by the number of indices that belong to it; `heads:` before a number of groups. */
export function describeDimension(graph: DependencyGraph, { leaf, axis }: Dimension): string {
  const members = (graph.analysis.uses.get(leaf) ?? []).map(
    (use) => `${use.layer.name} ${use.side} ${indicesIn(use, leaf).length}`,
  );
  const heads = leaf.role === 'group' ? `${leaf.size} heads: ` : '';
  return `${heads}${members.join(', ')}${halfOf(graph, { leaf, axis }).exact ? '' : ' (inexact)'}`;
}

function indicesIn(axis: LayerAxis, leaf: Leaf, wanted = (_channel: number): boolean => true): number[] {
  const indices = new Set<number>();
  forEachCell(axis.term, new Set([leaf]), (_, channel, index) => {
    if (wanted(channel)) indices.add(index);
  });
  return [...indices].sort((a, b) => a - b);
}

/** Every second channel, or head, of a dimension. */
export function halfOf(graph: DependencyGraph, { leaf, axis }: Dimension): Group {
  const odd = (channel: number): boolean => channel % 2 === 1;
  const channels = Array.from({ length: Number(leaf.size) }, (_, channel) => channel).filter(odd);
  const idxs = Int32Array.from(indicesIn(axis, leaf, odd));
  return new Group(graph, axis, idxs, new Map([[leaf, new Set(channels)]]));
}

/**
 * Prunes half of the `i`-th dimension of a fresh model and compares the two.
 * @param ranges integers `[low, high)` for inputs that may not hold any number
 */
export async function verifyHalf(
  build: () => Promise<Model>,
  i: number,
  ranges?: Readonly<Record<string, readonly [number, number]>>,
): Promise<Verification> {
  const model = await build();
  const graph = new DependencyGraph().buildDependency(model);
  halfOf(graph, dimensionsOf(graph)[i]).prune();
  return verify(await build(), model, createPlan(graph), { dims: sizesOf(model), ranges });
}

/** A size of 3 for every symbolic dimension of the inputs. */
export function sizesOf(model: Model): Record<string, number> {
  const dims = model.graph.input.flatMap((input) => input.type?.tensorType?.shape?.dim ?? []);
  return Object.fromEntries(dims.flatMap(({ dimParam }) => (dimParam ? [[dimParam, 3]] : [])));
}
