import { onnx } from 'onnx-proto';
import type protobuf from 'protobufjs';
import { decodeMessage, encodeMessage, fromBigInt, type MessageTypes, toBigInt, toNumber } from '../src/index.ts';
import { SCHEMA } from '../src/schema.ts';
import { field, floatField, message, packed } from './wire.ts';

/** The static class of a message in onnx-proto. */
interface StaticClass {
  readonly prototype: object;
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
}

const isStaticClass = (value: unknown): value is StaticClass =>
  typeof value === 'function' && 'encode' in value && 'decode' in value;

/** All messages of onnx-proto, nested ones as `Outer.Inner`. */
function onnxProtoMessages(): Map<string, StaticClass> {
  const messages = new Map<string, StaticClass>();
  for (const [name, value] of Object.entries(onnx)) {
    if (!isStaticClass(value)) continue;
    messages.set(name, value);
    for (const [inner, nested] of Object.entries(value))
      if (isStaticClass(nested)) messages.set(`${name}.${inner}`, nested);
  }
  return messages;
}

const MESSAGES = onnxProtoMessages();
const isField = ([, value]: [string, unknown]): boolean => typeof value !== 'function';
const fieldsOf = (name: string): string[] => {
  const prototype = MESSAGES.get(name)?.prototype ?? {};
  return Object.entries(prototype)
    .filter(isField)
    .map(([key]) => key);
};

const BIG = 2n ** 62n + 12345n;

function sampleValue(type: string, name: string, id: number, depth: number): unknown {
  switch (type) {
    case 'string':
      return `${name} — é`;
    case 'bytes':
      return Uint8Array.of(id, 0, 255);
    case 'int64':
      return fromBigInt(-BIG - BigInt(id));
    case 'uint64':
      return fromBigInt(2n ** 63n + BigInt(id), true);
    case 'int32':
      return id;
    case 'float':
    case 'double':
      return id + 0.5;
    default:
      return sample(type, depth - 1);
  }
}

/** A message with every field that onnx-proto knows filled, down to some depth. */
function sample(type: string, depth: number): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const name of fieldsOf(type)) {
    const [id, fieldType, rule] = SCHEMA[type]?.[name] ?? [0, 'unknown', 'one'];
    if (fieldType in SCHEMA && depth === 0) continue;
    const one = () => sampleValue(fieldType, name, id, depth);
    value[name] = rule === 'one' ? one() : [one(), one()];
  }
  return value;
}

/** The same for both sides: bytes as lists, 64-bit integers as text, fields that are absent or empty left out. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if ('low' in value && 'high' in value) return toBigInt(value as protobuf.Long).toString();
  const entries = Object.entries(value).filter(([, v]) => !(Array.isArray(v) && v.length === 0));
  return Object.fromEntries(entries.map(([key, v]) => [key, plain(v)]));
}

describe('messages, compared with onnx-proto', () => {
  it('has every message of onnx-proto', () => {
    expect(MESSAGES.size).toBeGreaterThanOrEqual(20);
    for (const name of MESSAGES.keys()) expect(Object.keys(SCHEMA)).toContain(name);
  });

  it.each([...MESSAGES.keys()])('%s has the same fields', (name) => {
    for (const key of fieldsOf(name)) expect(Object.keys(SCHEMA[name] ?? {})).toContain(key);
  });

  const topLevel = [...MESSAGES.keys()].filter((name) => !name.includes('.'));

  it.each(topLevel)('%s: bytes of onnx-proto decode to the same message', (name) => {
    const value = sample(name, 3);
    const bytes = MESSAGES.get(name)!.encode(value).finish();
    const decoded = decodeMessage(name as keyof MessageTypes, bytes);
    expect(plain(decoded)).toEqual(plain(value));
    expect(unknownsIn(decoded)).toBe(0);
  });

  it.each(topLevel)('%s: our bytes are read by onnx-proto as the same message', (name) => {
    const value = sample(name, 3);
    const bytes = encodeMessage(name as keyof MessageTypes, value as unknown as MessageTypes[keyof MessageTypes]);
    expect(plain(MESSAGES.get(name)!.decode(bytes))).toEqual(plain(value));
  });
});

/** Number of messages, at any depth, in which fields were not recognised. */
function unknownsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return 0;
  const own = '$unknowns' in value ? 1 : 0;
  return Object.values(value).reduce<number>((sum, v) => sum + unknownsIn(v), own);
}

