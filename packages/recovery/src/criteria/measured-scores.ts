/**
 * What criteria on data have in common: a model is observed once, the channels of every free dimension get their scores,
 * and groups are looked up in them. It must not know by what channels are scored.
 */
import {
  DependencyGraph,
  GROUP,
  type Group,
  indexOfChannel,
  type Leaf,
  numericSize,
  originalSize,
  pickBuildOptions,
} from '@onnx-pruning/depgraph';
import { checkArgument, checkArguments, type Kind, kinds, type Model } from '@onnx-pruning/onnx';
import { CriterionError, channelPositions, checkNormalizer, type Normalizer, normalize } from '@onnx-pruning/pruning';
import {
  assertMeasured,
  BATCHES,
  type Batches,
  checkRunOptions,
  MeasuringPoints,
  measureAgain,
  type Observer,
  observe,
} from '@onnx-pruning/runtime';
import { type Matrix, MatrixProducts } from '../solve/matrix.ts';
import type { DataImportanceOptions } from './data-importance-options.ts';
import { leafKey, type ReadChannels, type Reading, readChannels, readerWeights } from './readings.ts';

/** What one reading of some channels has shown. */
export interface MeasuredReading<M> {
  readonly measured: M;
  /** What each reader multiplies the channels with: a row for each channel. */
  readonly weights: readonly Matrix[];
}

/** How channels are scored. */
export interface Rule<M> {
  /** Name of the criterion. */
  readonly criterion: string;
  /** Kinds of the options besides those of a run. */
  readonly options: Readonly<Record<string, Kind>>;
  readonly normalizer: Normalizer;
  /** Called before anything is run. @throws CriterionError for readings that cannot be measured */
  check?(readings: readonly Reading[]): void;
  /** What is to be known of the channels of a reading. */
  observer(reading: Reading): Observer<M>;
  /** One score for each channel of a dimension, from all its readings. */
  score(
    readings: readonly MeasuredReading<M>[],
    channels: number,
    products: MatrixProducts,
  ): Float64Array | Promise<Float64Array>;
}

/** Scores of all channels of one model. */
export class MeasuredScores {
  readonly #criterion: string;
  readonly #graph: DependencyGraph;
  readonly #normalizer: Normalizer;
  readonly #byLeaf = new Map<string, Float64Array>();
  readonly #points = new WeakMap<object, ReturnType<MeasuringPoints['byLeaf']>>();

  private constructor(criterion: string, graph: DependencyGraph, normalizer: Normalizer) {
    this.#criterion = criterion;
    this.#graph = graph;
    this.#normalizer = normalizer;
  }

  /** Runs the model over the inputs, once, and scores all its channels. */
  static async measure<M>(
    model: Model,
    inputs: Batches,
    options: DataImportanceOptions,
    rule: Rule<M>,
  ): Promise<MeasuredScores> {
    const what = `${rule.criterion}.measure`;
    checkArguments(what, { model: [model, kinds.model], inputs: [inputs, BATCHES] });
    checkRunOptions(what, options, rule.options);
    const { normalizer = rule.normalizer } = options;
    checkNormalizer(normalizer);
    const graph = new DependencyGraph().buildDependency(model.clone(), pickBuildOptions(options));
    const found = new MeasuredScores(rule.criterion, graph, normalizer);
    const read = readChannels(graph);
    const readings = read.flatMap((channels) => channels.readings);
    rule.check?.(readings);
    if (readings.length > 0)
      await found.#fill(read, await observeReadings(graph.model, inputs, options, rule, readings), rule, options);
    return found;
  }

  async #fill<M>(
    read: readonly ReadChannels[],
    measured: Readonly<Record<string, M>>,
    rule: Rule<M>,
    options: DataImportanceOptions,
  ): Promise<void> {
    const products = new MatrixProducts(runOptions(options, rule));
    try {
      for (const { key, leaf, readings } of read) {
        options.signal?.throwIfAborted();
        const parts = readings.map((reading) => ({
          measured: measured[reading.key]!,
          weights: readerWeights(this.#graph, leaf, reading),
        }));
        this.#byLeaf.set(key, await rule.score(parts, numericSize(leaf), products));
      }
    } finally {
      await products.dispose();
    }
  }

  /**
   * One score per root channel; undefined where nothing reads channels of the group.
   * @throws CriterionError where the model is not the one that was measured
   */
  of(group: Group): Float64Array | undefined {
    checkArgument('score', 'group', group, GROUP);
    assertMeasured(group.graph, this.#graph, this.#criterion);
    const positions = channelPositions(group);
    const layout = group.graph.analysis.terms.layouts.of(group.root.term);
    const scores = new Float64Array(group.idxs.length);
    for (const [leaf, channels] of group.cells) {
      const own = this.#ofLeaf(group, leaf);
      const places = layout.get(leaf);
      if (own === undefined) return undefined;
      if (places === undefined) continue;
      for (const channel of channels) {
        for (let n = 0; n < places.repeats; n++) {
          scores[positions[indexOfChannel(places, channel, n)]!]! += own[leaf.survivors?.[channel] ?? channel]!;
        }
      }
    }
    // A group of which nothing is read has no scale to be normalized by.
    return scores.some((score) => score !== 0) ? Float64Array.from(normalize(scores, this.#normalizer)) : scores;
  }

  /** Scores of all channels that a dimension had; undefined where they are seen nowhere. */
  #ofLeaf({ graph }: Group, leaf: Leaf): Float64Array | undefined {
    let points = this.#points.get(graph.analysis);
    if (points === undefined) {
      points = new MeasuringPoints(graph).byLeaf();
      this.#points.set(graph.analysis, points);
    }
    const point = points.get(leaf)?.[0];
    if (point === undefined) return undefined;
    const found = this.#byLeaf.get(leafKey(graph, leaf, point));
    if (found?.length === originalSize(leaf)) return found;
    throw new CriterionError('ACTIVATION_STATE', 'the channels were not the same ones when they were measured', {
      value: point.value,
      axis: point.axis,
      expected: `${originalSize(leaf)} channels that are pruned together`,
      actual: found ? `${found.length}` : 'no measurement',
      repair: measureAgain(this.#criterion),
    });
  }
}

/** Argument of the constructors of criteria, which only their `measure` calls. */
export const MEASURED_SCORES: Kind = {
  expected: 'what was measured; measure gives a criterion',
  accepts: (value) => value instanceof MeasuredScores,
};

function observeReadings<M>(
  model: Model,
  inputs: Batches,
  options: DataImportanceOptions,
  rule: Rule<M>,
  readings: readonly Reading[],
): Promise<Readonly<Record<string, M>>> {
  const observers = Object.fromEntries(readings.map((reading) => [reading.key, rule.observer(reading)]));
  return observe(model, inputs, observers, runOptions(options, rule));
}

/** The options without those that are the criterion's own. */
function runOptions<M>(options: DataImportanceOptions, rule: Rule<M>): object {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !Object.hasOwn(rule.options, name)));
}
