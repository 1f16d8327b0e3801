/**
 * What hands out tensor content: bytes and numbers that cannot be written to. They are typed arrays underneath, so
 * reading them costs nothing more; the types leave out everything that changes them.
 */

/** Bytes to be read. Every Uint8Array is one; `slice` gives a copy that may be changed. */
export interface Bytes {
  readonly length: number;
  readonly byteLength: number;
  readonly [index: number]: number;
  subarray(from?: number, to?: number): Bytes;
  slice(from?: number, to?: number): Uint8Array;
  findIndex(test: (byte: number, index: number) => boolean): number;
  [Symbol.iterator](): ArrayIterator<number>;
}

/** Numbers to be read. Every Float32Array and Float64Array is one; `slice` gives a copy that may be changed. */
export interface Numbers {
  readonly length: number;
  readonly byteLength: number;
  readonly [index: number]: number;
  at(index: number): number | undefined;
  subarray(from?: number, to?: number): Numbers;
  slice(from?: number, to?: number): Float32Array | Float64Array;
  findIndex(test: (element: number, index: number) => boolean): number;
  every(test: (element: number, index: number) => boolean): boolean;
  some(test: (element: number, index: number) => boolean): boolean;
  forEach(visit: (element: number, index: number) => void): void;
  [Symbol.iterator](): ArrayIterator<number>;
}

/** internal: the array itself, for calls that only read but are typed for arrays that may be changed. */
export function asArray(bytes: Bytes): Uint8Array {
  return bytes as Uint8Array;
}
