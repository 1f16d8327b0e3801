/**
 * Weights that a plan says were changed after pruning (reconstruction): what the proof says of a model that has them is
 * about its structure, with the original's numbers in their place. It must not judge the numbers: a plan does not hold them,
 * only their fingerprints.
 */
import { constantTensors, type Model, replaceConstants, type TensorProto, tensorFingerprint } from '@onnx-pruning/onnx';
import { applyPlan } from '@onnx-pruning/pruning';
import type { PlannedRemoval } from './planned-removal.ts';

/** A pruned model before its weights were changed, and what does not fit the plan. */
export interface Structure {
  readonly model: Model;
  /** Names of the initializers that have the original's numbers here. */
  readonly changed: readonly string[];
  readonly differences: readonly string[];
}

/** The pruned model with the original's numbers wherever the plan says that they were changed; itself where it says nothing. */
export function structureOf({ original, plan, options }: PlannedRemoval, pruned: Model): Structure {
  const changes = Object.entries(plan.changedWeights ?? {});
  if (changes.length === 0) return { model: pruned, changed: [], differences: [] };
  const expected = original.clone();
  applyPlan(expected, plan, options);
  const [right, found] = [constantTensors(expected.graph), constantTensors(pruned.graph)];
  const differences: string[] = [];
  const restored = new Map<string, TensorProto>();
  for (const [name, { method, fingerprint }] of changes) {
    const [before, now] = [right.get(name), found.get(name)];
    if (!before || !now)
      differences.push(`initializer '${name}', which the plan says was changed by ${method}, is missing`);
    else if (tensorFingerprint(now) !== fingerprint) {
      differences.push(`initializer '${name}' is not what ${method} made of it: expected ${fingerprint}`);
    } else restored.set(name, { ...before });
  }
  const model = pruned.clone();
  replaceConstants(model.graph, restored);
  return { model, changed: [...restored.keys()], differences };
}
