import { DataType } from '@onnx-pruning/onnx';
import { makeValue, type TensorValue } from '@onnx-pruning/runtime';
import { compareModels, compareOutputs } from '../src/index.ts';

const floats = (...numbers: number[]): TensorValue => makeValue(DataType.FLOAT, [numbers.length], numbers);
const compareY = (reference: TensorValue, candidate: TensorValue, tolerance?: number) =>
  compareOutputs({ y: reference }, { y: candidate }, { tolerance });

describe('compareOutputs', () => {
  it('measures the largest difference against the largest magnitude of the reference', () => {
    // Differences 0, 0.5 and 0.25; the largest magnitude is |-8|.
    const [output] = compareY(floats(1, 2, -8), floats(1, 2.5, -7.75)).outputs;
    expect(output).toMatchObject({ name: 'y', dims: [3], maxAbs: 0.5, maxRel: 0.0625, maxReference: 8, ok: false });
    expect(output!.reason).toBe('at [1] the reference has 2, the candidate 2.5');
  });

  it('says where in the tensor the largest difference is', () => {
    const reference = makeValue(DataType.FLOAT, [2, 3], [0, 1, 2, 3, 4, 5]);
    const candidate = makeValue(DataType.FLOAT, [2, 3], [0, 1, 2, 3, 4, 9]);
    expect(compareY(reference, candidate).outputs[0]!.reason).toContain('at [1, 2]');
  });

  it('accepts up to the tolerance and not beyond', () => {
    expect(compareY(floats(4), floats(4.5), 0.125).ok).toBe(true);
    expect(compareY(floats(4), floats(4.5), 0.124).ok).toBe(false);
  });

  it('has a tolerance for each floating-point type', () => {
    for (const [dataType, tolerance] of [
      [DataType.DOUBLE, 1e-8],
      [DataType.FLOAT, 1e-4],
      [DataType.FLOAT16, 2e-2],
    ] as const) {
      const value = makeValue(dataType, [1], [1]);
      expect(compareY(value, value)).toMatchObject({ ok: true, tolerance });
    }
  });

  it('decodes float16 before it measures', () => {
    // 1 and 1.5 are 0x3c00 and 0x3e00 in binary16; their bits lie 512 apart, their values 0.5.
    const half = (bits: number): TensorValue => ({ dataType: DataType.FLOAT16, dims: [1], data: Uint16Array.of(bits) });
    expect(compareY(half(0x3c00), half(0x3e00)).outputs[0]).toMatchObject({ maxAbs: 0.5, maxRel: 0.5, ok: false });
  });

  it('wants integers, booleans and strings to be equal, whatever the tolerance', () => {
    const ints = (n: number): TensorValue => makeValue(DataType.INT32, [1], [n]);
    expect(compareY(ints(1000), ints(1001), 0.5)).toMatchObject({ ok: false, tolerance: 0 });
    const bools = (n: number): TensorValue => makeValue(DataType.BOOL, [1], [n]);
    expect(compareY(bools(1), bools(0)).ok).toBe(false);
    const texts = (text: string): TensorValue => makeValue(DataType.STRING, [1], [text]);
    expect(compareY(texts('cat'), texts('cat')).ok).toBe(true);
    expect(compareY(texts('cat'), texts('dog')).ok).toBe(false);
  });

  it('sees a difference of one between 64-bit integers that are equal as doubles', () => {
    const wide = (n: bigint): TensorValue => ({ dataType: DataType.INT64, dims: [1], data: BigInt64Array.of(n) });
    expect(compareY(wide(2n ** 60n), wide(2n ** 60n + 1n)).outputs[0]).toMatchObject({ ok: false, maxAbs: 1 });
  });

  it('accepts NaN and infinity in the same places only', () => {
    expect(compareY(floats(1, NaN, Infinity), floats(1, NaN, Infinity)).ok).toBe(true);
    expect(compareY(floats(1, NaN), floats(1, 2)).ok).toBe(false);
    expect(compareY(floats(1, 2), floats(1, NaN)).ok).toBe(false);
    expect(compareY(floats(1, Infinity), floats(1, -Infinity)).ok).toBe(false);
    expect(compareY(floats(1, Infinity), floats(1, 3e38)).ok).toBe(false);
  });

  it('lets an infinity of the reference hide no other difference', () => {
    expect(compareY(floats(Infinity, 1), floats(Infinity, 2)).outputs[0]).toMatchObject({ maxRel: 1, ok: false });
  });

  it('measures against one where the reference is zero, and says so', () => {
    const [output] = compareY(floats(0, 0), floats(0, 0.5)).outputs;
    expect(output).toMatchObject({ maxAbs: 0.5, maxRel: 0.5, maxReference: 0, ok: false });
  });

  it('fails over another shape, another type, a missing and an additional output', () => {
    const flat = floats(1, 2, 3, 4);
    const square = makeValue(DataType.FLOAT, [2, 2], [1, 2, 3, 4]);
    expect(compareY(flat, square).outputs[0]).toMatchObject({
      ok: false,
      maxRel: Infinity,
      reason: 'expected dimensions [4], found [2, 2]',
    });
    const doubles = makeValue(DataType.DOUBLE, [4], [1, 2, 3, 4]);
    expect(compareY(flat, doubles).outputs[0]!.reason).toBe('expected FLOAT, found DOUBLE');
    expect(compareOutputs({ y: flat }, {}).outputs[0]!.reason).toBe('the candidate has no such output');
    expect(compareOutputs({}, { y: flat }).outputs[0]!.reason).toBe('the reference has no such output');
  });

  it('does not call an empty comparison a success', () => {
    expect(compareOutputs({}, {}).ok).toBe(false);
  });

  it('compares outputs without elements by their shape', () => {
    const empty = makeValue(DataType.FLOAT, [0, 3], []);
    expect(compareY(empty, empty)).toMatchObject({ ok: true });
  });
});

it('compareModels refuses paths of what is no regular file', async () => {
  const bytes = new Uint8Array();
  await expect(compareModels('/dev/zero', bytes)).rejects.toMatchObject({ code: 'MODEL_NOT_A_FILE' });
  await expect(compareModels('/', bytes)).rejects.toMatchObject({ code: 'MODEL_IS_FOLDER' });
});
