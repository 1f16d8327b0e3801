import { DataType, makeTensor, NumberBlocks, type TensorProto, tensorBytes } from '../src/index.ts';

/** The tensor with its content at an odd address, as in most files. */
function unaligned(tensor: TensorProto): TensorProto {
  const content = tensorBytes(tensor);
  const shifted = new Uint8Array(content.length + 1).subarray(1);
  shifted.set(content);
  return { ...tensor, rawData: shifted };
}

function blocksOf(tensor: TensorProto, length: number): [from: number, ...numbers: number[]][] {
  const found: [number, ...number[]][] = [];
  new NumberBlocks().forEach(tensor, length, (block, from) => found.push([from, ...block]));
  return found;
}

describe('reading a tensor block by block', () => {
  const numbers = [1.5, -2, 0, 0.25, 1024, -0.5, 3];

  it.each([
    ['float32', DataType.FLOAT],
    ['float64', DataType.DOUBLE],
    ['float16', DataType.FLOAT16],
    ['bfloat16', DataType.BFLOAT16],
  ])('gives all elements of %s in order, the last block shorter', (_, dataType) => {
    const tensor = makeTensor('t', dataType, [7], numbers);
    const expected = [
      [0, 1.5, -2, 0],
      [3, 0.25, 1024, -0.5],
      [6, 3],
    ];
    expect(blocksOf(tensor, 3)).toEqual(expected);
    expect(blocksOf(unaligned(tensor), 3)).toEqual(expected);
  });

  it('gives one block when the tensor is shorter than a block, and none when it is empty', () => {
    expect(blocksOf(makeTensor('t', DataType.FLOAT, [2], [1, 2]), 100)).toEqual([[0, 1, 2]]);
    expect(blocksOf(makeTensor('t', DataType.FLOAT, [0, 3], []), 100)).toEqual([]);
  });

  it('refuses content that does not fit the dims', () => {
    const short = { ...makeTensor('t', DataType.FLOAT, [2], [1, 2]), rawData: new Uint8Array(7) };
    expect(() => blocksOf(short, 4)).toThrow(expect.objectContaining({ code: 'TENSOR_SIZE' }));
  });
});
