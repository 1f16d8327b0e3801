/**
 * Every kept weight keeps its value, also where the graph computes it (weight normalization, a Transpose or Mul of an
 * initializer): what the operators on constants give is compared with the original itself, where the reference of a
 * statistic would be computed from the kept channels only and hide the change.
 */
import type { Model } from '@onnx-pruning/onnx';
import { type SessionOptions, type TensorValues, withOutputs, withSession } from '@onnx-pruning/runtime';
import { type Checkpoints, comparedPieces } from './checkpoints.ts';
import { compareOutput, type OutputComparison } from './compare.ts';
import type { PlannedRemoval } from './planned-removal.ts';
import type { Tolerance } from './tolerance.ts';

/** @returns one comparison for each weight that the graph computes */
export async function checkComputedWeights(
  planned: PlannedRemoval,
  pruned: Model,
  { computed }: Checkpoints,
  feeds: TensorValues,
  options: { readonly tolerance?: Tolerance; readonly session: SessionOptions },
): Promise<OutputComparison[]> {
  if (computed.length === 0) return [];
  const run = (model: Model): Promise<TensorValues> =>
    withSession(withOutputs(model, computed), options.session, (session) => session.run(feeds, computed));
  const [right, asked] = [await run(planned.original), await run(pruned)];
  return computed.flatMap((name) =>
    comparedPieces(planned, name, right[name]!, asked[name]!).map(({ reference, candidate }) => {
      const found = compareOutput(name, reference, candidate, options.tolerance);
      return found.ok
        ? found
        : { ...found, reason: `a kept weight that the graph computes has changed: ${found.reason}` };
    }),
  );
}
