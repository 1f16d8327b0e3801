/** Shape arithmetic by hand: what the chains that exporters write fold to. */
import { DataType, makeTensor } from '@onnx-pruning/onnx';
import type { Dim } from '../src/record.ts';
import { standardOperators } from '../src/standard.ts';
import { inferAll, inferDims, recordOf, type StubInput, type StubNode, values } from './stub-node.ts';

const INT64 = DataType.INT64;

/** A 1-D integer tensor that is computed, with what is known of its elements. */
function ints(...elements: (Dim | undefined)[]): StubInput {
  return { dims: [elements.length], value: elements, elemType: INT64 };
}

function scalar(element: Dim | undefined, elemType: number = INT64): StubInput {
  return { dims: [], value: [element], elemType };
}

function fold(opType: string, inputs: StubNode['inputs'], attributes: StubNode['attributes'] = {}, opset = 18) {
  return inferAll(recordOf(standardOperators, opType, opset), { inputs, attributes, opset })[0]?.value;
}

describe('sizes that are read', () => {
  it('Shape lists the dimensions, Size multiplies them', () => {
    expect(fold('Shape', { X: ['batch', 8, 'h', 4] })).toEqual(['batch', 8, 'h', 4]);
    expect(fold('Shape', { X: ['batch', 8, 'h', 4] }, { start: 1, end: -1 })).toEqual([8, 'h']);
    expect(fold('Shape', { X: ['batch', 8, 'h', 4] }, { start: -9, end: 9 })).toEqual(['batch', 8, 'h', 4]);
    expect(fold('Size', { X: ['batch', 8, 4] })).toEqual(['32*batch']);
  });

  it('a shape is listed, cut and joined', () => {
    expect(fold('Gather', { X: ints('batch', 8), at: scalar(-1) })).toEqual([8]);
    expect(fold('Slice', { X: ints('batch', 8, 'h'), from: values(1), to: values(2 ** 40) })).toEqual([8, 'h']);
    expect(fold('Concat', { A: ints('batch'), B: ints(undefined, 3) }, { axis: 0 })).toEqual(['batch', undefined, 3]);
    expect(fold('Unsqueeze', { X: scalar('batch'), axes: values(0) })).toEqual(['batch']);
    expect(fold('Squeeze', { X: ints('batch') })).toEqual(['batch']);
    expect(fold('Cast', { X: ints('batch', 8) }, { to: DataType.FLOAT })).toEqual(['batch', 8]);
    const parts = { outputs: 2, opset: 11, inputs: { X: ints('batch', 8, 4) }, attributes: { axis: 0, split: [1, 2] } };
    const split = inferAll(recordOf(standardOperators, 'Split', 11), parts);
    expect(split.map((info) => info.value)).toEqual([['batch'], [8, 4]]);
  });

  it('tensors of higher rank keep their row-major order', () => {
    const pairs = { dims: [2, 2], value: [1, 2, 3, 4] };
    expect(fold('Transpose', { X: pairs })).toEqual([1, 3, 2, 4]);
    const bounds = { from: values(-1), to: values(-99), axes: values(0), steps: values(-1) };
    expect(fold('Slice', { X: pairs, ...bounds })).toEqual([3, 4, 1, 2]);
    expect(fold('Tile', { X: pairs, repeats: values(1, 2) })).toEqual([1, 2, 1, 2, 3, 4, 3, 4]);
    expect(fold('Expand', { X: { dims: [2, 1], value: [1, 2] }, shape: values(2, 2) })).toEqual([1, 1, 2, 2]);
    expect(fold('Reshape', { X: pairs, shape: values(-1) })).toEqual([1, 2, 3, 4]);
  });
});

