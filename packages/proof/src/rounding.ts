/**
 * The rounding that a model itself shows: the reference beside copies of it whose weights and inputs are off by the last
 * bit. Where large terms cancel, such a copy is as far from the reference as a correct model may be. It must not judge.
 */
import {
  constantTensors,
  createRandom,
  DataType,
  type Model,
  makeTensor,
  type Random,
  readNumbers,
  replaceConstant,
  tensorDims,
} from '@onnx-pruning/onnx';
import { makeValue, type TensorValue, type TensorValues, valueNumbers } from '@onnx-pruning/runtime';
import type { Rounding } from './compare.ts';
import { SliceMaxima } from './slices.ts';

/** Units in the last place of each type: twice the relative error of one rounding. */
const LAST_PLACE: ReadonlyMap<number, number> = new Map([
  [DataType.DOUBLE, 2 ** -52],
  [DataType.FLOAT, 2 ** -23],
  [DataType.FLOAT16, 2 ** -10],
]);
/**
 * How many times the rounding seen in a few samples a right model may be off: perturbed weights move single terms, another
 * order of additions moves partial sums, which are larger by about the square root of the number of terms (1,000).
 */
const MARGIN = 32;
/** Slices of fewer elements are too small a sample of rounding. */
const SAMPLE = 16;

// Looking up a global in every step of a loop is slow where tests run it in a context of their own.
const { abs, max } = Math;

/** One or two units up or down: less would be rounded away again. */
function step(random: Random): number {
  const x = 2 * random.next() - 1;
  return x < 0 ? x - 1 : x + 1;
}

/** A copy of the model with every weight off by one or two units in the last place. */
export function perturbedModel(model: Model, seed: number): Model {
  const copy = model.clone();
  const random = createRandom(seed);
  for (const [name, tensor] of constantTensors(copy.graph)) {
    const last = LAST_PLACE.get(tensor.dataType ?? 0);
    if (last === undefined) continue;
    const numbers = readNumbers(tensor).slice();
    for (let i = 0; i < numbers.length; i++) numbers[i]! *= 1 + last * step(random);
    replaceConstant(copy.graph, name, makeTensor(name, tensor.dataType!, tensorDims(tensor), numbers));
  }
  return copy;
}

/** The same for inputs. */
export function perturbedFeeds(feeds: TensorValues, seed: number): TensorValues {
  const random = createRandom(seed);
  const perturbed = ([name, value]: [string, TensorValue]): [string, TensorValue] => {
    const last = LAST_PLACE.get(value.dataType);
    if (last === undefined) return [name, value];
    const numbers = Float64Array.from(valueNumbers(value), (x) => x * (1 + last * step(random)));
    return [name, makeValue(value.dataType, value.dims, numbers)];
  };
  return Object.fromEntries(Object.entries(feeds).map(perturbed));
}

/** The rounding of every element of a value, from samples of it with perturbed weights. */
export function roundingOf(reference: TensorValue, samples: readonly TensorValue[]): Rounding {
  const right = valueNumbers(reference);
  const others = samples.filter((sample) => sample.dims.join() === reference.dims.join()).map(valueNumbers);
  const largest = (i: number): number => others.reduce((most, other) => max(most, abs(other[i]! - right[i]!)), 0);
  const maxima = new SliceMaxima(reference.dims, largest, SAMPLE);
  return (index) => MARGIN * maxima.at(index);
}
