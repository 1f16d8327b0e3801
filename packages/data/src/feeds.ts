/**
 * From files to inputs of a model: every input exactly once, of exactly the type and a shape that the model declares. What
 * does not fit is refused, never converted. It must not run models.
 */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import {
  checkArguments,
  DataType,
  dataTypeName,
  type Kind,
  kinds,
  listNames,
  listOf,
  type Model,
} from '@onnx-pruning/onnx';
import {
  fitsDims,
  modelInputs,
  showDims,
  type TensorValue,
  type TensorValues,
  type ValueInfo,
} from '@onnx-pruning/runtime';
import { DataError } from './errors.ts';
import { setsInFolder } from './model-zoo.ts';
import { readNpy, readNpz, readRaw, readTensorProto } from './readers.ts';
import { unreadable } from './regular-file.ts';

/** Where inputs come from. */
export type FeedSource =
  | {
      /** Name of the input that the file is for. */
      readonly input: string;
      /** A file with one tensor: .npy, .pb, or elements alone (.bin, .raw). */
      readonly path: string;
      /** Sizes of all axes, for a file with elements alone; the other kinds hold their own. */
      readonly dims?: readonly number[];
    }
  | {
      /** Name of the graph input that the file is for. */
      readonly input?: undefined;
      /**
       * An .npz whose names are inputs of the model, a folder with input_0.pb, input_1.pb, ... or a folder with several
       * such folders, test_data_set_0 and so on.
       */
      readonly path: string;
    };

const SOURCES: Kind = listOf({
  expected: 'a file { input, path }',
  accepts: (value) => kinds.object.accepts(value) && kinds.text.accepts((value as Partial<FeedSource>).path),
});

/** A value and the file that it is from, by input. */
export type FileFeeds = ReadonlyMap<string, { readonly value: TensorValue; readonly path: string }>;

/**
 * Reads values for the inputs of a model, as `verify(original, pruned, plan, { feeds })` takes them.
 *
 * Archives and folders that each give every input are a set each; all other sources together give one set. The element
 * type must be that of the input: a float64 array is no value for a FLOAT input, because the rounding would be a choice
 * that nobody made. Inputs that an initializer fills are not given. The tensors of a folder belong to the inputs in their
 * order, or, where all of them carry names of inputs, to those.
 *
 * @returns one set of values or several, every input in each
 * @throws DataError for an input that is missing, given twice or unknown, and for a file that is missing, damaged, of an
 * unknown kind, or of another type or shape than its input
 */
export async function readFeeds(model: Model, sources: readonly FeedSource[]): Promise<TensorValues[]> {
  checkArguments('readFeeds', { model: [model, kinds.model], sources: [sources, SOURCES] });
  const inputs = modelInputs(model);
  for (const { input } of sources) if (input !== undefined) inputOf(model, inputs, input);
  const read: FileFeeds[][] = [];
  for (const source of sources) read.push(await readSource(inputs, source));
  for (const set of read.flat()) {
    for (const [name, { value, path }] of set) checkFeed(inputOf(model, inputs, name, path), value, path);
  }
  const isSet = (source: FileFeeds): boolean => source.size === inputs.length;
  const areSets = sources.every(({ input }) => input === undefined) && read.flat().every(isSet);
  const sets = areSets && read.length > 0 ? read.flat() : [merged(sources, read)];
  for (const set of sets) checkSet(inputs, set);
  return sets.map((set) => Object.fromEntries(inputs.map(({ name }) => [name, set.get(name)!.value])));
}

/**
 * The sets of a folder as the model zoo lays them out, with the file of each value.
 * @throws DataError as `readFeeds`
 */
export async function readZoo(inputs: readonly ValueInfo[], folder: string): Promise<FileFeeds[]> {
  const sets = await readFolder(inputs, folder);
  for (const set of sets) {
    checkSet(inputs, set);
    for (const input of inputs) checkFeed(input, set.get(input.name)!.value, set.get(input.name)!.path);
  }
  return sets;
}

