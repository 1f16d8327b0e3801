/**
 * Data sets from files, bound to a model: every sample has a value for every input, of the type and the shape that the
 * model declares. What does not fit is refused before any sample is used, never converted without being told how.
 */
import { basename, extname } from 'node:path';
import {
  checkArguments,
  checkOptions,
  DataType,
  dataTypeName,
  kinds,
  listNames,
  type Model,
  type OptionKinds,
} from '@onnx-pruning/onnx';
import {
  elementCount,
  fitsDims,
  modelInputs,
  showDims,
  type TensorValue,
  type TensorValues,
  type ValueInfo,
  valueNumbers,
} from '@onnx-pruning/runtime';
import { type Batch, Dataset, type SampleSource } from './dataset.ts';
import { DataError } from './errors.ts';
import { isIdxName, parseIdx } from './idx.ts';
import { PREPROCESSING, type Preprocess, type Preset, preprocessed, preprocessOf } from './preprocess.ts';
import { readNpy, readNpz } from './readers.ts';
import { readRegularFile } from './regular-file.ts';

/** How samples are read. */
export interface OpenDatasetOptions {
  /** A file with the class of every sample: IDX, or .npy of whole numbers. */
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

/** Arrays whose first axis is that of the samples. */
type Columns = ReadonlyMap<string, { readonly array: TensorValue; readonly path: string }>;

/**
 * Opens a data set for a model.
 *
 * A file with one array (IDX as MNIST has it, plain or .gz, or .npy) is for a model with one input; an .npz has an array
 * for every input, under their names. The first axis of every array is that of the samples.
 *
 * @throws DataError for files that are missing, damaged, of an unknown kind, or of other types, shapes or numbers of
 * samples than the model and the labels need: it names file and input
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
  const columns = await readColumns(inputs, path);
  const length = lengthOf(columns, path);
  const how = options.preprocess === undefined ? undefined : preprocessOf(options.preprocess);
  const labels = options.labels === undefined ? undefined : await readLabels(options.labels, length);
  const source = new Arrays({ name: path, inputs, columns, length, how, labels });
  // The first sample shows whether the others fit: they are of one array.
  await source.read([0]);
  const fixed = inputs.map(({ dims }) => dims?.[0]).find((size) => typeof size === 'number');
  if (typeof fixed === 'number' && options.batchSize !== undefined && options.batchSize !== fixed) {
    throw new DataError('DATA_BATCH', 'the model takes batches of one size only', {
      path,
      expected: fixed,
      actual: options.batchSize,
      repair: 'Leave the batch size out.',
    });
  }
  return Dataset.of(source, { batchSize: fixed ?? options.batchSize, isFixed: fixed !== undefined });
}

async function readColumns(inputs: readonly ValueInfo[], path: string): Promise<Columns> {
  if (extname(path).toLowerCase() === '.npz') {
    const arrays = await readNpz(path);
    const missing = inputs.filter(({ name }) => !(name in arrays)).map(({ name }) => name);
    if (missing.length > 0) {
      throw new DataError('DATA_INPUT_MISSING', 'not every input of the model is in the archive', {
        path,
        value: missing[0],
        expected: `arrays ${listNames(missing)}`,
        actual: listNames(Object.keys(arrays)),
        repair: 'Save the arrays under the names of the inputs.',
      });
    }
    return new Map(inputs.map(({ name }) => [name, { array: arrays[name]!, path }]));
  }
  const array = await readArray(path);
  const [input, ...others] = inputs;
  if (input === undefined || others.length > 0) {
    throw new DataError('DATA_INPUT_MISSING', 'a file with one array is for a model with one input', {
      path,
      expected: `arrays for ${listNames(inputs.map(({ name }) => name))}`,
      repair: 'Give an .npz with an array for every input, under their names.',
    });
  }
  return new Map([[input.name, { array, path }]]);
}

async function readArray(path: string): Promise<TensorValue> {
  if (extname(path).toLowerCase() === '.npy') return readNpy(path);
  if (isIdxName(basename(path))) return parseIdx(await readRegularFile(path), { path });
  throw new DataError('DATA_KIND', 'this kind of file is not known', {
    path,
    expected: '.npy, .npz, or IDX as MNIST names it (train-images-idx3-ubyte, with or without .gz)',
    repair: 'Save the samples with numpy.save, or give the file its right ending.',
  });
}

/** Samples: the size of the first axis, which all arrays share. */
function lengthOf(columns: Columns, path: string): number {
  let length: number | undefined;
  for (const [value, { array, path: from }] of columns) {
    const size = array.dims[0] ?? 0;
    length ??= size;
    if (size === length && size > 0) continue;
    throw new DataError(
      'DATA_SAMPLES',
      size === 0 ? 'there are no samples' : 'inputs have different numbers of samples',
      {
        path: from,
        value,
        expected: size === 0 ? 'at least one sample along the first axis' : `${length} samples`,
        actual: `[${array.dims.join(', ')}]`,
      },
    );
  }
  if (length !== undefined) return length;
  throw new DataError('DATA_SAMPLES', 'the model has no inputs, so that there are no samples', { path });
}

async function readLabels(path: string, length: number): Promise<Int32Array> {
  const array = await readArray(path);
  const numbers = valueNumbers(array);
  const isFlat = elementCount(array.dims.slice(1)) === 1;
  if (!isFlat || numbers.length !== length) {
    throw new DataError('DATA_LABELS', 'there must be one label for every sample', {
      path,
      expected: `[${length}]`,
      actual: `[${array.dims.join(', ')}]`,
      repair: 'Give the labels that belong to these samples.',
    });
  }
  const odd = Array.from(numbers).find((label) => !Number.isInteger(label) || label < 0);
  if (odd === undefined) return Int32Array.from(numbers);
  throw new DataError('DATA_LABELS', 'a label is the number of a class', {
    path,
    expected: '0, 1, 2, ...',
    actual: odd,
  });
}

interface ArrayParts {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly columns: Columns;
  readonly length: number;
  readonly how: Preprocess | undefined;
  readonly labels: Int32Array | undefined;
}

/** Samples out of arrays in memory; what is done to images is done when they are read. */
class Arrays implements SampleSource {
  readonly #parts: ArrayParts;

