/**
 * Images in another size. Definitions are those of the libraries that models are trained with: with `antialias` those of
 * Pillow (which torchvision uses for image files), without it those of OpenCV. It must not know what an image is for.
 *
 * A new pixel is a weighted mean of old ones around its place, first along rows, then along columns. Pillow widens the
 * filter by the factor by which the image shrinks, so that every old pixel counts, and rounds bytes after each of the two
 * steps, with weights of 22 binary digits. OpenCV mixes the two nearest pixels only.
 */

/** How pixels between pixels are found. */
export type Interpolation = 'nearest' | 'bilinear' | 'bicubic';

/** Numbers of one image, wherever they lie: pixel (y, x) of channel c is `numbers[from + c cStep + y yStep + x xStep]`. */
export interface Grid {
  readonly numbers: ArrayLike<number>;
  readonly from: number;
  readonly cStep: number;
  readonly yStep: number;
  readonly xStep: number;
  readonly height: number;
  readonly width: number;
  readonly depth: number;
  /** Whether numbers are whole, from 0 to 255. */
  readonly isBytes: boolean;
}

/** Which old pixels a new one is made of. */
interface Tap {
  readonly first: number;
  readonly weights: readonly number[];
}

interface Kernel {
  readonly radius: number;
  weight(distance: number): number;
}

/** Binary digits of Pillow's weights. */
const SCALE = 2 ** 22;

const KERNELS: Readonly<Record<Exclude<Interpolation, 'nearest'>, Kernel>> = {
  bilinear: { radius: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys, Cubic convolution interpolation for digital image processing, 1981, with a = -1/2.
  bicubic: {
    radius: 2,
    weight: (signed) => {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    },
  },
};

/** The image in another size, its channels last. */
export function resample(grid: Grid, height: number, width: number, how: Interpolation, antialias: boolean): Grid {
  const { depth, isBytes } = grid;
  const isRoundedTwice = isBytes && (antialias || how === 'nearest');
  const between = new (isRoundedTwice ? Uint8Array : Float64Array)(grid.height * width * depth);
  alongRows(grid, taps(grid.width, width, how, antialias, isRoundedTwice), between);
  const numbers = new (isBytes ? Uint8Array : Float64Array)(height * width * depth);
  alongColumns(between, width * depth, taps(grid.height, height, how, antialias, isRoundedTwice), numbers);
  return { numbers, from: 0, cStep: 1, yStep: width * depth, xStep: depth, height, width, depth, isBytes };
}

type Numbers = Uint8Array | Float64Array;

function alongRows(grid: Grid, across: readonly Tap[], out: Numbers): void {
  const { numbers, from, cStep, yStep, xStep, height, depth } = grid;
  const store = storing(out, out instanceof Uint8Array);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (const { first, weights } of across) {
      for (let c = 0; c < depth; c++) {
        const start = from + y * yStep + first * xStep + c * cStep;
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k]! * numbers[start + k * xStep]!;
        store(at++, sum);
      }
    }
  }
}

function alongColumns(rows: Numbers, row: number, down: readonly Tap[], out: Numbers): void {
  const store = storing(out, rows instanceof Uint8Array);
  let at = 0;
  for (const { first, weights } of down) {
    for (let i = 0; i < row; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * rows[(first + k) * row + i]!;
      store(at++, sum);
    }
  }
}

/** Puts a sum where it belongs: bytes are rounded, half up, and cut off at 0 and 255. */
function storing(out: Numbers, isScaled: boolean): (at: number, sum: number) => void {
  const unit = isScaled ? SCALE : 1;
  if (out instanceof Float64Array) {
    return (at, sum) => {
      out[at] = sum;
    };
  }
  return (at, sum) => {
    out[at] = Math.min(255, Math.max(0, Math.floor(sum / unit + 0.5)));
  };
}

/** @param isScaled whether weights are whole numbers, of which `SCALE` is one */
function taps(from: number, to: number, how: Interpolation, antialias: boolean, isScaled: boolean): Tap[] {
  const ratio = from / to;
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * ratio;
    if (how === 'nearest') return { first: Math.min(from - 1, Math.floor(centre)), weights: [isScaled ? SCALE : 1] };
    const { radius, weight } = KERNELS[how];
    const stretch = antialias ? Math.max(1, ratio) : 1;
    const first = Math.max(0, Math.floor(centre - radius * stretch + 0.5));
    const end = Math.min(from, Math.floor(centre + radius * stretch + 0.5));
    const raw = Array.from({ length: end - first }, (_unused, k) => weight((first + k + 0.5 - centre) / stretch));
    const total = raw.reduce((sum, x) => sum + x, 0);
    return { first, weights: raw.map((x) => (isScaled ? rounded((x / total) * SCALE) : x / total)) };
  });
}

/** To the nearest whole number, halves away from zero. */
const rounded = (x: number): number => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
