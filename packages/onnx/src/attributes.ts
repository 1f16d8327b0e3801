/** Reads and writes attributes of nodes. Which attributes an operator has is not known here. */
import { anyOf, checkArgument, checkArguments, type Kind, kinds, listOf, oneOf } from './arguments.ts';
import { AttributeType } from './data-type.ts';
import { AttributeError } from './errors.ts';
import { fromBigInt, isInexactInteger, saturated, toNumber } from './int64.ts';
import type { AttributeProto, GraphProto, Int64, NodeProto, TensorProto } from './proto.ts';

export type AttributeKind = 'int' | 'ints' | 'float' | 'floats' | 'string' | 'strings' | 'tensor' | 'graph';

const KINDS: Readonly<Record<AttributeKind, number>> = {
  int: AttributeType.INT,
  ints: AttributeType.INTS,
  float: AttributeType.FLOAT,
  floats: AttributeType.FLOATS,
  string: AttributeType.STRING,
  strings: AttributeType.STRINGS,
  tensor: AttributeType.TENSOR,
  graph: AttributeType.GRAPH,
};

/** The attribute of that name, or undefined. */
export function getAttribute(node: NodeProto, name: string): AttributeProto | undefined {
  checkArgument('getAttribute', 'node', node, kinds.node);
  return node.attribute.find((attribute) => attribute.name === name);
}

/** The fields that hold values, in the order in which an attribute without a type (IR version 1) is searched. */
function impliedType(a: AttributeProto): number {
  if (a.f !== undefined) return AttributeType.FLOAT;
  if (a.i !== undefined) return AttributeType.INT;
  if (a.s !== undefined) return AttributeType.STRING;
  if (a.t !== undefined) return AttributeType.TENSOR;
  if (a.g !== undefined) return AttributeType.GRAPH;
  if (a.floats !== undefined) return AttributeType.FLOATS;
  if (a.ints !== undefined) return AttributeType.INTS;
  if (a.strings !== undefined) return AttributeType.STRINGS;
  return AttributeType.UNDEFINED;
}

/** The attribute's type; models of IR version 1 do not state it. */
export function attributeType(a: AttributeProto): number {
  return a.type === undefined || a.type === AttributeType.UNDEFINED ? impliedType(a) : a.type;
}

const typeName = (type: number): string =>
  Object.entries(AttributeType).find(([, number]) => number === type)?.[0] ?? `type ${type}`;

function find(node: NodeProto, name: string, type: number): AttributeProto | undefined {
  const attribute = getAttribute(node, name);
  if (attribute === undefined) return undefined;
  const actual = attributeType(attribute);
  // An empty list of any kind is often written without its field, so only the stated type can tell.
  if (actual === type || (actual === AttributeType.UNDEFINED && attribute.refAttrName === undefined)) return attribute;
  throw new AttributeError('ATTRIBUTE_KIND', `Attribute '${name}' is of another kind`, {
    node: node.name ?? '',
    operator: node.opType ?? '',
    expected: typeName(type),
    actual: attribute.refAttrName
      ? `a reference to the function's attribute '${attribute.refAttrName}'`
      : typeName(actual),
  });
}

/** Value of an INT attribute, or `fallback` when the node has none. @throws AttributeError for another kind. */
export function attrInt(node: NodeProto, name: string): number | undefined;
export function attrInt(node: NodeProto, name: string, fallback: number): number;
export function attrInt(node: NodeProto, name: string, fallback?: number): number | undefined {
  const attribute = find(node, name, AttributeType.INT);
  return attribute === undefined ? fallback : toNumber(attribute.i);
}

/** Value of a FLOAT attribute, or `fallback` when the node has none. @throws AttributeError for another kind. */
export function attrFloat(node: NodeProto, name: string): number | undefined;
export function attrFloat(node: NodeProto, name: string, fallback: number): number;
export function attrFloat(node: NodeProto, name: string, fallback?: number): number | undefined {
  const attribute = find(node, name, AttributeType.FLOAT);
  return attribute === undefined ? fallback : (attribute.f ?? 0);
}

/** Value of a STRING attribute, or `fallback` when the node has none. @throws AttributeError for another kind. */
export function attrString(node: NodeProto, name: string): string | undefined;
export function attrString(node: NodeProto, name: string, fallback: string): string;
export function attrString(node: NodeProto, name: string, fallback?: string): string | undefined {
  const attribute = find(node, name, AttributeType.STRING);
  return attribute === undefined ? fallback : new TextDecoder().decode(attribute.s ?? new Uint8Array());
}

/** Values of an INTS attribute, or `fallback` when the node has none. @throws AttributeError for another kind. */
export function attrInts(node: NodeProto, name: string): number[] | undefined;
export function attrInts(node: NodeProto, name: string, fallback: readonly number[]): number[];
export function attrInts(node: NodeProto, name: string, fallback?: readonly number[]): number[] | undefined {
  const attribute = find(node, name, AttributeType.INTS);
  if (attribute === undefined) return fallback === undefined ? undefined : [...fallback];
  return (attribute.ints ?? []).map(toNumber);
}

