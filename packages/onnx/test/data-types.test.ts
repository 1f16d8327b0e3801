import * as ort from 'onnxruntime-node';
import {
  bitsPerElement,
  createRandom,
  DataType,
  dataTypeName,
  encodeModel,
  GraphBuilder,
  type Model,
  makeTensor,
  readNumbers,
  tensorBytes,
  tensorView,
} from '../src/index.ts';

/** Runs a model in onnxruntime without optimisations; returns its first output. */
async function run(model: Model, inputs: Record<string, ort.Tensor> = {}): Promise<ArrayLike<number>> {
  const session = await ort.InferenceSession.create(encodeModel(model), { graphOptimizationLevel: 'disabled' });
  const outputs = await session.run(inputs);
  return outputs[session.outputNames[0]!]!.data as Float32Array;
}

/** Types that JS has no typed array for, with the opset since which onnxruntime casts them. */
const NARROW: readonly (readonly [name: string, dataType: number, opset: number])[] = [
  ['FLOAT16', DataType.FLOAT16, 13],
  ['BFLOAT16', DataType.BFLOAT16, 13],
  ['FLOAT8E4M3FN', DataType.FLOAT8E4M3FN, 19],
  ['FLOAT8E4M3FNUZ', DataType.FLOAT8E4M3FNUZ, 19],
  ['FLOAT8E5M2', DataType.FLOAT8E5M2, 19],
  ['FLOAT8E5M2FNUZ', DataType.FLOAT8E5M2FNUZ, 19],
  ['FLOAT8E8M0', DataType.FLOAT8E8M0, 24],
  ['UINT4', DataType.UINT4, 21],
  ['INT4', DataType.INT4, 21],
  ['UINT2', DataType.UINT2, 25],
  ['INT2', DataType.INT2, 25],
];

/** Content in which every bit pattern of the type occurs once, in ascending order. */
function allPatterns(bits: number): Uint8Array {
  if (bits === 16) return new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer);
  if (bits === 8) return Uint8Array.from({ length: 256 }, (_, i) => i);
  return bits === 4 ? Uint8Array.from({ length: 8 }, (_, i) => 2 * i + (2 * i + 1) * 16) : Uint8Array.of(0b11100100);
}

const SPECIAL = [
  0,
  -0,
  Infinity,
  -Infinity,
  NaN,
  1,
  -1,
  0.5,
  447,
  448,
  449,
  464,
  465,
  480,
  57344,
  61440,
  65504,
  65519,
  65520,
  1e9,
  -1e9,
];

/** Numbers of all magnitudes, and those around the limits of the formats. */
function manyFloats(): Float32Array {
  const random = createRandom(1);
  return Float32Array.from({ length: 4000 }, (_, i) => SPECIAL[i] ?? random.normal() * 2 ** (random.int(44) - 24));
}

describe.each(NARROW)('%s, compared with onnxruntime', (_, dataType, opset) => {
  const bits = bitsPerElement(dataType);

  it('reads every bit pattern as the same number', async () => {
    const b = new GraphBuilder({ opset });
    const tensor = makeTensor('w', dataType, [2 ** bits], allPatterns(bits), { raw: true });
    b.output(b.node('Cast', [b.tensor(tensor)], { to: DataType.FLOAT }));
    expect(Array.from(readNumbers(tensor))).toEqual(Array.from(await run(b.build())));
  });

  it('rounds numbers to the same number', async () => {
    const isInteger = dataTypeName(dataType).includes('INT');
    const numbers = isInteger
      ? Float32Array.from(readNumbers(makeTensor('', dataType, [2 ** bits], allPatterns(bits), { raw: true })))
      : manyFloats();
    const b = new GraphBuilder({ opset });
    const cast = b.node('Cast', [b.input('x', ['n'])], { to: dataType });
    b.output(b.node('Cast', [cast], { to: DataType.FLOAT }));
    const expected = await run(b.build(), { x: new ort.Tensor('float32', numbers, [numbers.length]) });
    expect(Array.from(readNumbers(makeTensor('t', dataType, [numbers.length], numbers)))).toEqual(Array.from(expected));
  });

  it('makes the same bytes of the finite numbers it read', () => {
    const bytes = allPatterns(bits);
    const numbers = readNumbers(makeTensor('t', dataType, [2 ** bits], bytes, { raw: true }));
    const again = tensorBytes(makeTensor('t', dataType, [2 ** bits], numbers));
    const finite = (i: number): boolean => Number.isFinite(numbers[Math.floor((i * 8) / bits)]);
    expect([...again].filter((_byte, i) => finite(i))).toEqual([...bytes].filter((_byte, i) => finite(i)));
  });
});

describe('FLOAT4E2M1', () => {
  it('is the table of the ONNX float4 page', () => {
    const tensor = makeTensor('w', DataType.FLOAT4E2M1, [16], allPatterns(4), { raw: true });
    const positive = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
    expect(Array.from(readNumbers(tensor))).toEqual([...positive, ...positive.map((x) => -x)]);
  });

  it('rounds ties to even and saturates', () => {
    const numbers = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 7, -100];
    const rounded = readNumbers(makeTensor('w', DataType.FLOAT4E2M1, [9], numbers));
    expect(Array.from(rounded)).toEqual([0, 1, 1, 2, 2, 4, 4, 6, -6]);
  });
});

describe('types with a typed array', () => {
  const cases: readonly (readonly [number, { new (...args: never[]): ArrayLike<unknown> }, ArrayLike<number>])[] = [
    [DataType.FLOAT, Float32Array, [1.5, -2]],
    [DataType.DOUBLE, Float64Array, [0.1, -2]],
    [DataType.INT8, Int8Array, [-128, 127]],
    [DataType.UINT8, Uint8Array, [0, 255]],
    [DataType.BOOL, Uint8Array, [0, 1]],
    [DataType.INT16, Int16Array, [-32768, 32767]],
    [DataType.UINT16, Uint16Array, [0, 65535]],
    [DataType.INT32, Int32Array, [-(2 ** 31), 2 ** 31 - 1]],
    [DataType.UINT32, Uint32Array, [0, 2 ** 32 - 1]],
    [DataType.INT64, BigInt64Array, [-(2 ** 53), 2 ** 53]],
    [DataType.UINT64, BigUint64Array, [0, 2 ** 53]],
  ];

  it.each(cases)('data type %d', (dataType, Typed, numbers) => {
    const tensor = makeTensor('t', dataType, [2], numbers);
    expect(tensorView(tensor)).toBeInstanceOf(Typed);
    expect(Array.from(readNumbers(tensor))).toEqual(Array.from(numbers));
  });
});
