/**
 * Images as a model takes them: the steps of a preprocessing, carried out. It must not read files, nor know what a model
 * is.
 */
import { DataType } from '@onnx-pruning/onnx';
import { makeValue, type TensorValue, valueNumbers } from '@onnx-pruning/runtime';
import { DataError, type Place } from './errors.ts';
import { checkChannels, heightAndWidth, type ImageSize, type Steps } from './preprocess.ts';
import { type Grid, resample } from './resample.ts';

/** An image in its final size, and the pixels that are still to be put around it. */
interface Framed {
  readonly grid: Grid;
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** Images of one size that become one value. */
export class PictureBatch {
  readonly #steps: Steps;
  readonly #numbers: Float32Array;
  readonly #dims: readonly number[];

  /** @param dims of the value: images, and the axes in the order of the steps' layout */
  constructor(steps: Steps, dims: readonly number[]) {
    this.#steps = steps;
    this.#dims = dims;
    this.#numbers = new Float32Array(dims.reduce((size, dim) => size * dim, 1));
  }

  /** Puts one image at a place of the batch. @throws DataError for one of another size */
  put(at: number, framed: Framed, place: Place): void {
    const dims = dimsOf(framed, this.#steps);
    if (dims.join() !== this.#dims.slice(1).join()) {
      throw new DataError('DATA_SHAPE', 'images have different sizes', {
        ...place,
        expected: `[${this.#dims.slice(1).join(', ')}], as the first one`,
        actual: `[${dims.join(', ')}]`,
        repair: "Declare their size: the steps resize and crop of the preprocessing, or the preset 'imagenet'.",
      });
    }
    const size = dims.reduce((product, dim) => product * dim, 1);
    write(this.#numbers.subarray(at * size, (at + 1) * size), framed, this.#steps);
  }

  /** Repeats an image at another place. */
  repeat(at: number, from: number): void {
    const size = this.#numbers.length / this.#dims[0]!;
    this.#numbers.copyWithin(at * size, from * size, (from + 1) * size);
  }

  /** The batch in the type of the model's input. */
  value(dataType: number): TensorValue {
    const [dims, data] = [this.#dims, this.#numbers];
    return dataType === DataType.FLOAT ? { dataType, dims, data } : makeValue(dataType, dims, data);
  }
}

/**
 * Images in an array, prepared.
 * @param images [images, ...axes of one image]
 * @param dataType of the model's input
 * @throws DataError for images of other axes, channels or sizes than are declared
 */
export function preprocessed(images: TensorValue, dataType: number, steps: Steps, place: Place): TensorValue {
  const grids = gridsOf(images, steps, place);
  const framed = grids.map((grid) => frame(grid, steps, place));
  const batch = new PictureBatch(steps, [framed.length, ...dimsOf(framed[0]!, steps)]);
  for (const [at, one] of framed.entries()) batch.put(at, one, place);
  return batch.value(dataType);
}

/** One image in its final size. @throws DataError for channels that do not fit, and where there is less than is cut out */
export function frame(image: Grid, steps: Steps, place: Place): Framed {
  checkChannels(steps, image.depth, place);
  const { pad = 0, letterbox } = steps;
  const resized = cropped(resizedBy(reversed(image, steps), steps), steps, place);
  if (letterbox === undefined) {
    const { height, width } = resized;
    return { grid: resized, top: pad, left: pad, height: height + 2 * pad, width: width + 2 * pad };
  }
  const [height, width] = heightAndWidth(letterbox);
  const grid = fitted(resized, height, width, steps);
  const [top, left] = [Math.floor((height - grid.height) / 2), Math.floor((width - grid.width) / 2)];
  return { grid, top: top + pad, left: left + pad, height: height + 2 * pad, width: width + 2 * pad };
}

/** Sizes of the axes of one prepared image. */
export function dimsOf({ grid, height, width }: Framed, { channels = grid.depth, layout }: Steps): number[] {
  return layout === 'NHWC' ? [height, width, channels] : [channels, height, width];
}

function reversed(grid: Grid, { colours }: Steps): Grid {
  if (colours !== 'BGR') return grid;
  return { ...grid, from: grid.from + (grid.depth - 1) * grid.cStep, cStep: -grid.cStep };
}

function resizedBy(grid: Grid, { resize, interpolation = 'bilinear', antialias = true }: Steps): Grid {
  if (resize === undefined) return grid;
  const [height, width] = typeof resize === 'number' ? inProportion(grid, resize) : heightAndWidth(resize);
  if (height === grid.height && width === grid.width) return grid;
  return resample(grid, height, width, interpolation, antialias);
}

/** The longer side is rounded down, as in torchvision. */
function inProportion({ height, width }: Grid, shorter: number): readonly [number, number] {
  return height <= width
    ? [shorter, Math.floor((shorter * width) / height)]
    : [Math.floor((shorter * height) / width), shorter];
}

function fitted(
  grid: Grid,
  height: number,
  width: number,
  { interpolation = 'bilinear', antialias = true }: Steps,
): Grid {
  const ratio = Math.min(height / grid.height, width / grid.width);
  const [rows, columns] = [grid.height, grid.width].map((size) => Math.max(1, roundHalfEven(size * ratio)));
  if (rows === grid.height && columns === grid.width) return grid;
  return resample(grid, rows!, columns!, interpolation, antialias);
}

function cropped(grid: Grid, { crop }: Steps, place: Place): Grid {
  if (crop === undefined) return grid;
  const [height, width] = heightAndWidth(crop);
  if (height > grid.height || width > grid.width) throw tooSmall(grid, crop, place);
  const [top, left] = [roundHalfEven((grid.height - height) / 2), roundHalfEven((grid.width - width) / 2)];
  return { ...grid, from: grid.from + top * grid.yStep + left * grid.xStep, height, width };
}

function tooSmall({ height, width }: Grid, crop: ImageSize, place: Place): DataError {
  return new DataError('DATA_SHAPE', 'an image is smaller than what is to be cut out of it', {
    ...place,
    expected: `at least ${heightAndWidth(crop).join(' x ')} pixels`,
    actual: `${height} x ${width}`,
    repair: 'Declare a larger resize, or a smaller crop.',
  });
}

/** As Python rounds: halves to the even neighbour. torchvision and Ultralytics place crops and frames by it. */
function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

function write(out: Float32Array, { grid, top, left, height, width }: Framed, steps: Steps): void {
  const { scale = 1, mean = [], std = [], fill = 0, layout, channels = grid.depth } = steps;
  const [cStep, yStep, xStep] = layout === 'NHWC' ? [1, width * channels, channels] : [height * width, width, 1];
  for (let c = 0; c < channels; c++) {
    const channel = grid.depth === 1 ? 0 : c;
    const deviation = std[channel] ?? 1;
    const [factor, shift] = [scale / deviation, -(mean[channel] ?? 0) / deviation];
    for (let y = 0; y < height; y++) {
      const row = y - top;
      const isRow = row >= 0 && row < grid.height;
      const from = grid.from + channel * grid.cStep + row * grid.yStep;
      for (let x = 0; x < width; x++) {
        const column = x - left;
        const isInside = isRow && column >= 0 && column < grid.width;
        const value = isInside ? grid.numbers[from + column * grid.xStep]! : fill;
        out[c * cStep + y * yStep + x * xStep] = value * factor + shift;
      }
    }
  }
}

function gridsOf(images: TensorValue, { from }: Steps, place: Place): Grid[] {
  const [count = 0, ...image] = images.dims;
  if (image.length !== from.length) {
    throw new DataError('DATA_SHAPE', 'images have other axes than the preprocessing says', {
      ...place,
      expected: `[images, ${from.split('').join(', ')}]`,
      actual: `[${images.dims.join(', ')}]`,
      repair: "Say by 'from' which axes an image has in the file: HW, HWC or CHW.",
    });
  }
  const sizeOf = (axis: string): number => (from.includes(axis) ? image[from.indexOf(axis)]! : 1);
  const [height, width, depth] = [sizeOf('H'), sizeOf('W'), sizeOf('C')];
  if (height * width * depth === 0) {
    throw new DataError('DATA_SHAPE', 'images have no pixels', { ...place, actual: `[${images.dims.join(', ')}]` });
  }
  const steps =
    from === 'CHW'
      ? { cStep: height * width, yStep: width, xStep: 1 }
      : { cStep: 1, yStep: width * depth, xStep: depth };
  const numbers = valueNumbers(images);
  const isBytes = images.dataType === DataType.UINT8;
  return Array.from({ length: count }, (_, i) => {
    return { numbers, from: i * height * width * depth, ...steps, height, width, depth, isBytes };
  });
}
