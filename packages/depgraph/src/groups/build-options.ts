/** What a dependency graph can be told about its model, and about the groups that are wanted. */
import { anyOf, type Kind, kinds, listOf, type OptionKinds, oneOf, recordOf } from '@onnx-pruning/onnx';
import type { OperatorRecord } from '@onnx-pruning/ops';
import type { ChannelGroups } from '../analysis/analysis.ts';
import type { UnwrappedParameter } from '../layers/layers.ts';
import type { LayerSelector } from '../layers/select.ts';
import type { InputShapes } from '../shapes/shapes.ts';

/** How `buildDependency` reads a model, and what of it may be pruned. */
export interface BuildOptions {
  /** Shapes by input name, or sizes by symbol, where the file leaves them open. */
  readonly inputShapes?: InputShapes;
  /** Tensors by input name; only their `dims` are used. */
  readonly exampleInputs?: Readonly<
    Record<
      string,
      {
        /** Sizes of all axes, such as [1, 3, 224, 224]. */
        readonly dims: readonly number[];
      }
    >
  >;
  /** Records of operators that the engine does not know, or other rules for those that it does. */
  readonly customizedOperators?: readonly OperatorRecord[];
  /** Bare parameters (position embeddings, layer scales) that are to be layers of their own, under their own names. */
  readonly unwrappedParameters?: readonly UnwrappedParameter[];
  /** Input channels that lie in groups although no operator says so: number of groups by layer or pattern. */
  readonly inChannelGroups?: Readonly<Record<string, number>>;
  /** Output channels that lie in groups although no operator says so: number of groups by layer or pattern. */
  readonly outChannelGroups?: Readonly<Record<string, number>>;
  /**
   * How channels are chosen inside groups (of grouped convolutions, attention heads): `same` removes the same local
   * channels from every group, as Torch-Pruning does; `independent` lets every group keep its own, equally many, which
   * keeps more of what matters at the same cost. Numbers of groups and heads are fixed then. Default `same`.
   */
  readonly groupSelection?: GroupSelection;
  /** Numbers of attention heads by layer or pattern, where the graph does not show them. */
  readonly numHeads?: Readonly<Record<string, number>>;
  /**
   * Whether channels may go over which a softmax is taken that a constant then reads by number (bins of a distribution
   * focal loss, entries of a codebook). Default false: each of them has a meaning, and all stay.
   */
  readonly pruneDistributions?: boolean;
  /**
   * Whether initializers may lose channels that are inputs of the graph as well, so that callers may override them (IR
   * version 4 and later). Default false: their shapes belong to the interface of the model.
   */
  readonly pruneOverridable?: boolean;
}

const OPERATOR_RECORD: Kind = {
  expected: 'a record of an operator',
  accepts: (value) => kinds.object.accepts(value) && ['infer', 'equations'].every((part) => part in (value as object)),
};

const LAYER: Kind = anyOf(kinds.text, { ...kinds.object, expected: 'a layer' });

/** Lists of layers, by name or as such. */
export const LAYERS: Kind = listOf(LAYER);

/** What the options above may be. */
export const BUILD_OPTIONS: OptionKinds<BuildOptions> = {
  inputShapes: recordOf(anyOf(kinds.count, listOf(anyOf(kinds.count, kinds.text)))),
  exampleInputs: recordOf({
    expected: 'an object with dims',
    accepts: (value) => kinds.object.accepts(value) && listOf(kinds.count).accepts((value as { dims?: unknown }).dims),
  }),
  customizedOperators: listOf(OPERATOR_RECORD),
  unwrappedParameters: listOf(kinds.object),
  inChannelGroups: recordOf(kinds.positive),
  outChannelGroups: recordOf(kinds.positive),
  groupSelection: oneOf('same', 'independent'),
  numHeads: recordOf(kinds.positive),
  pruneDistributions: kinds.boolean,
  pruneOverridable: kinds.boolean,
};

const BUILD_OPTION_NAMES = Object.keys(BUILD_OPTIONS) as (keyof BuildOptions)[];

/** The options of a graph among those of something that builds one. */
export function pickBuildOptions(options: BuildOptions): BuildOptions {
  return Object.fromEntries(
    BUILD_OPTION_NAMES.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  );
}

/** What the options of `getAllGroups` may be. */
export const ALL_GROUPS_OPTIONS: OptionKinds<AllGroupsOptions> = {
  ignoredLayers: LAYERS,
  rootOpTypes: listOf(kinds.text),
};

/** How channels are chosen inside groups and heads: the `same` local ones from each, or each its own. */
export type GroupSelection = 'same' | 'independent';

/** Which groups `getAllGroups` offers. */
export interface AllGroupsOptions {
  /** Layers whose output channels stay (see `matchLayers`); a group that would prune one is not offered. */
  readonly ignoredLayers?: readonly LayerSelector[];
  /** Operator types of layers that may be the root of a group. Default: convolutions and fully connected layers. */
  readonly rootOpTypes?: readonly string[];
}

/** internal: channels that lie in groups, whichever option says so. */
export function channelGroupsOf(options: BuildOptions): ChannelGroups[] {
  const read = (given: Readonly<Record<string, number>> | undefined, side: 'out' | 'in'): ChannelGroups[] =>
    Object.entries(given ?? {}).map(([selector, groups]) => ({ selector, side, groups }));
  return [
    ...read(options.inChannelGroups, 'in'),
    ...read(options.outChannelGroups, 'out'),
    ...read(options.numHeads, 'out'),
  ];
}
