/** Reads and makes int64 values. protobufjs decodes them as Long objects; everything else here works with numbers. */

import protobuf from 'protobufjs/light.js';
import { ArgumentError } from './errors.ts';
import type { Int64, Long } from './proto.ts';

const HIGH = 2 ** 32;

/** The value as a JS number: exact up to 2^53, the nearest double beyond. Absent reads as 0. */
export function toNumber(x: Int64 | bigint | undefined | null): number {
  if (x === undefined || x === null) return 0;
  if (typeof x === 'number') return x;
  if (typeof x === 'bigint') return Number(x);
  if (typeof x !== 'object') throw notAnInteger(x);
  return (x.unsigned ? x.high >>> 0 : x.high) * HIGH + (x.low >>> 0);
}

/** The exact value. Absent reads as 0. */
export function toBigInt(x: Int64 | bigint | undefined | null): bigint {
  if (x === undefined || x === null) return 0n;
  if (typeof x === 'bigint') return x;
  if (typeof x === 'number' && Number.isInteger(x)) return BigInt(x);
  if (typeof x !== 'object') throw notAnInteger(x);
  if (typeof x.high !== 'number' || typeof x.low !== 'number') throw notAnInteger(x);
  return (BigInt(x.unsigned ? x.high >>> 0 : x.high) << 32n) | BigInt(x.low >>> 0);
}

function notAnInteger(x: unknown): ArgumentError {
  return new ArgumentError('ARGUMENT', 'a value is no 64-bit integer', { actual: String(x) });
}

/** An int64 field with this value: a number where it is exact, else a Long. */
export function fromBigInt(value: bigint, unsigned = false): Int64 {
  if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  const LongClass = protobuf.util.Long as new (low: number, high: number, unsigned: boolean) => Long;
  return new LongClass(low, high, unsigned);
}

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

/**
 * The int64 (or uint64) nearest to an integer: a double has no 2^63 - 1, so that 2^63 is what INT64_MAX was read as.
 * @throws RangeError for a number that is not an integer
 */
export function saturated(x: number, unsigned = false): bigint {
  const [least, most] = unsigned ? [0n, UINT64_MAX] : [INT64_MIN, INT64_MAX];
  if (x === Number.POSITIVE_INFINITY) return most;
  if (x === Number.NEGATIVE_INFINITY) return least;
  const value = BigInt(x);
  return value > most ? most : value < least ? least : value;
}

/** Whether a number may stand for several 64-bit integers. */
export const isInexactInteger = (x: number): boolean => Math.abs(x) > Number.MAX_SAFE_INTEGER;
