import {
  bitsPerElement,
  DataType,
  dataTypeName,
  type ElementView,
  fromBigInt,
  makeTensor,
  readInts,
  readNumbers,
  TensorError,
  type TensorProto,
  tensorBytes,
  tensorDims,
  tensorSize,
  tensorView,
  toNumber,
  withContent,
} from '../src/index.ts';

describe('content', () => {
  it('of a float tensor is a view of its raw data when that is aligned', () => {
    const rawData = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
    const view = tensorView({ dims: [3], dataType: DataType.FLOAT, rawData }) as Float32Array;
    expect([...view]).toEqual([1, 2, 3]);
    expect(view.buffer).toBe(rawData.buffer);
  });

  it('is copied when it is not aligned', () => {
    const bytes = new Uint8Array(9);
    bytes.set(new Uint8Array(Float32Array.of(5, 6).buffer), 1);
    const view = tensorView({ dims: [2], dataType: DataType.FLOAT, rawData: bytes.subarray(1) }) as Float32Array;
    expect([...view]).toEqual([5, 6]);
  });

  /** ONNX IR, comments of TensorProto: which typed field holds which data type. */
  const typed: readonly (readonly [string, Partial<TensorProto>, readonly number[]])[] = [
    ['FLOAT', { floatData: [1.5, -2] }, [1.5, -2]],
    ['DOUBLE', { doubleData: [0.1, 2] }, [0.1, 2]],
    ['INT32', { int32Data: [-1, 7] }, [-1, 7]],
    ['INT8', { int32Data: [-1, 7] }, [-1, 7]],
    ['UINT8', { int32Data: [255, 7] }, [255, 7]],
    ['INT16', { int32Data: [-300, 7] }, [-300, 7]],
    ['UINT16', { int32Data: [65535, 7] }, [65535, 7]],
    ['BOOL', { int32Data: [1, 0] }, [1, 0]],
    ['INT64', { int64Data: [-5, fromBigInt(2n ** 40n)] }, [-5, 2 ** 40]],
    ['UINT32', { uint64Data: [4294967295, 1] }, [4294967295, 1]],
    ['UINT64', { uint64Data: [9, 1] }, [9, 1]],
    ['FLOAT16', { int32Data: [0x3c00, 0xc000] }, [1, -2]],
    ['BFLOAT16', { int32Data: [0x3f80, 0xc000] }, [1, -2]],
    ['FLOAT8E4M3FN', { int32Data: [0x38, 0xc0] }, [1, -2]],
    ['INT4', { int32Data: [0xf1] }, [1, -1]],
    ['UINT4', { int32Data: [0xf1] }, [1, 15]],
    ['FLOAT4E2M1', { int32Data: [0xc2] }, [1, -2]],
  ];

  it.each(typed)('of %s may be in its typed field', (name, content, expected) => {
    const dataType = DataType[name as keyof typeof DataType];
    expect(Array.from(readNumbers({ dims: [2], dataType, ...content }))).toEqual(expected);
  });

  it('of complex tensors comes as pairs', () => {
    const view = tensorView(makeTensor('c', DataType.COMPLEX64, [2], [1, 2, 3, 4])) as Float32Array;
    expect([...view]).toEqual([1, 2, 3, 4]);
    expect(() => readNumbers(makeTensor('c', DataType.COMPLEX64, [1], [1, 2]))).toThrow(TensorError);
  });

  it('of packed types is read element by element, the first in the low bits', () => {
    const view = tensorView({ dims: [3], dataType: DataType.INT4, rawData: Uint8Array.of(0x8f, 0x07) }) as ElementView;
    expect(view.length).toBe(3);
    expect([0, 1, 2].map((i) => view.get(i))).toEqual([-1, -8, 7]);
    expect([...tensorBytes(makeTensor('t', DataType.INT4, [3], [-1, -8, 7]))]).toEqual([0x8f, 0x07]);
    expect([...tensorBytes(makeTensor('t', DataType.UINT2, [5], [0, 1, 2, 3, 1]))]).toEqual([0b11100100, 0b01]);
  });

  it('of an empty tensor is empty', () => {
    expect(tensorBytes({ dims: [0, 3], dataType: DataType.FLOAT })).toHaveLength(0);
    expect(readInts({ dims: [0], dataType: DataType.INT64 })).toEqual([]);
  });

  it('that is longer or shorter than the dims say is an error that names the tensor', () => {
    const tensor = { name: 'w', dims: [2], dataType: DataType.FLOAT, rawData: new Uint8Array(4) };
    expect(() => tensorView(tensor)).toThrow(/value 'w'.*expected 8 bytes for 2 elements of FLOAT, found 4 bytes/);
  });

  it('of strings has no numbers', () => {
    const tensor = { name: 's', dims: [1], dataType: DataType.STRING, stringData: [Uint8Array.of(65)] };
    expect(() => readNumbers(tensor)).toThrow(/expected a numeric data type, found STRING/);
  });

  it('in another file that was not loaded is an error', () => {
    const tensor = { name: 'w', dims: [1], dataType: DataType.FLOAT, dataLocation: 1 };
    expect(() => tensorBytes(tensor)).toThrow(/lies in another file/);
  });
});

