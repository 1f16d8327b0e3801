/**
 * Moves what a model holds in memory into a file, so that a long job does not keep it there: the weights that pruning made
 * new, while both models are run. What the model says does not change, nor how it will be saved.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Content, StoredBytes } from '../content/stored-bytes.ts';
import type { Model } from '../model.ts';
import type { TensorProto } from '../proto.ts';
import { attachContent } from '../tensor.ts';
import { visitTensors } from '../walk.ts';
import { KEPT_IN_MEMORY } from './external-data.ts';
import { SourceFile } from './source-file.ts';
import { writeChunks } from './write-chunks.ts';

/** A multiple of the size of every element, and a cache line. */
const ALIGNMENT = 64;

/** internal: bytes of tensors that a model holds in memory, which `moveContentToFile` would free. */
export function bytesInMemory(model: Model): number {
  return inMemory(model).reduce((sum, { rawData }) => sum + (rawData?.length ?? 0), 0);
}

/**
 * internal: writes the content of tensors that is in memory into a file, and lets the tensors read it from there.
 * @param folder where the file goes; it must be there for as long as the model is used
 * @throws as Node.js where the file cannot be written; the model is as it was then
 */
export async function moveContentToFile(model: Model, folder: string): Promise<void> {
  const places = new Map<unknown, number>();
  const chunks: Content[] = [];
  let end = 0;
  const tensors = inMemory(model);
  for (const { rawData } of tensors) {
    if (rawData === undefined || places.has(rawData)) continue;
    const padding = (ALIGNMENT - (end % ALIGNMENT)) % ALIGNMENT;
    if (padding > 0) chunks.push(new Uint8Array(padding));
    places.set(rawData, end + padding);
    chunks.push(rawData);
    end += padding + rawData.length;
  }
  const path = join(folder, 'content');
  const file = await open(path, 'wx');
  try {
    await writeChunks(file, chunks);
  } finally {
    await file.close();
  }
  const source = SourceFile.open(path);
  if (source === undefined) throw new Error(`internal: '${path}' is no regular file`);
  for (const tensor of tensors) {
    const { rawData } = tensor;
    if (rawData !== undefined) attachContent(tensor, new StoredBytes(source, places.get(rawData)!, rawData.length));
  }
}

function inMemory(model: Model): TensorProto[] {
  const found: TensorProto[] = [];
  visitTensors(model.proto, (tensor) => {
    const { rawData } = tensor;
    if (rawData !== undefined && !(rawData instanceof StoredBytes) && rawData.length >= KEPT_IN_MEMORY) {
      found.push(tensor);
    }
  });
  return found;
}
