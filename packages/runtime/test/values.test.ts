/** Values from bytes: exact, wherever in a larger array the bytes lie. */
import { DataType } from '@onnx-pruning/onnx';
import { valueOfBytes } from '../src/index.ts';

describe('valueOfBytes', () => {
  // 2^53 + 1, which no double holds: byte 0 is 1, byte 6 is 0x20.
  const bytes = Uint8Array.of(9, 1, 0, 0, 0, 0, 0, 0x20, 0);

  it('takes bytes that do not begin where elements may', () => {
    const value = valueOfBytes(DataType.INT64, [1], bytes.subarray(1));
    expect(value).toEqual({ dataType: DataType.INT64, dims: [1], data: BigInt64Array.of(9007199254740993n) });
  });

  it('keeps bytes that do, without copying them', () => {
    const whole = new Uint8Array(16);
    const { data } = valueOfBytes(DataType.FLOAT, [2], whole.subarray(8));
    // 1 is 0x3f800000.
    whole.set([0, 0, 0x80, 0x3f], 12);
    expect(data).toEqual(Float32Array.of(0, 1));
  });

  it('refuses more or fewer bytes than the dimensions ask for, and types that no session carries', () => {
    expect(() => valueOfBytes(DataType.INT64, [1], bytes)).toThrow('expected 8 for dimensions [1], found 9');
    expect(() => valueOfBytes(DataType.INT64, [2], bytes.subarray(1))).toThrow('expected 16');
    expect(() => valueOfBytes(DataType.BFLOAT16, [4], bytes.subarray(1))).toThrow('BFLOAT16');
    expect(() => valueOfBytes(DataType.STRING, [0], new Uint8Array())).toThrow('wrong number of bytes');
  });
});
