/**
 * How numbers of images in files become what a model takes, declared as data. What a preset says is what the networks of
 * that data set are usually trained with; a model may have been trained otherwise, and only its author knows.
 */
import { anyOf, checkOptions, kinds, listOf, type OptionKinds, oneOf } from '@onnx-pruning/onnx';
import { makeValue, type TensorValue, valueNumbers } from '@onnx-pruning/runtime';
import { DataError, type Place } from './errors.ts';

/** Steps in this order: pixels are added at the edges, numbers are scaled, channels are normalized, then repeated. */
export interface Preprocess {
  /** Axes of one image in the file: `HW` (one channel), `HWC` or `CHW`. */
  readonly from: 'HW' | 'HWC' | 'CHW';
  /** Black pixels (zeros) that are added on every side. Default 0. */
  readonly pad?: number;
  /** What every number is multiplied with; 1 / 255 makes bytes shares. Default 1. */
  readonly scale?: number;
  /** What is subtracted afterwards, one number for each channel. Default 0. */
  readonly mean?: readonly number[];
  /** What that is divided by, one number for each channel. Default 1. */
  readonly std?: readonly number[];
  /** Channels that the model takes, where the image has one that is repeated. */
  readonly channels?: number;
  /** Order of the model's axes: batch, channels, height, width (`NCHW`, the default), or channels last. */
  readonly layout?: 'NCHW' | 'NHWC';
}

/** Names of presets. */
export type Preset = keyof typeof PRESETS;

const GREY = { from: 'HW', scale: 1 / 255 } as const;

/**
 * Constants: means and standard deviations of the training sets. MNIST and Fashion-MNIST as in the examples of PyTorch
 * and of Fashion-MNIST's benchmarks; padded to 32 x 32 and repeated where a network takes images of three channels.
 */
export const PRESETS = {
  mnist: { ...GREY, mean: [0.1307], std: [0.3081] },
  'fashion-mnist': { ...GREY, mean: [0.286], std: [0.353], pad: 2, channels: 3 },
  cifar10: { from: 'HWC', scale: 1 / 255, mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
} as const satisfies Readonly<Record<string, Preprocess>>;

const PREPROCESS: OptionKinds<Preprocess> = {
  from: oneOf('HW', 'HWC', 'CHW'),
  pad: kinds.count,
  scale: kinds.number,
  mean: listOf(kinds.number),
  std: listOf(kinds.number),
  channels: kinds.count,
  layout: oneOf('NCHW', 'NHWC'),
};

/** What a preprocessing may be. */
export const PREPROCESSING = anyOf(oneOf(...(Object.keys(PRESETS) as Preset[])), kinds.object);

/** A preset by its name, or what is declared. @throws ArgumentError for what is neither */
export function preprocessOf(given: Preset | Preprocess): Preprocess {
  if (typeof given === 'string') return PRESETS[given];
  checkOptions('preprocess', given, PREPROCESS);
  return given;
}

/**
 * Images as the model takes them.
 * @param images [images, ...axes of one image]
 * @param dataType of the model's input
 * @throws DataError for images of other axes or channels than are declared
 */
export function preprocessed(images: TensorValue, dataType: number, how: Preprocess, place: Place): TensorValue {
  const { pad = 0, layout = 'NCHW' } = how;
  const { count, height, width, depth } = sizesOf(images, how, place);
  const channels = how.channels ?? depth;
  const line = lookup(how, depth);
  const [rows, columns] = [height + 2 * pad, width + 2 * pad];
  const numbers = valueNumbers(images);
  const out = new Float32Array(count * channels * rows * columns);
  const [cStep, yStep, xStep] = layout === 'NCHW' ? [rows * columns, columns, 1] : [1, columns * channels, channels];
  const [cFrom, yFrom, xFrom] = how.from === 'CHW' ? [height * width, width, 1] : [1, width * depth, depth];
  for (let image = 0; image < count; image++) {
    for (let c = 0; c < channels; c++) {
      const channel = depth === 1 ? 0 : c;
      const { factor, shift } = line[channel]!;
      const from = image * depth * height * width + channel * cFrom;
      const to = image * channels * rows * columns + c * cStep;
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          const [row, column] = [y - pad, x - pad];
          const isInside = row >= 0 && row < height && column >= 0 && column < width;
          const value = isInside ? numbers[from + row * yFrom + column * xFrom]! : 0;
          out[to + y * yStep + x * xStep] = value * factor + shift;
        }
      }
    }
  }
  const dims = layout === 'NCHW' ? [count, channels, rows, columns] : [count, rows, columns, channels];
  return makeValue(dataType, dims, out);
}

/** What every channel is multiplied with, and what is added then. */
function lookup({ scale = 1, mean = [], std = [] }: Preprocess, depth: number): { factor: number; shift: number }[] {
  return Array.from({ length: depth }, (_, c) => {
    const deviation = std[c] ?? 1;
    return { factor: scale / deviation, shift: -(mean[c] ?? 0) / deviation };
  });
}

function sizesOf(
  { dims }: TensorValue,
  { from, channels, mean, std }: Preprocess,
  place: Place,
): { count: number; height: number; width: number; depth: number } {
  const [count = 0, ...image] = dims;
  if (image.length !== from.length) {
    throw new DataError('DATA_SHAPE', 'images have other axes than the preprocessing says', {
      ...place,
      expected: `[images, ${from.split('').join(', ')}]`,
      actual: `[${dims.join(', ')}]`,
      repair: "Say by 'from' which axes an image has in the file: HW, HWC or CHW.",
    });
  }
  const sizeOf = (axis: string): number => (from.includes(axis) ? image[from.indexOf(axis)]! : 1);
  const found = { count, height: sizeOf('H'), width: sizeOf('W'), depth: sizeOf('C') };
  const odd = [mean, std].find((numbers) => numbers !== undefined && numbers.length !== found.depth);
  const isRepeatable = channels === undefined || channels === found.depth || found.depth === 1;
  if (odd === undefined && isRepeatable) return found;
  throw new DataError('DATA_CHANNELS', 'images have other channels than the preprocessing is for', {
    ...place,
    expected: odd === undefined ? `1 or ${channels} channels` : `${odd.length} channels`,
    actual: found.depth,
    repair: 'Use another preset, or declare the preprocessing.',
  });
}
