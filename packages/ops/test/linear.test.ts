/** Gemm and MatMul: shapes as numpy.matmul defines them, equations and layers worked out by hand. */
import { linearOperators } from '../src/records/linear.ts';
import {
  equationsOf,
  inferDims,
  layerOf,
  macsOf,
  recordOf,
  type StubInput,
  type StubNode,
  weight,
} from './stub-node.ts';

const gemm = recordOf(linearOperators, 'Gemm');
const matMul = recordOf(linearOperators, 'MatMul');

function product(A: StubInput, B: StubInput, attributes: StubNode['attributes'] = {}, C?: StubInput): StubNode {
  return { inputs: C === undefined ? { A, B } : { A, B, C }, attributes };
}

describe('Gemm', () => {
  it.each<[string, StubNode]>([
    ['as they are', product(['n', 3], weight(3, 4))],
    ['A transposed', product([3, 'n'], weight(3, 4), { transA: 1 })],
    ['B transposed', product(['n', 3], weight(4, 3), { transB: 1 })],
    ['both transposed', product([3, 'n'], weight(4, 3), { transA: 1, transB: 1 })],
    ['C of the same shape', product(['n', 3], weight(3, 4), {}, ['n', 4])],
    ['C stretched', product(['n', 3], weight(3, 4), {}, weight(1, 4))],
    ['C a scalar', product(['n', 3], weight(3, 4), {}, weight())],
  ])('shape: %s', (_, spec) => {
    expect(inferDims(gemm, spec)).toEqual(['n', 4]);
  });

  it('refuses contradictions', () => {
    expect(() => inferDims(gemm, product([2, 3], weight(4, 5)))).toThrow(/summed axis of B of size 3, found 4/);
    expect(() => inferDims(gemm, product([2, 2, 3], weight(3, 5)))).toThrow(/A of rank 2/);
    expect(() => inferDims(gemm, product([2, 3], weight(3, 5), {}, weight(4)))).toThrow(/C of size 5, found 4/);
    expect(() => inferDims(gemm, product([2, 3], weight(3, 5), {}, weight(1, 2, 5)))).toThrow(/C of rank 2 at most/);
  });

  it('sums over the inner axes, and carries the outer ones and the bias over', () => {
    expect(equationsOf(gemm, product(['n', 3], weight(4, 3), { transB: 1 }, weight(4)))).toEqual([
      'A[1] = B[1]',
      'A[0] = Y[0]',
      'B[0] = Y[1]',
      'C[0] = Y[1]',
      'sums over A[1]',
    ]);
    expect(equationsOf(gemm, product([3, 2], weight(3, 4), { transA: 1 }))).toEqual([
      'A[0] = B[0]',
      'A[1] = Y[0]',
      'B[1] = Y[1]',
      'sums over A[0]',
    ]);
  });

  it('a stretched axis of C says nothing of the output, and stays one', () => {
    const stretched = 'it is stretched over a larger axis, so it must stay one channel';
    expect(equationsOf(gemm, product([2, 3], weight(3, 4), {}, [2, 1]), /C/)).toEqual([
      'C[0] = Y[0]',
      `freeze C[1]: ${stretched}`,
    ]);
  });

  it('names the constant operand as weight, and its output and input axes', () => {
    const bias = { input: 2, role: 'bias', out: 0 };
    expect(layerOf(gemm, product(['n', 3], weight(4, 3), { transB: 1 }, weight(4)))?.parameters).toEqual([
      { input: 1, role: 'weight', out: 0, in: 1 },
      bias,
    ]);
    expect(layerOf(gemm, product(weight(4, 3), [3, 'n'], {}, weight(4, 1)))?.parameters).toEqual([
      { input: 0, role: 'weight', out: 0, in: 1 },
      bias,
    ]);
    expect(layerOf(gemm, product(['n', 3], weight(3, 4), {}, weight(1)))?.parameters).toEqual([
      { input: 1, role: 'weight', out: 1, in: 0 },
      { input: 2, role: 'bias' },
    ]);
    expect(layerOf(gemm, product(['n', 3], [3, 4]))).toBeNull();
  });
});

