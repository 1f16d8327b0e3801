/**
 * Writes files so that each is either complete or not there: into a temporary file in the same folder, then renamed.
 * Protects against errors and interrupted processes; it does not force data to the disk against power loss.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface PendingFile {
  readonly path: string;
  readonly chunks: readonly Uint8Array[];
}

/** The system takes at most 1024 buffers at once (IOV_MAX). */
const BUFFERS_PER_WRITE = 512;

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

async function writeNew(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'wx');
  try {
    for (let i = 0; i < chunks.length; i += BUFFERS_PER_WRITE) {
      await writeAll(file, chunks.slice(i, i + BUFFERS_PER_WRITE));
    }
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunks: Uint8Array[]): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.length > 0);
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest);
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
