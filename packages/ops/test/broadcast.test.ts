import { arithmeticOperators } from '../src/records/arithmetic.ts';
import { equationsOf, inferDims, recordOf, weight } from './stub-node.ts';

const add = recordOf(arithmeticOperators, 'Add');

describe('the shape of a broadcast result', () => {
  it('follows numpy for known sizes', () => {
    expect(inferDims(add, { inputs: { A: [2, 3, 4], B: [4] } })).toEqual([2, 3, 4]);
    expect(inferDims(add, { inputs: { A: [8, 1, 6, 1], B: [7, 1, 5] } })).toEqual([8, 7, 6, 5]);
    expect(inferDims(add, { inputs: { A: [], B: [1] } })).toEqual([1]);
    expect(inferDims(add, { inputs: { A: [1], B: [0] } })).toEqual([0]);
  });

  it('keeps symbols, and lets a known size win over one', () => {
    expect(inferDims(add, { inputs: { A: ['batch', 8], B: ['batch', 1] } })).toEqual(['batch', 8]);
    expect(inferDims(add, { inputs: { A: [1, 8], B: ['batch', 1] } })).toEqual(['batch', 8]);
    expect(inferDims(add, { inputs: { A: ['h'], B: [8] } })).toEqual([8]);
  });

  it('has a size of its own where two symbols meet', () => {
    expect(inferDims(add, { inputs: { A: ['h'], B: ['w'] } })).toEqual(['s0']);
  });

  it('is refused where sizes contradict', () => {
    expect(() => inferDims(add, { inputs: { A: [2, 3], B: [2, 4] } })).toThrow('found 3 and 4');
  });
});

describe('equations of a broadcast', () => {
  it('say that axes aligned from the right are the same', () => {
    expect(equationsOf(add, { inputs: { A: [2, 3, 4], B: [3, 4] } })).toEqual([
      'A[2] = Y[2]',
      'B[1] = Y[2]',
      'A[1] = Y[1]',
      'B[0] = Y[1]',
      'A[0] = Y[0]',
    ]);
  });

  it('say nothing of a constant of one element, and keep a computed one at one channel', () => {
    expect(equationsOf(add, { inputs: { A: [8], B: weight(1) } })).toEqual(['A[0] = Y[0]']);
    expect(equationsOf(add, { inputs: { A: [8], B: [1] } })).toEqual([
      'A[0] = Y[0]',
      'freeze B[0]: it is stretched over another size, so it must stay one channel',
    ]);
  });

  it('join axes of one channel where nothing is stretched', () => {
    expect(equationsOf(add, { inputs: { A: [5, 1], B: [1, 1] } }, /\[1\]/)).toEqual(['A[1] = Y[1]', 'B[1] = Y[1]']);
  });

  it('freeze both sides where a symbol may turn out to be the known size', () => {
    const lines = equationsOf(add, { inputs: { A: [8], B: ['h'] } });
    expect(lines).toEqual([
      'A[0] = Y[0]',
      'freeze B[0]: it broadcasts against the unknown size h',
      'freeze Y[0]: it broadcasts against the unknown size h',
    ]);
  });

  it('freeze an output axis that only constants of one element fill', () => {
    expect(equationsOf(add, { inputs: { A: weight(1, 8), B: weight(8) } })).toEqual([
      'A[1] = Y[1]',
      'B[0] = Y[1]',
      'freeze Y[0]: no input has channels along this axis',
    ]);
  });
});
