/** Models to files: where they may go, and which tensors go into a data file. Never leaves a half-written file. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { anyOf, checkArguments, checkOptions, kinds, listOf, type OptionKinds } from '../arguments.ts';
import { StoredBytes } from '../content/stored-bytes.ts';
import { byteLength, DataType } from '../data-type.ts';
import { type EncodedModel, encodeEmbedded, encodeExternal } from '../encode.ts';
import { errorCode, OnnxPruningError, SaveError } from '../errors.ts';
import type { Model } from '../model.ts';
import { checkNesting } from '../nesting.ts';
import type { TensorProto } from '../proto.ts';
import { isStoredExternally, tensorSize } from '../tensor.ts';
import { visitTensors } from '../walk.ts';
import { type PendingFile, writeAtomically } from './atomic-write.ts';
import { completeAbandoned } from './journal.ts';
import { loadModel } from './load.ts';
import { SourceFile } from './source-file.ts';
import { discardAbandonedBeside, isTemporaryOf, namesIn } from './temporaries.ts';

export interface ExternalDataOptions {
  /** Name of the data file, in the folder of the model. Default: the model's file name and `.data`. */
  location?: string;
  /** Initializers of at least this many bytes go into the data file. Default 1024. */
  threshold?: number;
}

/** Where the parts of a model go, and what may be replaced. */
export interface SaveOptions {
  /**
   * An existing file is overwritten unless this is false; the file that the model was loaded from is kept unless this
   * is true.
   */
  overwrite?: boolean;
  /**
   * `true` or options: large initializers go into a data file, besides those that were in one already. `false`: everything into the model file.
   * Default: tensors that were in a data file when the model was loaded go into one again.
   */
  externalData?: boolean | ExternalDataOptions;
  /** Further files that belong to the model: they appear together with it, or not at all. */
  alongside?: readonly FileAlongside[];
}

/** A file that is written together with a model. */
export interface FileAlongside {
  readonly path: string;
  readonly content: string;
}

/** The files that a model was written to. */
export interface SavedFiles {
  readonly model: string;
  /** Undefined where all content is in the model file. */
  readonly data?: string;
}

const SAVE_OPTIONS: OptionKinds<SaveOptions> = {
  overwrite: kinds.boolean,
  externalData: anyOf(kinds.boolean, kinds.object),
  alongside: listOf(kinds.object),
};

const DEFAULT_THRESHOLD = 1024;

/**
 * Writes a model to a file, its external data to a second one, and whatever else belongs to it. All of them appear
 * complete or not at all, also when the process is killed: the next one that writes to the same path completes what was
 * begun, and deletes what was left behind. Tensor content is written from where it is, in memory or in a file, without
 * a copy of the model in memory. A model that is saved over the files that it was loaded from can be used on.
 *
 * External data never replaces that of an existing model while that model is there: it gets a name of its own
 * (`model.onnx.data`, `model.onnx.1.data`, ...), and the old data is deleted once the new model is in its place.
 *
 * @returns where everything is
 * @throws SaveError when a file cannot be written, exists and `overwrite` is false, or is the file that the model was
 * loaded from and `overwrite` is not true; InvalidModelError when graphs or types are nested more deeply than they could
 * be read back.
 */
export async function saveModel(model: Model, path: string, options: SaveOptions = {}): Promise<SavedFiles> {
  checkArguments('saveModel', { model: [model, kinds.model], path: [path, kinds.text] });
  checkOptions('saveModel', options, SAVE_OPTIONS);
  checkNesting('ModelProto', model.proto);
  const target = targetOf(path);
  const location = dataLocation(target, options);
  const encoded = encode(model, location, options);
  const hasData = encoded.data.length > 0;
  const files: PendingFile[] = [
    // The data file first: a model file must never refer to data that is not there.
    ...(hasData ? [{ path: join(dirname(target), location), chunks: encoded.data }] : []),
    { path: target, chunks: encoded.model },
    ...(options.alongside ?? []).map(({ path, content }) => ({
      path: targetOf(path),
      chunks: [new TextEncoder().encode(content)],
    })),
  ];
  try {
    for (const file of files) checkMayWrite(model, file.path, options.overwrite);
    const obsolete = (await obsoleteData(target)).filter((data) => files.every((file) => file.path !== data));
    keepSources(model, [...files.map((file) => file.path), ...obsolete]);
    await writeAtomically(target, files, obsolete);
  } catch (cause) {
    throw writeError(target, files, cause);
  }
  return { model: target, ...(hasData && { data: join(dirname(target), location) }) };
}

/** What the model reads from stays open when its name becomes that of a new file. */
function keepSources(model: Model, paths: readonly string[]): void {
  const replaced = new Set(paths.map(targetOf));
  visitTensors(model.proto, ({ rawData }) => {
    const source = rawData instanceof StoredBytes ? rawData.source : undefined;
    if (source instanceof SourceFile && replaced.has(targetOf(source.path))) source.pin();
  });
}

/** internal: follows links, so that saving replaces the file and not the link to it. */
export function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function dataLocation(target: string, { externalData }: SaveOptions): string {
  const location = typeof externalData === 'object' ? externalData.location : undefined;
  if (location === undefined) return freeLocation(target);
  if (location === basename(location) && location !== basename(target) && !['', '.', '..'].includes(location)) {
    return location;
  }
  throw new SaveError('EXTERNAL_DATA_LOCATION', 'The data file of a model must lie next to it, under another name', {
    expected: 'a file name without folders',
    actual: location,
  });
}

