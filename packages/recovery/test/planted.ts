/**
 * Models in which pruning loses nothing that a least-squares fit could not win back: the channels that go are multiples,
 * sums or constants in terms of those that stay, so that the right weights exist and are known.
 */
import { DependencyGraph, type PruningFunction } from '@onnx-pruning/depgraph';
import { createRandom, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { createPlan, type Plan } from '@onnx-pruning/pruning';
import { randomInputs, type TensorValues } from '@onnx-pruning/runtime';

/** So little pull, and sums so exact, that the right solution is found. */
export const FREE = { lambda: 1e-9, precision: 'float64' } as const;

/** Random numbers for an initializer. */
export const random =
  (seed: number): ((size: number) => Float32Array) =>
  (size) => {
    const generator = createRandom(seed);
    return Float32Array.from({ length: size }, () => generator.normal());
  };

/** Rows of a weight: `random` ones, then multiples of those by their numbers. */
export function rowsWithCopies(
  seed: number,
  width: number,
  rows: number,
  copies: readonly [number, number][],
): Float32Array {
  const first = random(seed)(rows * width);
  const more = copies.flatMap(([of, factor]) =>
    [...first.subarray(of * width, (of + 1) * width)].map((x) => x * factor),
  );
  return Float32Array.from([...first, ...more]);
}

/** Prunes the original's copy by hand. */
export function prunedBy(
  original: Model,
  layer: string,
  prune: PruningFunction,
  channels: readonly number[],
): { pruned: Model; plan: Plan } {
  const pruned = original.clone();
  const graph = new DependencyGraph().buildDependency(pruned);
  graph.getPruningGroup(layer, prune, channels).prune();
  return { pruned, plan: createPlan(graph) };
}

/** Batches of random inputs. */
export const batchesFor = (model: Model, count = 8, batch = 16, first = 1): TensorValues[] =>
  Array.from({ length: count }, (_, i) => randomInputs(model, { batch, seed: first + i }));

/**
 * x -> Conv `head` without bias, of whose six channels the last three are 2, 1 and 0.5 times the first three -> Relu ->
 * what `tail` makes of that.
 * @param spatial sizes behind batch and channels
 */
export function withCopies(spatial: readonly number[], tail: (b: GraphBuilder, value: string) => string): Model {
  const b = new GraphBuilder({ opset: 17 });
  const x = b.input('x', ['batch', 2, ...spatial]);
  const kernel = spatial.map(() => 1);
  const copies: [number, number][] = [
    [0, 2],
    [1, 1],
    [2, 0.5],
  ];
  const weight = b.initializer('head.weight', [6, 2, ...kernel], rowsWithCopies(1, 2, 3, copies));
  b.output(tail(b, b.node('Relu', [b.node('Conv', [x, weight], {}, { name: 'head' })])));
  return b.build();
}
