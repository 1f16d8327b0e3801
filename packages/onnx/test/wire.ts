/** Protobuf bytes written by hand, field by field, for tests: independent of the schema and of protobufjs. */

export type WireValue = number | bigint | string | Uint8Array;

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

/** One field: integers as varint, text and bytes length-delimited. */
export function field(id: number, value: WireValue): Uint8Array {
  if (typeof value === 'number' || typeof value === 'bigint') {
    return Uint8Array.from([...varint(BigInt(id) << 3n), ...varint(BigInt(value))]);
  }
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return join([...varint((BigInt(id) << 3n) | 2n), ...varint(BigInt(bytes.length))], bytes);
}

/** The beginning of a field of so many bytes, which follow. */
export function header(id: number, length: number): Uint8Array {
  return Uint8Array.from([...varint((BigInt(id) << 3n) | 2n), ...varint(BigInt(length))]);
}

/** A 32-bit float field. */
export function floatField(id: number, value: number): Uint8Array {
  return join(varint((BigInt(id) << 3n) | 5n), new Uint8Array(Float32Array.of(value).buffer));
}

/** Fields one after the other: a message. */
export function message(...fields: Uint8Array[]): Uint8Array {
  return join(...fields);
}

/** Varints one after the other, as a packed field holds them. */
export function packed(...values: (number | bigint)[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => varint(BigInt(value))));
}

function join(...parts: (readonly number[] | Uint8Array)[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
