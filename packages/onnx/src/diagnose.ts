/** Says what bytes are that could not be read as an ONNX model, so that the error can say what to do. */
import { ALLOWED_NESTING, DEEPEST_MESSAGE, NESTING_REPAIR } from './nesting.ts';
import { SCHEMA } from './schema.ts';

/** What was found instead of a model; `code` is an error code. */
export interface Diagnosis {
  readonly code: string;
  readonly what: string;
  readonly expected?: string;
  readonly actual?: string;
  readonly repair: string;
}

interface Signature {
  readonly at: number;
  readonly bytes: readonly number[];
  readonly what: string;
  readonly repair: string;
}

const ascii = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));

const EXPORT_TORCH = 'Export the model with torch.onnx.export.';

/** Formats that are mistaken for ONNX most often, by their first bytes. */
const SIGNATURES: readonly Signature[] = [
  {
    at: 0,
    bytes: [0x50, 0x4b, 0x03, 0x04],
    what: 'a zip archive, as torch.save writes (.pt, .pth) or a downloaded archive',
    repair: `${EXPORT_TORCH} An archive that holds an .onnx file must be unpacked first.`,
  },
  { at: 0, bytes: [0x80, 0x02], what: 'a Python pickle, as old versions of torch.save write', repair: EXPORT_TORCH },
  { at: 0, bytes: [0x1f, 0x8b], what: 'gzip-compressed data', repair: 'Unpack the file first.' },
  {
    at: 0,
    bytes: [0x89, ...ascii('HDF')],
    what: 'an HDF5 file, as Keras writes',
    repair: 'Convert the model with tf2onnx.',
  },
  { at: 4, bytes: ascii('TFL3'), what: 'a TensorFlow Lite model', repair: 'Convert the model with tf2onnx.' },
  {
    at: 4,
    bytes: ascii('ORTM'),
    what: "a model in onnxruntime's own .ort format",
    repair: 'Use the .onnx file that it was made from.',
  },
  {
    at: 0,
    bytes: ascii('version https://git-lfs'),
    what: 'a Git LFS pointer, not the file it points to',
    repair: "Fetch the file with 'git lfs pull'.",
  },
];

const matches = (bytes: Uint8Array, s: Signature): boolean => s.bytes.every((byte, i) => bytes[s.at + i] === byte);

/** The format that the first bytes give away although they might decode, or undefined. */
export function foreignFormat(bytes: Uint8Array): Diagnosis | undefined {
  if (bytes.length === 0) {
    return { code: 'MODEL_EMPTY', what: 'The file is empty', repair: 'Export or download the model again.' };
  }
  const signature = SIGNATURES.find((candidate) => matches(bytes, candidate));
  return signature === undefined ? undefined : notOnnx(signature.what, signature.repair);
}

/** What to say of bytes that could not be decoded, or that decode to nothing that makes a model. */
export function unreadableBytes(bytes: Uint8Array): Diagnosis {
  if (isText(bytes)) return notOnnx('text', 'Check that the file is the model and not a page, a script or a list.');
  switch (walkFields(bytes)) {
    case 'cut':
      return {
        code: 'MODEL_TRUNCATED',
        what: 'The file ends in the middle of the model',
        repair: 'Copy, download or export the model again; the transfer was not complete.',
      };
    case 'complete':
      return {
        code: 'MODEL_DAMAGED',
        what: 'The file looks like an ONNX model but parts of it cannot be read',
        repair: 'Copy, download or export the model again.',
      };
    default:
      return notOnnx('data of another kind', 'Check that this is the right file.');
  }
}

function notOnnx(actual: string, repair: string): Diagnosis {
  return { code: 'MODEL_NOT_ONNX', what: 'This is not an ONNX model', actual, repair };
}

const SAMPLE = 512;

/** True when the beginning holds no control characters but line ends and tabs. */
function isText(bytes: Uint8Array): boolean {
  return bytes.subarray(0, SAMPLE).every((byte) => byte >= 0x20 || byte === 9 || byte === 10 || byte === 13);
}

