/**
 * Reads the structure of a model file and leaves the weights in it: follows the protobuf fields with small reads and
 * copies everything but long raw data into a skeleton, which is a complete message and decodes as the file would.
 */
import { DEEPEST_MESSAGE } from '../nesting.ts';
import { SCHEMA } from '../schema.ts';
import { type ByteSource, StoredBytes } from './stored-bytes.ts';

/** A model file without its long raw data. */
export interface Skeleton {
  readonly bytes: Uint8Array;
  /** What was left out, by the position in the skeleton behind the length of the emptied field. */
  readonly stored: ReadonlyMap<number, StoredBytes>;
}

/** The file's fields do not fit into one another, or lie too deeply in one another: it is damaged, or no model. */
class Misfit extends Error {}

/**
 * @param keep raw data of fewer bytes stays in the skeleton
 * @returns undefined when the file is no well-formed message; whoever reads all of it can say why
 */
export function scanModel(source: ByteSource, keep: number): Skeleton | undefined {
  const scanner = new Scanner(source, keep);
  try {
    scanner.message('ModelProto', 0, source.size, 0);
  } catch (error) {
    if (error instanceof Misfit) return undefined;
    throw error;
  }
  return scanner.skeleton();
}

const VARINT = 0;
const FIXED_64 = 1;
const DELIMITED = 2;
const FIXED_32 = 5;

/** Messages that hold tensors at some depth. */
const HOLDERS: ReadonlySet<string> = holdersOf('TensorProto');

function holdersOf(message: string): Set<string> {
  const holders = new Set([message]);
  for (let before = 0; before < holders.size; ) {
    before = holders.size;
    for (const [name, fields] of Object.entries(SCHEMA)) {
      if (Object.values(fields).some(([, type]) => holders.has(type))) holders.add(name);
    }
  }
  return holders;
}

/** By message, the fields that are followed: their numbers, and the messages they hold. */
const FOLLOWED: ReadonlyMap<string, ReadonlyMap<number, string>> = new Map(
  Object.entries(SCHEMA).map(([name, fields]) => {
    const followed = Object.values(fields).filter(([, type]) => HOLDERS.has(type));
    return [name, new Map(followed.map(([id, type]) => [id, type]))];
  }),
);

const RAW_DATA = SCHEMA.TensorProto?.rawData?.[0];

class Scanner {
  readonly #file: Window;
  readonly #source: ByteSource;
  readonly #keep: number;
  readonly #parts: Uint8Array[] = [];
  readonly #stored: [at: number, bytes: StoredBytes][] = [];

  constructor(source: ByteSource, keep: number) {
    this.#source = source;
    this.#keep = keep;
    this.#file = new Window(source);
  }

  /** Copies a message that lies from `from` to `to`; returns how many bytes its copy has. */
  message(name: string, from: number, to: number, depth: number): number {
    if (depth > DEEPEST_MESSAGE) throw new Misfit();
    let copied = from;
    let length = 0;
    const copy = (end: number): void => {
      if (end > copied) this.#parts.push(this.#file.copy(copied, end));
      length += end - copied;
    };
    const file = this.#file;
    file.at = from;
    while (file.at < to) {
      const tag = file.varint(to);
      const wireType = tag % 8;
      const lengthAt = file.at;
      if (wireType !== DELIMITED) {
        file.at = this.#endOfNumber(wireType, to);
        continue;
      }
      const size = file.varint(to);
      const start = file.at;
      const end = start + size;
      if (end > to) throw new Misfit();
      const field = Math.floor(tag / 8);
      const nested = FOLLOWED.get(name)?.get(field);
      const isRaw = name === 'TensorProto' && field === RAW_DATA;
      if (size >= this.#keep && (isRaw || nested !== undefined)) {
        copy(lengthAt);
        copied = end;
        length += isRaw ? this.#leaveOut(start, end) : this.#nested(nested ?? '', start, end, depth + 1);
      }
      file.at = end;
    }
    copy(to);
    return length;
  }

  #endOfNumber(wireType: number, to: number): number {
    const file = this.#file;
    if (wireType === VARINT) {
      file.varint(to);
      return file.at;
    }
    const end = file.at + (wireType === FIXED_64 ? 8 : 4);
    if ((wireType !== FIXED_64 && wireType !== FIXED_32) || end > to) throw new Misfit();
    return end;
  }

  #leaveOut(start: number, end: number): number {
    this.#parts.push(Uint8Array.of(0));
    this.#stored.push([this.#parts.length, new StoredBytes(this.#source, start, end - start)]);
    return 1;
  }

  #nested(name: string, start: number, end: number, depth: number): number {
    const at = this.#parts.push(new Uint8Array()) - 1;
    const length = this.message(name, start, end, depth);
    const prefix = encodeVarint(length);
    this.#parts[at] = prefix;
    return prefix.length + length;
  }

  skeleton(): Skeleton {
    const ends = [0];
    for (const part of this.#parts) ends.push(ends[ends.length - 1]! + part.length);
    const bytes = new Uint8Array(ends[ends.length - 1]!);
    for (const [i, part] of this.#parts.entries()) bytes.set(part, ends[i]);
    return { bytes, stored: new Map(this.#stored.map(([part, content]) => [ends[part]!, content])) };
  }
}

const LONGEST_VARINT = 10;

function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

const WINDOW = 2 ** 16;

/** A position in the file, and the stretch of it that was read last. */
class Window {
  at = 0;
  readonly #source: ByteSource;
  readonly #buffer: Uint8Array;
  #from = 0;
  #to = 0;

  constructor(source: ByteSource) {
    this.#source = source;
    this.#buffer = new Uint8Array(Math.min(WINDOW, source.size));
  }

  /** Reads a number and moves behind it. @throws Misfit when it does not end before `limit` */
  varint(limit: number): number {
    let value = 0;
    for (let i = 0; i < LONGEST_VARINT && this.at < limit; i++) {
      const byte = this.#byte(this.at++);
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) return value;
    }
    throw new Misfit();
  }

  copy(from: number, to: number): Uint8Array {
    if (from >= this.#from && to <= this.#to) return this.#buffer.slice(from - this.#from, to - this.#from);
    const bytes = new Uint8Array(to - from);
    this.#source.read(bytes, from);
    return bytes;
  }

  #byte(at: number): number {
    if (at < this.#from || at >= this.#to) {
      this.#from = at;
      this.#to = Math.min(at + this.#buffer.length, this.#source.size);
      this.#source.read(this.#buffer.subarray(0, this.#to - at), at);
    }
    return this.#buffer[at - this.#from]!;
  }
}
