/** Resize and Upsample in all their versions: sizes by hand, and which axes carry over. */
import type { OperatorRecord } from '../src/record.ts';
import { resizeOperators } from '../src/records/resize.ts';
import { equationsOf, inferDims, recordOf, resizesOf, type StubInput, type StubNode, values } from './stub-node.ts';

const resize = recordOf(resizeOperators, 'Resize');
const upsample = recordOf(resizeOperators, 'Upsample', 9);

type Dims = readonly (number | string)[];

function scaled(X: Dims, scales: readonly number[], more: Partial<StubNode> = {}): StubNode {
  return { opset: 13, inputs: { X, roi: null, scales: values(...scales) }, ...more };
}

function sized(X: Dims, sizes: readonly (number | string | undefined)[], more: Partial<StubNode> = {}): StubNode {
  return { opset: 19, inputs: { X, roi: null, scales: null, sizes: values(...sizes) }, ...more };
}

describe('sizes', () => {
  it.each<[string, OperatorRecord, StubNode, Dims]>([
    [
      'Upsample 7: scales are an attribute',
      upsample,
      { opset: 7, inputs: { X: [1, 2, 5, 5] }, attributes: { scales: { floats: [1, 1, 1.5, 2] } } },
      [1, 2, 7, 10],
    ],
    [
      'Upsample 9: scales are an input',
      upsample,
      { opset: 9, inputs: { X: [1, 2, 5, 5], s: values(1, 1, 1.5, 2) } },
      [1, 2, 7, 10],
    ],
    ['Resize 10', resize, { opset: 10, inputs: { X: [1, 2, 5, 5], s: values(1, 1, 1.5, 2.7) } }, [1, 2, 7, 13]],
    [
      'Resize 11: empty scales beside sizes',
      resize,
      { opset: 11, inputs: { X: [1, 2, 5, 5], roi: values(), s: values(), z: values(1, 2, 8, 9) } },
      [1, 2, 8, 9],
    ],
    ['Resize 13: scales', resize, scaled(['n', 2, 5, 'w'], [1, 1, 2, 2]), ['n', 2, 10, '2*w']],
    ['Resize 13: a fraction of a symbol', resize, scaled(['n', 2, 5, 'w'], [1, 1, 2, 0.5]), ['n', 2, 10, 's0']],
    [
      'Resize 18: axes',
      resize,
      scaled(['n', 2, 5, 7], [1.3, 1.9], { opset: 18, attributes: { axes: [2, 3] } }),
      ['n', 2, 6, 13],
    ],
    [
      'Resize 18: axes counted from the back',
      resize,
      sized(['n', 2, 5, 7], [9, 8], { attributes: { axes: [-1, -2] } }),
      ['n', 2, 8, 9],
    ],
    ['sizes that follow another value', resize, sized(['n', 2, 5, 7], ['n', 2, 'h', undefined]), ['n', 2, 'h', 's0']],
    // min(8/5, 9/7) = 9/7: round(45/7 = 6.43) and 9
    [
      'not_larger',
      resize,
      sized([1, 2, 5, 7], [8, 9], { attributes: { axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' } }),
      [1, 2, 6, 9],
    ],
    // max(8/5, 9/7) = 8/5: 8 and round(56/5 = 11.2)
    [
      'not_smaller',
      resize,
      sized([1, 2, 5, 7], [8, 9], { attributes: { axes: [2, 3], keep_aspect_ratio_policy: 'not_smaller' } }),
      [1, 2, 8, 11],
    ],
    // 1/2 of 5 is 2.5, which is rounded up
    [
      'half is rounded up',
      resize,
      sized([1, 1, 2, 5], [1, 9], { attributes: { axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' } }),
      [1, 1, 1, 3],
    ],
  ])('%s', (_, record, spec, dims) => {
    expect(inferDims(record, spec)).toEqual(dims);
  });

  it('a scale in single precision: 1/49 of 49 is 1, not 0.99999998', () => {
    expect(inferDims(resize, scaled([1, 1, 49, 330], [1, 1, Math.fround(1 / 49), Math.fround(1.1)]))).toEqual([
      1, 1, 1, 363,
    ]);
  });

  it('are new symbols where scales are computed at run time', () => {
    const spec: StubNode = { opset: 13, inputs: { X: ['n', 2, 5], roi: null, scales: [3] } };
    expect(inferDims(resize, spec)).toEqual(['s0', 's1', 's2']);
  });

  it('refuses both or the wrong number of scales and sizes', () => {
    const inputs = { X: [1, 2, 5], roi: null, scales: values(1, 1, 2), sizes: values(1, 2, 9) };
    expect(() => inferDims(resize, { opset: 13, inputs })).toThrow(/either scales or sizes, found both/);
    expect(() => inferDims(resize, scaled([1, 2, 5], [1, 2]))).toThrow(/3 scales, found 2/);
    expect(() => inferDims(resize, sized([1, 2, 5], [9], { attributes: { axes: [3] } }))).toThrow(/axis from -3 to 2/);
  });
});

describe('axes', () => {
  const channel = (spec: StubNode, record = resize) => equationsOf(record, spec, /X\[1\]/);
  const carried = ['X[1] = Y[1]'];

  it('carry over where the scale is 1, or the size stated is the size there is', () => {
    expect(channel(scaled(['n', 8, 5, 5], [1, 1, 2, 2]))).toEqual(carried);
    expect(channel(sized(['n', 8, 5, 5], ['n', 8, 9, 9]))).toEqual(carried);
    expect(channel(sized(['n', 8, 5, 5], [9, 9], { attributes: { axes: [2, 3] } }))).toEqual(carried);
    expect(
      channel({ opset: 7, inputs: { X: [1, 8, 5] }, attributes: { scales: { floats: [1, 1, 2] } } }, upsample),
    ).toEqual(carried);
  });

  it.each<[string, StubNode, string]>([
    ['interpolated', scaled(['n', 8, 5, 5], [1, 2, 1, 1]), 'Resize interpolates along this axis'],
    [
      'a scale that happens to keep the size',
      scaled(['n', 8, 5, 5], [1, 1.1, 2, 2]),
      'Resize interpolates along this axis',
    ],
    [
      'unknown',
      { opset: 13, inputs: { X: ['n', 8, 5], roi: null, scales: [3] } },
      'Resize decides the size of this axis at run time',
    ],
    [
      'aspect ratio',
      sized([1, 8, 5, 5], [1, 8, 9, 9], { attributes: { keep_aspect_ratio_policy: 'not_larger' } }),
      'Resize keeps the aspect ratio over this axis',
    ],
  ])('are frozen otherwise: %s', (_, spec, reason) => {
    expect(channel(spec)).toEqual([`freeze X[1]: ${reason}`]);
  });

  it('are frozen where a region of interest cuts them', () => {
    const cropped = (roi: StubInput): StubNode => ({
      ...scaled(['n', 8, 5], [1, 1, 2]),
      inputs: { X: ['n', 8, 5], roi, scales: values(1, 1, 2) },
      attributes: { coordinate_transformation_mode: 'tf_crop_and_resize' },
    });
    expect(channel(cropped(values(0, 0, 0.2, 1, 1, 0.8)))).toEqual(carried);
    expect(channel(cropped(values(0, 0.5, 0, 1, 1, 1)))).toEqual(['freeze X[1]: Resize crops this axis']);
    expect(channel(cropped([6]))).toEqual(['freeze X[1]: Resize crops this axis']);
  });
});

describe('sizes follow the channels', () => {
  const after = { X: ['n', 5, 5, 5], Y: ['n', 5, 9, 9] };

  it('where the sizes state them', () => {
    expect(resizesOf(resize, sized(['n', 8, 5, 5], ['n', 8, 9, 9]), { after })).toEqual(['input 3 = [?, 5, ?, ?]']);
  });

  it('while scales that are computed stay 1', () => {
    const computed: StubInput = { dims: [4], value: [1, 1, 2, 2] };
    const spec: StubNode = { opset: 13, inputs: { X: ['n', 8, 5, 5], roi: null, scales: computed } };
    const doubled = { X: after.X, Y: ['n', 5, 10, 10] };
    expect(resizesOf(resize, spec, { after: doubled })).toEqual(['input 2 = [?, 1, ?, ?]']);
  });

  it('and not where scales or other axes are stated', () => {
    expect(
      resizesOf(resize, scaled(['n', 8, 5, 5], [1, 1, 2, 2]), { after: { X: after.X, Y: ['n', 5, 10, 10] } }),
    ).toEqual([]);
    const others = sized(['n', 8, 5, 5], [9, 9], { attributes: { axes: [2, 3] } });
    expect(resizesOf(resize, others, { after })).toEqual([]);
  });
});
