/** Shapes by the ONNX specification, symbolic ones included, and what is refused. */
import type { Dim } from '../src/record.ts';
import { standardOperators } from '../src/standard.ts';
import { inferAll, inferDims, recordOf, type StubNode, values } from './stub-node.ts';

function dims(opType: string, spec: StubNode) {
  return inferDims(recordOf(standardOperators, opType, spec.opset), spec);
}

const reshape = (X: readonly Dim[], ...shape: (Dim | undefined)[]) =>
  dims('Reshape', { inputs: { X, shape: values(...shape) } });

describe('Reshape', () => {
  it('copies at 0 and divides at -1, exactly, symbols included', () => {
    expect(reshape([2, 8, 4, 4], 0, -1)).toEqual([2, 128]);
    expect(reshape(['batch', 8, 4, 4], 0, -1)).toEqual(['batch', 128]);
    expect(reshape(['batch', 8, 'h', 'w'], 0, 8, -1)).toEqual(['batch', 8, 'h*w']);
    expect(reshape(['batch', 8, 4, 4], -1, 128)).toEqual(['batch', 128]);
    expect(reshape(['batch', 'seq', 64], -1, 64)).toEqual(['batch*seq', 64]);
  });

  it('finds one size that only the run knows by the number of elements', () => {
    expect(reshape(['batch', 8, 4, 4], undefined, 128)).toEqual(['batch', 128]);
    expect(reshape(['batch', 8, 4], undefined, undefined, 8)).toEqual(['s0', 's1', 8]);
    expect(reshape(['h', 3], -1, 2)).toEqual(['s0', 2]);
  });

  it('takes 0 as a size with allowzero', () => {
    const spec = { inputs: { X: [0, 4], shape: values(4, 0) }, attributes: { allowzero: 1 } };
    expect(dims('Reshape', spec)).toEqual([4, 0]);
  });

  it('refuses shapes that do not hold the elements', () => {
    expect(() => reshape([2, 3], 4, 2)).toThrow('expected number of elements 6, found 8');
    expect(() => reshape([2, 3], 4, -1)).toThrow('expected a divisor of 6 elements, found 4');
    expect(() => reshape([2, 3], -1, -1)).toThrow('at most one -1');
    expect(() => reshape([2, 3], 2, 3, 0)).toThrow('zeros only within the rank 2');
  });
});

describe('Slice', () => {
  const slice = (X: readonly Dim[], from: number, to: Dim, axis: number, step = 1) => {
    const bounds = { from: values(from), to: values(to), axes: values(axis), steps: values(step) };
    return dims('Slice', { inputs: { X, ...bounds } });
  };

  it('follows the examples of the specification', () => {
    const [from, to, steps] = [values(1, 0), values(2, 3), values(1, 2)];
    expect(dims('Slice', { inputs: { X: [2, 4], from, to, axes: values(0, 1), steps } })).toEqual([1, 2]);
    expect(dims('Slice', { inputs: { X: [2, 4], from: values(0, 1), to: values(-1, 1000) } })).toEqual([1, 3]);
    expect(slice([20, 10, 5], 0, 20, 1)).toEqual([20, 10, 5]);
    expect(slice([20, 10, 5], 1000, 1000, 1)).toEqual([20, 0, 5]);
    expect(slice([20, 10, 5], 20, 0, 0, -1)).toEqual([19, 10, 5]);
    expect(slice([10], -1, -(2 ** 53), 0, -3)).toEqual([4]);
  });

  it('keeps a symbol where the whole axis is taken, and knows the first and the last element', () => {
    expect(slice(['batch', 8], 0, 2 ** 53, 0)).toEqual(['batch', 8]);
    expect(slice(['batch', 8], 0, 'batch', 0)).toEqual(['batch', 8]);
    expect(slice(['batch', 8], 0, 1, 0)).toEqual([1, 8]);
    expect(slice(['batch', 8], -1, 2 ** 53, 0)).toEqual([1, 8]);
    expect(slice(['batch', 8], 0, 4, 0)).toEqual(['s0', 8]);
  });

  it('knows the other axes when the bounds are computed, and no size when the axes are', () => {
    const [X, one] = [[4, 8], [1]];
    expect(dims('Slice', { inputs: { X, from: one, to: one, axes: values(1) } })).toEqual([4, 's0']);
    expect(dims('Slice', { inputs: { X, from: one, to: one, axes: one } })).toEqual(['s0', 's1']);
  });

  it('refuses axes that are not there or named twice, and a step of 0', () => {
    expect(() => slice([4], 0, 1, 1)).toThrow('an axis from -1 to 0');
    expect(() => slice([4], 0, 1, 0, 0)).toThrow('a step other than 0');
    const twice = { X: [4], from: values(0, 0), to: values(1, 1), axes: values(0, -1) };
    expect(() => dims('Slice', { inputs: twice })).toThrow('every axis at most once');
  });
});

