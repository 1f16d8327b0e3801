/** Damage to the bytes of a file, as a transfer, a disk or a careless program does it. */
import type { Random } from '@onnx-pruning/onnx';

type ByteMutation = (bytes: Uint8Array, random: Random) => Uint8Array;

const flipBits: ByteMutation = (bytes, random) => {
  const damaged = bytes.slice();
  for (let n = 1 + random.int(8); n > 0; n--) {
    const at = random.int(damaged.length);
    damaged[at] = damaged[at]! ^ (1 << random.int(8));
  }
  return damaged;
};

const overwrite: ByteMutation = (bytes, random) => {
  const damaged = bytes.slice();
  const at = random.int(damaged.length);
  for (let i = at; i < Math.min(damaged.length, at + 1 + random.int(16)); i++) damaged[i] = random.int(256);
  return damaged;
};

const truncate: ByteMutation = (bytes, random) => bytes.slice(0, random.int(bytes.length));

/** A part of the file once more, elsewhere: repeated fields get further entries. */
const duplicate: ByteMutation = (bytes, random) => {
  const start = random.int(bytes.length);
  const part = bytes.subarray(start, start + 1 + random.int(200));
  const at = random.int(bytes.length);
  return joined([bytes.subarray(0, at), part, bytes.subarray(at)]);
};

const drop: ByteMutation = (bytes, random) => {
  const at = random.int(bytes.length);
  return joined([bytes.subarray(0, at), bytes.subarray(at + 1 + random.int(32))]);
};

/** A number becomes the largest, or a length that leads out of the file. */
const VARINTS: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0x80, 0x80, 0x04],
  [0x00],
];

const replaceVarint: ByteMutation = (bytes, random) => {
  const at = random.int(bytes.length);
  const varint = Uint8Array.from(VARINTS[random.int(VARINTS.length)]!);
  return joined([bytes.subarray(0, at), varint, bytes.subarray(at + 1)]);
};

const MUTATIONS: Readonly<Record<string, ByteMutation>> = {
  flipBits,
  overwrite,
  truncate,
  duplicate,
  drop,
  replaceVarint,
};

export const BYTE_MUTATIONS: readonly string[] = Object.keys(MUTATIONS);

/** Damages bytes; the original stays as it is. */
export function mutateBytes(kind: string, bytes: Uint8Array, random: Random): Uint8Array {
  return MUTATIONS[kind]!(bytes, random);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
