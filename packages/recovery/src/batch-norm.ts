/**
 * Statistics of BatchNormalization nodes, taken again on the pruned model. It must not change weights.
 */
import {
  checkArguments,
  checkOptions,
  constantTensors,
  GraphEditor,
  kinds,
  listOf,
  type Model,
  makeTensor,
  type NodeProto,
  type OptionKinds,
  readNumbers,
  tensorDims,
  usedNames,
} from '@onnx-pruning/onnx';
import { type PlannedRemoval, plannedRemoval } from '@onnx-pruning/proof';
import type { Plan, PlanOptions } from '@onnx-pruning/pruning';
import { BATCHES, type Batches, checkRunOptions, observers, type SessionOptions } from '@onnx-pruning/runtime';
import { algebraOf, changedNodes } from './layers/changed-nodes.ts';
import type { NotRefitted } from './layers/refittable.ts';
import { checkPruned, collectBatches, digestOf } from './run/calibration.ts';
import { executionOrder } from './run/execution-order.ts';
import { Frontier } from './run/frontier.ts';
import { planWithChanges } from './run/weight-changes.ts';

/** How far a recalibration has come. */
export interface RecalibrateProgress {
  /** Nodes that are done. */
  readonly done: number;
  /** Nodes whose statistics are taken again in all. */
  readonly total: number;
  /** The layer whose statistics are taken now. */
  readonly layer: string;
}

/** How statistics are taken again. */
export interface RecalibrateOptions extends SessionOptions, PlanOptions {
  /** Ends the work before the next batch: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called before every node. */
  readonly onProgress?: (progress: RecalibrateProgress) => void;
}

/** What happened to one BatchNormalization. */
export interface RecalibratedLayer {
  /** Its name, as `model.layers()` has it. */
  readonly layer: string;
  /** Root mean square over channels of how far the mean moved, in standard deviations as they were. */
  readonly shift: number;
  /** Geometric mean over channels of the standard deviation now, as a share of what it was; epsilon included. */
  readonly spread: number;
  /** Names of the initializers that hold other numbers now. */
  readonly initializers: readonly string[];
}

/** What a recalibration gives. */
export interface Recalibration {
  /** The pruned model with other statistics; what was given is not changed. */
  readonly model: Model;
  /** The plan, with what was changed: what `verify` needs to prove the structure of `model`. */
  readonly plan: Plan;
  /** The nodes whose inputs pruning has changed, in execution order. */
  readonly layers: readonly RecalibratedLayer[];
  /** Those that keep their statistics although their inputs have changed, and why. */
  readonly left: readonly NotRefitted[];
}

const OPTIONS: OptionKinds<Omit<RecalibrateOptions, keyof SessionOptions>> = {
  signal: kinds.object,
  onProgress: kinds.callback,
  customizedOperators: listOf(kinds.object),
};

/** A BatchNormalization whose statistics may be exchanged. */
interface Normalization {
  readonly node: NodeProto;
  readonly name: string;
  readonly position: number;
  readonly mean: string;
  readonly variance: string;
  /** Added to the variance. */
  readonly epsilon: number;
}

/**
 * Takes the means and variances of BatchNormalization again: those of what the pruned model feeds it, node by node in
 * execution order, where pruning has changed that. It is the least that wins accuracy back, and needs little data; a
 * model whose exporter has folded the normalization into convolutions has nothing for it to do. Weights that are refitted
 * (`reconstruct`) give much more, and are not followed by this.
 *
 * The structure of the model does not change: `verify` proves it with the plan that is returned.
 *
 * @param original the model that was pruned
 * @param pruned what `plan` made of it
 * @param data feeds of the original, batch by batch, which are kept in memory; unlabelled samples of the kind that the
 * model is used on
 * @throws RecoveryError for a pruned model that is not the plan's, no data, samples that are all the same, and values that
 * are not finite; PlanError when the plan was made for another model; SessionError and FeedError as `createSession` and
 * `run` do; whatever `signal` was aborted with
 * @example
 * const { model, layers } = await recalibrateBatchNorm(original, pruned, plan, batches);
 */
