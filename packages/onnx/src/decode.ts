/** Bytes to models. Says clearly what is wrong with bytes that are no model; does not check the graph. It must not open files. */
import { decodeMessage } from './codec.ts';
import type { StoredBytes } from './content/stored-bytes.ts';
import { type Diagnosis, foreignFormat, nestedTooDeeply, unreadableBytes } from './diagnose.ts';
import { ExternalDataError, errorCode, ModelFileError } from './errors.ts';
import { toNumber } from './int64.ts';
import { Model } from './model.ts';
import { isDepthError } from './nesting.ts';
import type { GraphProto, ModelProto, TensorProto } from './proto.ts';
import { isExternal } from './tensor.ts';
import { NEWEST_IR_VERSION, NEWEST_OPSET } from './versions.ts';
import { visitTensors } from './walk.ts';

/** What is decoded: a message, and the content that was left out of it. */
export interface Encoded {
  readonly bytes: Uint8Array;
  readonly stored?: ReadonlyMap<number, StoredBytes>;
}

/** Gives tensors the content that lies in other files; returns the paths of these. */
export type AttachExternalData = (tensors: readonly TensorProto[]) => string[];

/**
 * Reads a model from bytes.
 * @param path of the file that they are from, for errors
 * @param attach finds content that lies in other files
 * @throws as `loadModel`
 */
export function decodeModel(encoded: Encoded, path?: string, attach?: AttachExternalData): Model {
  const proto = decodeBytes(encoded, path);
  checkVersions(proto, path);
  if (proto.graph) shareNames(proto.graph);
  const tensors = externalTensors(proto);
  if (tensors.length === 0) return new Model(proto, path);
  if (attach === undefined) {
    throw new ExternalDataError('EXTERNAL_DATA_NO_FOLDER', 'The model keeps tensors in other files', {
      value: tensors[0]?.name ?? '',
      repair: 'Load the model by its path, or pass baseDir: the folder of the data files.',
    });
  }
  return new Model(proto, path, attach(tensors));
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
    throw fileError(diagnose(bytes, cause), path, cause);
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

function diagnose(bytes: Uint8Array, cause: unknown): Diagnosis {
  if (isTextError(cause)) return NOT_UTF8;
  return isDepthError(cause) ? nestedTooDeeply(bytes) : unreadableBytes(bytes);
}

const isTextError = (cause: unknown): boolean => errorCode(cause) === 'ERR_ENCODING_INVALID_ENCODED_DATA';

function fileError(diagnosis: Diagnosis, path: string | undefined, cause?: unknown): ModelFileError {
  const { code, what, expected, actual, repair } = diagnosis;
  const details = {
    ...(path !== undefined && { path }),
    ...(expected !== undefined && { expected }),
    ...(actual !== undefined && { actual }),
    repair,
  };
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

/** Tensors whose content is in other files that nobody looked for. */
function externalTensors(model: ModelProto): TensorProto[] {
  const tensors: TensorProto[] = [];
  visitTensors(model, (tensor) => {
    if (isExternal(tensor)) tensors.push(tensor);
  });
  return tensors;
}
