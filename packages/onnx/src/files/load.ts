/** Files to models, and bytes of which a part may be in files. Says clearly what is wrong with a file that cannot be read. */
import { constants, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { anyOf, checkArguments, checkOptions, kinds, type OptionKinds } from '../arguments.ts';
import { scanModel } from '../content/scan-model.ts';
import { type AttachExternalData, decodeModel, type Encoded } from '../decode.ts';
import { foreignFormat } from '../diagnose.ts';
import { errorCode, ModelFileError, OnnxPruningError } from '../errors.ts';
import type { Model } from '../model.ts';
import { attachExternalData, KEPT_IN_MEMORY } from './external-data.ts';
import { SourceFile } from './source-file.ts';

export interface ParseOptions {
  /** Folder that the locations of external data are relative to. Without it, bytes with external data are an error. */
  baseDir?: string;
}

const PARSE_OPTIONS: OptionKinds<ParseOptions> = { baseDir: kinds.text };

/** Files of fewer bytes are read as a whole. */
const READ_AS_A_WHOLE = 2 ** 18;

/** Protobuf cannot hold more (its lengths are signed 32-bit numbers). */
const LARGEST_FILE = 2 ** 31 - 1;

/**
 * Reads a model from a file, with its external data. The weights of large models stay in their files, which must be left
 * alone while the model is used: they may be replaced or deleted, also by saving over them, but not written to in place;
 * whoever then asks for weights gets a ModelFileError (`MODEL_FILE_CHANGED`).
 * @param source path of the file, or its bytes (as `parseModel`).
 * @throws ModelFileError when the file is missing, empty, truncated, not ONNX, newer than this package reads, or nested more deeply
 * than protobuf allows.
 * @throws ExternalDataError when external data is missing, short or outside the model's folder.
 */
export async function loadModel(source: string | Uint8Array, options: ParseOptions = {}): Promise<Model> {
  checkArguments('loadModel', { source: [source, anyOf(kinds.text, kinds.bytes)] });
  checkOptions('loadModel', options, PARSE_OPTIONS);
  if (typeof source !== 'string') return parseModel(source, options);
  const path = resolve(source);
  try {
    const scanned = isLarge(path) ? scanFile(path) : undefined;
    return decodeModel(scanned ?? { bytes: await readWhole(path) }, path, attachFrom(options.baseDir ?? dirname(path)));
  } catch (cause) {
    throw cause instanceof OnnxPruningError ? cause : unreadable(path, cause);
  }
}

function isLarge(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile() !== true) return false;
  if (stats.size <= LARGEST_FILE) return stats.size >= READ_AS_A_WHOLE;
  throw new ModelFileError('MODEL_TOO_LARGE', 'An ONNX file cannot be larger than 2 GiB', {
    path,
    expected: `at most ${LARGEST_FILE} bytes`,
    actual: `${stats.size} bytes`,
    repair: 'Save the model with external data.',
  });
}

/** The bytes of a regular file. A pipe would wait for ever, and a device has no end. */
async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = await file.stat();
    if (stats.isFile() || stats.isDirectory()) return await file.readFile();
    throw notAModelFile(path);
  } finally {
    await file.close();
  }
}

/** internal: what is said of a path that leads to no regular file. */
export function notAModelFile(path: string): ModelFileError {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return folderError(path);
  return new ModelFileError('MODEL_NOT_A_FILE', 'Models are read from regular files only', {
    path,
    actual: 'a pipe or a device',
    repair: 'Write the model into a file first.',
  });
}

function folderError(path: string, cause?: unknown): ModelFileError {
  return new ModelFileError(
    'MODEL_IS_FOLDER',
    'The model must be a file',
    { path, actual: 'a folder', repair: 'Give the path of the .onnx file in it.' },
    cause === undefined ? undefined : { cause },
  );
}

/** The file without its weights, or undefined where it is no well-formed message. */
function scanFile(path: string): Encoded | undefined {
  const file = SourceFile.open(path);
  if (file === undefined) return undefined;
  const start = new Uint8Array(SIGNATURE_BYTES);
  file.read(start, 0);
  return foreignFormat(start) === undefined ? scanModel(file, KEPT_IN_MEMORY) : undefined;
}

/** Formats are told apart by no more bytes than these. */
const SIGNATURE_BYTES = 64;

/**
 * Reads a model from bytes. Tensor content is a view of the bytes: do not change them afterwards.
 * @throws as `loadModel`; a model with external data needs `baseDir`.
 */
export function parseModel(bytes: Uint8Array, options: ParseOptions = {}): Model {
  checkArguments('parseModel', { bytes: [bytes, kinds.bytes] });
  checkOptions('parseModel', options, PARSE_OPTIONS);
  return decodeModel({ bytes }, undefined, attachFrom(options.baseDir));
}

/** Looks for external data in a folder, where there is one to look in. */
function attachFrom(folder: string | undefined): AttachExternalData | undefined {
  return folder === undefined ? undefined : (tensors) => attachExternalData(tensors, folder);
}

/** internal: what Node says of a file that cannot be read, for people. */
export function unreadable(path: string, cause: unknown): unknown {
  const code = errorCode(cause);
  if (code === undefined) return cause;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new ModelFileError(
        'MODEL_NOT_FOUND',
        'There is no such file',
        { path, repair: 'Check the path.' },
        { cause },
      );
    case 'EISDIR':
      return folderError(path, cause);
    default:
      return new ModelFileError('MODEL_UNREADABLE', `The file cannot be read (${code})`, { path }, { cause });
  }
}
