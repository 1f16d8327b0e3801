/**
 * Where temporary files of some size may go: the temporary files of the system, or a folder that the caller names. A folder
 * whose files are kept in memory is taken only where no other has room. It must not create anything.
 */
import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { SaveError } from '../errors.ts';

/** What a temporary folder is for. */
export interface TemporaryOptions {
  /** Bytes that will be written into it. */
  readonly bytes?: number;
  /** Folders that it may be in, where the temporary files of the system have no room. */
  readonly folders?: readonly string[];
  /** Most bytes that temporary files may take, whatever the disk holds. */
  readonly diskLimit?: number;
}

/** A folder, and how many bytes may be written there. */
export interface Room {
  readonly folder: string;
  readonly bytes: number;
}

/** File systems of Linux that keep files in memory: tmpfs and ramfs. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/**
 * internal: the folder in which a temporary folder would be made.
 * @throws SaveError (`TEMPORARY_NO_SPACE`) where no folder has so much room
 */
export async function roomFor(options: TemporaryOptions): Promise<string> {
  const { bytes = 0 } = options;
  if (bytes === 0) return tmpdir();
  const room = await temporaryRoom(options);
  if (room.bytes >= bytes) return room.folder;
  throw new SaveError('TEMPORARY_NO_SPACE', 'There is no room for a temporary copy', {
    path: room.folder,
    expected: `${bytes} bytes`,
    actual: `${room.bytes} bytes`,
    repair: 'Free some space, or name a folder with more room (TMPDIR).',
  });
}

/** internal: the first folder with room for `bytes`, disks before memory; where none has, the one with the most. */
export async function temporaryRoom({
  bytes = 0,
  folders = [],
  diskLimit = Infinity,
}: TemporaryOptions): Promise<Room> {
  const onDisk: Room[] = [];
  const inMemory: Room[] = [];
  for (const folder of new Set([tmpdir(), ...folders])) {
    const found = await freeIn(folder);
    if (found) (found.inMemory ? inMemory : onDisk).push({ folder, bytes: Math.min(found.bytes, diskLimit) });
  }
  const all = [...onDisk, ...inMemory];
  const nothing: Room = { folder: tmpdir(), bytes: 0 };
  return (
    all.find((room) => room.bytes >= bytes) ?? all.reduce((most, one) => (one.bytes > most.bytes ? one : most), nothing)
  );
}

/** Undefined where nothing can be written. */
async function freeIn(folder: string): Promise<{ readonly bytes: number; readonly inMemory: boolean } | undefined> {
  try {
    await access(folder, constants.W_OK);
    const { bavail, bsize, type } = await statfs(folder);
    return { bytes: bavail * bsize, inMemory: process.platform === 'linux' && IN_MEMORY.has(type) };
  } catch {
    return undefined;
  }
}
