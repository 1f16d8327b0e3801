/** Operators on one tensor, element by element, and PRelu. */
import { DataType } from '@onnx-pruning/onnx';
import type { Dim } from '../src/record.ts';
import { activationOperators } from '../src/records/activation.ts';
import { preluOperators } from '../src/records/prelu.ts';
import { equationsOf, inferAll, inferDims, layerOf, recordOf, type StubNode, values, weight } from './stub-node.ts';

const of = (opType: string, opset = 26) => recordOf([...activationOperators, ...preluOperators], opType, opset);

function fold(opType: string, elements: readonly (Dim | undefined)[], more: Partial<StubNode> = {}) {
  const inputs = { X: values(...elements), ...more.inputs };
  return inferAll(of(opType), { opset: 17, ...more, inputs })[0]?.value;
}

describe('elementwise operators', () => {
  it('keep the shape and carry every axis over', () => {
    for (const record of activationOperators) {
      const spec = { opset: record.opsets[1], inputs: { X: ['n', 4, 'h'] } };
      expect(inferDims(record, spec)).toEqual(['n', 4, 'h']);
      expect(equationsOf(record, spec)).toEqual(['X[0] = Y[0]', 'X[1] = Y[1]', 'X[2] = Y[2]']);
    }
  });

  it('exist since the opset that introduced them', () => {
    expect(() => of('Gelu', 19)).toThrow();
    expect(of('Gelu', 20).opsets[0]).toBe(20);
    expect(() => of('HardSwish', 13)).toThrow();
    expect(() => of('Mish', 17)).toThrow();
  });

  it('tests answer with booleans', () => {
    expect(inferAll(of('IsNaN'), { inputs: { X: [2] } })).toEqual([{ elemType: DataType.BOOL, dims: [2] }]);
    expect(inferAll(of('Not'), { inputs: { X: { dims: [2], elemType: DataType.BOOL } } })[0].elemType).toBe(
      DataType.BOOL,
    );
  });
});

describe('folding of known elements', () => {
  it('of numbers', () => {
    expect(fold('Floor', [2.7, -2.1])).toEqual([2, -3]);
    expect(fold('Ceil', [2.1, -2.7])).toEqual([3, -2]);
    expect(fold('Round', [0.5, 1.5, 2.5, -0.5, -1.5, 2.4])).toEqual([0, 2, 2, 0, -2, 2]);
    expect(fold('Neg', [3, -4])).toEqual([-3, 4]);
    expect(fold('Sqrt', [64])).toEqual([8]);
  });

  it('of symbols, which are whole and positive', () => {
    expect(fold('Floor', ['h', undefined, '2*h'])).toEqual(['h', undefined, '2*h']);
    expect(fold('Neg', ['h'])).toEqual([undefined]);
    expect(fold('Abs', ['h', '-1*h'])).toEqual(['h', undefined]);
    expect(fold('Sqrt', ['h'])).toEqual([undefined]);
    expect(fold('Relu', ['h', -3])).toEqual(['h', 0]);
  });

  it('Identity hands on everything that is known', () => {
    expect(fold('Identity', ['h', 3])).toEqual(['h', 3]);
  });
});

describe('Clip', () => {
  it('folds between bounds that are inputs since opset 11', () => {
    expect(fold('Clip', [-2, 3, 9], { inputs: { low: values(0), high: values(6) } })).toEqual([0, 3, 6]);
    expect(fold('Clip', [-2, 'h', 9], { inputs: { low: values(1) } })).toEqual([1, 'h', 9]);
    expect(fold('Clip', ['h'], { inputs: { low: values(0), high: values(6) } })).toEqual([undefined]);
  });

  it('refuses bounds of several elements', () => {
    expect(() => inferAll(of('Clip'), { inputs: { X: [3], low: weight(3) } })).toThrow(/bound of one element/);
  });
});

describe('Dropout', () => {
  it('has a mask of the data type before opset 10, and a boolean one since', () => {
    const types = (opset: number) =>
      inferAll(of('Dropout', opset), { opset, inputs: { X: [2] }, outputs: 2 }).map((o) => o.elemType);
    expect(types(7)).toEqual([DataType.FLOAT, DataType.FLOAT]);
    expect(types(10)).toEqual([DataType.FLOAT, DataType.BOOL]);
  });

  it('carries every axis over to both outputs', () => {
    expect(equationsOf(of('Dropout'), { inputs: { X: [2, 3] }, outputs: 2 })).toEqual([
      'X[0] = Y[0]',
      'X[1] = Y[1]',
      'X[0] = Y1[0]',
      'X[1] = Y1[1]',
    ]);
  });
});

describe('PRelu', () => {
  const prelu = of('PRelu');
  const node = (...slope: number[]): StubNode => ({ inputs: { X: ['n', 8, 6, 6], slope: weight(...slope) } });

  it('a slope per channel shares the channel axis', () => {
    expect(equationsOf(prelu, node(8, 1, 1), /slope/)).toEqual(['slope[0] = Y[1]']);
    expect(layerOf(prelu, node(8, 1, 1))?.parameters).toEqual([{ input: 1, role: 'weight', out: 0 }]);
    expect(layerOf(prelu, node(1, 8, 1, 1))?.parameters).toEqual([{ input: 1, role: 'weight', out: 1 }]);
  });

  it('one slope for all channels has no channel axis', () => {
    expect(equationsOf(prelu, node(1), /slope/)).toEqual([]);
    expect(layerOf(prelu, node(1))?.parameters).toEqual([{ input: 1, role: 'weight', out: undefined }]);
  });

  it('refuses a slope that would stretch the input', () => {
    expect(() => inferDims(prelu, { inputs: { X: [2, 1], slope: weight(3) } })).toThrow(/slope of size 1, found 3/);
    expect(() => inferDims(prelu, { inputs: { X: [3], slope: weight(1, 3) } })).toThrow(/slope of rank 1 at most/);
  });
});