async function readSource(inputs: readonly ValueInfo[], source: FeedSource): Promise<FileFeeds[]> {
  const { path, input } = source;
  const found = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const isNpz = !found.isDirectory() && extname(path).toLowerCase() === '.npz';
  if (input !== undefined) {
    if (found.isDirectory() || isNpz) throw namesItsInputs(path, input);
    const value = await readTensor(inputs.find(({ name }) => name === input)!, path, source.dims);
    return [new Map([[input, { value, path }]])];
  }
  if (found.isDirectory()) return readFolder(inputs, path);
  if (!isNpz) throw SINGLE.includes(extname(path).toLowerCase()) ? unnamed(path, inputs) : unknownKind(path);
  return [new Map(Object.entries(await readNpz(path)).map(([name, value]) => [name, { value, path }]))];
}

/** Endings of files with one tensor. */
const SINGLE: readonly string[] = ['.npy', '.pb', '.bin', '.raw'];

async function readTensor(input: ValueInfo, path: string, dims: readonly number[] | undefined): Promise<TensorValue> {
  const place = { value: input.name };
  const ending = extname(path).toLowerCase();
  if (ending === '.bin' || ending === '.raw') {
    if (dims !== undefined) return readRaw(path, input.dataType, dims, place);
    throw new DataError('DATA_SHAPE_MISSING', 'a file with elements alone does not say what shape they have', {
      ...place,
      path,
      expected: showDims(input.dims),
      repair: `Give all sizes, as in ${input.name}=file.bin:1x3x224x224.`,
    });
  }
  if (!SINGLE.includes(ending)) throw unknownKind(path, input.name);
  if (dims !== undefined) {
    throw new DataError('DATA_SHAPE_GIVEN', 'a shape is given for a file that holds its own', {
      ...place,
      path,
      repair: 'Leave the shape out; it is for .bin and .raw files.',
    });
  }
  return ending === '.npy' ? readNpy(path, place) : (await readTensorProto(path, place)).value;
}

async function readFolder(inputs: readonly ValueInfo[], folder: string): Promise<FileFeeds[]> {
  const sets: FileFeeds[] = [];
  for (const paths of await setsInFolder(folder)) {
    if (paths.length > inputs.length) {
      throw new DataError('DATA_LAYOUT', 'the folder holds more inputs than the model has', {
        path: paths[inputs.length],
        expected: inputs.length,
        actual: paths.length,
        repair: 'Inputs that an initializer fills are not given.',
      });
    }
    const tensors: { path: string; name: string; value: TensorValue }[] = [];
    for (const [i, path] of paths.entries()) {
      tensors.push({ path, ...(await readTensorProto(path, { value: inputs[i]!.name })) });
    }
    const names = namesOf(inputs, tensors);
    sets.push(new Map(tensors.map(({ value, path }, i) => [names[i]!, { value, path }])));
  }
  return sets;
}

/** Inputs by the names in the tensors where all of them are inputs; by position where none contradicts it. */
function namesOf(inputs: readonly ValueInfo[], tensors: readonly { path: string; name: string }[]): string[] {
  const known = (name: string): boolean => inputs.some((input) => input.name === name);
  const distinct = new Set(tensors.map(({ name }) => name)).size === tensors.length;
  if (distinct && tensors.every(({ name }) => known(name))) return tensors.map(({ name }) => name);
  const odd = tensors.findIndex(({ name }, i) => known(name) && name !== inputs[i]!.name);
  if (odd < 0) return tensors.map((_, i) => inputs[i]!.name);
  throw new DataError('DATA_LAYOUT', 'a tensor carries the name of another input than the one at its place', {
    path: tensors[odd]!.path,
    value: inputs[odd]!.name,
    actual: `'${tensors[odd]!.name}'`,
    repair: 'Name all tensors of the folder after their inputs, or none.',
  });
}

/** Sources that give a part each. */
function merged(sources: readonly FeedSource[], read: readonly (readonly FileFeeds[])[]): FileFeeds {
  const set = new Map<string, { value: TensorValue; path: string }>();
  for (const [i, feeds] of read.entries()) {
    if (feeds.length !== 1) {
      throw new DataError('DATA_SETS', 'a folder of several sets must give every input, and alone', {
        path: sources[i]!.path,
        actual: `${feeds.length} sets`,
        repair: 'Put all inputs into each of its folders.',
      });
    }
    for (const [name, feed] of feeds[0]!) {
      const before = set.get(name);
      if (before) {
        const details = { value: name, path: feed.path, actual: `'${before.path}' as well`, repair: 'Give one file.' };
        throw new DataError('DATA_INPUT_TWICE', 'an input is given twice', details);
      }
      set.set(name, feed);
    }
  }
  return set;
}

