/** What is in files that numpy and onnx have written, and what is wrong with files that nobody should rely on. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError, readNpy, readNpz, readRaw, readTensorProto } from '@onnx-pruning/data';
import { DataType, encodeMessage, type TensorProto } from '@onnx-pruning/onnx';
import type { TensorValue } from '@onnx-pruning/runtime';

const written = (name: string): string => join(__dirname, 'data', name);
const bytesOf = (name: string): Buffer => readFileSync(written(name));

const folder = mkdtempSync(join(tmpdir(), 'onnx-pruning-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** The arrays of data/README.md. */
const TYPES: Readonly<Record<string, TensorValue>> = {
  bool: { dataType: DataType.BOOL, dims: [3], data: Uint8Array.of(1, 0, 1) },
  int8: { dataType: DataType.INT8, dims: [3], data: Int8Array.of(-128, 0, 127) },
  int16: { dataType: DataType.INT16, dims: [3], data: Int16Array.of(-32768, 0, 32767) },
  int32: { dataType: DataType.INT32, dims: [3], data: Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1) },
  int64: {
    dataType: DataType.INT64,
    dims: [3],
    data: BigInt64Array.of(-9223372036854775808n, 9007199254740993n, 9223372036854775807n),
  },
  uint8: { dataType: DataType.UINT8, dims: [3], data: Uint8Array.of(0, 1, 255) },
  uint16: { dataType: DataType.UINT16, dims: [3], data: Uint16Array.of(0, 1, 65535) },
  uint32: { dataType: DataType.UINT32, dims: [3], data: Uint32Array.of(0, 1, 2 ** 32 - 1) },
  uint64: {
    dataType: DataType.UINT64,
    dims: [3],
    data: BigUint64Array.of(0n, 9007199254740993n, 18446744073709551615n),
  },
  // binary16: 0.5 is 2^-1 (exponent 14), -2 is sign and exponent 16, 65504 the largest finite number.
  float16: { dataType: DataType.FLOAT16, dims: [3], data: Uint16Array.of(0x3800, 0xc000, 0x7bff) },
  float32: { dataType: DataType.FLOAT, dims: [3], data: Float32Array.of(0.1, -2.5, Number.POSITIVE_INFINITY) },
  float64: { dataType: DataType.DOUBLE, dims: [3], data: Float64Array.of(0.1, -2.5, 1e300) },
};

const counting = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => i);

/** What a promise was rejected with. */
async function errorOf(read: Promise<unknown>): Promise<DataError> {
  const error = await read.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

/** A .npy file of version 1.0 with this header and content. */
function npy(header: string, content: Uint8Array = new Uint8Array()): Buffer {
  const text = Buffer.from(header, 'latin1');
  const length = Buffer.alloc(2);
  length.writeUInt16LE(text.length);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, text, content]);
}

describe('readNpz', () => {
  it.each(['types.npz', 'types-deflated.npz', 'types-big-endian.npz'])('gives every element of %s', async (name) => {
    expect(await readNpz(written(name))).toEqual(TYPES);
  });

  it.each([1, 100, 1000, 2319])('refuses an archive that is cut after %i bytes', async (length) => {
    const { code, details } = await errorOf(readNpz(put('cut.npz', bytesOf('types-deflated.npz').subarray(0, length))));
    expect(code).toBe('DATA_TRUNCATED');
    expect(details.path).toBe(join(folder, 'cut.npz'));
  });

  it('refuses bytes behind the archive', async () => {
    const path = put('more.npz', Buffer.concat([bytesOf('types.npz'), Buffer.of(0)]));
    expect(await errorOf(readNpz(path))).toMatchObject({
      code: 'DATA_TRAILING',
      details: { actual: '1 bytes too many' },
    });
  });

  it('refuses content that does not have its checksum', async () => {
    const bytes = bytesOf('types.npz');
    // 2^53 + 1 of int64, stored as it is.
    const at = bytes.indexOf(Buffer.of(1, 0, 0, 0, 0, 0, 0x20, 0));
    bytes[at] = 3;
    const error = await errorOf(readNpz(put('flipped.npz', bytes)));
    expect(error).toMatchObject({
      code: 'DATA_FORMAT',
      details: { value: 'int64', actual: expect.stringMatching(/crc/i) },
    });
  });

  it('refuses what is no archive, and names an entry that is no array', async () => {
    expect((await errorOf(readNpz(put('text.npz', 'no archive')))).code).toBe('DATA_FORMAT');
    const bytes = bytesOf('types.npz');
    for (let at = bytes.indexOf('bool.npy'); at >= 0; at = bytes.indexOf('bool.npy')) bytes.write('bool.txt', at);
    expect((await errorOf(readNpz(put('other.npz', bytes)))).message).toContain("'bool.txt'");
  });
});

