/**
 * How images in files become what a model takes, declared as data. What a preset says is what the networks of that data
 * set are usually trained with; a model may have been trained otherwise, and only its author knows. It must not touch
 * numbers.
 */
import { anyOf, checkOptions, kinds, listOf, type OptionKinds, oneOf } from '@onnx-pruning/onnx';
import { showDims, type ValueInfo } from '@onnx-pruning/runtime';
import { DataError, type Place } from './errors.ts';
import type { Interpolation } from './resample.ts';

/** Height and width in pixels; one number is both. */
export type ImageSize = number | readonly [height: number, width: number];

/**
 * Steps in this order: channels are put in order, the image is resized, cut out or put into a frame, pixels are added at
 * the edges, numbers are scaled, channels are normalized, then repeated.
 */
export interface Preprocess {
  /** Axes of one image in the file: `HW` (one channel), `HWC` or `CHW`. Files of images are `HWC`, or `HW` without colour. */
  readonly from: 'HW' | 'HWC' | 'CHW';
  /** Order of the colours that the model takes; images have `RGB`, which is the default. */
  readonly colours?: 'RGB' | 'BGR';
  /** Whether images are turned as the camera noted in them (EXIF), as OpenCV does and Pillow does not. Default false. */
  readonly orient?: boolean;
  /**
   * The size that images get: a number is that of the shorter side, the longer one in proportion (rounded down, as in
   * torchvision); `[height, width]` is exact.
   */
  readonly resize?: ImageSize;
  /** How pixels between pixels are found. Default `bilinear`. */
  readonly interpolation?: Interpolation;
  /**
   * Whether every pixel counts where an image shrinks, as in Pillow and torchvision, bit for bit; without it the nearest
   * ones only, as in OpenCV, to one level of 255. Default true.
   */
  readonly antialias?: boolean;
  /** What is cut out of the middle. A number is height and width. */
  readonly crop?: ImageSize;
  /**
   * The frame that the whole image is fitted into, in proportion and in the middle, as YOLO networks take it; `model` is
   * the image size that the model declares.
   */
  readonly letterbox?: 'model' | ImageSize;
  /** Pixels that are added on every side. Default 0. */
  readonly pad?: number;
  /** The number of the pixels that `letterbox` and `pad` add, before it is scaled. Default 0: black. */
  readonly fill?: number;
  /** What every number is multiplied with; 1 / 255 makes bytes shares. Default 1. */
  readonly scale?: number;
  /** What is subtracted afterwards, one number for each channel, in the order of `colours`. Default 0. */
  readonly mean?: readonly number[];
  /** What that is divided by, one number for each channel, in the order of `colours`. Default 1. */
  readonly std?: readonly number[];
  /** Channels that the model takes, where the image has one that is repeated. */
  readonly channels?: number;
  /** Order of the model's axes: batch, channels, height, width (`NCHW`, the default), or channels last. */
  readonly layout?: 'NCHW' | 'NHWC';
}

/** Names of presets. */
export type Preset = keyof typeof PRESETS;

const GREY = { from: 'HW', scale: 1 / 255 } as const;
const COLOUR = { from: 'HWC', scale: 1 / 255 } as const;

/**
 * Constants: means and standard deviations of the training sets. MNIST and Fashion-MNIST as in the examples of PyTorch
 * and of Fashion-MNIST's benchmarks; padded to 32 x 32 and repeated where a network takes images of three channels.
 * ImageNet as torchvision documents the transforms of its first weights (resize 256, bilinear, central crop 224). YOLO as
 * Ultralytics documents it: a letterbox with grey edges (114), OpenCV's linear interpolation, shares of 255.
 */
