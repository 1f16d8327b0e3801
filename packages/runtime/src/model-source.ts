/**
 * Brings a model into a form that onnxruntime loads, without a second copy of its weights in memory where that can be
 * avoided: the file that it is, bytes that refer to weights in files, or a temporary file. It must not change the model,
 * and leaves nothing behind once `dispose` was called.
 */
import { dirname, join } from 'node:path';
import {
  assertRegularFiles,
  discard,
  encodedSize,
  encodeReferring,
  Model,
  type ReferringModel,
  SaveError,
  saveModel,
  type TemporaryOptions,
  temporaryFolder,
  temporaryRoom,
  unchangedFile,
} from '@onnx-pruning/onnx';
import type { SessionOptions } from './session-options.ts';

/** A model in memory, the bytes of an ONNX file, or the path of one. */
export type ModelSource = Model | Uint8Array | string;

/** What onnxruntime is given. */
export interface PreparedModel {
  readonly source: Uint8Array | string;
  /** Configuration entries of the session that the source needs. */
  readonly config: Readonly<Record<string, string>>;
  /** Deletes temporary files, if any were needed. */
  dispose(): Promise<void>;
}

/** Above this many bytes a model in memory goes through a file: twice as much is in memory while onnxruntime reads them. */
export const LARGEST_IN_BYTES = 2 ** 26;

/** Where onnxruntime looks for the external data of a model that it is given as bytes. */
const DATA_FOLDER = 'session.model_external_initializers_file_folder_path';

export interface PrepareOptions extends Pick<SessionOptions, 'temporaryFolders' | 'diskLimit'> {
  /** Bytes above which a model goes through a temporary folder. */
  readonly largest?: number;
  /** Only a file will do. */
  readonly asFile?: boolean;
}

/** Protobuf cannot hold more. */
const LARGEST_MESSAGE = 2 ** 31 - 1;

/**
 * @throws ModelFileError or ExternalDataError for the path of something else than regular files, or of nothing; SaveError
 * when the model needs a temporary file and the temporary folder cannot hold it
 */
export async function prepareModel(model: ModelSource, options: PrepareOptions = {}): Promise<PreparedModel> {
  if (typeof model === 'string') assertRegularFiles(model);
  if (!(model instanceof Model)) return ready(model);
  const path = unchangedFile(model);
  if (path !== undefined) return ready(path);
  if (options.asFile === true) return temporaryFile(model, options);
  const referring = encodeReferring(model);
  if (referring.size <= (options.largest ?? LARGEST_IN_BYTES)) return inBytes(referring);
  try {
    return await temporaryFile(model, options);
  } catch (error) {
    // A second copy in memory is better than none on a full disk.
    if (error instanceof SaveError && referring.size <= LARGEST_MESSAGE) return inBytes(referring);
    throw error;
  }
}

/** What it surely takes to load a model into onnxruntime, in bytes. */
export interface ModelNeeds {
  readonly memory: number;
  /** Of the temporary copy that it should go through; 0 where none is made. */
  readonly disk: number;
  /** What the folder with the most room for it has left. */
  readonly room: number;
  /** Whether the copy may be in memory instead. */
  readonly fitsMessage: boolean;
}

/**
 * internal: what `prepareModel` and a session will take at least for a copy of the model with other outputs: all weights, and
 * the message where it is handed over in memory. onnxruntime takes more where it repacks weights, and for what a run
 * computes. Nothing is encoded or written.
 */
export async function needsOf(model: Model, options: PrepareOptions = {}): Promise<ModelNeeds> {
  const size = encodedSize(model);
  const referring = encodeReferring(model).size;
  const fitsMessage = referring <= LARGEST_MESSAGE;
  const inBytes = size + referring;
  if (referring <= (options.largest ?? LARGEST_IN_BYTES)) return { memory: inBytes, disk: 0, room: 0, fitsMessage };
  const { bytes: room } = await temporaryRoom(temporaryOptions(model, options));
  return { memory: room < size && fitsMessage ? inBytes : size, disk: size, room, fitsMessage };
}

function temporaryOptions(model: Model, { temporaryFolders = [], diskLimit }: PrepareOptions): TemporaryOptions {
  const own = [model.path, ...model.dataFiles].flatMap((path) => (path === undefined ? [] : [dirname(path)]));
  return { bytes: encodedSize(model), folders: [...temporaryFolders, ...own], diskLimit };
}

function inBytes({ folder, bytes }: ReferringModel): PreparedModel {
  return ready(bytes(), folder === undefined ? {} : { [DATA_FOLDER]: folder });
}

function ready(source: Uint8Array | string, config: Readonly<Record<string, string>> = {}): PreparedModel {
  return { source, config, dispose: async () => {} };
}

async function temporaryFile(model: Model, options: PrepareOptions): Promise<PreparedModel> {
  const folder = await temporaryFolder(temporaryOptions(model, options));
  const dispose = async () => discard(folder);
  try {
    const source = join(folder, 'model.onnx');
    await saveModel(model, source, { externalData: true });
    return { source, config: {}, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