describe('readNpy', () => {
  it('gives elements in row-major order, whatever order they are stored in', async () => {
    const value = { dataType: DataType.FLOAT, dims: [2, 3, 4], data: counting(24) };
    expect(await readNpy(written('c-order.npy'))).toEqual(value);
    expect(await readNpy(written('fortran-order.npy'))).toEqual(value);
    expect(await readNpy(written('fortran-order-int64-big-endian.npy'))).toEqual({
      dataType: DataType.INT64,
      dims: [2, 3],
      data: BigInt64Array.of(0n, 1n, 2n, 3n, 4n, 5n),
    });
  });

  it('reads scalars and arrays without elements', async () => {
    expect(await readNpy(written('scalar.npy'))).toEqual({
      dataType: DataType.FLOAT,
      dims: [],
      data: Float32Array.of(7),
    });
    const empty = { dataType: DataType.FLOAT, dims: [0, 3], data: new Float32Array() };
    expect(await readNpy(written('empty.npy'))).toEqual(empty);
  });

  it.each([2, 3])('reads version %i of the format', async (major) => {
    const value = { dataType: DataType.INT32, dims: [2, 2], data: Int32Array.of(1, 2, 3, 4) };
    expect(await readNpy(written(`version-${major}.npy`))).toEqual(value);
  });

  it('reads headers that other programs write', async () => {
    const header = '{"shape":(2L,),"fortran_order":False,"descr":"|u1"}';
    expect(await readNpy(put('other.npy', npy(header, Uint8Array.of(5, 6))))).toEqual({
      dataType: DataType.UINT8,
      dims: [2],
      data: Uint8Array.of(5, 6),
    });
  });

  it.each([
    ['strings', /array of strings .*dtype <U2/],
    ['byte-strings', /array of byte strings .*dtype \|S2/],
    ['objects', /array of Python objects .*dtype \|O/],
    ['records', /array of records /],
    ['complex', /array of complex numbers .*dtype <c8/],
    ['dates', /array of dates .*dtype <M8/],
    ['bfloat16', /array of records or raw bytes .*dtype <V2/],
  ])('refuses %s by name', async (name, message) => {
    const error = await errorOf(readNpy(written(`${name}.npy`)));
    expect(error.code).toBe('DATA_TYPE');
    expect(error.message).toMatch(message);
  });

  it('refuses a file that ends too early, wherever that is', async () => {
    const bytes = bytesOf('c-order.npy');
    for (let length = 0; length < bytes.length; length += 7) {
      expect((await errorOf(readNpy(put('cut.npy', bytes.subarray(0, length))))).code).toBe('DATA_TRUNCATED');
    }
    expect(await errorOf(readNpy(put('cut.npy', bytes.subarray(0, -1))))).toMatchObject({
      details: { path: join(folder, 'cut.npy'), expected: '96 bytes for FLOAT [2, 3, 4]', actual: '95 bytes' },
    });
  });

  it('refuses bytes behind the array', async () => {
    const error = await errorOf(readNpy(put('more.npy', Buffer.concat([bytesOf('c-order.npy'), Buffer.of(0)]))));
    expect(error).toMatchObject({ code: 'DATA_TRAILING', details: { actual: '97 bytes' } });
  });

  it.each([
    ['a version that does not exist', Buffer.from('\x93NUMPY\x04\x00\x00\x00\x00\x00', 'latin1')],
    ['text', Buffer.from('1.0, 2.0, 3.0')],
    ['no dictionary', npy("('<f4', False, ())", new Uint8Array(4))],
    ['a key too many', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': ''}", new Uint8Array(4))],
    ['a key that is missing', npy("{'descr': '<f4', 'shape': ()}", new Uint8Array(4))],
    ['a key given twice', npy("{'descr': '<f4', 'descr': '<f4', 'shape': ()}", new Uint8Array(4))],
    ['a size below zero', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", new Uint8Array(4))],
    ['a number for a shape', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1)}", new Uint8Array(4))],
    ['more elements than can be', npy(`{'descr': '<f4', 'fortran_order': False, 'shape': (${2 ** 40}, ${2 ** 40})}`)],
    ['the byte order of an unknown machine', npy("{'descr': '=f4', 'fortran_order': False, 'shape': ()}")],
    ['a header without an end', npy(`{${'('.repeat(20_000)}`)],
    ['entries without a comma', npy("{'descr': '<f4' 'fortran_order': False, 'shape': ()}", new Uint8Array(4))],
    ['a truth value of 2', npy("{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", Uint8Array.of(2))],
  ])('refuses %s', async (_, bytes) => {
    const path = put('damaged.npy', bytes);
    expect(await errorOf(readNpy(path))).toMatchObject({ code: 'DATA_FORMAT', details: { path } });
  });
});

describe('readTensorProto', () => {
  it.each(['raw-float32', 'raw-int64', 'raw-bool'])('reads %s', async (name) => {
    const type = name.split('-')[1]!;
    expect(await readTensorProto(written(`${name}.pb`))).toEqual({ name: type, value: TYPES[type] });
  });

  it.each(['float32', 'float16', 'int64', 'uint64', 'int8'])('reads %s from its typed field', async (type) => {
    expect(await readTensorProto(written(`typed-${type}.pb`))).toEqual({ name: type, value: TYPES[type] });
  });

  it('reads strings', async () => {
    const value = { dataType: DataType.STRING, dims: [3], data: ['a', 'ü', ''] };
    expect(await readTensorProto(written('typed-string.pb'))).toEqual({ name: 'string', value });
  });

  const tensor: TensorProto = { dims: [2], dataType: DataType.FLOAT, rawData: new Uint8Array(8) };
  const CASES: readonly (readonly [string, string, Uint8Array])[] = [
    ['an empty file', 'DATA_FORMAT', new Uint8Array()],
    ['half of a message', 'DATA_FORMAT', bytesOf('raw-int64.pb').subarray(0, 20)],
    ['too little content', 'DATA_TRUNCATED', encodeMessage('TensorProto', { ...tensor, rawData: new Uint8Array(7) })],
    ['too much content', 'DATA_TRAILING', encodeMessage('TensorProto', { ...tensor, rawData: new Uint8Array(9) })],
    ['zeros behind the message', 'DATA_FORMAT', Buffer.concat([bytesOf('raw-int64.pb'), Buffer.alloc(4)])],
    ['a field of another message', 'DATA_FORMAT', Buffer.concat([bytesOf('raw-int64.pb'), Buffer.of(0xfa, 1, 1, 0)])],
    ['text', 'DATA_FORMAT', Buffer.from('a tensor')],
    ['a size below zero', 'DATA_FORMAT', encodeMessage('TensorProto', { ...tensor, dims: [-2] })],
    ['content in another file', 'DATA_FORMAT', encodeMessage('TensorProto', { ...tensor, dataLocation: 1 })],
    ['a type that cannot be fed', 'DATA_TYPE', bytesOf('bfloat16.pb')],
    ['a type that does not exist', 'DATA_TYPE', encodeMessage('TensorProto', { ...tensor, dataType: 99 })],
    [
      'text that is not UTF-8',
      'DATA_FORMAT',
      encodeMessage('TensorProto', { dims: [1], dataType: DataType.STRING, stringData: [Uint8Array.of(0xff)] }),
    ],
  ];

  it.each(CASES)('refuses %s', async (_, code, bytes) => {
    const path = put('case.pb', bytes);
    expect(await errorOf(readTensorProto(path))).toMatchObject({ code, details: { path } });
  });
});

describe('readRaw', () => {
  const path = put('x.bin', new Uint8Array(Float32Array.of(1, -2, 3, 4).buffer));

  it('gives the elements the type and shape that the caller knows', async () => {
    const value = { dataType: DataType.FLOAT, dims: [2, 2], data: Float32Array.of(1, -2, 3, 4) };
    expect(await readRaw(path, DataType.FLOAT, [2, 2])).toEqual(value);
    const words = await readRaw(path, DataType.UINT64, [2]);
    // 1 is 0x3f800000, -2 is 0xc0000000, 3 is 0x40400000, 4 is 0x40800000.
    expect(words.data).toEqual(BigUint64Array.of(0xc0000000_3f800000n, 0x40800000_40400000n));
  });

  it('refuses a file of another length, and types without a width', async () => {
    expect((await errorOf(readRaw(path, DataType.FLOAT, [2, 3]))).code).toBe('DATA_TRUNCATED');
    expect((await errorOf(readRaw(path, DataType.FLOAT, [3]))).code).toBe('DATA_TRAILING');
    expect((await errorOf(readRaw(path, DataType.STRING, [4]))).code).toBe('DATA_TYPE');
    expect((await errorOf(readRaw(path, DataType.BFLOAT16, [8]))).code).toBe('DATA_TYPE');
  });
});

describe('all readers', () => {
  it('refuse what is not there, and what is no regular file, without waiting for it', async () => {
    expect(await errorOf(readNpy(join(folder, 'none.npy')))).toMatchObject({
      code: 'DATA_NOT_FOUND',
      details: { path: join(folder, 'none.npy') },
    });
    const pipe = join(folder, 'pipe.npy');
    execFileSync('mkfifo', [pipe]);
    symlinkSync('/dev/zero', join(folder, 'zero.npy'));
    for (const path of [folder, pipe, join(folder, 'zero.npy')]) {
      expect((await errorOf(readNpy(path))).code).toBe('DATA_NOT_A_FILE');
    }
  });
});
