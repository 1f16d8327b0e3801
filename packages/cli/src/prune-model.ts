/** Removes the least important channels, as the options of `prune` say. It must not run models or write files. */
import { LayerError } from '@onnx-pruning/depgraph';
import { type Model, OnnxPruningError, UnknownLayerError } from '@onnx-pruning/onnx';
import { checkWeights } from '@onnx-pruning/proof';
import {
  BasePruner,
  type Importance,
  OptionError,
  type Plan,
  type PrunerOptions,
  type SkippedGroup,
} from '@onnx-pruning/pruning';
import { type Refusal, refusalsOf, showRefusals } from '@onnx-pruning/report';
import type { Criterion } from './criterion.ts';
import type { GivenShape } from './input-shapes.ts';

/** The options of `prune` that are about which channels go. */
export interface PruneChoice {
  /** Layers, or patterns of layers, whose output channels stay. */
  readonly ignore?: readonly string[];
  readonly criterion: Criterion;
  readonly roundTo?: number;
  /** Prune also what is kept unless asked: see the options of these names of `BuildOptions`. */
  readonly pruneDistributions?: boolean;
  readonly pruneOverridable?: boolean;
  readonly inputShape?: readonly GivenShape[];
}

/** What a name or pattern of `--ignore` protects. */
export interface Selector {
  readonly selector: string;
  /** Names of the layers whose output channels stay. */
  readonly layers: readonly string[];
}

/** A model without some of its channels. */
export interface PrunedModel {
  readonly model: Model;
  readonly plan: Plan;
  readonly refusals: readonly Refusal[];
  readonly selectors: readonly Selector[];
  /** Groups of which channels were to go, and stay. */
  readonly skipped: readonly SkippedGroup[];
}

/** A job that would change nothing. */
export class NothingPrunedError extends OnnxPruningError {}

/**
 * Removes channels from a model.
 * @param ratio share of the channels of every group
 * @param importance what `criterionOf` gives for the job
 * @throws NothingPrunedError where no channel goes; OptionError for ignored layers that are not there
 */
export function prune(model: Model, job: PruneChoice, ratio: number, importance: Importance): PrunedModel {
  const pruner = makePruner(model, {
    importance,
    pruningRatio: ratio,
    ignoredLayers: job.ignore,
    roundTo: job.roundTo,
    ...graphOptions(job),
  });
  checkWeights(pruner.graph);
  const refusals = refusalsOf(pruner.graph);
  const selectors = (job.ignore ?? []).map((selector) => ({
    selector,
    layers: pruner.graph.matchLayers(selector).map(({ layer }) => layer.name),
  }));
  const anyGroup = !pruner.graph.getAllGroups().next().done;
  const { skipped } = pruner.step();
  const plan = pruner.plan();
  if (plan.groups.length === 0 && ratio > 0) throw nothingPruned(anyGroup, refusals, skipped);
  return { model, plan, refusals, selectors, skipped };
}

/** What the dependency graph is told. */
export function graphOptions(
  job: PruneChoice,
): Pick<PrunerOptions, 'inputShapes' | 'pruneDistributions' | 'pruneOverridable'> {
  const { inputShape = [], pruneDistributions, pruneOverridable } = job;
  return { inputShapes: givenShapes(inputShape), pruneDistributions, pruneOverridable };
}

/** Shapes by input and sizes by symbol, as the graph takes them: only what was asked for is fixed. */
export function givenShapes(given: readonly GivenShape[]): Record<string, number | readonly number[]> {
  const isSymbol = ({ sizes }: GivenShape): boolean => sizes.length === 1;
  return Object.fromEntries(given.map((shape) => [shape.name, isSymbol(shape) ? shape.sizes[0] : shape.sizes]));
}

/** All options but the ignored layers were checked when they were read. */
function makePruner(model: Model, options: PrunerOptions): BasePruner {
  try {
    return new BasePruner(model, options);
  } catch (cause) {
    throw inWordsOfIgnore(cause, options.ignoredLayers ?? []);
  }
}

/** An error about a layer that `--ignore` names, in its words; any other as it is. */
export function inWordsOfIgnore(cause: unknown, ignored: readonly unknown[]): unknown {
  const isSelector = cause instanceof UnknownLayerError || cause instanceof LayerError;
  if (!isSelector || !ignored.some((selector) => selector === cause.details.node)) return cause;
  const { node, expected, actual, repair } = cause.details;
  const details = { expected: expected ?? 'a layer, a module or a pattern', actual: actual ?? `'${node}'`, repair };
  return new OptionError('IGNORE', `--ignore '${node}' names no layer whose channels could stay`, details, { cause });
}

function nothingPruned(
  anyGroup: boolean,
  refusals: readonly Refusal[],
  skipped: readonly SkippedGroup[],
): NothingPrunedError {
  if (skipped.length > 0) {
    const reasons = skipped.slice(0, 5).map(({ root, reason }) => `\n  ${root}: ${reason}`);
    return new NothingPrunedError('NOTHING_CHOSEN', 'none of the chosen channels may go', {
      repair: `Choose another --ratio, or a smaller --round-to.${reasons.join('')}`,
    });
  }
  if (anyGroup) {
    return new NothingPrunedError('NOTHING_CHOSEN', 'these options leave every channel in place', {
      repair: 'Ignore fewer layers, choose a larger --ratio, or a smaller --round-to.',
    });
  }
  const reasons = showRefusals(refusals, 5).map((line) => `\n  ${line}`);
  return new NothingPrunedError('NOTHING_PRUNABLE', 'this model has no channels that may be removed', {
    repair:
      reasons.length > 0
        ? `These channels stay because of what they are coupled with:${reasons.join('')}`
        : 'Channels are removed between convolutions and fully connected layers; a single layer has none to lose.',
  });
}
