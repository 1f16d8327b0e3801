import { DataType, makeTensor, type TensorProto, withContent } from '@onnx-pruning/onnx';
import { ChannelNorms } from '../src/channel-norms.ts';

/** Small integers: all sums below are exact, in whatever order they are added up. */
function tensorOf(dims: readonly number[], dataType: number = DataType.FLOAT): TensorProto {
  const size = dims.reduce((a, b) => a * b, 1);
  const numbers = Array.from({ length: size }, (_, i) => ((i * 7919) % 13) - 6);
  return makeTensor('w', dataType, dims, numbers);
}

/** The definition: every element adds to the sum of its index along the axis. */
function sumsByDefinition(dims: readonly number[], axis: number, p: number): number[] {
  const size = dims.reduce((a, b) => a * b, 1);
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const sums = Array.from({ length: dims[axis]! }, () => 0);
  for (let i = 0; i < size; i++) {
    const index = Math.floor(i / inner) % dims[axis]!;
    sums[index]! += Math.abs(((i * 7919) % 13) - 6) ** p;
  }
  return sums;
}

describe('sums of |w|^p by channel', () => {
  it('adds up squares along the first axis and along the second', () => {
    const norms = new ChannelNorms(2);
    const weight = makeTensor('w', DataType.FLOAT, [2, 3], [1, -2, 3, -4, 5, -6]);
    expect([...norms.of(weight, 0)]).toEqual([14, 77]);
    expect([...norms.of(weight, 1)]).toEqual([17, 29, 45]);
  });

  it.each([
    [[5]],
    [[4, 3]],
    [[3, 5, 3, 3]],
    [[6, 1, 5, 5]],
    [[2, 3, 4, 2, 2]],
    // Rows longer than what is read at once, an odd number of them, and rows that do not fill the last read.
    [[3, 9001]],
    [[2, 1025, 3, 3]],
    [[2000, 5]],
  ])('agrees with the definition along every axis of %j', (dims) => {
    for (const p of [1, 2, 3]) {
      const norms = new ChannelNorms(p);
      const tensor = tensorOf(dims);
      dims.forEach((_, axis) => {
        expect([...norms.of(tensor, axis)]).toEqual(sumsByDefinition(dims, axis, p));
      });
    }
  });

  it('reads every float type', () => {
    for (const dataType of [DataType.FLOAT, DataType.DOUBLE, DataType.FLOAT16, DataType.BFLOAT16]) {
      expect([...new ChannelNorms(2).of(tensorOf([4, 3, 2], dataType), 1)]).toEqual(sumsByDefinition([4, 3, 2], 1, 2));
    }
  });

  it('never takes one content for another', () => {
    const norms = new ChannelNorms(1);
    const weight = makeTensor('w', DataType.FLOAT, [2], [1, 2]);
    expect([...norms.of(weight, 0)]).toEqual([1, 2]);
    const other = withContent(weight, [2], new Uint8Array(Float32Array.of(5, 6).buffer));
    expect([...norms.of(other, 0)]).toEqual([5, 6]);
    expect([...norms.of(weight, 0)]).toEqual([1, 2]);
  });
});
