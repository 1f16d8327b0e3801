/**
 * Samples out of a folder of images, decoded batch by batch: a folder may hold more than fits into memory. Several images
 * of a batch are decoded at once, in the threads of the decoder.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ValueInfo } from '@onnx-pruning/runtime';
import type { Batch, SampleSource } from './dataset.ts';
import { checkFinite, checkFit } from './fit.ts';
import type { ImageListing } from './image-folder.ts';
import { dimsOf, frame, PictureBatch } from './pictures.ts';
import type { Steps } from './preprocess.ts';
import type { Grid } from './resample.ts';
import type { Decoder, Pixels } from './sharp.ts';

/** What samples out of a folder are made of. */
export interface ImageParts {
  readonly input: ValueInfo;
  readonly listing: ImageListing;
  readonly steps: Steps;
  readonly labels: Int32Array | undefined;
  readonly decode: Decoder;
}

/** Images that are decoded at once: so that threads have work while JavaScript prepares what is there. */
const IN_FLIGHT = 2 * availableParallelism() + 2;

/** Samples out of images in files. */
export class Images implements SampleSource {
  readonly #parts: ImageParts;
  readonly #dims: readonly number[];

  private constructor(parts: ImageParts, dims: readonly number[]) {
    this.#parts = parts;
    this.#dims = dims;
  }

  /** The first image says how large all of them are. @throws DataError where it cannot be read */
  static async of(parts: ImageParts): Promise<Images> {
    const [name] = parts.listing.names;
    return new Images(parts, dimsOf(await prepared(parts, name!), parts.steps));
  }

  get name(): string {
    return this.#parts.listing.folder;
  }

  get length(): number {
    return this.#parts.listing.names.length;
  }

  get hasLabels(): boolean {
    return this.#parts.labels !== undefined;
  }

  async read(indices: readonly number[]): Promise<Pick<Batch, 'feeds' | 'labels'>> {
    const { input, listing, steps, labels } = this.#parts;
    const pictures = new PictureBatch(steps, [indices.length, ...this.#dims]);
    const first = new Map<number, number>();
    for (const [at, i] of indices.entries()) if (!first.has(i)) first.set(i, at);
    await inFlight([...first], async ([i, at]) => {
      const name = listing.names[i]!;
      pictures.put(at, await prepared(this.#parts, name), { path: join(listing.folder, name), value: input.name });
    });
    for (const [at, i] of indices.entries()) if (first.get(i) !== at) pictures.repeat(at, first.get(i)!);
    const value = pictures.value(input.dataType);
    const place = { path: listing.folder, value: input.name };
    checkFit(input, value, place, steps);
    checkFinite(value, indices, place);
    return { feeds: { [input.name]: value }, ...(labels && { labels: Int32Array.from(indices, (i) => labels[i]!) }) };
  }
}

async function prepared({ listing, steps, decode, input }: ImageParts, name: string) {
  const path = join(listing.folder, name);
  const how = { isGrey: steps.from === 'HW', isTurned: steps.orient === true };
  const place = { path, value: input.name };
  return frame(gridOf(await decode(path, how, place)), steps, place);
}

function gridOf({ bytes, height, width, depth }: Pixels): Grid {
  const steps = { cStep: 1, yStep: width * depth, xStep: depth };
  return { numbers: bytes, from: 0, ...steps, height, width, depth, isBytes: true };
}

/** Does something with every element, with some at once; ends with the first error. */
async function inFlight<T>(all: readonly T[], task: (one: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    try {
      while (next < all.length) await task(all[next++]!);
    } catch (error) {
      next = all.length;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, all.length) }, lane));
}
