/**
 * Files and folders that are there for a while: their names, which say who made them, and how they go, also when the
 * process is stopped, or was. It must not know what is in them.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../errors.ts';
import { roomFor, type TemporaryOptions } from './room.ts';

/** Whatever this process has not deleted yet. */
const present = new Set<string>();

/** Machines share folders, and number their processes alike. */
const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** What the names of temporary folders begin with, wherever they lie. */
const FOLDER_PREFIX = 'onnx-pruning-';

const OWNED = /^(?<host>[0-9a-f]{8})-(?<pid>\d+)-[0-9a-f]{12}$/;

/** What nobody has touched for so long was left behind, whoever seems to own it. */
const DAY_MS = 24 * 60 * 60 * 1000;

/** Part of a name that says which process it belongs to, and that no one else uses. */
export function ownedName(): string {
  return `${HOST}-${process.pid}-${randomBytes(6).toString('hex')}`;
}

/** Whether the process that made a name is gone. False where another machine made it. */
export function isAbandoned(owned: string): boolean {
  const { host, pid } = OWNED.exec(owned)?.groups ?? {};
  return host === HOST && !isRunning(Number(pid));
}

/** A process of the same number as this one that left something behind is a former one: containers count from 1 again. */
function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** A hidden name next to `path`. It is deleted by `discard`, or when the process is stopped. */
export function temporaryBeside(path: string): string {
  const temporary = join(dirname(path), `.${basename(path)}.${ownedName()}.tmp`);
  present.add(temporary);
  return temporary;
}

/** Whether a path is that of a temporary file beside `path`. */
export function isTemporaryOf(path: string, temporary: string): boolean {
  return temporary.startsWith(join(dirname(path), `.${basename(path)}.`)) && temporary.endsWith('.tmp');
}

/**
 * internal: a folder for files that only this process reads, where there is room for them.
 * @throws SaveError (`TEMPORARY_NO_SPACE`) where no folder has so much room
 */
export async function temporaryFolder(options: TemporaryOptions = {}): Promise<string> {
  discardAbandonedFolders(options.folders);
  const place = await roomFor(options);
  const folder = await mkdtemp(join(place, `${FOLDER_PREFIX}${ownedName()}-`));
  present.add(folder);
  return folder;
}

/** internal: deletes a temporary file or folder, if it is still there. */
export function discard(temporary: string): void {
  rmSync(temporary, { recursive: true, force: true, maxRetries: 3 });
  present.delete(temporary);
}

/** Says that a temporary file has become another one by its new name. */
export function renamed(temporary: string): void {
  present.delete(temporary);
}

/** internal: deletes all temporary files and folders of this process, before it ends early. */
export function discardTemporaries(): void {
  for (const temporary of [...present]) {
    try {
      discard(temporary);
    } catch {
      // The next run deletes it.
    }
  }
}

/**
 * internal: deletes temporary folders that processes left behind which were killed.
 * @param folders where to look besides the temporary files of the system
 */
export function discardAbandonedFolders(folders: readonly string[] = []): void {
  for (const place of new Set([tmpdir(), ...folders])) discardAbandoned(place, FOLDER_PREFIX, /-[^-]*$/);
}

/**
 * Deletes temporary files of `path`, and of the data files that a model there has (`path.data`, `path.1.data`), which
 * processes left behind that were killed.
 */
export function discardAbandonedBeside(path: string): void {
  discardAbandoned(dirname(path), `.${basename(path)}.`, /\.tmp$/, /^(\d+\.)?data\./);
}

/** What says whose a file is stands between a prefix, perhaps something more, and a suffix. */
function discardAbandoned(folder: string, prefix: string, suffix: RegExp, more = /^/): void {
  for (const name of namesIn(folder)) {
    if (!name.startsWith(prefix) || !suffix.test(name)) continue;
    const owned = name.slice(prefix.length).replace(suffix, '').replace(more, '');
    const path = join(folder, name);
    if (!OWNED.test(owned) || present.has(path)) continue;
    if (isAbandoned(owned) || ageMs(path) > DAY_MS) rmSync(path, { recursive: true, force: true });
  }
}

/** Names in a folder; none where it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Milliseconds since a file was last written to; 0 where it is gone. */
export function ageMs(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? 0 : Date.now() - stats.mtimeMs;
}
