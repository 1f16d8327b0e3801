/** `--criterion`: how channels are scored, on the samples of `--calib` where a criterion needs some. It prunes nothing. */
import type { Model } from '@onnx-pruning/onnx';
import { GroupMagnitudeImportance, type Importance, OptionError } from '@onnx-pruning/pruning';
import {
  type DataImportanceOptions,
  PredictionImportance,
  ReconstructionImportance,
  WandaImportance,
} from '@onnx-pruning/recovery';
import type { Batches } from '@onnx-pruning/runtime';
import { type Calibration, openSamples, type RecoveryOptions } from './recovery.ts';

type Measure = (model: Model, inputs: Batches, options: DataImportanceOptions) => Promise<Importance>;

const ON_WEIGHTS = {
  l1: { p: 1 },
  l2: { p: 2 },
} as const;

const ON_DATA = {
  wanda: (model, inputs, options) => WandaImportance.measure(model, inputs, options),
  residual: (model, inputs, options) => PredictionImportance.measure(model, inputs, options),
  reconstruction: (model, inputs, options) => ReconstructionImportance.measure(model, inputs, options),
} as const satisfies Readonly<Record<string, Measure>>;

/** How channels are scored: by their weights (`l1`, `l2`), or on samples. */
export type Criterion = keyof typeof ON_WEIGHTS | keyof typeof ON_DATA;

/** All of them, as `--criterion` takes them. */
export const CRITERIA: readonly string[] = [...Object.keys(ON_WEIGHTS), ...Object.keys(ON_DATA)];

/** Whether a criterion needs samples. */
export function needsSamples(criterion: Criterion): criterion is keyof typeof ON_DATA {
  return Object.hasOwn(ON_DATA, criterion);
}

/** @throws OptionError for a criterion that needs samples where there are none */
export function checkCriterion({ criterion, calib }: { readonly criterion: Criterion; readonly calib?: string }): void {
  if (!needsSamples(criterion) || calib !== undefined) return;
  throw new OptionError('CALIB_MISSING', `--criterion ${criterion} scores channels on samples, and there are none`, {
    expected: '--calib',
    repair: 'Give samples: --calib train-images-idx3-ubyte.gz, an .npy or an .npz; or take --criterion l2.',
  });
}

/**
 * The criterion that was asked for.
 * @param calibration the samples that weights are refitted to, which it is measured on; where nothing is refitted, they
 * are opened here
 * @param options what the pruner is told of the model
 */
export async function criterionOf(
  original: Model,
  job: RecoveryOptions & { readonly criterion: Criterion },
  calibration: Calibration | undefined,
  options: DataImportanceOptions,
): Promise<Importance> {
  const { criterion } = job;
  if (!needsSamples(criterion)) return new GroupMagnitudeImportance(ON_WEIGHTS[criterion]);
  const samples = calibration ?? (await samplesAlone(original, job));
  return ON_DATA[criterion](original, samples.data.feeds(), options);
}

async function samplesAlone(original: Model, job: RecoveryOptions): Promise<Calibration> {
  const { calib, calibSize, preprocess, seed } = job;
  const { calibration } = await openSamples(original, { calib, calibSize, preprocess, seed, recover: 'ridge' });
  return calibration!;
}
