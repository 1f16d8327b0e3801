/**
 * Gathers kept indices along several axes of a tensor at once, on raw bytes, so that every data type is sliced bit for
 * bit by the same code. Knows nothing of graphs.
 */
import type { Bytes } from '@onnx-pruning/onnx';

/** A tensor's content: row-major, little-endian, `bits` per element (4-bit types are packed two to a byte, low half first). */
export interface RawTensor {
  readonly bytes: Bytes;
  readonly dims: readonly number[];
  readonly bits: number;
}

/** A tensor's content that was made here. */
export interface GatheredTensor extends RawTensor {
  readonly bytes: Uint8Array;
}

/**
 * Keeps the given indices along each axis (undefined keeps all).
 * @param target where the new bytes go, best aligned to words; memory of their own by default
 * @returns new dims and new bytes; the input is not changed
 */
export function gatherAxes(
  source: RawTensor,
  kept: readonly (Int32Array | undefined)[],
  target?: Uint8Array,
): GatheredTensor {
  const last = kept.findLastIndex((list) => list !== undefined);
  const dims = source.dims.map((n, axis) => kept[axis]?.length ?? n);
  const bytes = target ?? new Uint8Array(Math.ceil((product(dims) * source.bits) / 8));
  const result = { dims, bits: source.bits, bytes };
  if (last < 0) {
    bytes.set(source.bytes);
    return result;
  }
  if (source.bits < 8) {
    gatherPacked(source, kept, bytes);
    return result;
  }
  const unit = source.bits / 8;
  const inner = product(source.dims.slice(last + 1)) * unit;
  const offsets = blockOffsets(source.dims, kept, last);
  copyPieces(source.bytes, bytes, offsets, { size: source.dims[last], list: kept[last]!, inner });
  return result;
}

/** Beyond 32 bits a double holds them as well. */
type Offsets = Int32Array | Float64Array;

/** Offsets (in blocks of the last gathered axis) of every kept combination of the axes before it. */
function blockOffsets(dims: readonly number[], kept: readonly (Int32Array | undefined)[], last: number): Offsets {
  const isLarge = product(dims.slice(0, last)) > 2 ** 31;
  const zeros = (length: number): Offsets => (isLarge ? new Float64Array(length) : new Int32Array(length));
  let offsets = zeros(1);
  for (let axis = 0; axis < last; axis++) {
    const list = kept[axis];
    const count = list ? list.length : dims[axis];
    const next = zeros(offsets.length * count);
    let at = 0;
    for (const offset of offsets) {
      for (let k = 0; k < count; k++) next[at++] = offset * dims[axis] + (list ? list[k] : k);
    }
    offsets = next;
  }
  return offsets;
}

/** What is copied along the last gathered axis: `inner` bytes for each index of `list`. */
interface LastAxis {
  readonly size: number;
  readonly list: Int32Array;
  readonly inner: number;
}

/** Bytes of a word. */
const WORD = Uint32Array.BYTES_PER_ELEMENT;
/** Pieces above this many bytes are copied by the engine's memcpy, smaller ones by a loop. */
const MEMCPY_BYTES = 192;

function copyPieces(source: Bytes, target: Uint8Array, offsets: Offsets, last: LastAxis): void {
  if (last.inner >= MEMCPY_BYTES) copyLarge(source, target, offsets, last);
  else if (last.inner % WORD === 0 && target.byteOffset % WORD === 0) copyWords(source, wordsOf(target), offsets, last);
  else copyBytes(source, target, offsets, last);
}

function copyLarge(source: Bytes, target: Uint8Array, offsets: Offsets, { size, list, inner }: LastAxis): void {
  let at = 0;
  for (const offset of offsets) {
    for (const index of list) {
      const from = (offset * size + index) * inner;
      target.set(source.subarray(from, from + inner), at);
      at += inner;
    }
  }
}

/** A file seldom aligns its tensors to words: each row of the last axis is then copied to where it is aligned. */
function copyWords(source: Bytes, target: Uint32Array, offsets: Offsets, last: LastAxis): void {
  if (source instanceof Uint8Array && source.byteOffset % WORD === 0) {
    copyAligned(wordsOf(source), target, offsets, last);
    return;
  }
  const { size, list, inner } = last;
  const words = inner / WORD;
  const rowBytes = new Uint8Array(size * inner);
  const row = wordsOf(rowBytes);
  let at = 0;
  for (let o = 0; o < offsets.length; o++) {
    const from = offsets[o] * rowBytes.length;
    rowBytes.set(source.subarray(from, from + rowBytes.length));
    for (let i = 0; i < list.length; i++) {
      const first = list[i] * words;
      for (let k = 0; k < words; k++) target[at++] = row[first + k];
    }
  }
}

function copyAligned(
  source: Uint32Array,
  target: Uint32Array,
  offsets: Offsets,
  { size, list, inner }: LastAxis,
): void {
  const words = inner / WORD;
  let at = 0;
  for (let o = 0; o < offsets.length; o++) {
    const base = offsets[o] * size;
    for (let i = 0; i < list.length; i++) {
      const first = (base + list[i]) * words;
      for (let k = 0; k < words; k++) target[at++] = source[first + k];
    }
  }
}

function copyBytes(source: Bytes, target: Uint8Array, offsets: Offsets, { size, list, inner }: LastAxis): void {
  let at = 0;
  for (let o = 0; o < offsets.length; o++) {
    const base = offsets[o] * size;
    for (let i = 0; i < list.length; i++) {
      const from = (base + list[i]) * inner;
      for (let k = 0; k < inner; k++) target[at++] = source[from + k];
    }
  }
}

function wordsOf(aligned: Uint8Array): Uint32Array {
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / WORD);
}

function gatherPacked(source: RawTensor, kept: readonly (Int32Array | undefined)[], out: Uint8Array): void {
  const perByte = 8 / source.bits;
  const mask = (1 << source.bits) - 1;
  const offsets = blockOffsets([...source.dims, 1], [...kept, undefined], source.dims.length);
  offsets.forEach((from, to) => {
    const element = (source.bytes[Math.floor(from / perByte)] >> ((from % perByte) * source.bits)) & mask;
    out[Math.floor(to / perByte)] |= element << ((to % perByte) * source.bits);
  });
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((n, size) => n * size, 1);
}
