/**
 * Copies messages. Knows no message in particular: everything that is an object or an array is copied, but for content
 * of tensors, which never changes and is shared.
 */
import { checkArgument, kinds } from './arguments.ts';
import { deeper } from './nesting.ts';
import type { ContentFields } from './proto.ts';

/** Fields of TensorProto that hold content; no other message has fields of these names. */
const CONTENT: Readonly<Record<keyof ContentFields, true>> = {
  rawData: true,
  floatData: true,
  int32Data: true,
  stringData: true,
  int64Data: true,
  doubleData: true,
  uint64Data: true,
};

/** Adds unknown fields to a message the way the decoder does: hidden from `Object.keys`, seen by the encoder. */
function setUnknowns(message: object, unknowns: Uint8Array[]): void {
  Object.defineProperty(message, '$unknowns', {
    value: unknowns,
    enumerable: false,
    configurable: true,
    writable: true,
  });
}

/**
 * A copy of a message that can be changed without changing the original, unknown fields included.
 * Content of tensors is shared between the two: no weights are copied.
 * @throws InvalidModelError for messages that are nested more deeply than a file can hold
 */
export function cloneProto<T>(message: T): T {
  return cloneValue(message, 0) as T;
}

/** As `cloneProto`, one level deep: nested messages and lists are shared. The form to use instead of object spread. */
export function shallowCloneProto<T extends { $unknowns?: Uint8Array[] }>(message: T): T {
  checkArgument('shallowCloneProto', 'message', message, kinds.object);
  const copy = { ...message };
  if (message.$unknowns !== undefined) setUnknowns(copy, message.$unknowns);
  return copy;
}

function cloneValue(value: unknown, depth: number): unknown {
  if (Array.isArray(value)) {
    return typeof value[0] === 'number' ? value.slice() : value.map((one) => cloneValue(one, depth));
  }
  if (!isMessage(value)) return value;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) copy[key] = key in CONTENT ? value[key] : cloneInner(value[key], depth);
  if (Array.isArray(value.$unknowns)) setUnknowns(copy, value.$unknowns.slice());
  return copy;
}

/** What a message at this depth holds. */
function cloneInner(value: unknown, depth: number): unknown {
  return typeof value === 'object' && value !== null ? cloneValue(value, deeper(depth)) : value;
}

/** Messages are plain objects; Long values and byte arrays are instances of classes and never change. */
function isMessage(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