  constructor(parts: ArrayParts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.name;
  }

  get length(): number {
    return this.#parts.length;
  }

  get hasLabels(): boolean {
    return this.#parts.labels !== undefined;
  }

  async read(indices: readonly number[]): Promise<Pick<Batch, 'feeds' | 'labels'>> {
    const { inputs, labels } = this.#parts;
    const feeds: TensorValues = Object.fromEntries(inputs.map((input) => [input.name, this.#value(input, indices)]));
    return { feeds, ...(labels && { labels: Int32Array.from(indices, (i) => labels[i]!) }) };
  }

  #value(input: ValueInfo, indices: readonly number[]): TensorValue {
    const { array, path } = this.#parts.columns.get(input.name)!;
    const { how } = this.#parts;
    const place = { path, value: input.name };
    const raw = rowsOf(array, indices);
    const value = how === undefined ? raw : preprocessed(raw, input.dataType, how, place);
    this.#check(input, value, place, how !== undefined);
    return value;
  }

  #check(input: ValueInfo, value: TensorValue, place: { path: string; value: string }, isPrepared: boolean): void {
    if (value.dataType !== input.dataType) {
      const isImage = value.dataType === DataType.UINT8;
      throw new DataError('DATA_TYPE', 'the type of the samples is not that of their input', {
        ...place,
        expected: dataTypeName(input.dataType),
        actual: dataTypeName(value.dataType),
        repair: isImage
          ? 'Say how bytes become numbers: --preprocess, or the option preprocess.'
          : 'Convert the array before it is saved; nothing is converted here.',
      });
    }
    if (fitsDims(input.dims?.slice(1), value.dims.slice(1))) return;
    throw new DataError('DATA_SHAPE', 'the shape of the samples does not fit their input', {
      ...place,
      expected: showDims(input.dims),
      actual: `[samples, ${value.dims.slice(1).join(', ')}]`,
      repair: isPrepared ? 'Use another preprocessing.' : 'Save the samples in the shape that the model takes.',
    });
  }
}

/** Rows of an array. */
function rowsOf({ dataType, dims, data }: TensorValue, indices: readonly number[]): TensorValue {
  const width = elementCount(dims.slice(1));
  const rows = [indices.length, ...dims.slice(1)];
  if (!ArrayBuffer.isView(data))
    return { dataType, dims: rows, data: indices.flatMap((i) => data.slice(i * width, (i + 1) * width)) };
  const Data = data.constructor as Float32ArrayConstructor;
  const out = new Data(indices.length * width);
  for (const [at, i] of indices.entries())
    out.set((data as Float32Array).subarray(i * width, (i + 1) * width), at * width);
  return { dataType, dims: rows, data: out };
}
