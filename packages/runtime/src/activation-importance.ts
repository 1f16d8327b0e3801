/**
 * Importance by what channels do on data: activations are measured in onnxruntime on calibration inputs, and a group is
 * scored by those of its channels. Prunes nothing.
 */
import {
  type Analysis,
  type BuildOptions,
  DependencyGraph,
  type DimTerm,
  type Group,
  type GroupOwner,
  indexPairs,
  KeptIndices,
  numericSize,
  originalSize,
} from '@onnx-pruning/depgraph';
import type { Model } from '@onnx-pruning/onnx';
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
import { type ActivationStatistic, type ChannelStatistics, channelStatistics } from './channel-statistics.ts';
import { FeedError } from './errors.ts';
import { withOutputs } from './intermediates.ts';
import { type MeasuringPoint, MeasuringPoints, pointKey } from './measuring-points.ts';
import type { SessionOptions } from './ort.ts';
import { withSession } from './session.ts';
import { type TensorValues, valueNumbers } from './values.ts';

export type { ActivationStatistic } from './channel-statistics.ts';

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

const STATISTICS: readonly ActivationStatistic[] = ['meanAbs', 'l2', 'variance', 'apoz'];

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
  readonly statistic: ActivationStatistic;
  readonly groupReduction: GroupReduction;
  readonly normalizer: Normalizer;
  readonly #measured: ReadonlyMap<string, Float64Array>;
  readonly #points = new WeakMap<Analysis, MeasuringPoints>();

  private constructor(measured: ReadonlyMap<string, Float64Array>, options: Required<CriterionOptions>) {
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
    inputs: Iterable<TensorValues> | AsyncIterable<TensorValues>,
    options: ActivationImportanceOptions = {},
  ): Promise<ActivationImportance> {
    const criterion = checkOptions(options);
    const graph = new DependencyGraph().buildDependency(model.clone(), options);
    const points = new MeasuringPoints(graph).all();
    const statistics = new Map(
      points.map((point) => [point, channelStatistics(criterion.statistic, numericSize(termAt(graph, point)!))]),
    );
    await runAll(graph.model, inputs, statistics, options);
    const measured = [...statistics].map(([point, found]) => [pointKey(point), finite(point, found)] as const);
    return new ActivationImportance(new Map(measured), criterion);
  }

  /**
   * One score per root channel; undefined where nothing was measured of the group.
   *
   * The model may have been pruned through the group's graph since it was measured: the channels that are left keep
   * their scores, although what they do may have changed.
   * @throws CriterionError when the activations were measured on another model, or before other pruning: measure again
   */
  score(group: Group): Float32Array | undefined {
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
    const term = termAt(group.graph, point)!;
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
      repair: 'Measure again: await ActivationImportance.measure(model, inputs), with the options of the pruner.',
    });
  }
}

type CriterionOptions = Pick<ActivationImportanceOptions, 'statistic' | 'groupReduction' | 'normalizer'>;

function checkOptions({
  statistic = 'meanAbs',
  groupReduction = 'mean',
  normalizer = 'mean',
}: CriterionOptions): Required<CriterionOptions> {
  if (!STATISTICS.includes(statistic)) throw optionError('statistic', statistic, STATISTICS);
  if (!GROUP_REDUCTIONS.includes(groupReduction)) throw optionError('groupReduction', groupReduction, GROUP_REDUCTIONS);
  checkNormalizer(normalizer);
  return { statistic, groupReduction, normalizer };
}

function termAt(graph: GroupOwner, { value, axis }: MeasuringPoint): DimTerm | undefined {
  return graph.analysis.terms.axes.get(value)?.[axis];
}

async function runAll(
  model: Model,
  inputs: Iterable<TensorValues> | AsyncIterable<TensorValues>,
  statistics: ReadonlyMap<MeasuringPoint, ChannelStatistics>,
  options: SessionOptions,
): Promise<void> {
  const names = [...new Set([...statistics.keys()].map(({ value }) => value))];
  if (names.length === 0) return;
  let batches = 0;
  await withSession(withOutputs(model, names), options, async (session) => {
    for await (const feeds of inputs) {
      const values = await session.run(feeds, names);
      const numbers = new Map(names.map((name) => [name, valueNumbers(values[name]!)]));
      for (const [{ value, axis }, found] of statistics) found.add(numbers.get(value)!, values[value]!.dims, axis);
      batches++;
    }
  });
  if (batches > 0) return;
  throw new FeedError('FEED_NONE', 'there are no inputs to measure activations on', {
    expected: 'at least one batch',
    actual: 0,
    repair: 'Give calibration inputs: a list of feeds, each with a value for every input of the model.',
  });
}

function finite(point: MeasuringPoint, statistics: ChannelStatistics): Float64Array {
  const result = statistics.result();
  const channel = result.findIndex((x) => !Number.isFinite(x));
  if (channel < 0) return result;
  throw new CriterionError('ACTIVATION_NOT_FINITE', `the activations of channel ${channel} are not finite`, {
    value: point.value,
    axis: point.axis,
    expected: 'finite numbers',
    actual: result[channel],
    repair: 'Check the calibration inputs: their scale, and that they hold no NaN.',
  });
}