const WIRE_TYPES: Readonly<Record<string, number>> = { int64: 0, int32: 0, string: 2 };

/** Wire type of each field of ModelProto, by field number. */
const MODEL_FIELDS: ReadonlyMap<number, number> = new Map(
  Object.values(SCHEMA.ModelProto ?? {}).map(([id, type]) => [id, WIRE_TYPES[type] ?? 2]),
);

/** Follows the outermost fields of a ModelProto: do they end at the last byte, or beyond it? */
function walkFields(bytes: Uint8Array): 'cut' | 'complete' | 'foreign' {
  let at = 0;
  while (at < bytes.length) {
    const tag = varint(bytes, at);
    if (tag === undefined) return 'cut';
    const wireType = tag.value % 8;
    // Fields of newer ONNX versions may follow, but a model starts with a field that all versions have.
    const known = MODEL_FIELDS.get(Math.floor(tag.value / 8)) ?? (at > 0 ? wireType : undefined);
    if (known !== wireType || ![0, 2].includes(wireType)) return 'foreign';
    const value = varint(bytes, tag.end);
    if (value === undefined) return 'cut';
    at = wireType === 2 ? value.end + value.value : value.end;
  }
  return at > bytes.length ? 'cut' : 'complete';
}

/** What to say of a model whose messages lie in one another more deeply than the decoder follows them. */
export function nestedTooDeeply(bytes: Uint8Array): Diagnosis {
  const depth = depthOf(bytes);
  return {
    code: 'NESTED_TOO_DEEPLY',
    what: 'The model is nested too deeply',
    expected: ALLOWED_NESTING,
    // Deeper still are fields that this version does not know.
    actual: depth > DEEPEST_MESSAGE ? `${depth}` : 'more',
    repair: NESTING_REPAIR,
  };
}

/** The greatest depth of known messages in a ModelProto; as far as they can be followed, where they are damaged. */
function depthOf(bytes: Uint8Array): number {
  const around: { readonly message: string; readonly end: number }[] = [{ message: 'ModelProto', end: bytes.length }];
  let [at, deepest] = [0, 0];
  for (let top = around.at(-1); top !== undefined; top = around.at(-1)) {
    const field = at < top.end ? fieldAt(bytes, at, top.message) : undefined;
    if (field === undefined) at = around.pop()!.end;
    else if (field.message === undefined) at = field.end;
    else {
      at = field.start;
      deepest = Math.max(deepest, around.push({ message: field.message, end: field.end }) - 1);
    }
  }
  return deepest;
}

interface WireField {
  /** Where its value begins, behind the length that it may have. */
  readonly start: number;
  readonly end: number;
  /** The message that it holds, if it holds one. */
  readonly message: string | undefined;
}

/** The field of a message that begins at a position; undefined where there is no whole one. */
function fieldAt(bytes: Uint8Array, at: number, around: string): WireField | undefined {
  const tag = varint(bytes, at);
  if (tag === undefined) return undefined;
  const wireType = tag.value % 8;
  const fixed = FIXED_WIDTHS[wireType];
  if (fixed !== undefined) return { start: tag.end, end: tag.end + fixed, message: undefined };
  const value = varint(bytes, tag.end);
  if (value === undefined || (wireType !== 0 && wireType !== 2)) return undefined;
  if (wireType === 0) return { start: tag.end, end: value.end, message: undefined };
  const id = Math.floor(tag.value / 8);
  const type = Object.values(SCHEMA[around] ?? {}).find(([number]) => number === id)?.[1];
  const message = type !== undefined && type in SCHEMA ? type : undefined;
  return { start: value.end, end: value.end + value.value, message };
}

/** Bytes of the wire types of numbers of one width. */
const FIXED_WIDTHS: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

function varint(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, end: at + i + 1 };
  }
  return { value: Number.MAX_SAFE_INTEGER, end: at + 10 };
}
