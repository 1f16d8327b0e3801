/** What the machine has left for a job that takes much, and how JavaScript gives back what it no longer needs. */
import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Model } from '@onnx-pruning/onnx';
import { needsOf } from './model-source.ts';
import type { SessionOptions } from './session-options.ts';

/** What may be used, in bytes; by default what there is. */
export interface ResourceLimits extends Pick<SessionOptions, 'temporaryFolders' | 'diskLimit'> {
  readonly memoryLimit?: number;
}

/**
 * Memory that this process may yet take, in bytes: what the machine or its container has left. Files that the system caches
 * count as free, since it gives their memory back; Node.js counts them as used where a container has a limit.
 */
export function availableMemory(): number {
  const left = process.availableMemory();
  const limit = process.constrainedMemory();
  if (!(limit > 0 && limit < totalmem())) return left;
  return Math.min(freemem(), left + cachedFiles(containerStatistics()));
}

/** What Linux says of the memory of this process's container; nothing elsewhere. */
function containerStatistics(): string {
  try {
    const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
    return readFileSync(join('/sys/fs/cgroup', own, 'memory.stat'), 'utf8');
  } catch {
    return '';
  }
}

/** internal: bytes of cached files in the statistics of a container (control groups of version 2). */
export function cachedFiles(statistics: string): number {
  const lines = statistics.matchAll(/^(?:in)?active_file (\d+)$/gm);
  return [...lines].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}

/**
 * Why a model cannot be loaded with what is there: memory below the bytes of its weights, or no room for the temporary copy
 * that it needs. Undefined where both may suffice. Creates nothing.
 */
export async function shortageOf(model: Model, limits: ResourceLimits = {}): Promise<string | undefined> {
  const { memoryLimit = availableMemory() } = limits;
  const { memory, disk, room, fitsMessage } = await needsOf(model, limits);
  const noRoom =
    disk > room
      ? `${showBytes(disk)} of disk are needed for a temporary copy of it, and ${showBytes(room)} are available`
      : undefined;
  if (noRoom !== undefined && !fitsMessage) return noRoom;
  if (memory <= memoryLimit) return undefined;
  const shortage = `at least ${showBytes(memory)} of memory are needed to load it, and ${showBytes(memoryLimit)} are available`;
  return noRoom === undefined ? shortage : `${shortage}; with less memory, ${noRoom}`;
}

function showBytes(bytes: number): string {
  const [unit, name] = bytes < 1e6 ? [1, 'bytes'] : bytes < 1e9 ? [1e6, 'MB'] : [1e9, 'GB'];
  return unit === 1 ? `${bytes} ${name}` : `${(bytes / unit).toFixed(1)} ${name}`;
}

/**
 * internal: collects garbage now. V8 collects when JavaScript needs memory, and does not know that onnxruntime is about to
 * take gigabytes: arrays that nobody refers to would be held beside them.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('typeof gc === "function" ? gc : undefined');
  if (typeof collect === 'function') collect();
}