describe('Concat and Split', () => {
  it('add and cut sizes', () => {
    expect(dims('Concat', { inputs: { A: [2, 3], B: [2, 4] }, attributes: { axis: -1 } })).toEqual([2, 7]);
    expect(dims('Concat', { inputs: { A: ['h', 3], B: ['h', 3] }, attributes: { axis: 0 } })).toEqual(['2*h', 3]);
    expect(dims('Concat', { inputs: { A: ['h', 3], B: [1, 3] }, attributes: { axis: 0 } })).toEqual(['s0', 3]);
    const parts = (opset: number, outputs: number, size: Dim, attributes = {}) => {
      const spec = { opset, outputs, inputs: { X: [size] }, attributes };
      return inferAll(recordOf(standardOperators, 'Split', opset), spec).map((info) => info.dims?.[0]);
    };
    expect(parts(11, 2, 8)).toEqual([4, 4]);
    expect(parts(11, 2, 8, { split: [3, 5] })).toEqual([3, 5]);
    expect(parts(13, 2, '6*h')).toEqual(['3*h', '3*h']);
    expect(parts(18, 4, 7, { num_outputs: 4 })).toEqual([2, 2, 2, 1]);
  });

  it('refuse sizes that contradict', () => {
    const concat = (A: readonly Dim[], B: readonly Dim[]) =>
      dims('Concat', { inputs: { A, B }, attributes: { axis: 1 } });
    expect(() => concat([2, 3], [4, 3])).toThrow('expected size 2');
    expect(() => concat([2, 3], [2, 3, 1])).toThrow('expected rank 2, found 3');
    const split = (spec: StubNode) => () => inferAll(recordOf(standardOperators, 'Split', spec.opset), spec);
    expect(split({ opset: 13, outputs: 2, inputs: { X: [7] } })).toThrow('a size that splits into 2 parts, found 7');
    expect(split({ opset: 13, outputs: 2, inputs: { X: [7], s: values(3, 3) } })).toThrow('sum of the split sizes 7');
    expect(split({ opset: 11, outputs: 3, inputs: { X: [7] }, attributes: { split: [3, 4] } })).toThrow(
      'split sizes 3',
    );
  });
});

describe('Gather and its kin', () => {
  it('put the axes of the indices in the place of the axis', () => {
    expect(dims('Gather', { inputs: { X: [5, 4, 3], at: [2, 6] }, attributes: { axis: 1 } })).toEqual([5, 2, 6, 3]);
    expect(dims('Gather', { inputs: { X: [5, 4], at: [] }, attributes: { axis: -1 } })).toEqual([5]);
    expect(dims('GatherElements', { inputs: { X: [3, 3], at: [2, 3] } })).toEqual([2, 3]);
    expect(dims('GatherND', { inputs: { X: [2, 2, 2], at: [2, 1] } })).toEqual([2, 2, 2]);
    const batched = { inputs: { X: [2, 2, 2], at: [2, 1] }, attributes: { batch_dims: 1 } };
    expect(dims('GatherND', batched)).toEqual([2, 2]);
  });

  it('refuse indices outside the axis', () => {
    expect(() => dims('Gather', { inputs: { X: [4], at: values(4) } })).toThrow('indices from -4 to 3, found 4');
    expect(() => dims('GatherND', { inputs: { X: [4], at: [1, 2] } })).toThrow('index tuples that fit rank 1');
  });
});

describe('Pad', () => {
  it('adds what is stated, for the axes that are named', () => {
    expect(dims('Pad', { opset: 10, inputs: { X: [3, 2] }, attributes: { pads: [0, 2, 0, 0] } })).toEqual([3, 4]);
    expect(dims('Pad', { opset: 13, inputs: { X: ['n', 8], pads: values(0, 1, 0, -2) } })).toEqual(['n', 7]);
    const named = { X: [3, 2, 5], pads: values(1, 2, 3, 4), value: null, axes: values(-1, 0) };
    expect(dims('Pad', { opset: 18, inputs: named })).toEqual([9, 2, 9]);
    expect(dims('Pad', { opset: 13, inputs: { X: [3, 2], pads: values(0, undefined, 0, 1) } })).toEqual([3, 's0']);
  });

  it('refuses a list of the wrong length, and pads that leave less than nothing', () => {
    expect(() => dims('Pad', { inputs: { X: [3, 2], pads: values(1, 1) } })).toThrow('number of pads 4, found 2');
    expect(() => dims('Pad', { inputs: { X: [3], pads: values(-2, -2) } })).toThrow('pads that leave something');
  });
});

