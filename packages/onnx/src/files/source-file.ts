/**
 * A file that models read their tensors from, for as long as they live. The file stays open, so that it may be replaced or
 * deleted meanwhile, by saving over it too. One that was written to in place is noticed: wrong bytes are never given.
 */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { ByteSource } from '../content/stored-bytes.ts';
import { ModelFileError } from '../errors.ts';

/** Bytes of one read; the system takes fewer than 2 GiB at once. */
const BYTES_PER_READ = 2 ** 30;

/** Files that are open at once. Further ones close those that were not used for longest, which are opened again when needed. */
const OPEN_AT_ONCE = 128;

/** Opens a file at once: without asking so, a named pipe would wait for its writer for ever. */
function openForReading(path: string): number {
  return openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
}

type Identity = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs'>;

/** An open file, apart from the object that uses it, so that it can be closed when that was collected. */
interface Descriptor {
  number: number | undefined;
  /** Replaced files cannot be opened again. */
  pinned: boolean;
}

/** Open files, the one used last at the end. */
class OpenFiles {
  readonly #open = new Set<Descriptor>();
  readonly #collected = new FinalizationRegistry<Descriptor>((descriptor) => this.close(descriptor));

  add(descriptor: Descriptor): void {
    this.#open.add(descriptor);
    for (const oldest of this.#open) {
      if (this.#open.size <= OPEN_AT_ONCE) break;
      if (!oldest.pinned && oldest !== descriptor) this.close(oldest);
    }
  }

  used(descriptor: Descriptor): void {
    this.#open.delete(descriptor);
    this.#open.add(descriptor);
  }

  closeWith(owner: object, descriptor: Descriptor): void {
    this.#collected.register(owner, descriptor);
  }

  close(descriptor: Descriptor): void {
    this.#open.delete(descriptor);
    if (descriptor.number !== undefined) closeSync(descriptor.number);
    descriptor.number = undefined;
  }
}

const openFiles = new OpenFiles();

export class SourceFile implements ByteSource {
  readonly path: string;
  readonly size: number;
  readonly #identity: Identity;
  readonly #descriptor: Descriptor;

  /**
   * @param path of a regular file
   * @throws as Node.js when it cannot be opened; undefined when it is not a regular file
   */
  static open(path: string): SourceFile | undefined {
    const number = openForReading(path);
    const stats = fstatSync(number, { bigint: true });
    if (stats.isFile()) return new SourceFile(path, number, stats);
    closeSync(number);
    return undefined;
  }

  private constructor(path: string, number: number, stats: BigIntStats) {
    this.path = path;
    this.size = Number(stats.size);
    this.#identity = stats;
    this.#descriptor = { number, pinned: false };
    openFiles.add(this.#descriptor);
    openFiles.closeWith(this, this.#descriptor);
  }

  read(target: Uint8Array, position: number): void {
    const descriptor = this.#open();
    for (let done = 0; done < target.length; ) {
      const count = readSync(descriptor, target, done, Math.min(target.length - done, BYTES_PER_READ), position + done);
      if (count === 0) throw this.#changed('it has become shorter');
      done += count;
    }
    // Asked afterwards: what was written before or while we read has changed the time.
    if (!this.#isSame(fstatSync(descriptor, { bigint: true }))) throw this.#changed('it was written to');
  }

  /** Keeps the file open for good: its path will be another file's. */
  pin(): void {
    this.#open();
    this.#descriptor.pinned = true;
  }

  /** Whether the path still leads to this file, as it was. */
  isInPlace(): boolean {
    try {
      const again = openForReading(this.path);
      try {
        return this.#isSame(fstatSync(again, { bigint: true }));
      } finally {
        closeSync(again);
      }
    } catch {
      return false;
    }
  }

  #open(): number {
    const descriptor = this.#descriptor;
    if (descriptor.number !== undefined) {
      openFiles.used(descriptor);
      return descriptor.number;
    }
    let number: number;
    try {
      number = openForReading(this.path);
    } catch (cause) {
      throw this.#changed('it cannot be opened any more', cause);
    }
    if (!this.#isSame(fstatSync(number, { bigint: true }))) {
      closeSync(number);
      throw this.#changed('it is another file');
    }
    descriptor.number = number;
    openFiles.add(descriptor);
    return number;
  }

  #isSame({ dev, ino, size, mtimeNs }: BigIntStats): boolean {
    const known = this.#identity;
    return dev === known.dev && ino === known.ino && size === known.size && mtimeNs === known.mtimeNs;
  }

  #changed(how: string, cause?: unknown): ModelFileError {
    return new ModelFileError(
      'MODEL_FILE_CHANGED',
      `A file was changed after the model was loaded from it: ${how}`,
      { path: this.path, repair: 'Load the model again, and leave its files alone while it is used.' },
      cause === undefined ? undefined : { cause },
    );
  }
}