const DECODABLE: readonly (keyof MessageTypes)[] = [
  'ModelProto',
  'GraphProto',
  'NodeProto',
  'AttributeProto',
  'TensorProto',
  'SparseTensorProto',
  'ValueInfoProto',
  'TypeProto',
  'TensorShapeProto',
  'OperatorSetIdProto',
  'StringStringEntryProto',
  'TensorAnnotation',
  'FunctionProto',
  'TrainingInfoProto',
];

describe('fields', () => {
  it('tells an explicit zero from an absent field', () => {
    const explicit = message(field(1, 'alpha'), floatField(2, 0), field(3, 0), field(4, ''), field(20, 0));
    const decoded = decodeMessage('AttributeProto', explicit);
    expect(decoded.f).toBe(0);
    expect(toNumber(decoded.i)).toBe(0);
    expect(decoded.s).toHaveLength(0);
    expect(encodeMessage('AttributeProto', decoded)).toEqual(explicit);

    const absent = decodeMessage('AttributeProto', field(1, 'alpha'));
    expect([absent.f, absent.i, absent.s, absent.type, absent.ints]).toEqual(Array(5).fill(undefined));
    expect(encodeMessage('AttributeProto', absent)).toEqual(field(1, 'alpha'));
  });

  it('keeps all 64 bits of an integer', () => {
    const bytes = message(field(1, 2n ** 53n + 1n), field(1, -(2n ** 63n)));
    const { dims } = decodeMessage('TensorProto', bytes);
    expect(dims.map(toBigInt)).toEqual([9007199254740993n, -9223372036854775808n]);
    expect(encodeMessage('TensorProto', { dims: dims.map(toBigInt).map((x) => fromBigInt(x)) })).toEqual(bytes);
  });

  it('reads numbers packed or one by one', () => {
    const onebyone = message(field(8, 1), field(8, 300));
    expect(decodeMessage('AttributeProto', onebyone).ints?.map(toNumber)).toEqual([1, 300]);
    expect(decodeMessage('AttributeProto', field(8, packed(1, 300))).ints?.map(toNumber)).toEqual([1, 300]);
    const data = message(field(7, 5), field(7, packed(6, 7)));
    expect(decodeMessage('TensorProto', data).int64Data?.map(toNumber)).toEqual([5, 6, 7]);
  });

  it('hands out raw data as a view of the bytes it was given', () => {
    const bytes = message(field(2, 1), field(9, Uint8Array.of(1, 2, 3, 4)));
    const rawData = decodeMessage('TensorProto', bytes).rawData as Uint8Array;
    expect(rawData.buffer).toBe(bytes.buffer);
    expect([...rawData]).toEqual([1, 2, 3, 4]);
  });

  it('keeps fields it does not know, in every message', () => {
    for (const name of DECODABLE) {
      const bytes = message(field(900, 'unknown'), field(901, 7), floatField(902, 1.5));
      expect(encodeMessage(name, decodeMessage(name, bytes))).toEqual(bytes);
    }
  });

  it('refuses text that is not UTF-8, because writing it back would change it', () => {
    expect(() => decodeMessage('NodeProto', field(3, Uint8Array.of(0xff, 0xfe)))).toThrow();
  });
});

describe('large fields', () => {
  it('are written as they are, wherever they are nested, with the lengths around them right', () => {
    // Sizes around every length of a varint: the lengths of all messages around change their width.
    for (const size of [1, 127, 128, 2047, 2048, 16383, 16384, 2097151, 2097152]) {
      const rawData = new Uint8Array(size).fill(size);
      const tensor = { dims: [size], dataType: 2, rawData };
      const attribute = { name: 'value', type: 4, t: tensor };
      const bytes = encodeMessage('NodeProto', {
        input: [],
        output: ['y'],
        opType: 'Constant',
        attribute: [attribute],
      });
      const tensorBytes = message(field(1, size), field(2, 2), field(9, rawData));
      const attributeBytes = message(field(1, 'value'), field(5, tensorBytes), field(20, 4));
      const expected = message(field(2, 'y'), field(4, 'Constant'), field(5, attributeBytes));
      expect(Buffer.compare(bytes, expected)).toBe(0);
    }
  });
});
