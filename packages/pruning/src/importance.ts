/**
 * Importance criteria: one score per root channel of a group, lower scores are pruned first. Only data of the model is
 * read; nothing is pruned here.
 */
import { GROUP, type Group, type GroupParameter } from '@onnx-pruning/depgraph';
import type { TensorProto } from '@onnx-pruning/onnx';
import { checkArgument, checkOptions, kinds, listOf, type OptionKinds } from '@onnx-pruning/onnx';
import { LAYER_KINDS, type LayerKind } from '@onnx-pruning/ops';
import { ChannelNorms } from './channel-norms.ts';
import { optionError } from './options.ts';
import {
  checkNormalizer,
  GROUP_REDUCTIONS,
  type GroupReduction,
  type MemberScores,
  type Normalizer,
  normalize,
  reduceMembers,
} from './reduction.ts';

/**
 * Scores a group: one number per entry of `group.idxs`, in that order. Undefined when the criterion finds nothing to
 * score in the group, which is then left alone.
 */
export type ImportanceFunction = (group: Group) => ArrayLike<number> | undefined;

/** A criterion is a function, or an object with one. */
export type Importance =
  | ImportanceFunction
  | {
      /** Scores a group, as a function of its own would. Lower scores go first. */
      readonly score: ImportanceFunction;
    };

/** Scores a group with either form of criterion. */
export function scoreGroup(importance: Importance, group: Group): ArrayLike<number> | undefined {
  return typeof importance === 'function' ? importance(group) : importance.score(group);
}

/** How the magnitudes of a group's parameters become one score per channel. */
export interface MagnitudeOptions {
  /** The norm: scores are sums of |w|^p. Default 2. */
  readonly p?: number;
  /** Default `mean`. */
  readonly groupReduction?: GroupReduction;
  /** Default `mean`. */
  readonly normalizer?: Normalizer;
  /** Whether biases count as members of their own. Default false. */
  readonly bias?: boolean;
  /**
   * Kinds of layers that are scored. The default is Torch-Pruning's, which leaves depthwise convolutions out: their
   * channels are judged by their neighbours.
   */
  readonly targetTypes?: readonly LayerKind[];
}

const MAGNITUDE_OPTIONS: OptionKinds<MagnitudeOptions> = {
  p: kinds.anything,
  groupReduction: kinds.anything,
  normalizer: kinds.anything,
  bias: kinds.boolean,
  targetTypes: listOf(kinds.text),
};

const DEFAULT_TARGETS: readonly LayerKind[] = ['conv', 'convTranspose', 'linear', 'batchnorm', 'layernorm'];

/** Positions of root channels by index along the root's axis. */
export function channelPositions(group: Group): Int32Array {
  const last = group.idxs.at(-1) ?? -1;
  const positions = new Int32Array(last + 1).fill(-1);
  for (let position = 0; position < group.idxs.length; position++) positions[group.idxs[position]] = position;
  return positions;
}

/** Scores of some indices along one axis of a parameter: `scores[indices[k]]`, or `scores[k]` without `indices`. */
export type ParameterScores = Pick<MemberScores, 'scores' | 'indices'>;

/** Whether a parameter of a member takes part in scoring: weights do, and biases when asked for. */
function isScored({ role, item }: GroupParameter, bias: boolean): boolean {
  return role === 'weight' || (bias && role === 'bias' && item.axis.side === 'out');
}

/**
 * Magnitude of all parameters that a channel takes along: sum of |w|^p per member, combined over the members of the
 * group and normalized over its channels (Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017; extended to
 * groups by Fang et al., DepGraph, CVPR 2023).
 */
export class GroupMagnitudeImportance {
  /** See `MagnitudeOptions`, also for the defaults. */
  readonly p: number;
  /** How the scores of the members of a group become one. */
  readonly groupReduction: GroupReduction;
  /** How the scores of a group are scaled, so that groups compare. */
  readonly normalizer: Normalizer;
  /** Whether biases count as members of their own. */
  readonly bias: boolean;
  /** Kinds of layers whose parameters are scored. */
  readonly targetTypes: ReadonlySet<LayerKind>;
  readonly #norms: ChannelNorms;

  /** @throws OptionError for a value that is not allowed */
  constructor(options: MagnitudeOptions = {}) {
    checkOptions(new.target.name, options, MAGNITUDE_OPTIONS);
    this.p = options.p ?? 2;
    this.groupReduction = options.groupReduction ?? 'mean';
    this.normalizer = options.normalizer === undefined ? 'mean' : options.normalizer;
    this.bias = options.bias ?? false;
    this.targetTypes = new Set(options.targetTypes ?? DEFAULT_TARGETS);
    const unknown = [...this.targetTypes].find((kind) => !LAYER_KINDS.includes(kind));
    if (unknown !== undefined) throw optionError('targetTypes', unknown, LAYER_KINDS);
    if (!(this.p > 0)) throw optionError('p', this.p, 'a positive number');
    if (!GROUP_REDUCTIONS.includes(this.groupReduction)) {
      throw optionError('groupReduction', this.groupReduction, GROUP_REDUCTIONS);
    }
    checkNormalizer(this.normalizer);
    this.#norms = new ChannelNorms(this.p);
  }

  /** One score per root channel, or undefined when no member is of a target type. */
  score(group: Group): Float32Array | undefined {
    checkArgument('score', 'group', group, GROUP);
    const members = this.memberScores(group);
    if (members.length === 0) return undefined;
    const reduced = reduceMembers(members, group.idxs.length, this.groupReduction);
    return Float32Array.from(normalize(reduced, this.normalizer));
  }

  /** Scores of every member, before they are combined. */
  protected memberScores(group: Group): MemberScores[] {
    const positions = channelPositions(group);
    const members: MemberScores[] = [];
    let last: (Pick<MemberScores, 'channels'> & { readonly root: Int32Array }) | undefined;
    for (const parameter of group.parameters()) {
      const { item, tensor, axis } = parameter;
      if (!this.targetTypes.has(item.axis.layer.spec.kind) || !isScored(parameter, this.bias)) continue;
      const { member, root } = item.pairs;
      // Most members follow the root in the same way and share the list that says so.
      if (last?.root !== root) last = { root, channels: root.map((index) => positions[index]) };
      const { scores, indices } = this.parameterScores(tensor, axis, member);
      members.push({ channels: last.channels, scores, indices });
    }
    return members;
  }

  /** Scores of the given indices along one axis of a parameter. */
  protected parameterScores(tensor: TensorProto, axis: number, idxs: Int32Array): ParameterScores {
    return { scores: this.#norms.of(tensor, axis), indices: idxs };
  }
}

/** GroupMagnitudeImportance by its older name in Torch-Pruning. */
export const GroupNormImportance = GroupMagnitudeImportance;

/** GroupMagnitudeImportance by its shorter name in Torch-Pruning. */
export const MagnitudeImportance = GroupMagnitudeImportance;