/** Values of a FLOATS attribute, or `fallback` when the node has none. @throws AttributeError for another kind. */
export function attrFloats(node: NodeProto, name: string): number[] | undefined;
export function attrFloats(node: NodeProto, name: string, fallback: readonly number[]): number[];
export function attrFloats(node: NodeProto, name: string, fallback?: readonly number[]): number[] | undefined {
  const attribute = find(node, name, AttributeType.FLOATS);
  if (attribute === undefined) return fallback === undefined ? undefined : [...fallback];
  return [...(attribute.floats ?? [])];
}

/** Value of a TENSOR attribute (a live reference), or undefined. @throws AttributeError for another kind. */
export function attrTensor(node: NodeProto, name: string): TensorProto | undefined {
  return find(node, name, AttributeType.TENSOR)?.t;
}

/** Value of a GRAPH attribute (a live reference), or undefined. @throws AttributeError for another kind. */
export function attrGraph(node: NodeProto, name: string): GraphProto | undefined {
  return find(node, name, AttributeType.GRAPH)?.g;
}

/** What `setAttribute` and `makeAttribute` take for each kind. */
export interface AttributeValues {
  /** Numbers beyond 64 bits become the largest or smallest int64. */
  int: Int64;
  ints: readonly Int64[];
  float: number;
  floats: readonly number[];
  string: string | Uint8Array;
  strings: readonly (string | Uint8Array)[];
  tensor: TensorProto;
  graph: GraphProto;
}

const utf8 = (value: string | Uint8Array): Uint8Array =>
  typeof value === 'string' ? new TextEncoder().encode(value) : value;

/** The encoder takes the low 64 bits of a number, which for 2^63 are those of the smallest int64. */
const int64 = (value: Int64): Int64 =>
  typeof value === 'number' && isInexactInteger(value) ? fromBigInt(saturated(value)) : value;

const FLOAT: Kind = { expected: 'a number', accepts: (value) => typeof value === 'number' };
const INT64: Kind = anyOf(kinds.number, kinds.object);
const TEXT: Kind = anyOf(kinds.text, kinds.bytes);
const ACCEPTED: Readonly<Record<AttributeKind, Kind>> = {
  int: INT64,
  ints: listOf(INT64),
  // NaN and infinities are numbers that an attribute can hold.
  float: FLOAT,
  floats: listOf(FLOAT),
  string: TEXT,
  strings: listOf(TEXT),
  tensor: kinds.tensor,
  graph: kinds.graph,
};

type Writers = { [K in AttributeKind]: (a: AttributeProto, value: AttributeValues[K]) => void };

const WRITERS: Writers = {
  int: (a, value) => {
    a.i = int64(value);
  },
  ints: (a, value) => {
    a.ints = value.map(int64);
  },
  float: (a, value) => {
    a.f = value;
  },
  floats: (a, value) => {
    a.floats = [...value];
  },
  string: (a, value) => {
    a.s = utf8(value);
  },
  strings: (a, value) => {
    a.strings = value.map(utf8);
  },
  tensor: (a, value) => {
    a.t = value;
  },
  graph: (a, value) => {
    a.g = value;
  },
};

const VALUE_FIELDS = [
  'f',
  'i',
  's',
  't',
  'g',
  'tp',
  'sparseTensor',
  'floats',
  'ints',
  'strings',
  'tensors',
  'graphs',
  'typeProtos',
  'sparseTensors',
  'refAttrName',
] as const;

function checkValue(what: string, name: string, value: unknown, kind: AttributeKind): void {
  checkArguments(what, { name: [name, kinds.text], kind: [kind, oneOf(...Object.keys(KINDS))] });
  checkArgument(`${what} of kind ${kind}`, 'value', value, ACCEPTED[kind]);
}

/** A new attribute. */
export function makeAttribute<K extends AttributeKind>(
  name: string,
  value: AttributeValues[K],
  kind: K,
): AttributeProto {
  checkValue('makeAttribute', name, value, kind);
  const attribute: AttributeProto = { name, type: KINDS[kind] };
  WRITERS[kind](attribute, value);
  return attribute;
}

/** Sets an attribute's value, adding the attribute when the node has none. Its documentation and unknown fields stay. */
export function setAttribute<K extends AttributeKind>(
  node: NodeProto,
  name: string,
  value: AttributeValues[K],
  kind: K,
): void {
  checkValue('setAttribute', name, value, kind);
  const attribute = getAttribute(node, name);
  if (attribute === undefined) {
    node.attribute.push(makeAttribute(name, value, kind));
    return;
  }
  for (const field of VALUE_FIELDS) delete attribute[field];
  attribute.type = KINDS[kind];
  WRITERS[kind](attribute, value);
}