/** A model that is there keeps its data until it is replaced. */
function freeLocation(target: string): string {
  let name = `${basename(target)}.data`;
  if (!existsSync(target)) return name;
  for (let i = 1; existsSync(join(dirname(target), name)); i++) name = `${basename(target)}.${i}.data`;
  return name;
}

/**
 * Data files of the model at `target` that have the names that this module gives, and lie beside it. Others may belong
 * to other models, too.
 */
async function obsoleteData(target: string): Promise<string[]> {
  const own = new RegExp(`^${escapeRegExp(basename(target))}(\\.\\d+)?\\.data$`);
  const candidates = namesIn(dirname(target)).filter((name) => own.test(name));
  if (candidates.length === 0) return [];
  const used = await dataFilesOf(target);
  return candidates.map((name) => join(dirname(target), name)).filter((path) => used.includes(path));
}

/** The data files of the model in a file; none where there is no model that can be read. */
async function dataFilesOf(path: string): Promise<readonly string[]> {
  try {
    return (await loadModel(path)).dataFiles;
  } catch (error) {
    if (error instanceof OnnxPruningError) return [];
    throw error;
  }
}

/**
 * Completes what a process that was killed while it saved a model to `path` had begun, and deletes what it left behind.
 * `saveModel` does so, too; this is for those who want to read first.
 */
export function completeInterruptedSave(path: string): void {
  checkArguments('completeInterruptedSave', { path: [path, kinds.text] });
  const target = targetOf(path);
  completeAbandoned(target);
  discardAbandonedBeside(target);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function encode(model: Model, location: string, { externalData }: SaveOptions): EncodedModel {
  const moved = externalData === false ? new Set<TensorProto>() : externalTensors(model, externalData);
  return moved.size === 0 ? encodeEmbedded(model) : encodeExternal(model, location, (tensor) => moved.has(tensor));
}

/** The tensors that go into the data file. Only initializers are moved there: not every runtime looks for others. */
function externalTensors(model: Model, option: true | ExternalDataOptions | undefined): Set<TensorProto> {
  const threshold = (typeof option === 'object' ? option.threshold : undefined) ?? DEFAULT_THRESHOLD;
  const tensors = new Set<TensorProto>();
  visitTensors(model.proto, (tensor, place) => {
    const isMoved = option !== undefined && place === 'initializer' && isLarge(tensor, threshold);
    if (isMoved || isStoredExternally(tensor)) tensors.add(tensor);
  });
  return tensors;
}

function isLarge(tensor: TensorProto, threshold: number): boolean {
  return tensor.dataType !== DataType.STRING && byteLength(tensor.dataType, tensorSize(tensor)) >= threshold;
}

function checkMayWrite(model: Model, path: string, overwrite: boolean | undefined): void {
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing === undefined) return;
  if (!existing.isFile()) {
    throw new SaveError('SAVE_NOT_A_FILE', 'The output path is taken by something that is not a file', {
      path,
      repair: 'Choose another path.',
    });
  }
  if (overwrite === false) {
    throw new SaveError('SAVE_EXISTS', 'The output file exists', {
      path,
      repair: 'Choose another path, or allow overwriting.',
    });
  }
  const sources = [model.path, ...model.dataFiles].map((source) =>
    source === undefined ? undefined : targetOf(source),
  );
  if (overwrite !== true && sources.includes(targetOf(path))) {
    throw new SaveError('SAVE_OVER_SOURCE', 'The output file is the one that the model was loaded from', {
      path,
      repair: 'Choose another path, or allow overwriting with { overwrite: true }.',
    });
  }
}

/** internal: what Node says of a file that cannot be written, for people. */
export function writeError(target: string, files: readonly PendingFile[], cause: unknown): unknown {
  const code = errorCode(cause);
  const at = typeof cause === 'object' && cause !== null && 'path' in cause ? String(cause.path) : '';
  const { path } = files.find((file) => isTemporaryOf(file.path, at)) ?? { path: target };
  if (cause instanceof OnnxPruningError || code === undefined) return cause;
  const [kind, what, repair] = WRITE_ERRORS[code] ?? ['SAVE_FAILED', `The file cannot be written (${code})`, undefined];
  return new SaveError(kind, what, { path, ...(repair !== undefined && { repair }) }, { cause });
}

const NOT_WRITABLE = [
  'SAVE_NOT_WRITABLE',
  'The file cannot be written here',
  'Check the permissions, or choose another path.',
] as const;

const WRITE_ERRORS: Readonly<Record<string, readonly [code: string, what: string, repair: string]>> = {
  ENOENT: [
    'SAVE_NO_FOLDER',
    'The folder of the output file does not exist',
    'Create it first, or choose another path.',
  ],
  ENOTDIR: ['SAVE_NO_FOLDER', 'The folder of the output file is not a folder', 'Choose another path.'],
  EACCES: NOT_WRITABLE,
  EPERM: NOT_WRITABLE,
  EROFS: NOT_WRITABLE,
  ENOSPC: ['SAVE_NO_SPACE', 'There is no space left for the output file', 'Free some space, or choose another path.'],
  EDQUOT: [
    'SAVE_NO_SPACE',
    'The quota leaves no space for the output file',
    'Free some space, or choose another path.',
  ],
};
