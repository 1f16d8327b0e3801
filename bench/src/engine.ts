/**
 * One pass of the engine, from the bytes of an ONNX file to the bytes of a pruned one, timed phase by phase. It must not
 * do anything that a user who prunes a model would not do.
 */
import type { Group } from '@onnx-pruning/depgraph';
import { encodeModel, parseModel } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance, type Importance, type PrunerOptions } from '@onnx-pruning/pruning';

/** What the engine does, in order. */
export const PHASES = ['parse', 'graph', 'groups', 'scoring', 'pruning', 'encode'] as const;
export type Phase = (typeof PHASES)[number];

/** Milliseconds by phase. */
export type PhaseTimes = Readonly<Record<Phase, number>>;

export interface EngineOptions {
  readonly ratio: number;
  readonly ignoredLayers: readonly string[];
  /** Channels that are left are a multiple of this. */
  readonly roundTo?: number;
}

export interface TimedPruning {
  readonly bytes: Uint8Array;
  readonly phasesMs: PhaseTimes;
}

/**
 * Prunes by L2 magnitude, uniformly in every group. `groups` finds the groups and ranks their channels, without the
 * time that `scoring` takes inside it.
 */
export function pruneTimed(bytes: Uint8Array, options: EngineOptions): TimedPruning {
  const clock = new Clock();
  const magnitude = new GroupMagnitudeImportance();
  let scoring = 0;
  const importance = (group: Group): ArrayLike<number> | undefined => {
    const start = performance.now();
    const scores = magnitude.score(group);
    scoring += performance.now() - start;
    return scores;
  };
  const model = parseModel(bytes);
  const parse = clock.lap();
  const pruner = new BasePruner(model, prunerOptions(importance, options));
  const graph = clock.lap();
  const groups = [...pruner.step({ interactive: true })];
  const chosen = clock.lap();
  pruner.graph.pruneGroups(groups);
  const pruning = clock.lap();
  const pruned = encodeModel(model);
  const encode = clock.lap();
  return { bytes: pruned, phasesMs: { parse, graph, groups: chosen - scoring, scoring, pruning, encode } };
}

/** The options of the pruner for a pass. */
export function prunerOptions(importance: Importance, { ratio, ignoredLayers, roundTo }: EngineOptions): PrunerOptions {
  return { importance, pruningRatio: ratio, ignoredLayers, ...(roundTo === undefined ? {} : { roundTo }) };
}

/** Milliseconds of all phases together. */
export function totalMs(phases: PhaseTimes): number {
  return PHASES.reduce((sum, phase) => sum + phases[phase], 0);
}

class Clock {
  #last = performance.now();

  /** Milliseconds since the last lap. */
  lap(): number {
    const now = performance.now();
    const passed = now - this.#last;
    this.#last = now;
    return passed;
  }
}
