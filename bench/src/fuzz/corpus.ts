/** The files that are mutated: the corpus folder (see its README) and the skeletons of real networks. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listSkeletons, loadSkeleton } from '@onnx-pruning/models';
import { encodeModel, OnnxPruningError, parseModel } from '@onnx-pruning/onnx';

export interface CorpusFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The folder of the corpus, with the data file that mutated models refer to. */
export const corpusFolder = (): string => join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'corpus');

const FOLDERS = ['operators', 'bodies', 'damaged'];

/** Skeletons with more weights than this take longer than what they add is worth. */
const LARGEST = 500_000;

/** All files that can be decoded and encoded: folder by folder, in the order of their names. */
export async function readCorpus(): Promise<CorpusFile[]> {
  const small = FOLDERS.flatMap((folder) => filesIn(join(corpusFolder(), folder)));
  const networks: CorpusFile[] = [];
  for (const { name } of listSkeletons()) {
    if (name.includes('-full-')) continue;
    const bytes = encodeModel(await loadSkeleton(name));
    if (bytes.length <= LARGEST) networks.push({ name, bytes });
  }
  return [...small.filter(({ bytes }) => isMutable(bytes)), ...networks];
}

function filesIn(folder: string): CorpusFile[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.onnx'))
    .sort()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
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