describe('arithmetic on sizes', () => {
  it('is exact on symbols, or unknown', () => {
    expect(fold('Mul', { A: scalar('h'), B: ints(2, 3) })).toEqual(['2*h', '3*h']);
    expect(fold('Div', { A: ints('4*h', 'h', 9), B: scalar(2) })).toEqual(['2*h', undefined, 4]);
    expect(fold('Add', { A: ints('h', 'h', 3), B: ints('h', 1, 4) })).toEqual(['2*h', undefined, 7]);
    expect(fold('Sub', { A: ints('3*h', 5), B: ints('h', 7) })).toEqual(['2*h', -2]);
    expect(fold('Mod', { A: ints(-7, '4*h'), B: ints(3, 4) })).toEqual([2, 0]);
    expect(fold('Mod', { A: ints(-7), B: ints(3) }, { fmod: 1 })).toEqual([-1]);
    expect(fold('Max', { A: ints('h', 'h', 3), B: ints(-1, 5, 4) })).toEqual(['h', undefined, 4]);
  });

  it('drops the fraction of integers and keeps that of real numbers', () => {
    expect(fold('Div', { A: ints(-7, 7), B: ints(2, 2) })).toEqual([-3, 3]);
    expect(fold('Div', { A: scalar(7, DataType.FLOAT), B: scalar(2, DataType.FLOAT) })).toEqual([3.5]);
  });

  it('rounds as single precision does', () => {
    const product = fold('Mul', { A: scalar(3, DataType.FLOAT), B: scalar(Math.fround(0.1), DataType.FLOAT) });
    expect(product).toEqual([Math.fround(3 * Math.fround(0.1))]);
    expect(fold('Mul', { A: scalar(3, DataType.FLOAT16), B: scalar(2, DataType.FLOAT16) })).toBeUndefined();
  });

  it('compares: sizes are positive, so -1 is never one', () => {
    expect(fold('Equal', { A: ints('batch', -1, 'h'), B: scalar(-1) })).toEqual([0, 1, 0]);
    expect(fold('Equal', { A: ints('h', 'h'), B: ints('h', 8) })).toEqual([1, undefined]);
    expect(fold('Greater', { A: ints('2*h', 3), B: ints('h', 3) })).toEqual([1, 0]);
  });

  it('chooses by known conditions, and where both choices are the same', () => {
    const conditions = { dims: [3], value: [1, 0, undefined], elemType: DataType.BOOL };
    expect(fold('Where', { C: conditions, A: ints('a', 'b', 'c'), B: ints(1, 2, 'c') })).toEqual(['a', 2, 'c']);
    expect(fold('And', { A: conditions, B: conditions })).toEqual([1, 0, undefined]);
  });

  it('reduces', () => {
    const over = (opType: string, X: StubInput) => fold(opType, { X, axes: values(0) }, { keepdims: 0 });
    expect(over('ReduceProd', ints(8, 'h', 2))).toEqual(['16*h']);
    expect(over('ReduceSum', ints('h', 'h'))).toEqual(['2*h']);
    expect(over('ReduceMax', ints(3, 9, 4))).toEqual([9]);
    expect(over('ReduceProd', ints(8, undefined))).toEqual([undefined]);
  });
});

describe('tensors that are made', () => {
  it('count, repeat and state', () => {
    expect(fold('Range', { a: scalar(1), b: scalar(8), c: scalar(3) })).toEqual([1, 4, 7]);
    expect(
      inferDims(recordOf(standardOperators, 'Range'), { inputs: { a: scalar(0), b: scalar('seq'), c: scalar(1) } }),
    ).toEqual(['seq']);
    const value = makeTensor('', INT64, [1], [-1]);
    expect(fold('ConstantOfShape', { shape: ints(3) }, { value })).toEqual([-1, -1, -1]);
    expect(fold('Constant', {}, { value_ints: [4, 5] })).toEqual([4, 5]);
    expect(fold('Constant', {}, { value_int: 4 })).toEqual([4]);
    expect(fold('Constant', {}, { value_float: { float: 0.5 } })).toEqual([0.5]);
    expect(fold('Constant', {}, { value: makeTensor('', INT64, [2], [6, 7]) })).toEqual([6, 7]);
  });

  it('the elements of large tensors are not followed', () => {
    expect(fold('ConstantOfShape', { shape: ints(64, 64) })).toHaveLength(4096);
    expect(fold('ConstantOfShape', { shape: ints(64, 65) })).toBeUndefined();
    expect(fold('Expand', { X: ints(1), shape: values(5000) })).toBeUndefined();
  });
});
