/**
 * Compares the engine with recorded results of Torch-Pruning: groups, scores, and the channels that 15 pruner runs
 * remove. Used by the tests on small models and by `npm run check-reference` on any folder of models.
 */
import { countOpsAndParams, type LayerCount } from '@onnx-pruning/cost';
import { DependencyGraph, type Group, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import type { Model } from '@onnx-pruning/onnx';
import {
  BasePruner,
  BNScaleImportance,
  FPGMImportance,
  GroupMagnitudeImportance,
  type Importance,
  LAMPImportance,
  type PrunerOptions,
  scoreGroup,
} from '@onnx-pruning/pruning';

interface GoldenMember {
  readonly layer: string;
  readonly fn: 'out' | 'in';
  readonly n: number;
}

interface GoldenCost {
  readonly macs: number;
  readonly conv_linear_macs: number;
  readonly params: number;
}

export interface GoldenRun extends GoldenCost {
  readonly name: string;
  readonly options: {
    readonly pruning_ratio: number;
    readonly global_pruning?: boolean;
    readonly max_pruning_ratio?: number;
    readonly isomorphic?: boolean;
    readonly round_to?: number;
    readonly iterative_steps?: number;
  };
  readonly channels: Readonly<Record<string, readonly [number, number]>>;
  readonly history: readonly (readonly [string, boolean, readonly number[]])[];
}

export interface Golden {
  readonly model: string;
  readonly base: GoldenCost;
  readonly groups: readonly {
    readonly root: string;
    readonly channels: number;
    readonly members: readonly GoldenMember[];
    readonly l2_scores: readonly number[];
  }[];
  readonly example_group: readonly {
    readonly layer: string;
    readonly fn: 'out' | 'in';
    readonly idxs: readonly number[];
  }[];
  readonly runs: readonly GoldenRun[];
}

/** The classifier is the last layer; the reference ignores it. */
export function classifierOf(graph: DependencyGraph): string {
  return graph.layers[0].name;
}

/** `layer side n` of every member, sorted: the order of members is not part of the comparison. */
export function memberKeys(group: Group): string[] {
  return group.items.map(({ axis, idxs }) => `${axis.layer.name} ${axis.side} ${idxs.length}`).sort();
}

/** What the engine says in the terms of the golden file. */
export function groupsOf(model: Model): { root: string; channels: number; members: string[]; scores: number[] }[] {
  const graph = new DependencyGraph().buildDependency(model);
  const importance = new GroupMagnitudeImportance({ p: 2 });
  return [...graph.getAllGroups({ ignoredLayers: [classifierOf(graph)] })].map((group) => ({
    root: group.root.layer.name,
    channels: group.idxs.length,
    members: memberKeys(group),
    scores: Array.from(scoreGroup(importance, group) ?? []),
  }));
}

/** Output channels of a layer. */
export function channelsOfLayer(model: Model, layer: string): number {
  return new DependencyGraph().buildDependency(model).channelsOf(layer, 'out');
}

/** Members of pruning some channels of a convolution: `layer side indices`, sorted. */
export function exampleGroupOf(model: Model, first: string, channels: readonly number[]): string[] {
  const graph = new DependencyGraph().buildDependency(model);
  const group = graph.getPruningGroup(first, pruneConvOutChannels, channels);
  return group.items.map(({ axis, idxs }) => `${axis.layer.name} ${axis.side} ${idxs.join(',')}`).sort();
}

/** The criterion that a run's name stands for. */
export function importanceOf(run: GoldenRun): Importance {
  const { name } = run;
  if (name.startsWith('bn-scale')) return new BNScaleImportance();
  if (name.startsWith('lamp')) return new LAMPImportance();
  if (name.startsWith('fpgm')) return new FPGMImportance();
  const p = name.startsWith('l1') ? 1 : 2;
  if (name.includes('sum-norm-max'))
    return new GroupMagnitudeImportance({ p, groupReduction: 'sum', normalizer: 'max' });
  const groupReduction = (['first', 'max', 'prod'] as const).find((kind) => name.startsWith(`l${p}-${kind}-`));
  return new GroupMagnitudeImportance({ p, groupReduction: groupReduction ?? 'mean' });
}

/** Prunes the model (in place) as the run did. */
export function rerun(model: Model, run: GoldenRun): BasePruner {
  const { options } = run;
  const classifier = classifierOf(new DependencyGraph().buildDependency(model));
  const pruner = new BasePruner(model, {
    importance: importanceOf(run),
    pruningRatio: options.pruning_ratio,
    globalPruning: options.global_pruning,
    maxPruningRatio: options.max_pruning_ratio,
    isomorphic: options.isomorphic,
    roundTo: options.round_to,
    iterativeSteps: options.iterative_steps,
    ignoredLayers: [classifier],
  } satisfies PrunerOptions);
  for (let step = 0; step < (options.iterative_steps ?? 1); step++) pruner.step();
  return pruner;
}

/** `[in, out]` channels of every layer that the golden run names. */
export function channelsOf(graph: DependencyGraph, names: readonly string[]): Record<string, [number, number]> {
  const sizes = (name: string): [number, number] => {
    const layer = graph.prunableLayer(name);
    const out = graph.channelsOf(layer, 'out');
    return [layer.axes.some((axis) => axis.side === 'in') ? graph.channelsOf(layer, 'in') : out, out];
  };
  return Object.fromEntries(names.map((name) => [name, sizes(name)]));
}

/**
 * Operators that the reference networks call as functions: Torch-Pruning counts modules and does not see them, a file
 * does not tell them apart.
 */
const CALLED_AS_FUNCTIONS: readonly (readonly [network: RegExp, nodes: readonly string[]])[] = [
  [/densenet/, ['/Relu', '/GlobalAveragePool']],
  [/mobilenet/, ['/GlobalAveragePool']],
];

/** The model's cost by Torch-Pruning's convention: what its counter sees, and what it cannot. */
export function torchPruningCost(model: Model, network: string): { seen: number; unseen: readonly LayerCount[] } {
  const functions = CALLED_AS_FUNCTIONS.find(([pattern]) => pattern.test(network))?.[1] ?? [];
  const { macs, layers } = countOpsAndParams(model, { convention: 'torch-pruning', layerWise: true });
  const unseen = layers.filter(({ name }) => functions.includes(name));
  return { seen: unseen.reduce((rest, layer) => rest - layer.macs, macs), unseen };
}
