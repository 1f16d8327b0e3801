/**
 * Writes content into an open file: in portions that the system takes, every count checked, what lies in other files
 * piece by piece. It must not decide where a file lies.
 */
import type { FileHandle } from 'node:fs/promises';
import { asArray } from '../content/bytes.ts';
import { type Content, StoredBytes } from '../content/stored-bytes.ts';
import { SaveError } from '../errors.ts';

/** The system takes at most 1024 buffers at once (IOV_MAX). */
const BUFFERS_PER_WRITE = 512;

/**
 * Bytes of one write. Node.js 20 returns the count of a vectored write as a signed 32-bit number, so a write of 2 GiB
 * and more seems to have written another, even a negative, amount.
 */
const BYTES_PER_WRITE = 2 ** 28;

/** Bytes that are read at once of content that lies in another file. */
const BYTES_PER_COPY = 2 ** 18;

/**
 * internal: writes chunks one after the other, in bounded portions, whatever their sizes. Of what lies in a file, one small
 * piece at a time is in memory.
 * @throws SaveError when the system does not write on, or says that it wrote what it cannot have written
 */
export async function writeChunks(file: Pick<FileHandle, 'writev'>, chunks: Iterable<Content>): Promise<void> {
  let inMemory: Uint8Array[] = [];
  const flush = async (): Promise<void> => {
    for (const portion of portionsOf(inMemory)) await writeAll(file, portion);
    inMemory = [];
  };
  const buffer = new Buffers();
  for (const chunk of chunks) {
    if (!(chunk instanceof StoredBytes)) {
      inMemory.push(asArray(chunk));
      continue;
    }
    await flush();
    await copyStored(file, chunk, buffer.of(Math.min(chunk.length, BYTES_PER_COPY)));
  }
  await flush();
}

/** A buffer that is made when it is first needed, and used again. */
class Buffers {
  #buffer = new Uint8Array();

  of(length: number): Uint8Array {
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
    return this.#buffer;
  }
}

async function copyStored(file: Pick<FileHandle, 'writev'>, stored: StoredBytes, buffer: Uint8Array): Promise<void> {
  for (let from = 0; from < stored.length; ) {
    const piece = buffer.subarray(0, Math.min(buffer.length, stored.length - from));
    stored.readInto(piece, from);
    await writeAll(file, [piece]);
    from += piece.length;
  }
}

/** Neighbouring chunks, or parts of long ones, that fit into one write. */
function* portionsOf(chunks: Iterable<Uint8Array>): Generator<Uint8Array[]> {
  let portion: Uint8Array[] = [];
  let bytes = 0;
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + BYTES_PER_WRITE - bytes);
      portion.push(part);
      bytes += part.length;
      from += part.length;
      if (bytes < BYTES_PER_WRITE && portion.length < BUFFERS_PER_WRITE) continue;
      yield portion;
      portion = [];
      bytes = 0;
    }
  }
  if (portion.length > 0) yield portion;
}

async function writeAll(file: Pick<FileHandle, 'writev'>, portion: Uint8Array[]): Promise<void> {
  let rest = portion;
  while (rest.length > 0) {
    const asked = rest.reduce((sum, { length }) => sum + length, 0);
    const { bytesWritten } = await file.writev(rest);
    if (!(Number.isInteger(bytesWritten) && bytesWritten > 0 && bytesWritten <= asked)) {
      throw new SaveError('SAVE_FAILED', 'The system did not write what it was asked to', {
        expected: `up to ${asked} bytes`,
        actual: `${bytesWritten} bytes`,
        repair: 'Check the disk, or choose another path.',
      });
    }
    rest = withoutFirst(rest, bytesWritten);
  }
}

/** What is left when the system took only the first `count` bytes. */
function withoutFirst(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  let i = 0;
  for (; i < chunks.length; i++) {
    const length = chunks[i]?.length ?? 0;
    if (skip < length) break;
    skip -= length;
  }
  const rest = chunks.slice(i);
  if (skip > 0 && rest[0] !== undefined) rest[0] = rest[0].subarray(skip);
  return rest;
}
