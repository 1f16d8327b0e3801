/**
 * Writes files that belong together: all of them appear complete, or none does, also when the process is killed at any
 * moment. Everything is written under temporary names and brought to the disk, then renamed; see journal.ts.
 */
import { closeSync, copyFileSync, fsyncSync, linkSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Content } from '../content/stored-bytes.ts';
import { errorCode } from '../errors.ts';
import { beginJournal, completeAbandoned, endJournal, type Placement } from './journal.ts';
import { discard, discardAbandonedBeside, renamed, temporaryBeside } from './temporaries.ts';
import { writeChunks } from './write-chunks.ts';

export interface PendingFile {
  readonly path: string;
  readonly chunks: Iterable<Content>;
}

/**
 * Writes all files, or none: when one fails, what was there before is there again, and nothing else is left. The files
 * appear in the given order. One that replaces another keeps its permissions.
 *
 * @param target the file that the others belong to: the one whose next writer completes what was cut off
 * @param obsolete files that are deleted once all others are in place
 */
export async function writeAtomically(
  target: string,
  files: readonly PendingFile[],
  obsolete: readonly string[] = [],
): Promise<void> {
  completeAbandoned(target);
  for (const { path } of files) discardAbandonedBeside(path);
  const placements: Placement[] = [];
  try {
    for (const { path, chunks } of files) {
      const temporary = temporaryBeside(path);
      placements.push({ temporary, path });
      await writeNew(temporary, chunks, permissionsOf(path));
    }
    const isOne = placements.length === 1 && obsolete.length === 0;
    const journal = isOne ? undefined : await beginJournal(target, { placements, obsolete });
    putInPlace(placements, journal);
    for (const path of obsolete) rmSync(path, { force: true });
    syncFolders(placements);
    if (journal !== undefined) endJournal(journal);
  } finally {
    for (const { temporary } of placements) discard(temporary);
  }
}

function permissionsOf(path: string): number | undefined {
  const existing = statSync(path, { throwIfNoEntry: false });
  return existing === undefined ? undefined : existing.mode & 0o7777;
}

async function writeNew(path: string, chunks: Iterable<Content>, mode: number | undefined): Promise<void> {
  const file = await open(path, 'wx');
  try {
    if (mode !== undefined) await file.chmod(mode);
    await writeChunks(file, chunks);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Without a pause in which a signal could be handled. All but the last file keep a backup until the last is in place. */
function putInPlace(placements: readonly Placement[], journal: string | undefined): void {
  const undo: (() => void)[] = [];
  const backups: string[] = [];
  try {
    for (const [i, { temporary, path }] of placements.entries()) {
      if (i < placements.length - 1) undo.unshift(backUp(path, backups));
      renameSync(temporary, path);
      renamed(temporary);
    }
  } catch (error) {
    for (const step of undo) step();
    if (journal !== undefined) endJournal(journal);
    throw error;
  } finally {
    for (const backup of backups) discard(backup);
  }
}

/** A second name for an existing file; returns what brings back the state before. */
function backUp(path: string, backups: string[]): () => void {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return () => rmSync(path, { force: true });
  const backup = temporaryBeside(path);
  backups.push(backup);
  try {
    linkSync(path, backup);
  } catch (error) {
    // File systems without links.
    if (errorCode(error) === 'ENOENT') throw error;
    copyFileSync(path, backup);
  }
  return () => renameSync(backup, path);
}

/** Brings the names to the disk. Windows has no such thing for folders. */
function syncFolders(placements: readonly Placement[]): void {
  for (const folder of new Set(placements.map(({ path }) => dirname(path)))) {
    try {
      const handle = openSync(folder, 'r');
      try {
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
    } catch {
      // The files themselves are on the disk; only their names may come later.
    }
  }
}
