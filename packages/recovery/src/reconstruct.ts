/**
 * Least-squares reconstruction: the layers of a pruned model get the weights with which they best give, from what the
 * pruned model itself feeds them, what the original gave at the channels that stay. It takes forward passes over unlabelled
 * data and nothing else.
 */
import {
  checkArguments,
  checkOptions,
  constantTensors,
  kinds,
  type Model,
  tensorDims,
  tensorFingerprint,
} from '@onnx-pruning/onnx';
import { plannedRemoval } from '@onnx-pruning/proof';
import type { Plan, WeightChange } from '@onnx-pruning/pruning';
import { BATCHES, type Batches, checkRunOptions, elementCount, type TensorValues } from '@onnx-pruning/runtime';
import { DataDigest } from './data-digest.ts';
import { RecoveryError } from './errors.ts';
import { type NotRefitted, type Refittable, refittableLayers } from './layers/refittable.ts';
import {
  RECONSTRUCT_OPTIONS,
  type Reconstruction,
  type ReconstructOptions,
  type RefittedLayer,
  type Settings,
  splitOptions,
} from './reconstruct-options.ts';
import { type Parts, Reconstructor } from './reconstructor.ts';
import { executionOrder } from './run/execution-order.ts';

const MEMORY_LIMIT = 2e9;
/** Matrices as large as the covariance that are held at once, of 8 bytes for each number. */
const MATRICES = 6;

/**
 * Refits a pruned model's layers by least squares, one after the other in execution order: Conv and ConvTranspose of any
 * rank, stride, dilation and number of groups, Gemm, and MatMul by a constant matrix. Where a layer's output is added to
 * another value, it is fitted to what that value leaves of the original's sum. Weights are fitted by ridge regression
 * towards the pruned ones (as He et al., Channel Pruning for Accelerating Very Deep Neural Networks, ICCV 2017, do it
 * without the pull); Gram matrices are computed by onnxruntime, the equations are solved in float64. A layer whose fit is
 * no better on held-out data keeps its weights.
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
  const { layers, left } = withinMemory(found, settings);
  const { job, digest } = await begin({ original, model, order, layers, session, settings }, data);
  try {
    const refitted = await job.run();
    const changedWeights = { ...plan.changedWeights, ...changesOf(model, refitted, digest, settings) };
    return { model, plan: { ...plan, changedWeights }, layers: refitted, left };
  } finally {
    await job.dispose();
  }
}

/** @throws RecoveryError unless initializers have the sizes that the plan gives them */
function checkPruned({ graph }: Model, plan: Plan): void {
  const constants = constantTensors(graph);
  for (const [name, { newShape }] of Object.entries(plan.initializers)) {
    const tensor = constants.get(name);
    const dims = tensor && tensorDims(tensor).join(', ');
    if (dims === newShape.join(', ')) continue;
    throw new RecoveryError('RECOVERY_MODEL', 'the pruned model is not what the plan makes of the original', {
      value: name,
      expected: `an initializer of [${newShape.join(', ')}]`,
      actual: dims === undefined ? 'none' : `[${dims}]`,
      repair: 'Give the original, what was pruned of it, and the plan of that, in this order.',
    });
  }
}

/** The layers whose equations fit into memory. */
function withinMemory(
  { layers, left }: ReturnType<typeof refittableLayers>,
  { memoryLimit = MEMORY_LIMIT }: Settings,
): { layers: Refittable[]; left: NotRefitted[] } {
  const bytesOf = ({ map }: Refittable): number => 8 * MATRICES * map.groups * map.inputs ** 2;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toPrecision(2)} GB`;
  const tooLarge = layers.filter((layer) => bytesOf(layer) > memoryLimit);
  const reasonOf = (layer: Refittable): string =>
    `its equations for ${layer.map.inputs} weights of each output take ${gigabytes(bytesOf(layer))}, more than the limit of ${gigabytes(memoryLimit)}`;
  return {
    layers: layers.filter((layer) => !tooLarge.includes(layer)),
    left: [...left, ...tooLarge.map((layer) => ({ layer: layer.name, reason: reasonOf(layer) }))],
  };
}

/** Reads the data. It is held by the job alone, which lets go of what it no longer needs. */
async function begin(parts: Parts, data: Batches): Promise<{ job: Reconstructor; digest: string }> {
  const batches = await collect(data, parts.settings.signal);
  return { job: new Reconstructor(parts, batches), digest: digestOf(batches) };
}

async function collect(data: Batches, signal: AbortSignal | undefined): Promise<TensorValues[]> {
  const batches: TensorValues[] = [];
  for await (const feeds of data) {
    signal?.throwIfAborted();
    batches.push(feeds);
  }
  if (batches.length > 1) {
    checkVariation(batches);
    return batches;
  }
  throw new RecoveryError('RECOVERY_DATA', 'there is too little data to fit weights and to measure the fit', {
    expected: 'at least two batches',
    actual: batches.length,
    repair: 'Give more samples, or smaller batches.',
  });
}

/** @throws RecoveryError where every sample is the same: an empty file, or wrong preprocessing */
function checkVariation(batches: readonly TensorValues[]): void {
  const varies = (name: string): boolean => {
    const first = batches[0]![name]!;
    const width = elementCount(first.dims.slice(1));
    return batches.some((feeds) => {
      const { data } = feeds[name]!;
      for (let i = 0; i < data.length; i++) if (data[i] !== first.data[i % width]) return true;
      return false;
    });
  };
  const names = Object.keys(batches[0]!);
  if (names.length === 0 || names.some(varies)) return;
  throw new RecoveryError('RECOVERY_DATA', 'all samples are the same', {
    value: names[0],
    expected: 'samples of the kind that the model is used on',
    repair: 'Check the data and its preprocessing.',
  });
}

/** What a plan says of the initializers that were changed. */
function changesOf(
  { graph }: Model,
  layers: readonly RefittedLayer[],
  data: string,
  { fit = 'weights', seed = 0 }: Settings,
): Record<string, WeightChange> {
  const constants = constantTensors(graph);
  const method = fit === 'weights' ? 'ridge' : 'bias';
  const changes = layers.flatMap(({ initializers, lambda }) =>
    initializers.map((name): [string, WeightChange] => {
      const pull = fit === 'weights' && lambda !== undefined ? { lambda } : {};
      return [name, { method, ...pull, data, seed, fingerprint: tensorFingerprint(constants.get(name)!) }];
    }),
  );
  return Object.fromEntries(changes);
}

/** A digest of all batches, in order. */
function digestOf(batches: readonly TensorValues[]): string {
  const digest = new DataDigest();
  for (const batch of batches) digest.add(batch);
  return digest.text();
}
