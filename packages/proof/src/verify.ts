/**
 * The equivalence check: a pruned model computes what its original computes when the removed channels contribute
 * nothing. The reference is built from the original and the plan alone, so a mistake of the pruned model cannot hide
 * in it. It must not prune.
 */
import { inferShapes, registryWith } from '@onnx-pruning/depgraph';
import { type Model, OnnxPruningError } from '@onnx-pruning/onnx';
import type { Dim, OperatorRecord, ValueInfo } from '@onnx-pruning/ops';
import type { Plan, PlanOptions } from '@onnx-pruning/pruning';
import { type RunBothOptions, runBoth, type TensorValues } from '@onnx-pruning/runtime';
import { type CompareOptions, type Comparison, compareOutputs } from './compare.ts';
import { referenceModel } from './reference-model.ts';

/** A pruned model that does not compute what its original computes. */
export class EquivalenceError extends OnnxPruningError {}

export interface VerifyOptions extends RunBothOptions, CompareOptions, PlanOptions {}

export interface Verification extends Comparison {
  /** Statistics over pruned channels that the reference evaluates on the kept channels only. */
  readonly inexact: readonly string[];
}

/**
 * Runs the reference of a plan and the pruned model on the same random inputs and compares every output. The pruned
 * model must load, run, and give the shapes that inference promises.
 * @returns what was found; `ok` is false where an output differs
 * @throws PlanError when the plan is not the original's; SessionError when a model does not load or run
 */
export async function verify(
  original: Model,
  pruned: Model,
  plan: Plan,
  options: VerifyOptions = {},
): Promise<Verification> {
  const reference = referenceModel(original, plan, options);
  // Numeric differences must come from the models, not from the fusions that onnxruntime chose for one of them.
  const both = await runBoth(reference, pruned, { graphOptimization: 'disabled', ...options });
  const comparison = compareOutputs(both.reference, both.candidate, options);
  const inexact = [...new Set(plan.groups.flatMap((group) => group.inexact))];
  const promised = promisedShapes(pruned, both.feeds, options.customizedOperators);
  const outputs = comparison.outputs.map((output) => {
    const broken = brokenPromise(promised.get(output.name)?.dims, both.candidate[output.name]?.dims ?? []);
    return broken ? { ...output, ok: false, reason: broken } : output;
  });
  return { ...comparison, outputs, ok: comparison.ok && outputs.every((output) => output.ok), inexact };
}

/** Throws where `verify` found a difference. */
export function assertVerified(verification: Verification): void {
  const failed = verification.outputs.find((output) => !output.ok);
  if (!failed) return;
  throw new EquivalenceError('NOT_EQUIVALENT', 'the pruned model does not compute what the original does', {
    value: failed.name,
    expected: `a relative difference of at most ${failed.tolerance}`,
    actual: failed.reason ?? failed.maxRel,
    repair: 'Do not use the pruned file. This is a mistake of the engine: report the model and the plan.',
  });
}

/** Shapes that inference promises of the pruned model for these inputs. */
function promisedShapes(
  pruned: Model,
  feeds: TensorValues,
  customized?: readonly OperatorRecord[],
): ReadonlyMap<string, ValueInfo> {
  const inputShapes = Object.fromEntries(Object.entries(feeds).map(([input, value]) => [input, value.dims]));
  return inferShapes(pruned, registryWith(customized), inputShapes).values;
}

function brokenPromise(promised: readonly Dim[] | undefined, found: readonly number[]): string | undefined {
  const fits =
    !promised ||
    (promised.length === found.length &&
      promised.every((size, axis) => typeof size !== 'number' || size === found[axis]));
  return fits ? undefined : `inference promises [${promised.join(', ')}], the run gave [${found.join(', ')}]`;
}
