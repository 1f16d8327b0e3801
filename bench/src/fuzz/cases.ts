/**
 * The mutated files, one for each number: the same seed and number give the same bytes, so that any of them can be made
 * again alone.
 */
import { createRandom, encodeMessage, parseModel, type Random } from '@onnx-pruning/onnx';
import { BYTE_MUTATIONS, mutateBytes } from './byte-mutations.ts';
import type { CorpusFile } from './corpus.ts';
import { mutateObject, OBJECT_MUTATIONS } from './object-mutations.ts';

export interface FuzzCase {
  readonly file: string;
  /** The mutations, in order. */
  readonly kinds: readonly string[];
  readonly bytes: Uint8Array;
}

/** Large files are drawn as often as small ones take time: one in so many draws again. */
const LARGE_FILE = 16_384;
const LARGE_ONCE_IN = 40;

/** The file of one number. */
export function fuzzCase(corpus: readonly CorpusFile[], seed: number, index: number): FuzzCase {
  const random = createRandom(Math.imul(seed, 0x9e3779b1) + index);
  const file = draw(corpus, random);
  const kinds = drawKinds(random);
  return { file: file.name, kinds, bytes: mutated(file.bytes, kinds, random) };
}

function draw(corpus: readonly CorpusFile[], random: Random): CorpusFile {
  const wantsLarge = random.int(LARGE_ONCE_IN) === 0;
  const fitting = corpus.filter(({ bytes }) => wantsLarge === bytes.length > LARGE_FILE);
  const from = fitting.length > 0 ? fitting : corpus;
  return from[random.int(from.length)]!;
}

/** One mutation mostly; several at once for a quarter, which undo each other's harmlessness. */
function drawKinds(random: Random): string[] {
  const pool = random.int(4) === 0 ? BYTE_MUTATIONS : OBJECT_MUTATIONS;
  const count = random.int(4) === 0 ? 2 + random.int(3) : 1;
  return Array.from({ length: count }, () => pool[random.int(pool.length)]!);
}

function mutated(bytes: Uint8Array, kinds: readonly string[], random: Random): Uint8Array {
  if (BYTE_MUTATIONS.includes(kinds[0]!)) {
    return kinds.reduce((damaged, kind) => (damaged.length > 0 ? mutateBytes(kind, damaged, random) : damaged), bytes);
  }
  const model = parseModel(bytes);
  try {
    for (const kind of kinds) mutateObject(kind, model, random);
    // References to other files stay as they are; encodeModel would take the content in.
    return encodeMessage('ModelProto', model.proto);
  } catch {
    // What cannot be written is no file: one mutation may leave nothing that another could change.
    return bytes;
  }
}
