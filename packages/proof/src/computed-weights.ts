/**
 * Every kept weight keeps its value, also where the graph computes it (weight normalization, a Transpose or Mul of an
 * initializer): what the operators on constants give is compared with the original itself, where the reference of a
 * statistic would be computed from the kept channels only and hide the change.
 */
import type { Model } from '@onnx-pruning/onnx';
import { type TensorValues, withOutputs } from '@onnx-pruning/runtime';
import { heldTogether, scaleOf } from './batches.ts';
import { type Checkpoints, comparedPieces } from './checkpoints.ts';
import { compareOutput, type OutputComparison } from './compare.ts';
import type { PlannedRemoval } from './planned-removal.ts';
import type { SessionPool } from './session-pool.ts';
import type { Tolerance } from './tolerance.ts';

/** @returns one comparison for each weight that the graph computes */
export async function checkComputedWeights(
  planned: PlannedRemoval,
  pruned: Model,
  { computed }: Checkpoints,
  feeds: TensorValues,
  options: { readonly tolerance?: Tolerance; readonly pool: SessionPool },
): Promise<OutputComparison[]> {
  const { pool, tolerance } = options;
  const found: OutputComparison[] = [];
  for (const names of heldTogether(computed, scaleOf(planned, feeds))) {
    const original = await pool.get('computed by the original', () => withOutputs(planned.original, computed));
    const right = await original.run(feeds, names);
    const candidate = await pool.get('computed by the pruned', () => withOutputs(pruned, computed));
    const asked = await candidate.run(feeds, names);
    for (const name of names) found.push(...compareComputed(planned, name, right, asked, tolerance));
  }
  return found;
}

function compareComputed(
  planned: PlannedRemoval,
  name: string,
  right: TensorValues,
  asked: TensorValues,
  tolerance: Tolerance | undefined,
): OutputComparison[] {
  return comparedPieces(planned, name, right[name]!, asked[name]!).map(({ reference, candidate }) => {
    const found = compareOutput(name, reference, candidate, tolerance);
    return found.ok
      ? found
      : { ...found, reason: `a kept weight that the graph computes has changed: ${found.reason}` };
  });
}
