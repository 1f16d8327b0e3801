/**
 * Turns the schema into protobufjs types and gives decode and encode for each message.
 *
 * Decoded messages are plain objects without inherited defaults, so an absent field reads as undefined; unknown
 * fields are kept at every level. This file must not know what a model means.
 */
import protobuf from 'protobufjs/light.js';
import { ChunkWriter, type TensorStore } from './chunk-writer.ts';
import { asArray } from './content/bytes.ts';
import { type Content, StoredBytes } from './content/stored-bytes.ts';
import { checkNesting, isDepthError } from './nesting.ts';
import type * as proto from './proto.ts';
import { type FieldSpec, SCHEMA } from './schema.ts';
import { TextReader } from './text-reader.ts';

/** Messages that can be decoded and encoded on their own. */
export interface MessageTypes {
  ModelProto: proto.ModelProto;
  GraphProto: proto.GraphProto;
  NodeProto: proto.NodeProto;
  AttributeProto: proto.AttributeProto;
  TensorProto: proto.TensorProto;
  SparseTensorProto: proto.SparseTensorProto;
  ValueInfoProto: proto.ValueInfoProto;
  TypeProto: proto.TypeProto;
  TensorShapeProto: proto.TensorShapeProto;
  OperatorSetIdProto: proto.OperatorSetIdProto;
  StringStringEntryProto: proto.StringStringEntryProto;
  TensorAnnotation: proto.TensorAnnotation;
  FunctionProto: proto.FunctionProto;
  TrainingInfoProto: proto.TrainingInfoProto;
}

const typeName = (message: string): string => message.replace('.', '_');

function reflectedField(name: string, [id, type, rule]: FieldSpec): protobuf.Field {
  const resolved = type in SCHEMA ? typeName(type) : type;
  const options = rule === 'packed' ? { packed: true } : {};
  return new protobuf.Field(name, id, resolved, rule === 'one' ? 'optional' : 'repeated', undefined, options);
}

/**
 * protobufjs calls `new ctor()` for every message it decodes. A constructor function that returns an object literal
 * makes the message a plain object: no inherited default can be mistaken for a value that was in the file.
 */
function plainObjectConstructor(lists: readonly string[]): protobuf.Constructor<object> {
  function createMessage(): object {
    const message: Record<string, unknown> = {};
    for (const name of lists) message[name] = [];
    return message;
  }
  return createMessage as unknown as protobuf.Constructor<object>;
}

function buildTypes(): ReadonlyMap<string, protobuf.Type> {
  const root = new protobuf.Root();
  const types = new Map<string, protobuf.Type>();
  for (const [message, fields] of Object.entries(SCHEMA)) {
    // Text that is not UTF-8 would be changed by a round trip, so it is refused.
    const type = new protobuf.Type(typeName(message), { features: { utf8_validation: 'VERIFY' } });
    for (const [name, spec] of Object.entries(fields)) type.add(reflectedField(name, spec));
    root.add(type);
    types.set(message, type);
  }
  root.resolveAll();
  for (const [message, type] of types) {
    const lists = Object.entries(SCHEMA[message] ?? {}).filter(([, spec]) => spec[2] === 'list');
    type.ctor = plainObjectConstructor(lists.map(([name]) => name));
  }
  for (const type of types.values()) type.setup = () => generateCodec(type);
  const tensor = types.get('TensorProto');
  if (tensor !== undefined) encodeAsStored(tensor.setup());
  return types;
}

/**
 * Generates a type's encoder and decoder when the first of them is called. protobufjs would generate conversions and
 * checks as well, which nobody calls and which take longer than decoding a model.
 */
function generateCodec(type: protobuf.Type): protobuf.Type {
  const { Reader, Writer, util } = protobuf;
  const types = type.fieldsArray.map((field) => field.resolve().resolvedType);
  type.encode = protobuf.encoder(type)({ Writer, types, util }) as typeof type.encode;
  type.decode = protobuf.decoder(type)({ Reader, types, util, C: type.ctor }) as typeof type.decode;
  return type;
}

type Encode = (message: object, writer: protobuf.Writer, depth?: number) => protobuf.Writer;

/** Lets the writer decide how each tensor is stored: in the message, or as a reference to another file. */
function encodeAsStored(type: protobuf.Type): void {
  const encode: Encode = type.encode.bind(type);
  const encodeStored: Encode = (tensor, writer, depth) =>
    encode(writer instanceof ChunkWriter ? writer.store(tensor as proto.TensorProto) : tensor, writer, depth);
  type.encode = encodeStored as typeof type.encode;
}

const TYPES = buildTypes();

function typeOf(message: string): protobuf.Type {
  const type = TYPES.get(message);
  if (type === undefined) throw new Error(`internal: no message ${message} in the schema`);
  return type;
}

/**
 * Decodes one message. Byte fields are views of `bytes`.
 * @param stored content that was left out of `bytes`, as `scanModel` gives it
 * @throws RangeError and Error of protobufjs when the bytes are not such a message.
 */
export function decodeMessage<K extends keyof MessageTypes>(
  message: K,
  bytes: Uint8Array,
  stored?: ReadonlyMap<number, StoredBytes>,
): MessageTypes[K] {
  const reader = new TextReader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), stored);
  reader.discardUnknown = false;
  return typeOf(message).decode(reader) as unknown as MessageTypes[K];
}

/**
 * Encodes one message as a list of chunks; concatenated they are its bytes. Large byte fields are not copied, and
 * content that lies in a file is not read.
 * @param store gives the form in which each tensor, at any depth, is written; it must not change its argument.
 * @throws InvalidModelError for messages that are nested more deeply than they could be read
 */
export function encodeMessageChunks<K extends keyof MessageTypes>(
  message: K,
  value: MessageTypes[K],
  store?: TensorStore,
): Content[] {
  const writer = new ChunkWriter(undefined, store);
  try {
    typeOf(message).encode(value, writer);
  } catch (error) {
    if (isDepthError(error)) checkNesting(message, value);
    throw error;
  }
  return writer.chunks();
}

/** Encodes one message into one array. */
export function encodeMessage<K extends keyof MessageTypes>(message: K, value: MessageTypes[K]): Uint8Array {
  const chunks = encodeMessageChunks(message, value);
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined && !(first instanceof StoredBytes)) return asArray(first);
  return concatenate(chunks);
}

/** Number of bytes of all chunks together. */
export function totalLength(chunks: readonly Content[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** Copies chunks one after the other into one array. */
export function concatenate(chunks: readonly Content[]): Uint8Array {
  const bytes = new Uint8Array(totalLength(chunks));
  let at = 0;
  for (const chunk of chunks) {
    if (chunk instanceof StoredBytes) chunk.readInto(bytes.subarray(at, at + chunk.length), 0);
    else bytes.set(asArray(chunk), at);
    at += chunk.length;
  }
  return bytes;
}
