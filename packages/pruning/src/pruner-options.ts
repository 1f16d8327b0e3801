/** Options of the pruners: names and defaults are Torch-Pruning's. This file checks them; it prunes nothing. */

import {
  BUILD_OPTIONS,
  type BuildOptions,
  type GroupSelection,
  LAYERS,
  type LayerSelector,
} from '@onnx-pruning/depgraph';
import { checkOptions, type Kind, kinds, listOf, type OptionKinds } from '@onnx-pruning/onnx';
import type { Importance } from './importance.ts';
import { checkBoolean, checkPositiveInteger, checkRange, optionError } from './options.ts';
import { linearScheduler, type Scheduler } from './scheduler.ts';

/** Ratios by layer or pattern, or pairs of one or several selectors with a ratio; several compete for one ratio. */
export type PruningRatioDict =
  | Readonly<Record<string, number>>
  | readonly (readonly [LayerSelector | readonly LayerSelector[], number])[];

/** What a pruner removes, how much of it, and what it leaves alone. */
export interface PrunerOptions extends BuildOptions {
  /**
   * How channels are chosen inside groups and heads. Default `independent`, which keeps the most important channels of
   * every group; with `pruneNumHeads` the default is `same`, because heads that differ inside cannot be told apart.
   */
  readonly groupSelection?: GroupSelection;
  /** What makes a channel worth keeping. */
  readonly importance: Importance;
  /** Share of channels to remove, in [0, 1). Default 0.5. A budget takes its place. */
  readonly pruningRatio?: number;
  /** Ratios of single layers, instead of `pruningRatio`. */
  readonly pruningRatioDict?: PruningRatioDict;
  /** No layer loses a larger share than this. Default 1. */
  readonly maxPruningRatio?: number;
  /** Rank the channels of all groups together instead of within each group. Default false. */
  readonly globalPruning?: boolean;
  /** Rank groups of the same structure together (Fang et al., Isomorphic Pruning, ECCV 2024). Default false. */
  readonly isomorphic?: boolean;
  /** Number of calls of step() that reach the ratio. Default 1. */
  readonly iterativeSteps?: number;
  /** Ratio after each step. Default linear. */
  readonly iterativePruningRatioScheduler?: Scheduler;
  /** Layers whose output channels stay. Their input channels may still follow other layers. */
  readonly ignoredLayers?: readonly LayerSelector[];
  /** Layers whose input channels stay. */
  readonly ignoredInputs?: readonly LayerSelector[];
  /** Channels that stay are a multiple of this, where the group has as many. */
  readonly roundTo?: number;
  /** Weights and biases to keep: a share in (0, 1) or a number. The pruning ratio is found. */
  readonly targetParams?: number;
  /** Multiply-accumulates to keep: a share in (0, 1) or a number. The pruning ratio is found. */
  readonly targetMacs?: number;
  /** File size to keep: a share in (0, 1) or a number of bytes. The pruning ratio is found. */
  readonly targetBytes?: number;
  /** Remove whole attention heads, by `headPruningRatio`. Default false. */
  readonly pruneNumHeads?: boolean;
  /** Remove channels inside attention heads, the same in every head. Default true. */
  readonly pruneHeadDims?: boolean;
  /** Share of heads to remove, in [0, 1). Default 0. */
  readonly headPruningRatio?: number;
  /** Shares of heads of single layers, by name or pattern, instead of `headPruningRatio`. */
  readonly headPruningRatioDict?: PruningRatioDict;
  /** Operator types of layers that may be the root of a group. Default: convolutions and fully connected layers. */
  readonly rootOpTypes?: readonly string[];
}

const RATIOS: Kind = {
  expected: 'ratios by layer, or pairs of layers and a ratio',
  accepts: (value) =>
    Array.isArray(value)
      ? value.every((pair) => Array.isArray(pair) && pair.length === 2)
      : kinds.object.accepts(value),
};

/** What the options may be; the values of those that are `anything` here are looked at below. */
const PRUNER_OPTIONS: OptionKinds<PrunerOptions> = {
  ...BUILD_OPTIONS,
  groupSelection: kinds.anything,
  pruneDistributions: kinds.anything,
  pruneOverridable: kinds.anything,
  importance: kinds.anything,
  pruningRatio: kinds.anything,
  pruningRatioDict: RATIOS,
  maxPruningRatio: kinds.anything,
  globalPruning: kinds.anything,
  isomorphic: kinds.anything,
  iterativeSteps: kinds.anything,
  iterativePruningRatioScheduler: kinds.anything,
  ignoredLayers: LAYERS,
  ignoredInputs: LAYERS,
  roundTo: kinds.anything,
  targetParams: kinds.anything,
  targetMacs: kinds.anything,
  targetBytes: kinds.anything,
  pruneNumHeads: kinds.anything,
  pruneHeadDims: kinds.anything,
  headPruningRatio: kinds.anything,
  headPruningRatioDict: RATIOS,
  rootOpTypes: listOf(kinds.text),
};

