/**
 * Samples out of arrays in memory, from files that hold all of them: the first axis of every array is that of the samples.
 * Nothing is converted; what is done to images is done when they are read.
 */
import { basename, extname } from 'node:path';
import { listNames } from '@onnx-pruning/onnx';
import { elementCount, type TensorValue, type TensorValues, type ValueInfo } from '@onnx-pruning/runtime';
import type { Batch, SampleSource } from './dataset.ts';
import { DataError } from './errors.ts';
import { type FileFeeds, readZoo } from './feeds.ts';
import { checkFinite, checkFit } from './fit.ts';
import { isIdxName, parseIdx } from './idx.ts';
import { preprocessed } from './pictures.ts';
import type { Steps } from './preprocess.ts';
import { readNpy, readNpz } from './readers.ts';
import { readRegularFile } from './regular-file.ts';

/** Arrays whose first axis is that of the samples, and their files, by input. */
export type Columns = FileFeeds;

/** The arrays of a file. @throws DataError for a file that does not give every input once */
export async function readColumns(inputs: readonly ValueInfo[], path: string): Promise<Columns> {
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
    return new Map(inputs.map(({ name }) => [name, { value: arrays[name]!, path }]));
  }
  const value = await readArray(path);
  const [input, ...others] = inputs;
  if (input === undefined || others.length > 0) {
    throw new DataError('DATA_INPUT_MISSING', 'a file with one array is for a model with one input', {
      path,
      expected: `arrays for ${listNames(inputs.map(({ name }) => name))}`,
      repair: 'Give an .npz with an array for every input, under their names.',
    });
  }
  return new Map([[input.name, { value, path }]]);
}

/** The array in a file. @throws DataError for a file that holds none, or several */
export async function readArray(path: string): Promise<TensorValue> {
  if (extname(path).toLowerCase() === '.npy') return readNpy(path);
  if (isIdxName(basename(path))) return parseIdx(await readRegularFile(path), { path });
  throw new DataError('DATA_KIND', 'this kind of file is not known', {
    path,
    expected: '.npy, .npz, IDX as MNIST names it (train-images-idx3-ubyte, with or without .gz), or a folder',
    repair: 'Save the samples with numpy.save, or give the file its right ending.',
  });
}

/**
 * The tensors of a folder in the layout of the model zoo, one set after the other.
 * @throws DataError as `readFeeds`, and for sets of samples of different shapes
 */
export async function readZooColumns(inputs: readonly ValueInfo[], folder: string): Promise<Columns> {
  const sets = await readZoo(inputs, folder);
  for (const set of sets) lengthOf(set, folder);
  return new Map(
    inputs.map(({ name }) => {
      const parts = sets.map((set) => set.get(name)!);
      const [first] = parts;
      const odd = parts.find(({ value }) => value.dims.slice(1).join() !== first!.value.dims.slice(1).join());
      if (odd === undefined) return [name, { value: stacked(parts.map(({ value }) => value)), path: folder }];
      throw new DataError('DATA_SHAPE', 'the sets have samples of different shapes', {
        path: odd.path,
        value: name,
        expected: `[samples, ${first!.value.dims.slice(1).join(', ')}], as in ${first!.path}`,
        actual: `[${odd.value.dims.join(', ')}]`,
        repair: 'Give sets of one shape only.',
      });
    }),
  );
}

/** Samples: the size of the first axis, which all arrays share. @throws DataError where they do not, and for none */
export function lengthOf(columns: Columns, path: string): number {
  let length: number | undefined;
  for (const [name, { value, path: from }] of columns) {
    const { dims } = value;
    const size = dims[0] ?? 0;
    length ??= size;
    if (size === length && size > 0) continue;
    throw new DataError(
      'DATA_SAMPLES',
      size === 0 ? 'there are no samples' : 'inputs have different numbers of samples',
      {
        path: from,
        value: name,
        expected: size === 0 ? 'at least one sample along the first axis' : `${length} samples`,
        actual: `[${dims.join(', ')}]`,
      },
    );
  }
  if (length !== undefined) return length;
  throw new DataError('DATA_SAMPLES', 'the model has no inputs, so that there are no samples', { path });
}

/** What samples out of arrays are made of. */
export interface ArrayParts {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly columns: Columns;
  readonly length: number;
  /** What is done to images, by input. */
  readonly steps: ReadonlyMap<string, Steps>;
  readonly labels: Int32Array | undefined;
}

/** Samples out of arrays in memory. */
export class Arrays implements SampleSource {
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
    const { value: all, path } = this.#parts.columns.get(input.name)!;
    const steps = this.#parts.steps.get(input.name);
    const place = { path, value: input.name };
    const raw = rowsOf(all, indices);
    const value = steps === undefined ? raw : preprocessed(raw, input.dataType, steps, place);
    checkFit(input, value, place, steps);
    checkFinite(value, indices, place);
    return value;
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

/** Arrays of the same type and rows, one after the other. */
function stacked(parts: readonly TensorValue[]): TensorValue {
  const [{ dataType, dims, data }] = parts as [TensorValue];
  const all = [parts.reduce((sum, part) => sum + part.dims[0]!, 0), ...dims.slice(1)];
  if (!ArrayBuffer.isView(data))
    return { dataType, dims: all, data: parts.flatMap((part) => [...part.data]) as string[] };
  const Data = data.constructor as Float32ArrayConstructor;
  const out = new Data(elementCount(all));
  let at = 0;
  for (const part of parts) {
    out.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  return { dataType, dims: all, data: out };
}
