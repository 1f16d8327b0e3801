/**
 * Makes up input values for a model: seeded, typed and shaped as its inputs are declared. It must not guess sizes:
 * only the batch has a default.
 */

import {
  anyOf,
  checkArguments,
  createRandom,
  DataType,
  type Dimension,
  dataTypeName,
  kinds,
  listOf,
  Model,
  type Random,
  toNumber,
  type ValueInfoProto,
} from '@onnx-pruning/onnx';
import type { IntegerReading } from '@onnx-pruning/ops';
import { FeedError } from './errors.ts';
import type { ValueInfo } from './feeds.ts';
import { indexRanges } from './index-ranges.ts';
import { type DimOptions, resolveDims } from './input-dims.ts';
import { drawIntegers } from './integer-draws.ts';
import type { ModelSource } from './model-source.ts';
import { checkRunOptions } from './run-options.ts';
import { elementCount, isCarried, makeValue, type TensorValue } from './values.ts';

/** How random inputs are drawn. */
export interface RandomInputOptions extends DimOptions {
  /** Same seed, same values; 0 by default. */
  readonly seed?: number;
  /** Integers `[low, high)` to draw from, by input name, where the defaults of `randomInputs` do not suit. */
  readonly ranges?: Readonly<Record<string, readonly [low: number, high: number]>>;
}

/**
 * A random value for every input of the model that no initializer fills.
 *
 * Floating-point inputs are standard normal. 8-bit integers, which carry images and quantized values, take their whole
 * range. Wider integers are drawn from all that the operators which read them allow: positions from the whole axis that
 * they count along (Gather, GatherND, OneHot, ...; no place written twice by a Scatter), lengths of sequences from one to
 * all steps, bounds of a Slice so that something is left. Others, and booleans, are taken for masks: mostly 1, some 0,
 * and in no row all the same. Give a range where more is known.
 *
 * @param model a model, or the inputs of a session
 * @throws FeedError for an input that is not a tensor or has a type that no session can carry, and for a size that is
 * neither declared nor given, or that makes an input of more than 2^28 elements
 */
export function randomInputs(
  model: Model | readonly ValueInfo[],
  options: RandomInputOptions = {},
): Record<string, TensorValue> {
  checkArguments('randomInputs', { model: [model, anyOf(kinds.model, listOf(kinds.object))] });
  checkRunOptions('randomInputs', options);
  const inputs = isDeclaration(model) ? model : modelInputs(model);
  for (const name of Object.keys(options.ranges ?? {})) {
    if (!inputs.some((input) => input.name === name)) throw unknownInput(name, inputs);
  }
  for (const input of inputs) checkCarried(input);
  const dims = resolveDims(inputs, options);
  for (const [name, sizes] of dims) checkSize(name, sizes);
  const random = createRandom(options.seed ?? 0);
  const readings = new Map(isDeclaration(model) ? [] : indexRanges(model, Object.fromEntries(dims)));
  for (const [name, range] of Object.entries(options.ranges ?? {})) readings.set(name, { ranges: [range] });
  return Object.fromEntries(
    inputs.map((input) => [input.name, randomValue(input, dims.get(input.name)!, random, readings.get(input.name))]),
  );
}

/** `randomInputs` of a model that was loaded: legal for its operators where the model is at hand, else as it declares. */
export function randomFeeds(
  source: ModelSource,
  session: { readonly inputs: readonly ValueInfo[] },
  options: RandomInputOptions,
): Record<string, TensorValue> {
  return randomInputs(source instanceof Model ? source : session.inputs, options);
}

/** What a model declares of the inputs that a caller must feed: those that no initializer fills. */
export function modelInputs({ graph }: Model): ValueInfo[] {
  const filled = new Set([
    ...graph.initializer.map((tensor) => tensor.name),
    ...graph.sparseInitializer.map((sparse) => sparse.values?.name),
  ]);
  return graph.input.filter((input) => !filled.has(input.name)).map(declaration);
}

function declaration(input: ValueInfoProto): ValueInfo {
  const tensor = input.type?.tensorType;
  const dims = tensor?.shape?.dim.map(declaredSize);
  return { name: input.name ?? '', dataType: tensor?.elemType ?? DataType.UNDEFINED, dims };
}

/** Exporters also write '?' and negative numbers for any size: neither says that two axes are of one size. */
function declaredSize({ dimValue, dimParam = '' }: Dimension): number | string {
  if (dimValue === undefined) return dimParam === '?' ? '' : dimParam;
  const size = toNumber(dimValue);
  return size < 0 ? '' : size;
}

function isDeclaration(model: Model | readonly ValueInfo[]): model is readonly ValueInfo[] {
  return Array.isArray(model);
}

/** internal: values of more elements are not made: they would take gigabytes, and a damaged file may declare any size. */
export const MOST_ELEMENTS = 2 ** 28;

function checkSize(name: string, dims: readonly number[]): void {
  const elements = elementCount(dims);
  if (elements <= MOST_ELEMENTS) return;
  throw new FeedError('FEED_SIZE', 'an input is too large for random values', {
    value: name,
    expected: `up to ${MOST_ELEMENTS} elements`,
    actual: `[${dims.join(', ')}]`,
    repair: 'State smaller sizes where they are dynamic, or give real inputs.',
  });
}

function checkCarried(input: ValueInfo): void {
  if (isCarried(input.dataType) && input.dataType !== DataType.STRING) return;
  throw new FeedError('FEED_TYPE', 'no random value can be made for an input', {
    value: input.name,
    expected: 'a tensor of numbers or booleans that onnxruntime-node can carry',
    actual: input.dataType === DataType.UNDEFINED ? 'something that is not a tensor' : dataTypeName(input.dataType),
    repair: 'Feed values of your own.',
  });
}

function unknownInput(name: string, inputs: readonly ValueInfo[]): FeedError {
  return new FeedError('FEED_UNKNOWN', 'the model has no such input', {
    value: name,
    expected: inputs.map((input) => `'${input.name}'`).join(', '),
  });
}

function randomValue(
  { dataType }: ValueInfo,
  dims: readonly number[],
  random: Random,
  reading: IntegerReading | undefined,
): TensorValue {
  if (reading) return makeValue(dataType, dims, drawIntegers(reading, dims, random));
  const numbers = Float64Array.from({ length: elementCount(dims) }, drawFor(dataType, random));
  if (isMask(dataType)) mixRows(numbers, dims.at(-1) ?? 1);
  return makeValue(dataType, dims, numbers);
}

/** Types that carry masks where they carry no positions. */
function isMask(dataType: number): boolean {
  const others: readonly number[] = [DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE, DataType.UINT8, DataType.INT8];
  return !others.includes(dataType);
}

/** Share of ones in a mask. */
const ONES = 0.85;

/** A row that is masked altogether has nothing to attend to, and one that is not at all tests no masking. */
function mixRows(numbers: Float64Array, size: number): void {
  if (size < 2) return;
  for (let row = 0; row < numbers.length; row += size) {
    numbers[row] = 1;
    numbers[row + size - 1] = 0;
  }
}

function drawFor(dataType: number, random: Random): () => number {
  switch (dataType) {
    case DataType.FLOAT:
    case DataType.FLOAT16:
    case DataType.DOUBLE:
      return () => random.normal();
    case DataType.UINT8:
      return () => random.int(256);
    case DataType.INT8:
      return () => random.int(256) - 128;
    default:
      return () => Number(random.next() < ONES);
  }
}
