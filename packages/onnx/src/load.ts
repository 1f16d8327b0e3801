/** Bytes and files to models. Says clearly what is wrong with a file that is not a model; does not check the graph. */
import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { decodeMessage } from './codec.ts';
import { scanModel } from './content/scan-model.ts';
import { SourceFile } from './content/source-file.ts';
import type { StoredBytes } from './content/stored-bytes.ts';
import { type Diagnosis, foreignFormat, unreadableBytes } from './diagnose.ts';
import { ExternalDataError, errorCode, ModelFileError, OnnxPruningError } from './errors.ts';
import { attachExternalData, externalTensors, KEPT_IN_MEMORY } from './external-data.ts';
import { toNumber } from './int64.ts';
import { Model } from './model.ts';
import type { GraphProto, ModelProto } from './proto.ts';
import { NEWEST_IR_VERSION, NEWEST_OPSET } from './versions.ts';

export interface ParseOptions {
  /** Folder that the locations of external data are relative to. Without it, bytes with external data are an error. */
  baseDir?: string;
}

/** Files of fewer bytes are read as a whole. */
const READ_AS_A_WHOLE = 2 ** 18;

/** Protobuf cannot hold more (its lengths are signed 32-bit numbers). */
const LARGEST_FILE = 2 ** 31 - 1;

/**
 * Reads a model from a file, with its external data. The weights of large models stay in their files, which must be left
 * alone while the model is used: they may be replaced or deleted, also by saving over them, but not written to in place;
 * whoever then asks for weights gets a ModelFileError (`MODEL_FILE_CHANGED`).
 * @param source path of the file, or its bytes (as `parseModel`).
 * @throws ModelFileError when the file is missing, empty, truncated, not ONNX, or newer than this package reads.
 * @throws ExternalDataError when external data is missing, short or outside the model's folder.
 */
export async function loadModel(source: string | Uint8Array, options: ParseOptions = {}): Promise<Model> {
  if (typeof source !== 'string') return parseModel(source, options);
  const path = resolve(source);
  try {
    const scanned = isLarge(path) ? scanFile(path) : undefined;
    return decodeModel(scanned ?? { bytes: await readFile(path) }, options.baseDir ?? dirname(path), path);
  } catch (cause) {
    throw cause instanceof OnnxPruningError ? cause : unreadable(path, cause);
  }
}

/** What is decoded: a message, and the content that was left out of it. */
interface Encoded {
  readonly bytes: Uint8Array;
  readonly stored?: ReadonlyMap<number, StoredBytes>;
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
  return decodeModel({ bytes }, options.baseDir, undefined);
}

function decodeModel(encoded: Encoded, folder: string | undefined, path: string | undefined): Model {
  const proto = decodeBytes(encoded, path);
  checkVersions(proto, path);
  if (proto.graph) shareNames(proto.graph);
  const tensors = externalTensors(proto);
  if (tensors.length === 0) return new Model(proto, path);
  if (folder === undefined) {
    throw new ExternalDataError('EXTERNAL_DATA_NO_FOLDER', 'The model keeps tensors in other files', {
      value: tensors[0]?.name ?? '',
      repair: 'Load the model by its path, or pass baseDir: the folder of the data files.',
    });
  }
  return new Model(proto, path, attachExternalData(tensors, folder));
}

/** Every use of a name was decoded on its own. One string for all of them takes less memory and is found sooner. */
function shareNames(graph: GraphProto): void {
  const shared = new Map<string, string>();
  const share = (name: string): string => {
    const known = shared.get(name);
    if (known === undefined) shared.set(name, name);
    return known ?? name;
  };
  for (const tensor of graph.initializer) if (tensor.name !== undefined) tensor.name = share(tensor.name);
  for (const node of graph.node) {
    for (let i = 0; i < node.input.length; i++) node.input[i] = share(node.input[i]!);
    for (let i = 0; i < node.output.length; i++) node.output[i] = share(node.output[i]!);
  }
}

function decodeBytes({ bytes, stored }: Encoded, path: string | undefined): ModelProto {
  const foreign = foreignFormat(bytes);
  if (foreign !== undefined) throw fileError(foreign, path);
  let proto: ModelProto;
  try {
    proto = decodeMessage('ModelProto', bytes, stored);
  } catch (cause) {
    throw fileError(isTextError(cause) ? NOT_UTF8 : unreadableBytes(bytes), path, cause);
  }
  if (proto.irVersion === undefined && proto.graph === undefined) throw fileError(unreadableBytes(bytes), path);
  if (proto.graph !== undefined) return proto;
  throw new ModelFileError('MODEL_NO_GRAPH', 'The model has no graph', {
    ...(path !== undefined && { path }),
    repair: 'The file may have been cut short: copy, download or export it again.',
  });
}

const NOT_UTF8: Diagnosis = {
  code: 'MODEL_TEXT',
  what: 'A name or a text in the model is not UTF-8',
  repair: 'Export the model again; ONNX allows UTF-8 only.',
};

const isTextError = (cause: unknown): boolean => errorCode(cause) === 'ERR_ENCODING_INVALID_ENCODED_DATA';

function fileError(diagnosis: Diagnosis, path: string | undefined, cause?: unknown): ModelFileError {
  const { code, what, actual, repair } = diagnosis;
  const details = { ...(path !== undefined && { path }), ...(actual !== undefined && { actual }), repair };
  return new ModelFileError(code, what, details, cause === undefined ? undefined : { cause });
}

function checkVersions(proto: ModelProto, path: string | undefined): void {
  const tooNew = (what: string, expected: string, actual: number): ModelFileError =>
    new ModelFileError('MODEL_TOO_NEW', what, {
      ...(path !== undefined && { path }),
      expected,
      actual,
      repair: 'Export the model with an older opset, or update onnx-pruning.',
    });
  const ir = toNumber(proto.irVersion);
  if (ir > NEWEST_IR_VERSION) {
    throw tooNew('The IR version of the model is too new', `at most ${NEWEST_IR_VERSION}`, ir);
  }
  for (const { domain, version } of proto.opsetImport) {
    const isOnnx = domain === undefined || domain === '' || domain === 'ai.onnx';
    if (isOnnx && toNumber(version) > NEWEST_OPSET) {
      throw tooNew('The opset of the model is too new', `at most ${NEWEST_OPSET}`, toNumber(version));
    }
  }
}

/** What Node says of a file that cannot be read, for people. */
function unreadable(path: string, cause: unknown): unknown {
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
      return new ModelFileError(
        'MODEL_IS_FOLDER',
        'The model must be a file',
        { path, actual: 'a folder', repair: 'Give the path of the .onnx file in it.' },
        { cause },
      );
    default:
      return new ModelFileError('MODEL_UNREADABLE', `The file cannot be read (${code})`, { path }, { cause });
  }
}