export async function recalibrateBatchNorm(
  original: Model,
  pruned: Model,
  plan: Plan,
  data: Batches,
  options: RecalibrateOptions = {},
): Promise<Recalibration> {
  checkArguments('recalibrateBatchNorm', {
    original: [original, kinds.model],
    pruned: [pruned, kinds.model],
    data: [data, BATCHES],
    options: [options, kinds.object],
  });
  const { signal, onProgress, customizedOperators, ...session } = options;
  checkOptions('recalibrateBatchNorm', { signal, onProgress, customizedOperators }, OPTIONS);
  checkRunOptions('recalibrateBatchNorm', session);
  checkPruned(pruned, plan);
  const model = pruned.clone();
  const planned = plannedRemoval(original, plan, { customizedOperators });
  const order = executionOrder(model.graph);
  const { found, left } = normalizations(planned, model, order);
  const batches = await collectBatches(data, 1, signal);
  const digest = digestOf(batches);
  const frontier = new Frontier(model, order, batches, session);
  const layers: RecalibratedLayer[] = [];
  for (const [done, at] of found.entries()) {
    onProgress?.({ done, total: found.length, layer: at.name });
    layers.push(recalibrate(model, at, await statisticsOf(frontier, at, batches.length, signal)));
  }
  const changes = layers.flatMap(({ initializers }) =>
    initializers.map((name) => [name, { method: 'bn', data: digest }] as const),
  );
  return { model, plan: planWithChanges(plan, model, changes), layers, left };
}

/** Those whose inputs have changed: what can be taken again, and what cannot. */
function normalizations(
  planned: PlannedRemoval,
  model: Model,
  order: readonly NodeProto[],
): { found: Normalization[]; left: NotRefitted[] } {
  const algebra = algebraOf(planned, model, order);
  const names = new Map(model.layers().map(({ node, name }) => [node, name]));
  const changed = changedNodes(planned, order);
  const uses = new Map<string, number>();
  for (const name of order.flatMap(usedNames)) uses.set(name, (uses.get(name) ?? 0) + 1);
  const found: Normalization[] = [];
  const left: NotRefitted[] = [];
  for (const [position, node] of order.entries()) {
    const computed = algebra(node);
    if (computed?.kind !== 'affine' || !changed.has(node)) continue;
    const name = names.get(node) ?? node.output[0] ?? '';
    const { mean, variance, epsilon } = computed.statistics;
    const [means, variances] = [node.input[mean]!, node.input[variance]!];
    if (uses.get(means) === 1 && uses.get(variances) === 1) {
      found.push({ node, name, position, mean: means, variance: variances, epsilon });
    } else left.push({ layer: name, reason: 'its statistics are shared with another node' });
  }
  return { found, left };
}

/** Mean and population variance of every channel. */
interface Statistics {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** Those of what a node is fed. */
async function statisticsOf(
  frontier: Frontier,
  { node, position }: Normalization,
  batches: number,
  signal: AbortSignal | undefined,
): Promise<Statistics> {
  const input = node.input[0]!;
  const [mean, variance] = [observers.mean, observers.variance].map((of) => of(input, { axis: 1 }).begin());
  const piece = await frontier.piece(position);
  try {
    for (let b = 0; b < batches; b++) {
      signal?.throwIfAborted();
      await piece.run(b);
      for (const fold of [mean!, variance!]) fold.add([frontier.value(b, input)], b);
    }
  } finally {
    await piece.finish();
  }
  return { mean: mean!.result(), variance: variance!.result() };
}

/** Puts statistics into the model's constants, which are exchanged, not written to. */
function recalibrate(model: Model, at: Normalization, now: Statistics): RecalibratedLayer {
  const constants = constantTensors(model.graph);
  const editor = new GraphEditor(model);
  const replace = (name: string, numbers: Float64Array): Float64Array => {
    const before = constants.get(name)!;
    editor.replaceConstant(name, makeTensor(name, before.dataType!, tensorDims(before), numbers));
    return Float64Array.from(readNumbers(before));
  };
  const before: Statistics = { mean: replace(at.mean, now.mean), variance: replace(at.variance, now.variance) };
  editor.commit();
  const deviation = ({ variance }: Statistics, c: number): number => Math.sqrt(variance[c]! + at.epsilon);
  const channels = [...now.mean.keys()];
  const average = (of: (c: number) => number): number => channels.reduce((sum, c) => sum + of(c), 0) / channels.length;
  return {
    layer: at.name,
    shift: Math.sqrt(average((c) => ((now.mean[c]! - before.mean[c]!) / deviation(before, c)) ** 2)),
    spread: Math.exp(average((c) => Math.log(deviation(now, c) / deviation(before, c)))),
    initializers: [at.mean, at.variance],
  };
}
