/**
 * Least-squares reconstruction: the layers of a pruned model get the weights with which they best give, from what the
 * pruned model itself feeds them, what the original gave at the channels that stay. It takes forward passes over unlabelled
 * data and nothing else.
 */
import { checkArguments, checkOptions, createRandom, kinds, type Model } from '@onnx-pruning/onnx';
import { plannedRemoval } from '@onnx-pruning/proof';
import type { Plan } from '@onnx-pruning/pruning';
import { BATCHES, type Batches, checkRunOptions, type TensorValues } from '@onnx-pruning/runtime';
import { RecoveryError } from './errors.ts';
import { refittableLayers } from './layers/refittable.ts';
import { withinMemory } from './layers/within-memory.ts';
import {
  RECONSTRUCT_OPTIONS,
  type Reconstruction,
  type ReconstructOptions,
  type RefittedLayer,
  type Settings,
  splitOptions,
} from './reconstruct-options.ts';
import { type Parts, Reconstructor } from './reconstructor.ts';
import { checkPruned, collectBatches, digestOf } from './run/calibration.ts';
import { executionOrder } from './run/execution-order.ts';
import { canMix, mixturesOf } from './run/mixtures.ts';
import { type ChangedBy, planWithChanges } from './run/weight-changes.ts';

const HOLD_OUT = 0.125;
const MIXTURES = 1;

/**
 * Refits a pruned model's layers by least squares, one after the other in execution order: Conv and ConvTranspose of any
 * rank, stride, dilation and number of groups, Gemm, and MatMul by a constant matrix. Where a layer's output is added to
 * another value, it is fitted to what that value leaves of the original's sum. Weights are fitted by ridge regression
 * towards the pruned ones (as He et al., Channel Pruning for Accelerating Very Deep Neural Networks, ICCV 2017, do it
 * without the pull); Gram matrices are computed by onnxruntime, the equations are solved in float64. A layer whose fit is
 * no better on held-out data keeps its weights. Where the equations of a layer exceed the memory limit, whole channels are
 * fitted instead (see `RefittedLayer.method`).
 *
 * The structure of the model does not change: with the plan that is returned `verify` proves it, the original's numbers in
 * place of the refitted ones. What the refitted ones are good for is measured: layer by layer in the result, and by
 * whoever evaluates the model.
 *
 * @param original the model that was pruned
 * @param pruned what `plan` made of it
 * @param data feeds of the original, batch by batch; at least two batches, which are kept in memory. Unlabelled samples
 * of the kind that the model is used on: 500 to 5,000 images do for a network of images
 * @throws RecoveryError for a pruned model that is not the plan's, for less than two batches, samples that are all the same,
 * and values that are not finite; PlanError when the plan was made
 * for another model; SessionError and FeedError as `createSession` and `run` do; whatever `signal` was aborted with
 * @example
 * const { model, layers } = await reconstruct(original, pruned, plan, batches);
 * await saveModel(model, 'recovered.onnx');
 */
export async function reconstruct(
  original: Model,
  pruned: Model,
  plan: Plan,
  data: Batches,
  options: ReconstructOptions = {},
): Promise<Reconstruction> {
  checkArguments('reconstruct', {
    original: [original, kinds.model],
    pruned: [pruned, kinds.model],
    data: [data, BATCHES],
  });
  const { session, settings } = splitOptions(options);
  checkOptions('reconstruct', settings, RECONSTRUCT_OPTIONS);
  checkRunOptions('reconstruct', session);
  checkPruned(pruned, plan);
  const planned = plannedRemoval(original, plan, settings);
  const model = pruned.clone();
  const order = executionOrder(model.graph);
  const found = refittableLayers(planned, model, order);
  const { layers, left } = withinMemory(planned, found, settings.memoryLimit);
  const { job, digest } = await begin({ original, model, order, layers, session, settings }, data);
  try {
    const refitted = await job.run();
    const changed = planWithChanges(plan, model, changesOf(refitted, digest, settings));
    return { model, plan: changed, layers: refitted, left };
  } finally {
    await job.dispose();
  }
}

/** Reads the data. It is held by the job alone, which lets go of what it no longer needs. */
async function begin(parts: Parts, data: Batches): Promise<{ job: Reconstructor; digest: string }> {
  const { settings } = parts;
  const batches = await collectBatches(data, 2, settings.signal);
  const period = Math.min(Math.round(1 / (settings.holdOut ?? HOLD_OUT)), batches.length);
  const held = batches.filter((_, at) => at % period === period - 1);
  const fitted = batches.filter((_, at) => at % period !== period - 1);
  const samples = { fitted: [...fitted, ...mixed(fitted, settings)], held };
  return { job: new Reconstructor(parts, samples), digest: digestOf(batches) };
}

/** Mixtures of samples, as many as the settings ask for; by default where there can be any. */
function mixed(batches: readonly TensorValues[], { fit, mixtures, seed = 0 }: Settings): TensorValues[] {
  const isPossible = canMix(batches);
  if (!isPossible && mixtures !== undefined && mixtures > 0) {
    throw new RecoveryError('RECOVERY_MIXTURES', 'these samples cannot be mixed', {
      expected: 'inputs of real numbers, with the samples along their first axis, and otherwise of one size',
      repair: 'Leave the option mixtures out, or give 0.',
    });
  }
  const random = createRandom(seed);
  const count = mixtures ?? (isPossible && fit !== 'bias' ? MIXTURES : 0);
  return Array.from({ length: count }, () => mixturesOf(batches, random)).flat();
}

/** How the initializers of refitted layers were changed. */
function changesOf(
  layers: readonly RefittedLayer[],
  data: string,
  { fit = 'weights', seed = 0 }: Settings,
): [string, ChangedBy][] {
  return layers.flatMap(({ initializers, lambda, method }) => {
    const pull = fit === 'weights' && lambda !== undefined ? { lambda } : {};
    return initializers.map((name): [string, ChangedBy] => [name, { method, ...pull, data, seed }]);
  });
}
