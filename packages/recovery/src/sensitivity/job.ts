/**
 * One measurement of sensitivities from beginning to end: chooses how each group is evaluated, and puts together what is
 * found. Running, masking, removing and keeping are done by its neighbours.
 */
import {
  comparePaired,
  DataError,
  type Dataset,
  type Evaluation,
  type Metric,
  type PairedComparison,
} from '@onnx-pruning/data';
import type { DependencyGraph, Group, LeafRemoval } from '@onnx-pruning/depgraph';
import { type Model, OnnxPruningError, sha256 } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';
import type { SessionOptions } from '@onnx-pruning/runtime';
import { RecoveryError } from '../errors.ts';
import { type Candidate, candidatesOf, removalOfGroup, Surgeon } from './candidates.ts';
import { Evaluator, type Unpruned } from './evaluator.ts';
import { MaskedModel, reasonsAgainst } from './masked-model.ts';
import { Pace } from './pace.ts';
import { type Savings, savingsOf } from './savings.ts';
import { type Identity, type Result, Results } from './state.ts';
import type { GroupSensitivity, NotMeasured, Sensitivity, SensitivityPoint, Settings } from './types.ts';

const RATIOS = [0.1, 0.3, 0.5, 0.7, 0.9];

/** What is measured of which model, on what and how. */
export interface Task {
  readonly model: Model;
  readonly dataset: Dataset;
  readonly metric: Metric;
  readonly session: SessionOptions;
  readonly settings: Settings;
}

/** Carries out a task. @throws RecoveryError for a model without groups, and for a state file of another task */
export async function measure(task: Task): Promise<Sensitivity> {
  const { model, settings } = task;
  const ratios = [...new Set(settings.ratios ?? RATIOS)].sort((a, b) => a - b);
  const pruner = prunerOf(model.clone(), settings);
  const { candidates, left } = candidatesOf(pruner, ratios);
  if (candidates.length === 0) throw nothingToMeasure(left);
  const results = await Results.open(settings.stateFile, identityOf(pruner.graph, candidates, ratios, task));
  const reasons = reasonsAgainst(
    pruner.graph,
    candidates.map(({ group }) => group),
  );
  const maskable = [...reasons].flatMap(([group, against]) => (against.length === 0 ? [group] : []));
  const pace = new Pace(1 + candidates.length * ratios.length, settings.onProgress);
  const masked = new MaskedModel(model.clone(), pruner.graph, maskable);
  const evaluator = await Evaluator.open(
    {
      dataset: task.dataset,
      metric: task.metric,
      output: settings.output,
      seed: settings.seed,
      session: task.session,
      signal: settings.signal,
      onBatch: (share) => pace.batch(share),
    },
    masked,
  );
  try {
    const job = new Job({ task, ratios, graph: pruner.graph, results, reasons, evaluator, pace });
    return await job.run(candidates, left);
  } finally {
    await evaluator.dispose();
  }
}

function prunerOf(model: Model, { pruner = {} }: Settings): BasePruner {
  return new BasePruner(model, { ...pruner, importance: pruner.importance ?? new GroupMagnitudeImportance() });
}

function nothingToMeasure(left: readonly NotMeasured[]): RecoveryError {
  const reasons = left.slice(0, 5).map(({ root, reason }) => `\n  ${root}: ${reason}`);
  return new RecoveryError('SENSITIVITY_NO_GROUPS', 'this model has no group of channels that may be removed', {
    repair: `Ignore fewer layers, or choose a model with channels between convolutions or fully connected layers.${reasons.join('')}`,
  });
}

/** What results depend on. The choice of channels stands for criterion, ignored layers and all else that decides it. */
function identityOf(
  graph: DependencyGraph,
  candidates: readonly Candidate[],
  ratios: readonly number[],
  { metric, session, settings }: Task,
): Identity {
  const choice = sha256();
  for (const { group, chosen } of candidates) {
    const indices = chosen.map((part) => part && [...part.idxs]);
    choice.update(new TextEncoder().encode(JSON.stringify([group.root.layer.name, indices])));
  }
  return {
    model: graph.fingerprint(),
    options: {
      metric: metric.name,
      ratios,
      output: settings.output ?? null,
      seed: settings.seed ?? 0,
      executionProvider: session.executionProvider ?? 'cpu',
      'the choice of channels': `sha256:${choice.hex()}`,
    },
  };
}

interface Parts {
  readonly task: Task;
  readonly ratios: readonly number[];
  readonly graph: DependencyGraph;
  readonly results: Results;
  /** Why groups are not masked. */
  readonly reasons: ReadonlyMap<Group, readonly string[]>;
  readonly evaluator: Evaluator;
  readonly pace: Pace;
}

