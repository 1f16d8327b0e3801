/** Where temporary folders are made, and that they go: also those that a killed process left in a folder of the user's. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import type * as files from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { discard, discardAbandonedFolders, temporaryFolder, temporaryRoom } from '../src/index.ts';

/** What the disk says, by folder: bytes left, and the type of the file system. */
const disks = new Map<string, { bytes: number; type: number }>();
jest.mock('node:fs/promises', () => {
  const actual = jest.requireActual<typeof files>('node:fs/promises');
  return {
    ...actual,
    statfs: async (path: string) => {
      const disk = disks.get(path);
      return disk ? { bavail: disk.bytes, bsize: 1, type: disk.type } : actual.statfs(path);
    },
  };
});

/** Types of file systems, as Linux numbers them. */
const EXT4 = 0xef53;
const TMPFS = 0x01021994;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'temporaries-'));
});
afterEach(() => {
  disks.clear();
  rmSync(folder, { recursive: true });
});

async function placeOf(bytes: number, more: { folders?: string[]; diskLimit?: number } = {}): Promise<string> {
  const made = await temporaryFolder({ bytes, ...more });
  expect(existsSync(made)).toBe(true);
  discard(made);
  expect(existsSync(made)).toBe(false);
  return dirname(made);
}

describe('a temporary folder', () => {
  it('is among the temporary files of the system where these have room', async () => {
    disks.set(tmpdir(), { bytes: 1000, type: EXT4 });
    disks.set(folder, { bytes: 9000, type: EXT4 });
    expect(await placeOf(1000, { folders: [folder] })).toBe(tmpdir());
  });

  it('is in another folder where these have none', async () => {
    disks.set(tmpdir(), { bytes: 999, type: EXT4 });
    disks.set(folder, { bytes: 1000, type: EXT4 });
    expect(await placeOf(1000, { folders: [join(folder, 'missing'), folder] })).toBe(folder);
  });

  it('is not in memory where a disk has room', async () => {
    disks.set(tmpdir(), { bytes: 9000, type: TMPFS });
    disks.set(folder, { bytes: 1000, type: EXT4 });
    expect(await placeOf(1000, { folders: [folder] })).toBe(folder);
    expect(await placeOf(1001, { folders: [folder] })).toBe(tmpdir());
  });

  it('is refused where nothing has room, with what is there', async () => {
    disks.set(tmpdir(), { bytes: 700, type: EXT4 });
    disks.set(folder, { bytes: 800, type: EXT4 });
    const error = {
      code: 'TEMPORARY_NO_SPACE',
      details: expect.objectContaining({ path: folder, expected: '1000 bytes', actual: '800 bytes' }),
    };
    await expect(temporaryFolder({ bytes: 1000, folders: [folder] })).rejects.toMatchObject(error);
    const limited = temporaryFolder({ bytes: 500, folders: [folder], diskLimit: 499 });
    await expect(limited).rejects.toMatchObject({ code: 'TEMPORARY_NO_SPACE' });
    expect(await temporaryRoom({ bytes: 500, folders: [folder], diskLimit: 600 })).toEqual({
      folder: tmpdir(),
      bytes: 600,
    });
  });
});

it('what a killed process left in a folder goes, and what a living one uses stays', () => {
  const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  const folderOf = (pid: number): string => {
    const path = join(folder, `onnx-pruning-${host}-${pid}-0123456789ab-AbCdEf`);
    mkdirSync(path);
    return path;
  };
  const [abandoned, used] = [folderOf(dead), folderOf(process.ppid)];
  const foreign = join(folder, 'onnx-pruning-notes');
  mkdirSync(foreign);
  discardAbandonedFolders([folder]);
  expect([abandoned, used, foreign].map((path) => existsSync(path))).toEqual([false, true, true]);
});
