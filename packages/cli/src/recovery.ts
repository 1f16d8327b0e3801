/**
 * `--calib`, `--data` and `--recover`: which samples a text means, and the weights refitted to them. The work is done by
 * packages/recovery. It must not write files.
 */
import { type Dataset, openDataset } from '@onnx-pruning/data';
import type { Model } from '@onnx-pruning/onnx';
import { OptionError, type Plan } from '@onnx-pruning/pruning';
import { type Recalibration, type Reconstruction, recalibrateBatchNorm, reconstruct } from '@onnx-pruning/recovery';
import { elementCount, modelInputs } from '@onnx-pruning/runtime';
import { isClassifier, type MeasuringOptions } from './measuring.ts';
import { readPreprocess } from './preprocess.ts';

/** What may be done with samples after pruning. */
export type RecoveryMethod = 'ridge' | 'bias' | 'bn';

/** The options of `prune` that are about samples. */
export interface RecoveryOptions {
  /** File with samples. */
  readonly calib?: string;
  /** How many of them are used; by default as many as there are, and at most 1,024. */
  readonly calibSize?: number;
  /** A preset, or the path of a file that declares the steps. */
  readonly preprocess?: string;
  /** `auto` is `ridge` where there are samples. */
  readonly recover: 'auto' | 'none' | RecoveryMethod;
  readonly seed: number;
}

/** Samples to refit weights to, and how. */
export interface Calibration {
  readonly data: Dataset;
  readonly method: RecoveryMethod;
}

/** What came of it. */
export type Recovery = { readonly samples: number } & (
  | (Reconstruction & { readonly method: 'ridge' | 'bias' })
  | (Recalibration & { readonly method: 'bn' })
);

const SAMPLES = 1024;
/** Fewer samples that were not fitted to say too little to be measured on. */
const FEWEST_OTHERS = 100;
/** Batches at least, so that some can be held out. */
const BATCHES = 8;
const LARGEST_BATCH = 128;
/** Numbers of one batch that are fed at once. */
const BATCH_NUMBERS = 2 ** 21;

/**
 * Opens the samples that the options name, before any work is done.
 * @returns samples to refit weights to, and samples to measure on, where there are any
 * @throws OptionError for options that do not belong together; DataError for samples that the model does not take
 */
export async function openSamples(
  model: Model,
  options: RecoveryOptions & MeasuringOptions,
): Promise<{ readonly calibration?: Calibration; readonly measured?: Dataset }> {
  const { calib, recover, data, labels } = options;
  const measured = data === undefined ? undefined : await openMeasured(model, data, options);
  if (calib === undefined) {
    const lone = recover !== 'auto' && recover !== 'none' ? `--recover ${recover}` : loneOption(options);
    if (lone === undefined) return { measured };
    const repair = 'Give samples: --calib train-images-idx3-ubyte.gz, an .npy or an .npz.';
    throw new OptionError('CALIB_MISSING', `${lone} is about samples, and there are none`, {
      expected: '--calib',
      repair,
    });
  }
  if (recover === 'none' && (measured || options.maxDrop === undefined)) return { measured };
  const preprocess = options.preprocess === undefined ? undefined : await readPreprocess(options.preprocess);
  const all = await openDataset(model, calib, { preprocess, labels: data === undefined ? labels : undefined });
  const size = options.calibSize ?? Math.min(SAMPLES, all.length);
  const chosen = all.take(size, { seed: options.seed });
  const others = measured ?? othersOf(all.shuffle(options.seed).slice(size), model, options);
  if (recover === 'none') return { measured: others };
  const declared = modelInputs(model).map(({ dims }) =>
    dims?.slice(1).map((size) => (typeof size === 'number' ? size : 1)),
  );
  const numbers = declared.reduce((sum, dims) => sum + elementCount(dims ?? []), 0);
  const fitting = Math.min(
    LARGEST_BATCH,
    Math.floor(BATCH_NUMBERS / Math.max(1, numbers)),
    Math.floor(chosen.length / BATCHES),
  );
  const isFixed = modelInputs(model).some(({ dims }) => typeof dims?.[0] === 'number');
  const calibration: Calibration = {
    data: isFixed ? chosen : chosen.withBatchSize(Math.max(1, fitting)),
    method: recover === 'auto' ? 'ridge' : recover,
  };
  return { calibration, measured: others };
}

/** What `--data` names. */
async function openMeasured(
  model: Model,
  path: string,
  { dataSize, labels, preprocess, seed }: RecoveryOptions & MeasuringOptions,
): Promise<Dataset> {
  const how = preprocess === undefined ? undefined : await readPreprocess(preprocess);
  const all = await openDataset(model, path, { preprocess: how, labels });
  return dataSize === undefined ? all : all.take(dataSize, { seed });
}

/** Samples of `--calib` that are not fitted to: all of them where a bound is to be met, else some to look at. */
function othersOf(left: Dataset, model: Model, { maxDrop }: MeasuringOptions): Dataset | undefined {
  if (maxDrop !== undefined) return left;
  const isTelling = left.length >= FEWEST_OTHERS && (left.hasLabels || isClassifier(model));
  return isTelling ? left.slice(0, SAMPLES) : undefined;
}

function loneOption({ calibSize, data, preprocess }: RecoveryOptions & MeasuringOptions): string | undefined {
  if (calibSize !== undefined) return '--calib-size';
  return preprocess === undefined || data !== undefined ? undefined : '--preprocess';
}

/**
 * Refits the pruned model.
 * @param onLayer told before every layer
 * @throws OptionError where there is nothing that the method could refit
 */
export async function recover(
  original: Model,
  pruned: Model,
  plan: Plan,
  { data, method }: Calibration,
  onLayer: (done: number, total: number) => void,
): Promise<Recovery> {
  const samples = data.length;
  const onProgress = ({ done, total }: { done: number; total: number }): void => onLayer(done, total);
  if (method === 'bn') {
    const found = await recalibrateBatchNorm(original, pruned, plan, data.feeds(), { onProgress });
    if (found.layers.length === 0) throw nothingToRecalibrate(found);
    return { ...found, method, samples };
  }
  const fit = method === 'bias' ? 'bias' : 'weights';
  return { ...(await reconstruct(original, pruned, plan, data.feeds(), { fit, onProgress })), method, samples };
}

function nothingToRecalibrate({ left }: Recalibration): OptionError {
  const reason = left[0] && `${left[0].layer}: ${left[0].reason}`;
  return new OptionError('RECOVER_NOTHING', '--recover bn finds no statistics to take again', {
    expected: 'a BatchNormalization behind what was pruned',
    actual: reason ?? 'none: exporters fold it into convolutions',
    repair: 'Refit weights: --recover ridge.',
  });
}