type Defaulted =
  | 'pruningRatio'
  | 'maxPruningRatio'
  | 'globalPruning'
  | 'isomorphic'
  | 'iterativeSteps'
  | 'iterativePruningRatioScheduler'
  | 'pruneNumHeads'
  | 'groupSelection'
  | 'pruneHeadDims'
  | 'headPruningRatio';

/** Options with defaults filled in. */
export type ResolvedOptions = PrunerOptions & Required<Pick<PrunerOptions, Defaulted>>;

/**
 * Fills in defaults.
 * @throws ArgumentError for an option that does not exist or is of another kind; OptionError for a value that is not allowed
 */
export function resolveOptions(options: PrunerOptions): ResolvedOptions {
  checkOptions('the pruner', options, PRUNER_OPTIONS);
  const { importance } = options;
  if (typeof importance !== 'function' && typeof importance?.score !== 'function') {
    throw optionError('importance', importance, 'a function of a group, or an object with a method score(group)');
  }
  const resolved = {
    ...options,
    pruningRatio: options.pruningRatio ?? 0.5,
    maxPruningRatio: options.maxPruningRatio ?? 1,
    globalPruning: options.globalPruning ?? false,
    isomorphic: options.isomorphic ?? false,
    iterativeSteps: options.iterativeSteps ?? 1,
    iterativePruningRatioScheduler: options.iterativePruningRatioScheduler ?? linearScheduler,
    pruneNumHeads: options.pruneNumHeads ?? false,
    groupSelection: options.groupSelection ?? (options.pruneNumHeads ? ('same' as const) : ('independent' as const)),
    pruneHeadDims: options.pruneHeadDims ?? true,
    headPruningRatio: options.headPruningRatio ?? 0,
  };
  checkRange('pruningRatio', resolved.pruningRatio, 0, 1);
  checkRange('maxPruningRatio', resolved.maxPruningRatio, 0, 1, true);
  checkRange('headPruningRatio', resolved.headPruningRatio, 0, 1);
  for (const [, ratio] of ratioEntries(resolved.headPruningRatioDict)) checkRange('headPruningRatioDict', ratio, 0, 1);
  checkBudget(resolved);
  checkGroupSelection(resolved);
  for (const option of ['globalPruning', 'isomorphic', 'pruneNumHeads', 'pruneHeadDims'] as const) {
    checkBoolean(option, resolved[option]);
  }
  for (const option of ['pruneDistributions', 'pruneOverridable'] as const) {
    if (options[option] !== undefined) checkBoolean(option, options[option]);
  }
  if (typeof resolved.iterativePruningRatioScheduler !== 'function') {
    const given = resolved.iterativePruningRatioScheduler;
    throw optionError('iterativePruningRatioScheduler', given, 'a function of the ratio and the number of steps');
  }
  checkPositiveInteger('iterativeSteps', resolved.iterativeSteps);
  if (resolved.roundTo !== undefined) checkPositiveInteger('roundTo', resolved.roundTo);
  for (const [, ratio] of ratioEntries(resolved.pruningRatioDict)) checkRange('pruningRatioDict', ratio, 0, 1);
  return resolved;
}

/** The dictionary as pairs of selectors and ratio. */
export function ratioEntries(dict: PruningRatioDict | undefined): (readonly [readonly LayerSelector[], number])[] {
  if (!dict) return [];
  const pairs = Array.isArray(dict) ? dict : Object.entries(dict);
  return pairs.map(([key, ratio]) => [Array.isArray(key) ? key : [key], ratio] as const);
}

function checkGroupSelection({ groupSelection, pruneNumHeads }: PrunerOptions): void {
  const allowed = pruneNumHeads ? ['same'] : ['same', 'independent'];
  if (!allowed.includes(groupSelection ?? 'same')) throw optionError('groupSelection', groupSelection, allowed);
}

const BUDGETS = ['targetParams', 'targetMacs', 'targetBytes'] as const;

/** The budget that is asked for, if any: which cost, and how much of it may stay. */
export function budgetOf(
  options: PrunerOptions,
): { readonly option: (typeof BUDGETS)[number]; readonly target: number } | undefined {
  const option = BUDGETS.find((name) => options[name] !== undefined);
  return option && { option, target: options[option]! };
}

function checkBudget(options: PrunerOptions): void {
  const given = BUDGETS.filter((name) => options[name] !== undefined);
  if (given.length > 1) throw optionError(given[1], options[given[1]], `nothing, because ${given[0]} is given`);
  for (const name of given) {
    const target = options[name]!;
    if (!(target > 0) || !Number.isFinite(target))
      throw optionError(name, target, 'a share in (0, 1) or a number above 1');
  }
}
