/** What `sensitivity` is told and what it tells. It must not do anything. */
import { type Interval, METRIC, type Metric, type MetricName } from '@onnx-pruning/data';
import { BUILD_OPTIONS, type BuildOptions, LAYERS } from '@onnx-pruning/depgraph';
import { anyOf, type Kind, kinds, listOf, type OptionKinds } from '@onnx-pruning/onnx';
import type { PrunerOptions } from '@onnx-pruning/pruning';
import type { SessionOptions } from '@onnx-pruning/runtime';

/** How far a measurement of sensitivities has come. */
export interface SensitivityProgress {
  /** Evaluations that are done, those of an earlier run among them. */
  readonly done: number;
  /** Evaluations in all: the model itself, and every group at every ratio. */
  readonly total: number;
  /** Estimated from the evaluations of this run so far. */
  readonly secondsLeft: number;
  /** Root of the group that is measured now; undefined for the model itself. */
  readonly group: string | undefined;
}

/** Which channels are coupled, and which of them go first: options of the pruners, with their defaults. */
export type SensitivityPrunerOptions = BuildOptions &
  Partial<
    Pick<
      PrunerOptions,
      'importance' | 'ignoredLayers' | 'ignoredInputs' | 'rootOpTypes' | 'roundTo' | 'groupSelection' | 'pruneHeadDims'
    >
  >;

/** What is measured, and how. */
export interface SensitivityOptions extends SessionOptions {
  /** Shares of a group's channels that are removed, above 0 and below 1. Default 0.1, 0.3, 0.5, 0.7 and 0.9. */
  readonly ratios?: readonly number[];
  /** What is measured. Default `top1` where there are labels, else `agreement` with the model itself. */
  readonly metric?: MetricName | Metric;
  /** Name of the output that is scored. Default: the first. */
  readonly output?: string;
  /** As given to the pruner that the result is for. Default importance: `GroupMagnitudeImportance`. */
  readonly pruner?: SensitivityPrunerOptions;
  /** Of the bootstrap. Default 0. */
  readonly seed?: number;
  /**
   * A file in which results are kept as they come in. Where it is there already, the work goes on where it was; it must be
   * of the same model, data and options.
   */
  readonly stateFile?: string;
  /** Ends the work before the next batch: `sensitivity` rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every batch. */
  readonly onProgress?: (progress: SensitivityProgress) => void;
}

/** What is measured of a group at one ratio. */
export interface SensitivityPoint {
  /** The share of channels that was asked for. */
  readonly ratio: number;
  /** Channels of the root that are removed: what a pruner removes at this ratio. */
  readonly removed: number;
  /** The metric without them. */
  readonly value: number;
  /** Its 95 % interval. */
  readonly interval: Interval;
  /** What changes against the model itself, on the same samples: `value` minus that of the model. */
  readonly difference: number;
  /** The 95 % interval of the difference, paired. */
  readonly differenceInterval: Interval;
  /** How much worse it gets, whichever way the metric counts: above 0 where it is worse. */
  readonly drop: number;
  /** Share of the model's multiply-accumulates that are saved; undefined where sizes that only a run decides matter. */
  readonly macsSaved: number | undefined;
  /** Share of the model's parameters that are saved; undefined where `macsSaved` is. */
  readonly paramsSaved: number | undefined;
}

/** What a group of coupled channels is worth to the model. */
export interface GroupSensitivity {
  /** Name of the root layer: what `pruningRatioDict` of the pruners takes. */
  readonly root: string;
  /** Channels of the root. */
  readonly channels: number;
  /** Names of all layers that lose output channels with it, the root first. */
  readonly layers: readonly string[];
  /** Whether channels were masked in the one session of the model, or removed from a model of their own. */
  readonly method: 'masked' | 'pruned';
  /** Why masks would not compute what the pruned model does; empty where they do. */
  readonly prunedBecause: readonly string[];
  /** One for each ratio, in the order of the ratios. */
  readonly points: readonly SensitivityPoint[];
  /** The mean of `drop` over all points: what groups are compared by. */
  readonly meanDrop: number;
}

/** A group that was not measured. */
export interface NotMeasured {
  /** Name of the root layer. */
  readonly root: string;
  /** What stood in the way, in words. */
  readonly reason: string;
}

/** What every group of a model is worth to it. */
export interface Sensitivity {
  /** Name of the metric. */
  readonly metric: string;
  /** Whether the metric is a share of samples, from 0 to 1. */
  readonly isShare: boolean;
  /** Whether a smaller value is a better one. */
  readonly lowerIsBetter: boolean;
  /** Samples of every evaluation. */
  readonly samples: number;
  /** The ratios, ascending. */
  readonly ratios: readonly number[];
  /** The model itself. */
  readonly unpruned: {
    /** The metric. */
    readonly value: number;
    /** Its 95 % interval. */
    readonly interval: Interval;
  };
  /** In the order in which the pruners know them. */
  readonly groups: readonly GroupSensitivity[];
  /** Groups that a pruner would be offered, and that could not be measured. */
  readonly left: readonly NotMeasured[];
  /** Evaluations of this call; fewer than points where an earlier run, or an equal choice of channels, has the answer. */
  readonly evaluations: number;
  /** Sessions that this call has opened. */
  readonly sessions: number;
}

const RATIO: Kind = {
  expected: 'a share above 0 and below 1',
  accepts: (value) => typeof value === 'number' && value > 0 && value < 1,
};
const RATIOS: Kind = {
  expected: 'shares above 0 and below 1, at least one',
  accepts: (value) => listOf(RATIO).accepts(value) && (value as readonly number[]).length > 0,
};

/** What is not about sessions. */
export type Settings = Omit<SensitivityOptions, keyof SessionOptions>;

export const SENSITIVITY_OPTIONS: OptionKinds<Settings> = {
  ratios: RATIOS,
  metric: METRIC,
  output: kinds.text,
  pruner: kinds.object,
  seed: kinds.integer,
  stateFile: kinds.text,
  signal: kinds.object,
  onProgress: kinds.callback,
};

/** The values are looked at by the pruner. */
export const PRUNER_OPTIONS: OptionKinds<SensitivityPrunerOptions> = {
  ...BUILD_OPTIONS,
  importance: anyOf(kinds.callback, kinds.object),
  ignoredLayers: LAYERS,
  ignoredInputs: LAYERS,
  rootOpTypes: kinds.anything,
  roundTo: kinds.anything,
  groupSelection: kinds.anything,
  pruneHeadDims: kinds.anything,
};

/** Options of sessions, and all others. */
export function splitOptions(options: SensitivityOptions): { session: SessionOptions; settings: Settings } {
  const part = (isOwn: boolean): object =>
    Object.fromEntries(Object.entries(options).filter(([name]) => name in SENSITIVITY_OPTIONS === isOwn));
  return { session: part(false), settings: part(true) };
}
