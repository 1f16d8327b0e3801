/**
 * Numbers that are off by one or two units in the last place, made while they are read: no copy of the weights is in
 * memory. How far an element is off follows from its position alone, so that ranges can be read in any order.
 */
import {
  type ByteSource,
  bitsPerElement,
  copyTensorBytes,
  createRandom,
  DataType,
  isInFile,
  makeTensor,
  type Random,
  readNumbers,
  StoredBytes,
  type TensorProto,
  tensorBytes,
  tensorDims,
  tensorSize,
} from '@onnx-pruning/onnx';

/** Units in the last place of each type: twice the relative error of one rounding. */
export const LAST_PLACE: ReadonlyMap<number, number> = new Map([
  [DataType.DOUBLE, 2 ** -52],
  [DataType.FLOAT, 2 ** -23],
  [DataType.FLOAT16, 2 ** -10],
]);

/** Elements that share a generator of random numbers: what is read begins at a multiple of it. */
const BLOCK = 2 ** 14;

/** Relative change of a number: one or two units up or down. Less would be rounded away again. */
export function step(random: Random): number {
  const x = 2 * random.next() - 1;
  return x < 0 ? x - 1 : x + 1;
}

/**
 * A tensor whose elements are those of `tensor`, each off by one or two units in the last place.
 * @param seed another one gives other steps; give each tensor its own
 * @returns undefined where the type has no rounding
 */
export function perturbedTensor(tensor: TensorProto, seed: number): TensorProto | undefined {
  const last = LAST_PLACE.get(tensor.dataType ?? 0);
  if (last === undefined) return undefined;
  const source = new PerturbedSource(tensor, last, seed);
  const rawData = new StoredBytes(source, 0, source.size);
  return { name: tensor.name, dims: [...tensor.dims], dataType: tensor.dataType, rawData };
}

class PerturbedSource implements ByteSource {
  readonly path = 'perturbed weights';
  readonly size: number;
  readonly #tensor: TensorProto;
  readonly #width: number;
  readonly #last: number;
  readonly #seed: number;

  constructor(tensor: TensorProto, last: number, seed: number) {
    this.#tensor = isInFile(tensor) ? tensor : inBytes(tensor);
    this.#width = bitsPerElement(tensor.dataType) / 8;
    this.#last = last;
    this.#seed = seed;
    this.size = tensorSize(tensor) * this.#width;
  }

  read(target: Uint8Array, position: number): void {
    const blockBytes = BLOCK * this.#width;
    for (let done = 0; done < target.length; ) {
      const at = position + done;
      const block = Math.floor(at / blockBytes);
      const within = at - block * blockBytes;
      const piece = this.#block(block, Math.min(blockBytes, within + target.length - done)).subarray(within);
      target.set(piece, done);
      done += piece.length;
    }
  }

  /** The first bytes of a block, rounded up to whole elements where fewer are asked for. */
  #block(block: number, asked: number): Uint8Array {
    const start = block * BLOCK * this.#width;
    const elements = Math.ceil(Math.min(asked, this.size - start) / this.#width);
    const bytes = new Uint8Array(elements * this.#width);
    copyTensorBytes(this.#tensor, start, bytes);
    const type = this.#tensor.dataType!;
    const numbers = readNumbers(makeTensor('', type, [elements], bytes, { raw: true })).slice();
    const random = createRandom(mixed(this.#seed, block));
    for (let i = 0; i < elements; i++) numbers[i]! *= 1 + this.#last * step(random);
    return tensorBytes(makeTensor('', type, [elements], numbers)).slice(0, asked);
  }
}

/** Content that is converted once, not at every read. */
function inBytes(tensor: TensorProto): TensorProto {
  return { name: tensor.name, dims: tensorDims(tensor), dataType: tensor.dataType, rawData: tensorBytes(tensor) };
}

/** Two numbers as one seed that is like no other: the finalizer of MurmurHash3 (Appleby, 2011). */
export function mixed(a: number, b: number): number {
  const { imul } = Math;
  let h = (imul(a, 0x9e3779b1) ^ imul(b + 1, 0x85ebca6b)) >>> 0;
  h = imul(h ^ (h >>> 16), 0x85ebca6b);
  h = imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