class Job {
  readonly #parts: Parts;
  readonly #surgeon: Surgeon;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#surgeon = new Surgeon(parts.task.model, parts.graph);
  }

  async run(candidates: readonly Candidate[], left: readonly NotMeasured[]): Promise<Sensitivity> {
    const { task, ratios, graph, results, evaluator, pace } = this.#parts;
    const unpruned = await evaluator.unpruned();
    pace.end(false);
    await results.ofData(unpruned.digest);
    const savings = savingsOf(graph, unpruned.shapes);
    const groups: GroupSensitivity[] = [];
    const notMeasured = [...left];
    for (const candidate of candidates) {
      const found = await this.#group(candidate, unpruned, savings);
      if ('reason' in found) notMeasured.push(found);
      else groups.push(found);
    }
    const { value, interval, samples, isShare, metric } = unpruned.evaluation;
    return {
      metric,
      isShare,
      lowerIsBetter: task.metric.lowerIsBetter === true,
      samples,
      ratios,
      unpruned: { value, interval },
      groups,
      left: notMeasured,
      evaluations: evaluator.evaluations,
      sessions: evaluator.sessions,
    };
  }

  async #group(candidate: Candidate, unpruned: Unpruned, savings: SavingsOf): Promise<GroupSensitivity | NotMeasured> {
    const { ratios, reasons, pace } = this.#parts;
    const { group } = candidate;
    const root = group.root.layer.name;
    pace.begin(root);
    const points: SensitivityPoint[] = [];
    try {
      const chosen = this.#removable(candidate);
      for (const i of ratios.keys()) {
        const result = await this.#result({ group, chosen }, i, unpruned);
        points.push(this.#point(result, chosen[i], savings));
      }
    } catch (error) {
      if (!(error instanceof Unmeasurable)) throw error;
      pace.end(true, ratios.length - points.length);
      return { root, reason: error.message };
    }
    const prunedBecause = reasons.get(group)!;
    return {
      root,
      channels: group.idxs.length,
      layers: layersOf(group),
      method: prunedBecause.length === 0 ? 'masked' : 'pruned',
      prunedBecause,
      points,
      meanDrop: points.reduce((sum, { drop }) => sum + drop, 0) / points.length,
    };
  }

  /** The channels that go at each ratio. @throws Unmeasurable where a pruner would leave the group alone */
  #removable(candidate: Candidate): readonly (Group | undefined)[] {
    const root = candidate.group.root.layer.name;
    const isDone = this.#parts.ratios.every((ratio) => this.#parts.results.find(root, ratio) !== undefined);
    if (isDone) return candidate.chosen;
    try {
      return this.#surgeon.removable(candidate).chosen;
    } catch (error) {
      throw error instanceof OnnxPruningError ? new Unmeasurable(error.message) : error;
    }
  }

  /** What is known of the group at the i-th ratio, or an evaluation says. */
  async #result({ group, chosen }: Candidate, i: number, unpruned: Unpruned): Promise<Result> {
    const { ratios, results, pace } = this.#parts;
    const removed = chosen[i];
    const root = group.root.layer.name;
    const ratio = ratios[i]!;
    const before = i > 0 && sameChannels(removed, chosen[i - 1]) ? results.find(root, ratios[i - 1]!) : undefined;
    const known = results.find(root, ratio) ?? (before && { ...before, ratio });
    const result = known ?? { root, ratio, ...(await this.#compared(group, ratio, removed, unpruned)) };
    pace.end(known !== undefined || removed === undefined);
    if (results.find(root, ratio) === undefined) await results.add(result);
    return result;
  }

  async #compared(
    group: Group,
    ratio: number,
    removed: Group | undefined,
    { evaluation: itself }: Unpruned,
  ): Promise<Omit<Result, 'root' | 'ratio'>> {
    try {
      const { evaluation, difference, interval } = await this.#evaluate(group, removed, itself);
      if (!Number.isFinite(difference)) throw new Unmeasurable(`at ratio ${ratio}, the metric is ${evaluation.value}`);
      return { value: evaluation.value, interval: evaluation.interval, difference, differenceInterval: interval };
    } catch (error) {
      const isNoNumber = error instanceof DataError && error.code === 'EVALUATE_NOT_A_NUMBER';
      throw isNoNumber ? new Unmeasurable(`at ratio ${ratio}, ${error.message}`) : error;
    }
  }

  async #evaluate(group: Group, removed: Group | undefined, itself: Evaluation): Promise<Compared> {
    const { evaluator, reasons } = this.#parts;
    if (removed === undefined) return { evaluation: itself, ...comparePaired(itself, itself) };
    const evaluation =
      reasons.get(group)!.length === 0
        ? await evaluator.masked(removalOfGroup(removed))
        : await evaluator.other(this.#surgeon.without(removed));
    return { evaluation, ...comparePaired(itself, evaluation) };
  }

  #point({ root: _, ...result }: Result, removed: Group | undefined, savings: SavingsOf): SensitivityPoint {
    const worse = this.#parts.task.metric.lowerIsBetter === true ? result.difference : 0 - result.difference;
    const stays = removed === undefined ? new Map() : removalOfGroup(removed);
    return { ...result, removed: removed?.idxs.length ?? 0, drop: worse, ...savings(stays) };
  }
}

type SavingsOf = (removal: LeafRemoval) => Savings;

type Compared = PairedComparison & { readonly evaluation: Evaluation };

/** A group of which nothing can be said; its message is the reason. */
class Unmeasurable extends Error {}

function sameChannels(a: Group | undefined, b: Group | undefined): boolean {
  return a?.idxs.join() === b?.idxs.join();
}

/** Layers that lose output channels, the root first. */
function layersOf(group: Group): string[] {
  const losing = group.items.filter(({ axis }) => axis.side === 'out');
  return [...new Set(losing.map(({ axis }) => axis.layer.name))];
}
