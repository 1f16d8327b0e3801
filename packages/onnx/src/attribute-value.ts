/** Attributes from plain JavaScript values, for those who build graphs. */
import { type AttributeKind, type AttributeValues, makeAttribute } from './attributes.ts';
import { InvalidModelError } from './errors.ts';
import type { AttributeProto, GraphProto, TensorProto } from './proto.ts';

/**
 * Integers become INT, arrays of integers INTS, other numbers FLOAT and FLOATS. `{ float: 1 }` and `{ floats: [1] }`
 * force floats; the other wrapped forms are spelled out for completeness.
 */
export type AttributeValue =
  | number
  | boolean
  | string
  | Uint8Array
  | readonly number[]
  | readonly string[]
  | TensorProto
  | GraphProto
  | { readonly [K in AttributeKind]: { readonly [P in K]: AttributeValues[K] } }[AttributeKind];

const WRAPPED: readonly AttributeKind[] = ['int', 'ints', 'float', 'floats', 'string', 'strings', 'tensor', 'graph'];

/** The attribute that a value stands for. @throws InvalidModelError for a value that no attribute can hold. */
export function attributeOf(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'boolean') return makeAttribute(name, value ? 1 : 0, 'int');
  if (typeof value === 'number') return makeAttribute(name, value, Number.isInteger(value) ? 'int' : 'float');
  if (typeof value === 'string' || value instanceof Uint8Array) return makeAttribute(name, value, 'string');
  if (isList(value)) return listAttribute(name, value);
  if ('dims' in value) return makeAttribute(name, value, 'tensor');
  if ('node' in value) return makeAttribute(name, value, 'graph');
  return wrappedAttribute(name, value);
}

const isList = (value: object): value is readonly number[] | readonly string[] => Array.isArray(value);

function listAttribute(name: string, value: readonly number[] | readonly string[]): AttributeProto {
  const strings = value.filter((element) => typeof element === 'string');
  if (strings.length > 0) return makeAttribute(name, strings, 'strings');
  const numbers = value.filter((element) => typeof element === 'number');
  return makeAttribute(name, numbers, numbers.every(Number.isInteger) ? 'ints' : 'floats');
}

function wrappedAttribute(name: string, value: object): AttributeProto {
  const kind = WRAPPED.find((candidate) => candidate in value);
  if (kind !== undefined) {
    const wrapped = value as { [K in AttributeKind]: AttributeValues[K] };
    return makeAttribute(name, wrapped[kind], kind);
  }
  throw new InvalidModelError('ATTRIBUTE_VALUE', `Attribute '${name}' has a value that no attribute can hold`, {
    repair: `Use a number, string, array, tensor, graph, or one of ${WRAPPED.map((k) => `{ ${k} }`).join(', ')}.`,
  });
}
