/**
 * Importance by what channels do on data: activations are measured in onnxruntime on calibration inputs, and a group is
 * scored by those of its channels. Prunes nothing.
 */

import {
  type Analysis,
  BUILD_OPTIONS,
  type BuildOptions,
  DependencyGraph,
  type DimTerm,
  GRAPH,
  GROUP,
  type Group,
  indexPairs,
  KeptIndices,
  numericSize,
  originalSize,
} from '@onnx-pruning/depgraph';
import type { Model } from '@onnx-pruning/onnx';
import { checkArgument, checkArguments, kinds, type OptionKinds } from '@onnx-pruning/onnx';
import {
  CriterionError,
  channelPositions,
  checkNormalizer,
  GROUP_REDUCTIONS,
  type GroupReduction,
  type MemberScores,
  type Normalizer,
  normalize,
  optionError,
  reduceMembers,
} from '@onnx-pruning/pruning';
import { assertMeasured, measureAgain } from './measured-model.ts';
import { type MeasuringPoint, MeasuringPoints, pointKey } from './measuring-points.ts';
import { type Batches, observe } from './observe.ts';
import { NotFiniteError, type Observer } from './observer.ts';
import { observers } from './observers.ts';
import { checkRunOptions } from './run-options.ts';
import type { SessionOptions } from './session-options.ts';

export interface ActivationImportanceOptions
  extends SessionOptions,
    Pick<BuildOptions, 'inputShapes' | 'customizedOperators'> {
  /** What is measured of the activations of a channel. Default `meanAbs`. */
  readonly statistic?: ActivationStatistic;
  /** How the scores of several places where the channels are consumed are combined. Default `mean`. */
  readonly groupReduction?: GroupReduction;
  /** Default `mean`. */
  readonly normalizer?: Normalizer;
}

const STATISTICS = {
  meanAbs: observers.meanAbs,
  l2: observers.rootMeanSquare,
  variance: observers.variance,
  apoz: observers.nonzeroShare,
} as const;

/** What is measured of the values of a channel; see ActivationImportance for formulas and sources. */
export type ActivationStatistic = keyof typeof STATISTICS;

/**
 * Scores channels by their activations on calibration inputs: what is nearly always silent, or always the same, is
 * removed first. With x running over all elements of a channel in all inputs:
 *
 * - `meanAbs`: mean |x|. Mean activation (Molchanov et al., Pruning Convolutional Neural Networks for Resource Efficient
 *   Inference, ICLR 2017).
 * - `l2`: sqrt(mean x^2), the L2 norm per element, so that feature maps of different sizes compare.
 * - `variance`: mean (x - mean x)^2, for channels that are large and constant: the next layer's bias can stand for those
 *   (Polyak and Wolf, Channel-Level Acceleration of Deep Face Representations, IEEE Access 2015).
 * - `apoz`: the share of elements that are not zero, 1 - APoZ (Hu et al., Network Trimming, 2016).
 *
 * A channel is measured where it is consumed: in the inputs of the layers that sum over it, after normalization and
 * activation; where no layer does, in the output of the layer that makes it.
 *
 * @example
 * const importance = await ActivationImportance.measure(model, batches, { statistic: 'apoz' });
 * new BasePruner(model, { importance, pruningRatio: 0.5 }).step();
 */
export class ActivationImportance {
  /** What was measured of the activations of each channel. */
  readonly statistic: ActivationStatistic;
  /** How the scores of several places become one. */
  readonly groupReduction: GroupReduction;
  /** How the scores of a group are scaled, so that groups compare. */
  readonly normalizer: Normalizer;
  readonly #measured: ReadonlyMap<string, Float64Array>;
  readonly #points = new WeakMap<Analysis, MeasuringPoints>();
  /** The graph of the model as it was when it was measured. */
  readonly #graph: DependencyGraph;

  private constructor(
    graph: DependencyGraph,
    measured: ReadonlyMap<string, Float64Array>,
    options: Required<CriterionOptions>,
  ) {
    checkArguments('new ActivationImportance (await ActivationImportance.measure makes one)', {
      graph: [graph, GRAPH],
      options: [options, kinds.object],
    });
    this.#graph = graph;
    this.#measured = measured;
    this.statistic = options.statistic;
    this.groupReduction = options.groupReduction;
    this.normalizer = options.normalizer;
  }

  /**
   * Runs the model on calibration inputs and measures the activations of all channels that can be pruned. Only what the
   * statistic needs is kept, so there may be any number of inputs; the model is not changed.
   *
   * @param inputs feeds of the model, one batch after the other
   * @param options `inputShapes` and `customizedOperators` as for the pruner, the others as for a session
   * @throws FeedError for inputs that do not fit the model, or none at all; CriterionError for activations that are not
   * finite; OptionError for an option that does not exist; SessionError and ExecutionProviderError as `createSession`
   */
  static async measure(
    model: Model,
    inputs: Batches,
    options: ActivationImportanceOptions = {},
  ): Promise<ActivationImportance> {
    checkArguments('ActivationImportance.measure', { model: [model, kinds.model] });
    checkRunOptions('ActivationImportance.measure', options, FURTHER);
    const criterion = criterionOf(options);
    const { statistic, groupReduction, normalizer, inputShapes, customizedOperators, ...run } = options;
    const graph = new DependencyGraph().buildDependency(model.clone(), { inputShapes, customizedOperators });
    const points = new MeasuringPoints(graph).all();
    const observer = STATISTICS[criterion.statistic];
    const byPoint = Object.fromEntries(
      points.map((point) => [pointKey(point), observer(point.value, { axis: point.axis })]),
    );
    const measured = await observeActivations(graph.model, inputs, byPoint, run);
    return new ActivationImportance(graph, new Map(Object.entries(measured)), criterion);
  }