describe('axes of one element', () => {
  it('are added and dropped', () => {
    expect(dims('Unsqueeze', { opset: 11, inputs: { X: [3, 4] }, attributes: { axes: [0, -1] } })).toEqual([
      1, 3, 4, 1,
    ]);
    expect(dims('Unsqueeze', { opset: 13, inputs: { X: [3], axes: values(2, 0) } })).toEqual([1, 3, 1]);
    expect(dims('Squeeze', { opset: 11, inputs: { X: [1, 3, 1] }, attributes: { axes: [-1] } })).toEqual([1, 3]);
    expect(dims('Squeeze', { opset: 13, inputs: { X: [1, 3, 1] } })).toEqual([3]);
    expect(dims('Squeeze', { opset: 13, inputs: { X: ['batch', 1], axes: values(1) } })).toEqual(['batch']);
  });

  it('without named axes a symbolic size hides even the rank', () => {
    expect(dims('Squeeze', { inputs: { X: ['batch', 1] } })).toBeUndefined();
  });

  it('are refused where they are not of one element, or not there', () => {
    expect(() => dims('Squeeze', { inputs: { X: [2, 3], axes: values(0) } })).toThrow('size to squeeze 1, found 2');
    expect(() => dims('Squeeze', { inputs: { X: [1, 3], axes: values(-3) } })).toThrow(
      'an axis from -2 to 1, found -3',
    );
  });
});

describe('Reduce', () => {
  const reduce = (opset: number, attributes: StubNode['attributes'], axes?: readonly number[] | null) => {
    const inputs = { X: ['batch', 3, 4], ...(axes === undefined ? {} : { axes: axes && values(...axes) }) };
    return dims('ReduceSum', { opset, attributes, inputs });
  };

  it('keeps or drops what it reduces', () => {
    expect(reduce(11, { axes: [1], keepdims: 0 })).toEqual(['batch', 4]);
    expect(reduce(13, { keepdims: 1 }, [-1])).toEqual(['batch', 3, 1]);
    expect(reduce(13, {})).toEqual([1, 1, 1]);
    expect(reduce(13, { keepdims: 0 }, [])).toEqual([]);
    expect(reduce(13, { noop_with_empty_axes: 1 }, null)).toEqual(['batch', 3, 4]);
  });

  it('knows the rank when only the number of axes is known', () => {
    const computed = { X: [2, 3, 4], axes: [2] };
    expect(dims('ReduceSum', { inputs: computed, attributes: { keepdims: 0 } })).toEqual(['s0']);
    expect(dims('ReduceSum', { inputs: computed })).toEqual(['s0', 's1', 's2']);
  });
});

describe('other layouts', () => {
  it('Transpose, DepthToSpace, SpaceToDepth, Flatten', () => {
    expect(dims('Transpose', { inputs: { X: [2, 3, 4] } })).toEqual([4, 3, 2]);
    expect(dims('Transpose', { inputs: { X: ['n', 3, 4] }, attributes: { perm: [1, 0, 2] } })).toEqual([3, 'n', 4]);
    expect(() => dims('Transpose', { inputs: { X: [2, 3] }, attributes: { perm: [0, 0] } })).toThrow('a permutation');
    const blocks = { attributes: { blocksize: 2 } };
    expect(dims('DepthToSpace', { inputs: { X: ['n', 8, 'h', 3] }, ...blocks })).toEqual(['n', 2, '2*h', 6]);
    expect(dims('SpaceToDepth', { inputs: { X: ['n', 2, 'h', 6] }, ...blocks })).toEqual(['n', 8, 's0', 3]);
    expect(() => dims('DepthToSpace', { inputs: { X: [1, 6, 2, 2] }, ...blocks })).toThrow('a multiple of 4, found 6');
    expect(dims('Flatten', { inputs: { X: ['n', 3, 4] } })).toEqual(['n', 12]);
    expect(dims('Flatten', { inputs: { X: [2, 3, 4] }, attributes: { axis: 0 } })).toEqual([1, 24]);
    expect(dims('Flatten', { inputs: { X: [2, 3, 4] }, attributes: { axis: 3 } })).toEqual([24, 1]);
  });

  it('Expand and Tile', () => {
    expect(dims('Expand', { inputs: { X: [3, 1], shape: values(2, 1, 6) } })).toEqual([2, 3, 6]);
    expect(dims('Expand', { inputs: { X: [3, 1], shape: values('batch', 3, 1) } })).toEqual(['batch', 3, 1]);
    expect(dims('Expand', { inputs: { X: ['h', 3], shape: values('w', undefined) } })).toEqual(['s0', 3]);
    expect(() => dims('Expand', { inputs: { X: [3], shape: values(4) } })).toThrow('size 1 or 4, found 3');
    expect(dims('Tile', { inputs: { X: [2, 'h'], repeats: values(3, 2) } })).toEqual([6, '2*h']);
    expect(() => dims('Tile', { inputs: { X: [2, 3], repeats: values(3) } })).toThrow('2 repeats, found 1');
  });

  it('TopK and ArgMax', () => {
    expect(dims('TopK', { inputs: { X: [3, 4], k: values(2) } })).toEqual([3, 2]);
    expect(() => dims('TopK', { inputs: { X: [3, 4], k: values(5) } })).toThrow('at most 4 elements, found 5');
    expect(dims('ArgMax', { inputs: { X: [3, 4] }, attributes: { axis: 1, keepdims: 0 } })).toEqual([3]);
    expect(dims('OneHot', { inputs: { X: ['n'], depth: values(10), v: [2] } })).toEqual(['n', 10]);
    expect(dims('NonZero', { inputs: { X: [3, 4] } })).toEqual([2, 's0']);
  });
});
