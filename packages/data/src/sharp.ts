/**
 * The one place where sharp is loaded, and only when images are to be decoded: it is an optional peer dependency. What it
 * decodes, it decodes in threads of its own (libvips), not in that of JavaScript.
 */
import { errorCode } from '@onnx-pruning/onnx';
import { DataError, type Place } from './errors.ts';
import { readRegularFile } from './regular-file.ts';

/** Pixels of one image: bytes, row by row, channels last. */
export interface Pixels {
  readonly bytes: Uint8Array;
  readonly height: number;
  readonly width: number;
  /** 3 (red, green, blue), or 1. */
  readonly depth: number;
}

/** What is wanted of an image. */
export interface Decoding {
  /** Whether it must be without colour, and has one channel. */
  readonly isGrey: boolean;
  /** Whether it is turned as the camera noted. */
  readonly isTurned: boolean;
}

/** Decodes the image in a file. @throws DataError for one that is damaged, not complete, or of another kind */
export type Decoder = (path: string, how: Decoding, place: Place) => Promise<Pixels>;

type Library = typeof import('sharp').default;

/** @throws DataError where sharp is not installed, or does not load on this machine */
export async function loadDecoder(): Promise<Decoder> {
  const sharp = await load();
  return async (path, how, place) => {
    const file = await readRegularFile(path);
    try {
      return await decode(sharp, file, how, { ...place, path });
    } catch (cause) {
      throw cause instanceof DataError ? cause : damaged({ ...place, path }, cause);
    }
  };
}

async function load(): Promise<Library> {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    const isMissing = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(errorCode(cause) ?? '');
    throw new DataError(
      isMissing ? 'DATA_SHARP_MISSING' : 'DATA_SHARP_BROKEN',
      isMissing ? 'sharp is not installed, and images are decoded with it' : 'sharp is installed but does not load',
      {
        ...(!isMissing && { actual: firstLine(cause) }),
        repair: "Run 'npm install sharp', or save the images as an array (.npy).",
      },
      { cause },
    );
  }
}

async function decode(sharp: Library, file: Buffer, { isGrey, isTurned }: Decoding, place: Place): Promise<Pixels> {
  // Colour profiles are ignored, as Pillow and OpenCV do, with which networks are trained.
  const image = sharp(file, { failOn: 'warning', ignoreIcc: true, autoOrient: isTurned });
  const { depth: type, space } = await image.metadata();
  if (type !== 'uchar') {
    throw new DataError('DATA_TYPE', 'an image has other numbers than bytes', {
      ...place,
      expected: 'uchar',
      actual: type,
      repair: 'Convert it to 8 bits for each channel.',
    });
  }
  if (isGrey && space !== 'b-w') {
    throw new DataError('DATA_CHANNELS', 'an image has colours, and the preprocessing is for images without', {
      ...place,
      expected: 'one channel',
      actual: space,
      repair: "Use a preprocessing with from: 'HWC', or convert the image.",
    });
  }
  const plain = image.removeAlpha().toColourspace(isGrey ? 'b-w' : 'srgb');
  const { data, info } = await plain.raw().toBuffer({ resolveWithObject: true });
  if (info.channels !== (isGrey ? 1 : 3)) throw damaged(place, new Error(`${info.channels} channels`));
  return { bytes: data, height: info.height, width: info.width, depth: info.channels };
}

function damaged(place: Place, cause: unknown): DataError {
  return new DataError(
    'DATA_FORMAT',
    'the image is damaged, not complete, or of another kind than its name says',
    { ...place, actual: firstLine(cause), repair: 'Copy it again, or leave it out.' },
    { cause },
  );
}

const firstLine = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]!;
