/**
 * Gathers kept indices along several axes of a tensor at once, on raw bytes, so that every data type is sliced bit for
 * bit by the same code. Knows nothing of graphs.
 */

type Words = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** A tensor's content: row-major, little-endian, `bits` per element (4-bit types are packed two to a byte, low half first). */
export interface RawTensor {
  readonly bytes: Uint8Array;
  readonly dims: readonly number[];
  readonly bits: number;
}

/**
 * Keeps the given indices along each axis (undefined keeps all).
 * @returns new dims and new bytes; the input is not changed
 */
export function gatherAxes(source: RawTensor, kept: readonly (Int32Array | undefined)[]): RawTensor {
  const last = kept.findLastIndex((list) => list !== undefined);
  if (last < 0) return source;
  const dims = source.dims.map((n, axis) => kept[axis]?.length ?? n);
  if (source.bits < 8) return { dims, bits: source.bits, bytes: gatherPacked(source, kept, dims) };
  const unit = source.bits / 8;
  const words = asWords(source.bytes, unit);
  const wordsPerElement = unit / words.BYTES_PER_ELEMENT;
  const inner = product(source.dims.slice(last + 1)) * wordsPerElement;
  const size = product(dims) * wordsPerElement;
  const out = newWords(words, size);
  copyBlocks(words, out, blockOffsets(source.dims, kept, last), source.dims[last], kept[last]!, inner);
  return { dims, bits: source.bits, bytes: new Uint8Array(out.buffer, out.byteOffset, out.byteLength) };
}

/** Offsets (in blocks of the last gathered axis) of every kept combination of the axes before it. */
function blockOffsets(dims: readonly number[], kept: readonly (Int32Array | undefined)[], last: number): Int32Array {
  let offsets = new Int32Array([0]);
  for (let axis = 0; axis < last; axis++) {
    const list = kept[axis];
    const count = list ? list.length : dims[axis];
    const next = new Int32Array(offsets.length * count);
    let at = 0;
    for (const offset of offsets) {
      for (let k = 0; k < count; k++) next[at++] = offset * dims[axis] + (list ? list[k] : k);
    }
    offsets = next;
  }
  return offsets;
}

/** Blocks above this many words are copied by the engine's memcpy, smaller ones by a loop. */
const MEMCPY_WORDS = 48;

function copyBlocks(
  source: Words,
  target: Words,
  offsets: Int32Array,
  lastDim: number,
  list: Int32Array,
  inner: number,
): void {
  if (source instanceof Uint32Array && target instanceof Uint32Array && inner < MEMCPY_WORDS) {
    copySmall(source, target, offsets, lastDim, list, inner);
    return;
  }
  let at = 0;
  for (const offset of offsets) {
    for (const index of list) {
      const from = (offset * lastDim + index) * inner;
      (target as Uint8Array).set(source.subarray(from, from + inner) as Uint8Array, at);
      at += inner;
    }
  }
}

function copySmall(
  source: Uint32Array,
  target: Uint32Array,
  offsets: Int32Array,
  lastDim: number,
  list: Int32Array,
  inner: number,
): void {
  let at = 0;
  for (let o = 0; o < offsets.length; o++) {
    const base = offsets[o] * lastDim;
    for (let i = 0; i < list.length; i++) {
      const from = (base + list[i]) * inner;
      for (let k = 0; k < inner; k++) target[at++] = source[from + k];
    }
  }
}

function gatherPacked(
  source: RawTensor,
  kept: readonly (Int32Array | undefined)[],
  dims: readonly number[],
): Uint8Array {
  const perByte = 8 / source.bits;
  const mask = (1 << source.bits) - 1;
  const offsets = blockOffsets([...source.dims, 1], [...kept, undefined], source.dims.length);
  const out = new Uint8Array(Math.ceil(product(dims) / perByte));
  offsets.forEach((from, to) => {
    const element = (source.bytes[Math.floor(from / perByte)] >> ((from % perByte) * source.bits)) & mask;
    out[Math.floor(to / perByte)] |= element << ((to % perByte) * source.bits);
  });
  return out;
}

/** The bytes as words of the element size; copied only where the file left them unaligned. */
function asWords(bytes: Uint8Array, unit: number): Words {
  const aligned = bytes.byteOffset % Math.min(unit, 8) === 0 ? bytes : bytes.slice();
  const length = aligned.byteLength / Math.min(unit, 8);
  if (unit === 1) return aligned;
  if (unit === 2) return new Uint16Array(aligned.buffer, aligned.byteOffset, length);
  if (unit === 4) return new Uint32Array(aligned.buffer, aligned.byteOffset, length);
  return new BigUint64Array(aligned.buffer, aligned.byteOffset, length);
}

function newWords(like: Words, size: number): Words {
  if (like instanceof Uint16Array) return new Uint16Array(size);
  if (like instanceof Uint32Array) return new Uint32Array(size);
  if (like instanceof BigUint64Array) return new BigUint64Array(size);
  return new Uint8Array(size);
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((n, size) => n * size, 1);
}
