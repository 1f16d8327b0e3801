/** What a plan says of initializers whose numbers were changed after pruning. It must not change any. */
import { constantTensors, type Model, tensorFingerprint } from '@onnx-pruning/onnx';
import type { Plan, WeightChange } from '@onnx-pruning/pruning';

/** How an initializer was changed; the fingerprint of the result is the model's. */
export type ChangedBy = Omit<WeightChange, 'fingerprint'>;

/** The plan with what was changed, besides what it names already. */
export function planWithChanges(
  plan: Plan,
  { graph }: Model,
  changes: readonly (readonly [name: string, by: ChangedBy])[],
): Plan {
  const constants = constantTensors(graph);
  const added = changes.map(([name, by]): [string, WeightChange] => [
    name,
    { ...by, fingerprint: tensorFingerprint(constants.get(name)!) },
  ]);
  return { ...plan, changedWeights: { ...plan.changedWeights, ...Object.fromEntries(added) } };
}
