/**
 * Forms of a model for programs that read its weights from its files themselves, so that nobody needs a copy of them: the
 * file that the model still is, or a small message that refers to the weights where they lie.
 */
import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, relative, sep } from 'node:path';
import { shallowCloneProto } from '../clone.ts';
import { concatenate, encodeMessageChunks, totalLength } from '../codec.ts';
import { type ByteSource, type Content, StoredBytes } from '../content/stored-bytes.ts';
import { bitsPerElement } from '../data-type.ts';
import { embedded, reference } from '../encode.ts';
import type { Model } from '../model.ts';
import type { TensorProto } from '../proto.ts';
import { attachContent } from '../tensor.ts';
import { visitTensors } from '../walk.ts';
import { KEPT_IN_MEMORY } from './external-data.ts';
import { SourceFile } from './source-file.ts';

/**
 * The path of the file that this model is, byte for byte, as long as nobody changed either; undefined otherwise. Reads the
 * file, but not the weights that lie in it.
 */
export function unchangedFile(model: Model): string | undefined {
  const { path, proto } = model;
  if (path === undefined || !sourcesOf(model).every((source) => source.isInPlace())) return undefined;
  const chunks = encodeMessageChunks('ModelProto', proto, asLoaded);
  try {
    const file = SourceFile.open(path);
    return file !== undefined && isFile(chunks, file) ? path : undefined;
  } catch {
    return undefined;
  }
}

/** A tensor without the content that its external data was found to have. */
function asLoaded(tensor: TensorProto): TensorProto {
  if (tensor.rawData === undefined || tensor.externalData === undefined) return tensor;
  const copy = shallowCloneProto(tensor);
  attachContent(copy, undefined);
  return copy;
}

function sourcesOf(model: Model): SourceFile[] {
  const sources = new Set<SourceFile>();
  visitTensors(model.proto, ({ rawData }) => {
    if (rawData instanceof StoredBytes && rawData.source instanceof SourceFile) sources.add(rawData.source);
  });
  return [...sources];
}

/** Whether the chunks are the content of the file, those that lie in it being at their places. */
function isFile(chunks: readonly Content[], file: SourceFile): boolean {
  if (totalLength(chunks) !== file.size) return false;
  let at = 0;
  for (const chunk of chunks) {
    const same = chunk instanceof StoredBytes ? isPlaced(chunk, file, at) : holds(file, at, chunk);
    if (!same) return false;
    at += chunk.length;
  }
  return true;
}

function isPlaced(chunk: StoredBytes, file: SourceFile, at: number): boolean {
  return chunk.source.path === file.path && chunk.offset === at;
}

function holds(file: SourceFile, at: number, bytes: ArrayLike<number> & { readonly length: number }): boolean {
  const found = new Uint8Array(bytes.length);
  file.read(found, at);
  return found.every((byte, i) => byte === bytes[i]);
}

/** A message, and the folder that its references to other files start from. */
export interface ReferringModel {
  readonly size: number;
  /** The encoded message, made when it is asked for. */
  bytes(): Uint8Array;
  /** Undefined when it refers to no file. */
  readonly folder: string | undefined;
}

/**
 * The model with weights that lie in files referred to as external data. What the runtime could not use in place is
 * included: content of attributes, elements that do not begin at a multiple of their size, files in other folders or files
 * that were replaced.
 */
export function encodeReferring(model: Model): ReferringModel {
  const sources = sourcesOf(model).filter((source) => source.isInPlace());
  const folder = folderOfMost(model, sources);
  const locations = new Map<unknown, string>();
  for (const source of sources) {
    const location = folder === undefined ? undefined : locationIn(folder, realPath(source.path));
    if (location !== undefined) locations.set(source, location);
  }
  const referred = new Set<TensorProto>();
  visitTensors(model.proto, (tensor, place) => {
    if (place === 'initializer' && isUsable(tensor) && locations.has(tensor.rawData.source)) referred.add(tensor);
  });
  const chunks = encodeMessageChunks('ModelProto', model.proto, (tensor) => {
    if (!referred.has(tensor) || !isUsable(tensor)) return embedded(tensor);
    const { source, offset, length } = tensor.rawData;
    return reference(tensor, locations.get(source) ?? '', offset, length);
  });
  return {
    size: totalLength(chunks),
    bytes: () => concatenate(chunks),
    folder: referred.size > 0 ? folder : undefined,
  };
}

/** The folder in and below which most of what can be used in place lies: a runtime looks into one folder alone. */
function folderOfMost(model: Model, sources: readonly SourceFile[]): string | undefined {
  const bytes = new Map<ByteSource, number>(sources.map((source) => [source, 0]));
  visitTensors(model.proto, (tensor, place) => {
    if (place !== 'initializer' || !isUsable(tensor)) return;
    const { source, length } = tensor.rawData;
    const before = bytes.get(source);
    if (before !== undefined) bytes.set(source, before + length);
  });
  const paths = [...bytes].map(([{ path }, length]) => ({ path: realPath(path), length }));
  const own = model.path === undefined ? [] : [dirname(realPath(model.path))];
  let [folder, most]: [string | undefined, number] = [undefined, 0];
  for (const candidate of new Set([...own, ...paths.map(({ path }) => dirname(path))])) {
    const inside = paths.filter(({ path }) => locationIn(candidate, path) !== undefined);
    const sum = inside.reduce((total, { length }) => total + length, 0);
    if (sum > most) [folder, most] = [candidate, sum];
  }
  return folder;
}

/** Whether a runtime that maps the file into memory finds whole elements there. */
function isUsable(tensor: TensorProto): tensor is TensorProto & { readonly rawData: StoredBytes } {
  const { rawData, dataType } = tensor;
  const bits = bitsPerElement(dataType);
  if (!(rawData instanceof StoredBytes) || bits < 8) return false;
  return rawData.length >= KEPT_IN_MEMORY && rawData.offset % (bits / 8) === 0;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function locationIn(folder: string, path: string): string | undefined {
  const way = relative(folder, path);
  return way === '' || isAbsolute(way) || way.split(sep)[0] === '..' ? undefined : way.split(sep).join('/');
}
