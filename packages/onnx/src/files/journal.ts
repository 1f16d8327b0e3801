/**
 * A journal of what is about to be put in its place. It lies next to the first of the files for the moment that renaming
 * takes. When it is there, all files are written completely, so that whoever finds it after its process was killed can
 * complete the work. It is also the lock that keeps two processes from doing so at once.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, SaveError } from '../errors.ts';
import { ageMs, isAbandoned, isTemporaryOf, namesIn, ownedName } from './temporaries.ts';

/** A written file, and where it belongs. */
export interface Placement {
  readonly temporary: string;
  readonly path: string;
}

/** What a journal says. */
export interface Entries {
  readonly placements: readonly Placement[];
  /** Files that nothing refers to once all is in place. */
  readonly obsolete: readonly string[];
}

interface Journal extends Entries {
  readonly owner: string;
}

/** Renaming takes milliseconds. */
const ABANDONED_AFTER_MS = 60_000;
const WRITTEN_AFTER_MS = 1000;
const WAIT_MS = 20;
const WAITS = 500;

/** Makes the journal of this process. Completes what a killed one left; waits for one that is at work. */
export async function beginJournal(target: string, entries: Entries): Promise<string> {
  const path = journalOf(target);
  for (let wait = 0; wait < WAITS; wait++) {
    completeAbandoned(target);
    if (create(path, { ...entries, owner: ownedName() })) return path;
    await sleep(WAIT_MS);
  }
  throw new SaveError('SAVE_BUSY', 'Another process is writing to the same place', {
    path: target,
    repair: `Wait for it. If there is none, delete '${path}'.`,
  });
}

function journalOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.journal`);
}

function create(path: string, journal: Journal): boolean {
  let file: number;
  try {
    file = openSync(path, 'wx');
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  try {
    writeSync(file, JSON.stringify(journal));
    fsyncSync(file);
    return true;
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** Deletes the journal: its work is done, or undone. */
export function endJournal(path: string): void {
  rmSync(path, { force: true });
}

/** Completes the work of processes that were killed while they renamed files around `target`. */
export function completeAbandoned(target: string): void {
  const folder = dirname(target);
  const prefix = `.${basename(target)}.`;
  for (const name of namesIn(folder)) {
    if (!name.startsWith(prefix) || !name.endsWith('journal')) continue;
    const path = join(folder, name);
    const journal = read(path);
    const owner = name === `${prefix}journal` ? journal?.owner : name.slice(prefix.length, -'.journal'.length);
    if (isAtWork(path, owner)) continue;
    takeOver(path, join(folder, `${prefix}${ownedName()}.journal`), journal);
  }
}

/** One that does not say whose it is is being written, or was cut off. */
function isAtWork(journal: string, owner: string | undefined): boolean {
  if (owner === undefined) return ageMs(journal) < WRITTEN_AFTER_MS;
  return !isAbandoned(owner) && ageMs(journal) < ABANDONED_AFTER_MS;
}

/** Only the process whose renaming succeeds goes on. A journal that was cut off is older than the first renaming. */
function takeOver(path: string, own: string, journal: Journal | undefined): void {
  try {
    renameSync(path, own);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  // A journal that someone else made up moves nothing but what this module could have written.
  for (const { temporary, path: place } of journal?.placements ?? []) {
    if (isTemporaryOf(place, temporary) && existsSync(temporary)) renameSync(temporary, place);
  }
  for (const obsolete of journal?.obsolete ?? []) {
    if (dirname(obsolete) === dirname(own) && obsolete.endsWith('.data')) rmSync(obsolete, { force: true });
  }
  endJournal(own);
}

/** What a journal says; undefined where it is cut off, or gone. */
function read(path: string): Journal | undefined {
  try {
    const journal: Partial<Journal> = JSON.parse(readFileSync(path, 'utf8'));
    const { owner, placements, obsolete } = journal;
    return owner !== undefined && placements && obsolete ? { owner, placements, obsolete } : undefined;
  } catch {
    return undefined;
  }
}