describe('shape', () => {
  it('of a scalar is empty and its size is 1', () => {
    const scalar = makeTensor('s', DataType.INT64, [], [7]);
    expect([tensorDims(scalar), tensorSize(scalar), readInts(scalar)]).toEqual([[], 1, [7]]);
  });

  it('is read from 64-bit dims', () => {
    const tensor = { dims: [fromBigInt(3n), 5], dataType: DataType.FLOAT };
    expect([tensorDims(tensor), tensorSize(tensor)]).toEqual([[3, 5], 15]);
  });
});

describe('readInts', () => {
  it('reads integers of every width', () => {
    const types = [DataType.INT64, DataType.INT32, DataType.UINT8, DataType.INT4];
    for (const dataType of types) expect(readInts(makeTensor('t', dataType, [3], [1, 2, 3]))).toEqual([1, 2, 3]);
  });

  it('refuses floats', () => {
    expect(() => readInts(makeTensor('t', DataType.FLOAT, [1], [1]))).toThrow(
      /expected an integer data type, found FLOAT/,
    );
    expect(() => readInts(makeTensor('t', DataType.FLOAT16, [1], [1]))).toThrow(TensorError);
  });
});

describe('withContent', () => {
  it('makes a tensor with other content, with the same name, type and documentation', () => {
    const tensor: TensorProto = {
      name: 'w',
      dims: [2],
      dataType: DataType.FLOAT,
      docString: 'doc',
      floatData: [1, 2],
      externalData: [{ key: 'location', value: 'x' }],
    };
    const before = structuredClone(tensor);
    expect(withContent(tensor, [1], new Uint8Array(Float32Array.of(9).buffer))).toEqual({
      name: 'w',
      dims: [1],
      dataType: 1,
      docString: 'doc',
      rawData: Uint8Array.of(0, 0, 16, 65),
    });
    expect(tensor).toEqual(before);
  });

  it('refuses content that does not fit', () => {
    const tensor = makeTensor('w', DataType.INT4, [2], [1, 2]);
    expect(() => withContent(tensor, [3], new Uint8Array(1))).toThrow(/expected 2 bytes of INT4, found 1 bytes/);
  });
});

describe('makeTensor', () => {
  it('refuses too many or too few elements', () => {
    expect(() => makeTensor('w', DataType.FLOAT, [2, 2], [1, 2, 3])).toThrow(/expected 4 elements, found 3/);
    expect(() => makeTensor('w', DataType.INT4, [3], [1, 2, 3, 4])).toThrow(/expected 3 elements, found 4/);
    expect(() => makeTensor('w', DataType.FLOAT, [2], new Uint8Array(2), { raw: true })).toThrow(
      /expected 8 bytes, found 2/,
    );
  });

  it('takes 64-bit integers exactly', () => {
    const exact = BigInt64Array.of(2n ** 62n + 1n);
    expect(tensorView(makeTensor('i', DataType.INT64, [1], exact))).toEqual(exact);
  });

  it('keeps raw bytes without copying', () => {
    const bytes = new Uint8Array(4);
    expect(makeTensor('w', DataType.FLOAT, [1], bytes, { raw: true }).rawData).toBe(bytes);
  });
});

describe('data types', () => {
  it('have names and widths', () => {
    expect([1, 10, 22, 26, 99].map(dataTypeName)).toEqual(['FLOAT', 'FLOAT16', 'INT4', 'INT2', 'DataType(99)']);
    expect([1, 10, 22, 26, 8, 99].map(bitsPerElement)).toEqual([32, 16, 4, 2, 0, 0]);
  });
});

describe('toNumber', () => {
  it('reads signed and unsigned 64-bit values', () => {
    expect(toNumber(fromBigInt(-(2n ** 60n)))).toBe(-(2 ** 60));
    expect(toNumber(fromBigInt(2n ** 63n, true))).toBe(2 ** 63);
    expect([toNumber(5), toNumber(undefined), toNumber(7n)]).toEqual([5, 0, 7]);
  });
});
