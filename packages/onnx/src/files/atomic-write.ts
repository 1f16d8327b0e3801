/**
 * Writes files so that each is either complete or not there: into a temporary file in the same folder, then renamed.
 * Protects against errors and interrupted processes; it does not force data to the disk against power loss.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { asArray } from '../content/bytes.ts';
import { type Content, StoredBytes } from '../content/stored-bytes.ts';
import { SaveError } from '../errors.ts';

export interface PendingFile {
  readonly path: string;
  readonly chunks: Iterable<Content>;
}

/** The system takes at most 1024 buffers at once (IOV_MAX). */
const BUFFERS_PER_WRITE = 512;

/**
 * Bytes of one write. Node.js 20 returns the count of a vectored write as a signed 32-bit number, so a write of 2 GiB
 * and more seems to have written another, even a negative, amount.
 */
const BYTES_PER_WRITE = 2 ** 28;

/**
 * Writes all files, or none: when one fails, files that were there before are there again, and nothing else is left.
 * The files appear in the given order.
 */
export async function writeAtomically(files: readonly PendingFile[]): Promise<void> {
  const leftovers = new Set<string>();
  try {
    const written: { temporary: string; path: string }[] = [];
    for (const file of files) {
      const temporary = besides(file.path);
      leftovers.add(temporary);
      await writeNew(temporary, file.chunks);
      written.push({ temporary, path: file.path });
    }
    await renameAll(written, leftovers);
  } finally {
    for (const path of leftovers) await rm(path, { force: true });
  }
}

/** A hidden file name next to `path` that no one else uses. */
function besides(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
}

async function writeNew(path: string, chunks: Iterable<Content>): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await writeChunks(file, chunks);
  } finally {
    await file.close();
  }
}

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

/** Puts every file in its place. All but the last one keep a backup of what they replace until the last is in place. */
async function renameAll(files: readonly { temporary: string; path: string }[], leftovers: Set<string>): Promise<void> {
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const [i, { temporary, path }] of files.entries()) {
      if (i < files.length - 1) undo.unshift(await backup(path, leftovers));
      await rename(temporary, path);
      leftovers.delete(temporary);
    }
  } catch (error) {
    for (const step of undo) await step();
    throw error;
  }
}

/** Moves an existing file aside; returns what brings back the state before. */
async function backup(path: string, leftovers: Set<string>): Promise<() => Promise<void>> {
  const aside = besides(path);
  const existed = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (!existed) return () => rm(path, { force: true });
  leftovers.add(aside);
  return async () => {
    await rename(aside, path);
    leftovers.delete(aside);
  };
}