function inputOf(model: Model, inputs: readonly ValueInfo[], name: string, path?: string): ValueInfo {
  const input = inputs.find((candidate) => candidate.name === name);
  if (input) return input;
  const isFilled = model.graph.input.some((candidate) => candidate.name === name);
  throw new DataError('DATA_INPUT_UNKNOWN', 'the model has no such input', {
    value: name,
    ...(path !== undefined && { path }),
    expected: inputs.length === 0 ? 'no inputs' : listNames(inputs.map((candidate) => candidate.name)),
    repair: isFilled ? 'The model itself holds the value of this one.' : 'Use the names of the inputs.',
  });
}

function checkFeed(input: ValueInfo, value: TensorValue, path: string): void {
  const place = { value: input.name, path };
  if (value.dataType !== input.dataType) {
    const wanted =
      input.dataType === DataType.UNDEFINED ? 'something that is not a tensor' : dataTypeName(input.dataType);
    throw new DataError('DATA_TYPE', 'the type of a tensor is not that of its input', {
      ...place,
      expected: wanted,
      actual: dataTypeName(value.dataType),
      repair: 'Convert it before it is saved, for example by array.astype(numpy.float32); nothing is converted here.',
    });
  }
  if (fitsDims(input.dims, value.dims)) return;
  throw new DataError('DATA_SHAPE', 'the shape of a tensor does not fit its input', {
    ...place,
    expected: showDims(input.dims),
    actual: showDims(value.dims),
    repair: 'Give a size for every axis, the batch included; numbers in the model stay as they are.',
  });
}

/** @throws DataError unless every input has a value, and every symbol one size */
function checkSet(inputs: readonly ValueInfo[], set: FileFeeds): void {
  const missing = inputs.filter(({ name }) => !set.has(name)).map(({ name }) => name);
  if (missing.length > 0) {
    throw new DataError('DATA_INPUT_MISSING', 'not every input of the model is given', {
      value: missing[0],
      expected: `values for ${listNames(missing)}`,
      repair: 'Give all inputs or none: values that belong together cannot be made up in part.',
    });
  }
  const sizes = new Map<string, { size: number; input: string }>();
  for (const { name, dims } of inputs) {
    const { value, path } = set.get(name)!;
    for (const [axis, symbol] of (dims ?? []).entries()) {
      if (typeof symbol === 'number' || symbol === '') continue;
      const size = value.dims[axis]!;
      const before = sizes.get(symbol);
      sizes.set(symbol, before ?? { size, input: name });
      if (before === undefined || before.size === size) continue;
      throw new DataError('DATA_SHAPE', `inputs have different sizes where the model says '${symbol}' for both`, {
        value: name,
        path,
        axis,
        expected: `${before.size}, as in '${before.input}'`,
        actual: size,
        repair: 'Give inputs that belong together.',
      });
    }
  }
}

function namesItsInputs(path: string, value: string): DataError {
  return new DataError('DATA_INPUT_NAMED', 'an archive or a folder says itself which inputs it holds', {
    path,
    value,
    repair: 'Leave the name of the input out.',
  });
}

function unnamed(path: string, inputs: readonly ValueInfo[]): DataError {
  return new DataError('DATA_INPUT_UNNAMED', 'a file with one tensor does not say which input it is for', {
    path,
    expected: `one of ${listNames(inputs.map(({ name }) => name))}`,
    repair: `Name the input, as in ${inputs[0]?.name ?? 'x'}=file.npy.`,
  });
}

function unknownKind(path: string, value?: string): DataError {
  return new DataError('DATA_KIND', 'this kind of file is not known', {
    path,
    ...(value !== undefined && { value }),
    expected: '.npy, .npz, .pb, .bin or .raw with a shape (file.bin:1x3x224x224), or a folder',
    repair: 'Save the array with numpy.save, or give the file its right ending.',
  });
}
