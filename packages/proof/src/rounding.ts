/**
 * The rounding that a model itself shows: the reference beside copies of it whose weights and inputs are off by the last
 * bit. Where large terms cancel, such a copy is as far from the reference as a correct model may be. It must not judge.
 */
import { constantTensors, createRandom, DataType, type Model, replaceConstants } from '@onnx-pruning/onnx';
import { makeValue, type TensorValue, type TensorValues, valueNumbers } from '@onnx-pruning/runtime';
import type { Rounding } from './compare.ts';
import { LAST_PLACE, mixed, perturbedTensor, step } from './perturbed-content.ts';
import { SliceMaxima } from './slices.ts';

/**
 * How many times the rounding seen in a few samples a right model may be off: perturbed weights move single terms, another
 * order of additions moves partial sums, which are larger by about the square root of the number of terms (1,000).
 */
const MARGIN = 32;
/** Slices of fewer elements are too small a sample of rounding. */
const SAMPLE = 16;

// Looking up a global in every step of a loop is slow where tests run it in a context of their own.
const { abs, max } = Math;

/** A copy of the model with every weight off by one or two units in the last place. Weights are read when they are used. */
export function perturbedModel(model: Model, seed: number): Model {
  const copy = model.clone();
  const perturbed = [...constantTensors(copy.graph)].flatMap(([name, tensor], i) => {
    const other = perturbedTensor(tensor, mixed(seed, i));
    return other ? [[name, other] as const] : [];
  });
  replaceConstants(copy.graph, new Map(perturbed));
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

/** How far each element of a value was off in any sample so far; a sample of other sizes shows nothing. */
export function widened(before: TensorValue | undefined, reference: TensorValue, sample: TensorValue): TensorValue {
  const { dims, dataType } = reference;
  const isNarrow = dataType === DataType.FLOAT || dataType === DataType.FLOAT16;
  const Data = isNarrow ? Float32Array : Float64Array;
  const data = (before?.data as Float32Array | Float64Array | undefined) ?? new Data(reference.data.length);
  if (sample.dims.join() === dims.join()) {
    const [right, other] = [valueNumbers(reference), valueNumbers(sample)];
    for (let i = 0; i < data.length; i++) data[i] = max(data[i]!, abs(other[i]! - right[i]!));
  }
  return { dataType: isNarrow ? DataType.FLOAT : DataType.DOUBLE, dims, data };
}

/** The rounding of every element of a value, from how far samples of it were off. */
export function roundingOf({ dims, data }: TensorValue): Rounding {
  const off = data as Float32Array | Float64Array;
  const maxima = new SliceMaxima(dims, (i) => off[i]!, SAMPLE);
  return (index) => MARGIN * maxima.at(index);
}
