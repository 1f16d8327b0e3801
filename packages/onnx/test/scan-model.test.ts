/** A model file without its weights decodes as the file does, whatever is in it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeMessage, encodeMessageChunks } from '../src/codec.ts';
import { scanModel } from '../src/content/scan-model.ts';
import type { ByteSource } from '../src/content/stored-bytes.ts';
import { StoredBytes } from '../src/content/stored-bytes.ts';
import { createRandom, encodeMessage } from '../src/index.ts';
import { field, floatField, message } from './wire.ts';

/** Bytes that count what is read of them. */
class Counted implements ByteSource {
  readonly path = 'memory';
  readonly size: number;
  readonly #bytes: Uint8Array;
  bytesRead = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  read(target: Uint8Array, position: number): void {
    if (position + target.length > this.size) throw new Error('beyond the end');
    target.set(this.#bytes.subarray(position, position + target.length));
    this.bytesRead += target.length;
  }
}

/** Decoded through a skeleton and encoded again; undefined where the file is not well-formed. */
function throughSkeleton(bytes: Uint8Array, keep: number): Uint8Array | undefined {
  const skeleton = scanModel(new Counted(bytes), keep);
  return skeleton && encodeMessage('ModelProto', decodeMessage('ModelProto', skeleton.bytes, skeleton.stored));
}

const direct = (bytes: Uint8Array): Uint8Array => encodeMessage('ModelProto', decodeMessage('ModelProto', bytes));
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
const data = (name: string): Uint8Array => readFileSync(join(__dirname, 'data', name));

const raw = (length: number, seed: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) % 256);
const tensor = (length: number, seed: number): Uint8Array =>
  message(field(1, length), field(2, 2), field(8, `t${seed}`), field(9, raw(length, seed)), field(900, raw(40, 3)));
const attribute = (value: Uint8Array): Uint8Array => message(field(1, 'value'), field(5, value), field(20, 4));
const graphOf = (...parts: Uint8Array[]): Uint8Array => message(field(2, 'g'), ...parts);

/** Raw data at every place that the format has for tensors, with unknown fields and numbers of every width around it. */
function everywhere(length: number): Uint8Array {
  const inner = graphOf(field(5, tensor(length, 1)), field(1, field(5, attribute(tensor(length, 2)))));
  const sparse = message(field(1, tensor(length, 3)), field(2, tensor(length, 4)), field(3, 9));
  const body = message(field(1, 'body'), field(6, inner), field(20, 5));
  const many = message(field(1, 'many'), field(10, tensor(length, 5)), field(11, inner), field(22, sparse));
  const node = message(field(1, 'x'), field(5, body), field(5, many), field(7, 'domain'), field(901, 5));
  const graph = graphOf(field(1, node), field(5, tensor(length, 6)), field(15, sparse), floatField(902, 1.5));
  const fn = message(field(1, 'f'), field(7, message(field(5, attribute(tensor(length, 7))))));
  return message(field(1, 8), field(7, graph), field(20, field(1, inner)), field(25, fn), field(903, raw(70, 8)));
}

describe('a skeleton', () => {
  // Sizes around every length of a varint: the lengths of all messages around change their width.
  it.each([1, 127, 128, 16383, 16384, 70_000])(
    'decodes as the file does: raw data of %d bytes, everywhere',
    (length) => {
      const bytes = everywhere(length);
      const expected = direct(bytes);
      for (const keep of [1, length, length + 1]) expect(same(throughSkeleton(bytes, keep)!, expected)).toBe(true);
      const skeleton = scanModel(new Counted(bytes), 1)!;
      // 1 and 2 stand in three graphs each, 3 and 4 twice; 5, 6 and 7 once.
      expect(skeleton.stored.size).toBe(3 * 2 + 2 * 2 + 3);
      expect(skeleton.bytes.length).toBeLessThan(bytes.length - 13 * length + 1);
    },
  );

  it.each(['tiny-resnet.onnx', 'tiny-densenet-folded.onnx'])('of %s is read with little of the file', (name) => {
    const bytes = data(name);
    const source = new Counted(bytes);
    const skeleton = scanModel(source, 1024)!;
    expect(same(throughSkeleton(bytes, 1024)!, bytes)).toBe(true);
    expect(skeleton.stored.size).toBeGreaterThan(3);
    const chunks = encodeMessageChunks('ModelProto', decodeMessage('ModelProto', skeleton.bytes, skeleton.stored));
    expect(chunks.filter((chunk) => chunk instanceof StoredBytes).length).toBeGreaterThan(0);
  });

  it('takes the last of several values of a field, as decoders do', () => {
    const twice = message(field(1, 300), field(2, 2), field(9, raw(300, 1)), field(9, raw(300, 2)));
    const bytes = message(field(1, 8), field(7, graphOf(field(5, twice))));
    expect(same(throughSkeleton(bytes, 10)!, direct(bytes))).toBe(true);
  });

  it('of a damaged file is none, or decodes as the file does', () => {
    const bytes = everywhere(60);
    const random = createRandom(5);
    const outcomes = { none: 0, refused: 0, read: 0 };
    for (let round = 0; round < 4000; round++) {
      const damaged = round % 4 === 0 ? bytes.slice(0, random.int(bytes.length)) : bytes.slice();
      for (let i = 0; i <= random.int(3) && damaged.length > 0; i++)
        damaged[random.int(damaged.length)] = random.int(256);
      const expected = attempt(() => direct(damaged));
      const skeleton = scanModel(new Counted(damaged), 16);
      if (skeleton === undefined) {
        outcomes.none++;
        continue;
      }
      const found = attempt(() => throughSkeleton(damaged, 16)!);
      expect(found === undefined).toBe(expected === undefined);
      if (expected !== undefined && found !== undefined) expect(same(found, expected)).toBe(true);
      outcomes[expected === undefined ? 'refused' : 'read']++;
    }
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(20);
  });
});

function attempt(act: () => Uint8Array): Uint8Array | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
