/**
 * Writing 2 GiB and more. Node.js 20 returns the count of a vectored write as a signed 32-bit number; a file that does
 * so too shows that no write gets that long. The file is sparse: of each buffer, only the first and last byte are kept.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeChunks } from '../src/files/write-chunks.ts';
import { SaveError } from '../src/index.ts';

const GIB = 2 ** 30;

/** Writes ends of buffers where the buffers would be, and counts as Node.js 20 does. */
class SparseFile {
  readonly #descriptor: number;
  #position = 0;
  calls = 0;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'w+');
  }

  async writev<T extends readonly NodeJS.ArrayBufferView[]>(buffers: T): Promise<{ bytesWritten: number; buffers: T }> {
    this.calls++;
    const start = this.#position;
    for (const buffer of buffers) {
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      writeSync(this.#descriptor, bytes, 0, 1, this.#position);
      writeSync(this.#descriptor, bytes, bytes.length - 1, 1, this.#position + bytes.length - 1);
      this.#position += bytes.length;
    }
    return { bytesWritten: (this.#position - start) | 0, buffers };
  }

  byteAt(position: number): number {
    const byte = new Uint8Array(1);
    readSync(this.#descriptor, byte, 0, 1, position);
    return byte[0];
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bounded-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ['2.3 GiB in chunks of 0.4 GiB', 0.4 * GIB, 6],
  ['4.5 GiB in chunks of 0.5 GiB', 0.5 * GIB, 9],
  ['4.2 GiB in one chunk of 2.1 GiB twice', Math.floor(2.1 * GIB), 2],
])('writes %s, each at its place', async (_, length, count) => {
  // Never touched but at its ends, so it takes no memory.
  const chunk = new Uint8Array(Math.floor(length));
  chunk[0] = 17;
  chunk[chunk.length - 1] = 99;
  const path = join(folder, `sparse-${length}`);
  const file = new SparseFile(path);
  try {
    await writeChunks(
      file,
      Array.from({ length: count }, () => chunk),
    );
    expect(statSync(path).size).toBe(count * chunk.length);
    for (let i = 0; i < count; i++) {
      expect(file.byteAt(i * chunk.length)).toBe(17);
      expect(file.byteAt((i + 1) * chunk.length - 1)).toBe(99);
    }
  } finally {
    file.close();
    rmSync(path, { force: true });
  }
});

/** A file that says that it wrote these amounts, one after the other. */
function answering(...counts: readonly number[]): { file: Parameters<typeof writeChunks>[0]; asked: number[] } {
  const asked: number[] = [];
  const rest = [...counts];
  const file = {
    async writev<T extends readonly NodeJS.ArrayBufferView[]>(buffers: T) {
      asked.push(buffers.reduce((sum, { byteLength }) => sum + byteLength, 0));
      return { bytesWritten: rest.shift() ?? 0, buffers };
    },
  };
  return { file, asked };
}

it('goes on after a short write with what is left', async () => {
  const { file, asked } = answering(3, 2, 5);
  await writeChunks(file, [new Uint8Array(4), new Uint8Array(0), new Uint8Array(6)]);
  expect(asked).toEqual([10, 7, 5]);
});

it.each([0, -1894967296, 11, 2.5, Number.NaN])(
  'stops with an error where the system says that it wrote %d of 10 bytes',
  async (count) => {
    const { file } = answering(count);
    await expect(writeChunks(file, [new Uint8Array(10)])).rejects.toThrow(SaveError);
    await expect(writeChunks(answering(count).file, [new Uint8Array(10)])).rejects.toThrow(
      /expected up to 10 bytes, found/,
    );
  },
);