describe('MatMul', () => {
  it.each<[readonly (number | string)[], readonly (number | string)[], readonly (number | string)[]]>([
    [
      [2, 3],
      [3, 4],
      [2, 4],
    ],
    [[3], [3], []],
    [[3], [3, 4], [4]],
    [[2, 3], [3], [2]],
    [[5, 2, 3], [3], [5, 2]],
    [[3], [5, 3, 4], [5, 4]],
    [
      [5, 1, 2, 3],
      [7, 3, 4],
      [5, 7, 2, 4],
    ],
    [
      ['n', 't', 8],
      [8, 4],
      ['n', 't', 4],
    ],
    [
      ['n', 'h', 't', 8],
      ['n', 'h', 8, 't'],
      ['n', 'h', 't', 't'],
    ],
    [
      ['n', 1, 2, 3],
      [7, 3, 4],
      ['n', 7, 2, 4],
    ],
  ])('shape of %j x %j is %j', (a, b, dims) => {
    expect(inferDims(matMul, product(a, b))).toEqual(dims);
  });

  it('refuses contradictions', () => {
    expect(() => inferDims(matMul, product([3], [5, 3]))).toThrow(/summed axis of B of size 3, found 5/);
    expect(() => inferDims(matMul, product([2, 2, 3], [5, 3, 4]))).toThrow(/broadcast/);
    expect(() => inferDims(matMul, product([], [3, 4]))).toThrow(/rank 1 or more/);
  });

  it('with a weight: sums over the activation, which needs no mention of the weight', () => {
    expect(equationsOf(matMul, product(['n', 't', 8], weight(8, 4)))).toEqual([
      'A[2] = B[0]',
      'B[1] = Y[2]',
      'A[1] = Y[1]',
      'A[0] = Y[0]',
      'sums over A[2]',
    ]);
    expect(equationsOf(matMul, product(weight(4, 8), ['n', 8, 't']))).toEqual([
      'A[1] = B[1]',
      'B[2] = Y[2]',
      'A[0] = Y[1]',
      'B[0] = Y[0]',
      'sums over B[1]',
    ]);
  });

  it('of two activations: sums over both, and the axes before the matrices broadcast', () => {
    expect(equationsOf(matMul, product(['n', 6, 5, 8], ['n', 6, 8, 5]))).toEqual([
      'A[3] = B[2]',
      'B[3] = Y[3]',
      'A[2] = Y[2]',
      'A[0] = Y[0]',
      'A[1] = Y[1]',
      'B[0] = Y[0]',
      'B[1] = Y[1]',
      'sums over A[3]',
      'sums over B[2]',
    ]);
  });

  it('a size that may be stretched at run time is frozen on both sides', () => {
    expect(equationsOf(matMul, product(['h', 2, 3], [6, 3, 4]), /freeze/)).toEqual([
      'freeze A[0]: h may be stretched over 6 at run time',
      'freeze Y[0]: h may be stretched over 6 at run time',
    ]);
  });

  it('is a layer where one operand is constant', () => {
    expect(layerOf(matMul, product(['n', 8], weight(8, 4)))).toEqual({
      kind: 'linear',
      parameters: [{ input: 1, role: 'weight', out: 1, in: 0 }],
    });
    expect(layerOf(matMul, product(weight(4, 8), [8, 'n']))?.parameters).toEqual([
      { input: 0, role: 'weight', out: 0, in: 1 },
    ]);
    expect(layerOf(matMul, product(['n', 8], weight(8)))?.parameters).toEqual([
      { input: 1, role: 'weight', out: undefined, in: 0 },
    ]);
    expect(layerOf(matMul, product(['n', 8], [8, 4]))).toBeNull();
  });
});

describe('cost', () => {
  it('is the elements of the result x the contracted size', () => {
    expect(macsOf(gemm, product([2, 512], weight(1000, 512), { transB: 1 }))).toBe(2 * 1000 * 512);
    expect(macsOf(gemm, product([512, 2], weight(512, 10), { transA: 1 }))).toBe(2 * 10 * 512);
    expect(macsOf(matMul, product([2, 6, 5, 8], [2, 6, 8, 7]))).toBe(2 * 6 * 5 * 7 * 8);
    expect(macsOf(matMul, product([8], [8]))).toBe(8);
  });
});
