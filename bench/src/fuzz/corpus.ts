/** The files that are mutated: the corpus folder (see its README) and the skeletons of real networks. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeModel, OnnxPruningError, parseModel } from '@onnx-pruning/onnx';

export interface CorpusFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The folder of the corpus, with the data file that mutated models refer to. */
export const corpusFolder = (): string => join(bench(), 'corpus');

const bench = (): string => join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** All files that can be decoded and encoded, in the order of their names. */
export function readCorpus(): CorpusFile[] {
  const folders = [corpusFolder(), join(bench(), '..', 'models', 'zoo')];
  return folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.onnx'))
      .sort()
      .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }))
      .filter(({ bytes }) => isMutable(bytes)),
  );
}

function isMutable(bytes: Uint8Array): boolean {
  try {
    encodeModel(parseModel(bytes));
    return true;
  } catch (error) {
    if (error instanceof OnnxPruningError) return false;
    throw error;
  }
}