  /**
   * One score per root channel; undefined where nothing was measured of the group.
   *
   * The model may have been pruned through the group's graph since it was measured: the channels that are left keep
   * their scores, although what they do may have changed.
   * @throws CriterionError when the activations were measured on another model, or before other pruning: measure again
   */
  score(group: Group): Float32Array | undefined {
    checkArgument('score', 'group', group, GROUP);
    assertMeasured(group.graph, this.#graph, 'ActivationImportance');
    let points = this.#points.get(group.graph.analysis);
    if (!points) {
      points = new MeasuringPoints(group.graph);
      this.#points.set(group.graph.analysis, points);
    }
    const members = points.of(group).map((point) => this.#scoresAt(group, point));
    if (members.length === 0) return undefined;
    const reduced = reduceMembers(members, group.idxs.length, this.groupReduction);
    // A group that is silent altogether has no scale to be normalized by.
    return Float32Array.from(reduced.some((score) => score !== 0) ? normalize(reduced, this.normalizer) : reduced);
  }

  /** Scores of the root channels at one point; a channel that stands there several times has their mean. */
  #scoresAt(group: Group, point: MeasuringPoint): MemberScores {
    const term = group.graph.termOf(point.value, point.axis)!;
    const statistics = this.#statisticsNow(point, term);
    const positions = channelPositions(group);
    const pairs = indexPairs(group, { ...group.root, term });
    const sums = new Float64Array(group.idxs.length);
    const times = new Int32Array(group.idxs.length);
    pairs.member.forEach((index, k) => {
      const channel = positions[pairs.root[k]!]!;
      sums[channel]! += statistics[index]!;
      times[channel]!++;
    });
    const channels = Int32Array.from(times.keys()).filter((channel) => times[channel]! > 0);
    return { channels, scores: Float64Array.from(channels, (channel) => sums[channel]! / times[channel]!) };
  }

  /** What was measured, for the channels that an axis has now. */
  #statisticsNow(point: MeasuringPoint, term: DimTerm): Float64Array {
    const measured = this.#measured.get(pointKey(point));
    const size = numericSize(term);
    if (measured?.length === size) return measured;
    const kept = new KeptIndices({ size: originalSize, kept: (leaf) => leaf.survivors });
    const survivors = kept.perGroup(term) ? undefined : kept.of(term);
    if (measured && survivors && measured.length === originalSize(term)) {
      return Float64Array.from(survivors, (index) => measured[index]!);
    }
    throw new CriterionError('ACTIVATION_STATE', 'the activations were not measured on this model as it is now', {
      value: point.value,
      axis: point.axis,
      expected: `${size} channels`,
      actual: measured ? `${measured.length} when they were measured` : 'no measurement',
      repair: measureAgain('ActivationImportance'),
    });
  }
}

/** Options besides those of the run; whether the criterion has such values is asked below. */
const FURTHER: OptionKinds<CriterionOptions & Pick<BuildOptions, 'inputShapes' | 'customizedOperators'>> = {
  statistic: kinds.anything,
  groupReduction: kinds.anything,
  normalizer: kinds.anything,
  inputShapes: BUILD_OPTIONS.inputShapes,
  customizedOperators: BUILD_OPTIONS.customizedOperators,
};

type CriterionOptions = Pick<ActivationImportanceOptions, 'statistic' | 'groupReduction' | 'normalizer'>;

function criterionOf({
  statistic = 'meanAbs',
  groupReduction = 'mean',
  normalizer = 'mean',
}: CriterionOptions): Required<CriterionOptions> {
  if (!Object.hasOwn(STATISTICS, statistic)) throw optionError('statistic', statistic, Object.keys(STATISTICS));
  if (!GROUP_REDUCTIONS.includes(groupReduction)) throw optionError('groupReduction', groupReduction, GROUP_REDUCTIONS);
  checkNormalizer(normalizer);
  return { statistic, groupReduction, normalizer };
}

/** What the observers make of the activations; that activations are not finite is said in the words of a criterion. */
async function observeActivations(
  model: Model,
  inputs: Batches,
  byPoint: Readonly<Record<string, Observer<Float64Array>>>,
  options: SessionOptions,
): Promise<Readonly<Record<string, Float64Array>>> {
  if (Object.keys(byPoint).length === 0) return {};
  try {
    return await observe(model, inputs, byPoint, options);
  } catch (error) {
    if (!(error instanceof NotFiniteError)) throw error;
    const what = `the activations of channel ${error.index} are not finite`;
    throw new CriterionError('ACTIVATION_NOT_FINITE', what, error.details, { cause: error });
  }
}
