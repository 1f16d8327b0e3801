/** What samples must be like before a model gets them: of its type and shape, finite, and not all of one colour. */
import { DataType, dataTypeName } from '@onnx-pruning/onnx';
import { fitsDims, showDims, type TensorValue, type ValueInfo, valueNumbers } from '@onnx-pruning/runtime';
import { type Batch, Dataset, type SampleSource } from './dataset.ts';
import { DataError, type Place } from './errors.ts';
import { type Steps, sizeAfter } from './preprocess.ts';

/** Samples that are looked at before all of them are. */
const GLANCE = 16;

/** @throws DataError for another type or shape than the input has; nothing is converted */
export function checkFit(input: ValueInfo, value: TensorValue, place: Place, steps: Steps | undefined): void {
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
    repair: repairOf(steps),
  });
}

function repairOf(steps: Steps | undefined): string {
  if (steps === undefined) return 'Save the samples in the shape that the model takes.';
  const size = sizeAfter(steps);
  return size === undefined
    ? 'Use another preprocessing.'
    : `The preprocessing makes images of ${size.join(' x ')}: declare the size that the model takes in it.`;
}

/** @throws DataError for a sample that holds NaN or infinity; minus infinity is what masks of attention hold */
export function checkFinite(value: TensorValue, indices: readonly number[], place: Place): void {
  const at = firstNotFinite(value);
  if (at < 0) return;
  const sample = indices[Math.floor(at / ((value.data.length ?? 0) / indices.length))];
  throw new DataError('DATA_NOT_FINITE', `sample ${sample} holds a number that is not finite`, {
    ...place,
    expected: 'finite numbers',
    actual: String(valueNumbers(value)[at]),
    repair: 'Leave the sample out, or look at how the data was made.',
  });
}

function firstNotFinite({ dataType, data }: TensorValue): number {
  // Of binary16: all digits of the exponent, and not those of minus infinity.
  if (dataType === DataType.FLOAT16) {
    return (data as Uint16Array).findIndex((bits) => (bits & 0x7c00) === 0x7c00 && bits !== 0xfc00);
  }
  if (data instanceof Float32Array || data instanceof Float64Array) {
    return data.findIndex((x) => !Number.isFinite(x) && x !== Number.NEGATIVE_INFINITY);
  }
  return -1;
}

/**
 * Whether images say anything: at a glance, and where that shows nothing, all of them are looked at.
 * @param source one that feeds images to one input: numbers with at least two axes
 * @throws DataError where every image is of one colour
 */
export async function checkVariation(
  source: SampleSource,
  { name }: ValueInfo,
  steps: Steps | undefined,
): Promise<void> {
  const count = Math.min(GLANCE, source.length);
  const spread = Array.from({ length: count }, (_, i) => Math.floor((i * source.length) / count));
  if (!areAllFlat(await source.read(spread), name, steps)) return;
  for await (const batch of Dataset.of(source)) if (!areAllFlat(batch, name, steps)) return;
  throw new DataError('DATA_CONSTANT', 'every sample is of one colour: a model cannot tell them apart', {
    path: source.name,
    value: name,
    expected: 'samples in which numbers differ',
    actual: `${source.length} samples without any difference in them`,
    repair: 'Look at the files, and at the preprocessing.',
  });
}

function areAllFlat({ feeds }: Pick<Batch, 'feeds'>, input: string, steps: Steps | undefined): boolean {
  const { dims, data } = feeds[input]!;
  const size = data.length / dims[0]!;
  const colourOf = colours(dims, steps);
  const first = new Map<number, unknown>();
  for (let i = 0; i < data.length; i++) {
    const position = i % size;
    if (position === 0) first.clear();
    const colour = colourOf(position);
    if (!first.has(colour)) first.set(colour, data[i]);
    else if (first.get(colour) !== data[i]) return false;
  }
  return true;
}

/** Which channel a number of a sample belongs to, as far as that is known. */
function colours(dims: readonly number[], steps: Steps | undefined): (position: number) => number {
  if (steps === undefined) return () => 0;
  if (steps.layout === 'NHWC') return (position) => position % dims[3]!;
  const plane = dims[2]! * dims[3]!;
  return (position) => Math.floor(position / plane);
}