export const PRESETS = {
  mnist: { ...GREY, mean: [0.1307], std: [0.3081] },
  'fashion-mnist': { ...GREY, mean: [0.286], std: [0.353], pad: 2, channels: 3 },
  cifar10: { ...COLOUR, mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  imagenet: { ...COLOUR, resize: 256, crop: 224, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  yolo: { ...COLOUR, orient: true, letterbox: 'model', antialias: false, fill: 114 },
} as const satisfies Readonly<Record<string, Preprocess>>;

const PIXELS = { expected: 'a number of pixels from 1 on', accepts: kinds.positive.accepts };
const SIZE = anyOf(PIXELS, {
  expected: '[height, width]',
  accepts: (value) => Array.isArray(value) && value.length === 2 && value.every(kinds.positive.accepts),
});
const FINITE = { expected: 'a finite number', accepts: Number.isFinite };

const PREPROCESS: OptionKinds<Preprocess> = {
  from: oneOf('HW', 'HWC', 'CHW'),
  colours: oneOf('RGB', 'BGR'),
  orient: kinds.boolean,
  resize: SIZE,
  interpolation: oneOf('nearest', 'bilinear', 'bicubic'),
  antialias: kinds.boolean,
  crop: SIZE,
  letterbox: anyOf(oneOf('model'), SIZE),
  pad: kinds.count,
  fill: FINITE,
  scale: FINITE,
  mean: listOf(FINITE),
  std: listOf({ expected: 'a finite number other than 0', accepts: (x) => Number.isFinite(x) && x !== 0 }),
  channels: kinds.positive,
  layout: oneOf('NCHW', 'NHWC'),
};

/** What a preprocessing may be. */
export const PREPROCESSING = anyOf(oneOf(...(Object.keys(PRESETS) as Preset[])), kinds.object);

/**
 * A preset by its name, or what is declared.
 * @throws ArgumentError for what is neither; DataError for steps that exclude each other
 */
export function preprocessOf(given: Preset | Preprocess): Preprocess {
  if (typeof given === 'string') return PRESETS[given];
  checkOptions('preprocess', given, PREPROCESS);
  const { from, resize, crop, letterbox, interpolation = 'bilinear', antialias = true } = given;
  if (from === undefined) throw contradiction('the axes of an image are not said', "Say by 'from': HW, HWC or CHW.");
  if (letterbox !== undefined && (resize !== undefined || crop !== undefined)) {
    throw contradiction('a letterbox resizes by itself, and cuts nothing off', 'Leave resize and crop out.');
  }
  if (interpolation === 'bicubic' && !antialias) {
    throw contradiction('bicubic is only defined with antialias here', 'Choose bilinear, or leave antialias out.');
  }
  return given;
}

/** A preprocessing for one input of a model: a letterbox has its size. */
export type Steps = Omit<Preprocess, 'letterbox'> & { readonly letterbox?: ImageSize };

/** @throws DataError where the model should say its image size and does not */
export function stepsFor(how: Preprocess, { name, dims }: ValueInfo, path: string): Steps {
  const { letterbox, ...others } = how;
  if (letterbox !== 'model') return { ...others, ...(letterbox !== undefined && { letterbox }) };
  const [height, width] = (how.layout === 'NHWC' ? dims?.slice(1, 3) : dims?.slice(2, 4)) ?? [];
  if (typeof height === 'number' && typeof width === 'number') return { ...others, letterbox: [height, width] };
  throw new DataError('DATA_SHAPE', 'the model does not say how large its images are', {
    path,
    value: name,
    expected: 'a height and a width',
    actual: showDims(dims),
    repair: "Say it: a preprocessing with letterbox: [640, 640] in place of 'model'.",
  });
}

/** Height and width, where the steps alone decide them. */
export function sizeAfter({ letterbox, crop, resize, pad = 0 }: Steps): readonly [number, number] | undefined {
  const size = letterbox ?? crop ?? (typeof resize === 'number' ? undefined : resize);
  if (size === undefined) return undefined;
  const [height, width] = heightAndWidth(size);
  return [height + 2 * pad, width + 2 * pad];
}

/** Both of them. */
export const heightAndWidth = (size: ImageSize): readonly [number, number] =>
  typeof size === 'number' ? [size, size] : size;

/** @throws DataError for an image of other channels than the steps are for */
export function checkChannels({ channels, mean, std, colours }: Steps, depth: number, place: Place): void {
  const odd = [mean, std].find((numbers) => numbers !== undefined && numbers.length !== depth)?.length;
  const expected = odd ?? (colours === 'BGR' && depth !== 3 ? 3 : undefined);
  const isRepeatable = channels === undefined || channels === depth || depth === 1;
  if (expected === undefined && isRepeatable) return;
  throw new DataError('DATA_CHANNELS', 'images have other channels than the preprocessing is for', {
    ...place,
    expected: expected === undefined ? `1 or ${channels} channels` : `${expected} channels`,
    actual: depth,
    repair: 'Use another preset, or declare the preprocessing.',
  });
}

function contradiction(what: string, repair: string): DataError {
  return new DataError('PREPROCESS', `preprocess: ${what}`, { value: 'preprocess', repair });
}
