/**
 * Data sets from files, bound to a model: every sample has a value for every input, of the type and the shape that the
 * model declares. What does not fit is refused before any sample is used, never converted without being told how.
 */
import { stat } from 'node:fs/promises';
import { checkArguments, checkOptions, kinds, listNames, type Model, type OptionKinds } from '@onnx-pruning/onnx';
import { modelInputs, type ValueInfo } from '@onnx-pruning/runtime';
import { Arrays, lengthOf, readArray, readColumns, readZooColumns } from './arrays.ts';
import { Dataset, type SampleSource } from './dataset.ts';
import { DataError } from './errors.ts';
import { checkVariation } from './fit.ts';
import { type ImageListing, imagesIn } from './image-folder.ts';
import { Images } from './image-source.ts';
import { isCsvName, labelsOfArray, labelsOfCsv } from './labels.ts';
import { isZooLayout, namesIn } from './model-zoo.ts';
import { PREPROCESSING, type Preprocess, type Preset, preprocessOf, stepsFor } from './preprocess.ts';
import { unreadable } from './regular-file.ts';
import { loadDecoder } from './sharp.ts';

/** How samples are read. */
export interface OpenDatasetOptions {
  /**
   * A file with the class of every sample: IDX, or .npy of whole numbers. For images in a folder also a .csv with lines `file,label`, where labels are
   * numbers, or names that are numbered in their order.
   */
  readonly labels?: string;
  /** What is done to images before the model gets them: a preset, or its steps. Without it, numbers are fed as they are. */
  readonly preprocess?: Preset | Preprocess;
  /** Samples of one batch. Default 64, or what the model takes, where it takes batches of one size only. */
  readonly batchSize?: number;
}

const OPTIONS: OptionKinds<OpenDatasetOptions> = {
  labels: kinds.text,
  preprocess: PREPROCESSING,
  batchSize: kinds.count,
};

/**
 * Opens a data set for a model.
 *
 * A file with one array (IDX as MNIST has it, plain or .gz, or .npy) is for a model with one input; an .npz has an array
 * for every input, under their names. The first axis of every array is that of the samples.
 *
 * A folder holds tensors as the model zoo lays them out (`test_data_set_0/input_0.pb`, ..., or `input_0.pb`, ... alone;
 * what the model gave is no label), or images (.png, .jpg, .jpeg, .webp) for a model with one input: in a folder for every
 * class, whose number is its place among the sorted names, or side by side. Images are decoded by sharp, which is to be
 * installed besides, batch by batch; transparency and colour profiles are ignored.
 *
 * @throws DataError for files that are missing, damaged, of an unknown kind, or of other types, shapes or numbers of
 * samples than the model and the labels need; for numbers that are not finite (also later, when a sample is read), and
 * for images that are all of one colour: it names file and input
 * @example
 * const data = await openDataset(model, 't10k-images-idx3-ubyte.gz', {
 *   labels: 't10k-labels-idx1-ubyte.gz',
 *   preprocess: 'fashion-mnist',
 * });
 */
export async function openDataset(model: Model, path: string, options: OpenDatasetOptions = {}): Promise<Dataset> {
  checkArguments('openDataset', { model: [model, kinds.model], path: [path, kinds.text] });
  checkOptions('openDataset', options, OPTIONS);
  const inputs = modelInputs(model);
  const how = options.preprocess === undefined ? undefined : preprocessOf(options.preprocess);
  const isFolder = await isDirectory(path);
  const isImages = isFolder && !isZooLayout(await namesIn(path));
  const source = isImages
    ? await openImages(inputs, await imagesIn(path), how, options)
    : await openArrays(inputs, path, isFolder, how, options);
  // The first sample shows whether the others fit: they are of one array, or must be of one size.
  const [input] = inputs;
  const { feeds } = await source.read([0]);
  const isImage = how !== undefined || (feeds[input!.name]!.dims.length >= 3 && isReal(feeds[input!.name]!.data));
  if (inputs.length === 1 && isImage) await checkVariation(source, input!, how && stepsFor(how, input!, path));
  return batched(source, inputs, options.batchSize);
}

const isReal = (data: unknown): boolean => data instanceof Float32Array || data instanceof Float64Array;

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

async function openArrays(
  inputs: readonly ValueInfo[],
  path: string,
  isFolder: boolean,
  how: Preprocess | undefined,
  options: OpenDatasetOptions,
): Promise<SampleSource> {
  if (isFolder && how !== undefined) {
    const repair = 'Leave the preprocessing out.';
    throw new DataError('PREPROCESS', 'tensors of the model zoo are fed as they are', { path, repair });
  }
  const columns = await (isFolder ? readZooColumns : readColumns)(inputs, path);
  const length = lengthOf(columns, path);
  const labels = await fileLabels(options.labels, length);
  const steps = new Map(how && inputs.map((input) => [input.name, stepsFor(how, input, path)]));
  return new Arrays({ name: path, inputs, columns, length, steps, labels });
}

async function openImages(
  inputs: readonly ValueInfo[],
  listing: ImageListing,
  how: Preprocess | undefined,
  options: OpenDatasetOptions,
): Promise<SampleSource> {
  const { folder: path, names, classes } = listing;
  const input = onlyInput(inputs, path);
  if (how === undefined || how.from === 'CHW') {
    throw new DataError('PREPROCESS', 'nothing says how images become numbers', {
      path,
      value: input.name,
      expected: 'a preprocessing from HWC (with colours) or HW (without)',
      actual: how === undefined ? 'none' : how.from,
      repair: "Give one: --preprocess, or the option preprocess; 'imagenet' for example.",
    });
  }
  const ofFile =
    options.labels !== undefined && isCsvName(options.labels)
      ? await labelsOfCsv(options.labels, names)
      : await fileLabels(options.labels, names.length);
  const steps = stepsFor(how, input, path);
  return Images.of({ input, listing, steps, labels: ofFile ?? classes, decode: await loadDecoder() });
}

async function fileLabels(path: string | undefined, length: number): Promise<Int32Array | undefined> {
  if (path === undefined) return undefined;
  if (isCsvName(path)) {
    const repair = 'Give an .npy, or an IDX file.';
    throw new DataError('DATA_LABELS', 'a table of labels is for a folder of images', { path, repair });
  }
  return labelsOfArray(await readArray(path), length, path);
}

function onlyInput(inputs: readonly ValueInfo[], path: string): ValueInfo {
  const [input, ...others] = inputs;
  if (input !== undefined && others.length === 0) return input;
  throw new DataError('DATA_INPUT_MISSING', 'images are for a model with one input', {
    path,
    expected: `values for ${listNames(inputs.map(({ name }) => name))}`,
    repair: 'Give an .npz with an array for every input, as the model takes them.',
  });
}

function batched(source: SampleSource, inputs: readonly ValueInfo[], batchSize: number | undefined): Dataset {
  const fixed = inputs.map(({ dims }) => dims?.[0]).find((size) => typeof size === 'number');
  if (typeof fixed === 'number' && batchSize !== undefined && batchSize !== fixed) {
    throw new DataError('DATA_BATCH', 'the model takes batches of one size only', {
      path: source.name,
      expected: fixed,
      actual: batchSize,
      repair: 'Leave the batch size out.',
    });
  }
  return Dataset.of(source, { batchSize: fixed ?? batchSize, isFixed: fixed !== undefined });
}
