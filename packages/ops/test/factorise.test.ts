import fc from 'fast-check';
import { alignAxes } from '../src/factorise.ts';
import type { Dim } from '../src/record.ts';
import { reshapeOperators } from '../src/records/reshape.ts';
import { equationsOf, recordOf, resizesOf, values } from './stub-node.ts';

// A fixed seed: a failure is a failure everywhere.
fc.configureGlobal({ seed: 2024 });

/** `0 | 1,2 -> 1 | 3 ->? 2`: axes before the arrow become those after it; `?` where they do not align. */
function aligned(from: readonly Dim[], to: readonly Dim[]): string {
  return alignAxes(from, to)
    .map((segment) => `${segment.from} ${segment.aligned ? '->' : '->?'} ${segment.to}`)
    .join(' | ');
}

describe('alignAxes', () => {
  it('finds minimal segments of equal product', () => {
    expect(aligned([2, 8, 4, 4], [2, 128])).toBe('0 -> 0 | 1,2,3 -> 1');
    expect(aligned([2, 12, 4], [2, 3, 4, 4])).toBe('0 -> 0 | 1 -> 1,2 | 2 -> 3');
    expect(aligned([6, 4], [8, 3])).toBe('0,1 -> 0,1');
  });

  it('drops axes of one element', () => {
    expect(aligned([2, 8, 1, 1], [2, 8])).toBe('0 -> 0 | 1 -> 1');
    expect(aligned([1, 1], [1])).toBe('');
  });

  it('compares symbolic sizes as monomials', () => {
    expect(aligned(['batch', 8, 'h', 'w'], ['batch', 8, 'h*w'])).toBe('0 -> 0 | 1 -> 1 | 2,3 -> 2');
    expect(aligned(['batch', 'seq', 64], ['batch*seq', 4, 16])).toBe('0,1 -> 0 | 2 -> 1,2');
    expect(aligned(['2*h', 8], [2, 'h', 8])).toBe('0 -> 0,1 | 1 -> 2');
  });

  it('matches from the end where an unknown size hides the beginning', () => {
    expect(aligned(['batch', 'h', 8, 4], ['new', 8, 4])).toBe('0,1 ->? 0 | 2 -> 1 | 3 -> 2');
    expect(aligned(['batch', 8, 4], [1, 32])).toBe('0 ->?  | 1,2 -> 1');
  });

  it('gives up on what sizes do not tell', () => {
    expect(aligned(['h', 8], [8, 'new'])).toBe('0,1 ->? 0,1');
    expect(aligned([0, 8], [8, 0])).toBe('0,1 ->? 0,1');
  });

  it('covers every axis longer than one exactly once, in order, with equal products', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 });
    fc.assert(
      fc.property(sizes, fc.nat(), (from, seed) => {
        // The same elements, regrouped: neighbours are merged where a bit of the seed says so.
        const to = from.reduce<number[]>((dims, size, i) => {
          if (i > 0 && (seed >> i) % 2 === 1) dims[dims.length - 1]! *= size;
          else dims.push(size);
          return dims;
        }, []);
        const segments = alignAxes(from, to);
        const long = (dims: readonly number[]) => dims.flatMap((size, axis) => (size > 1 ? [axis] : []));
        const product = (dims: readonly number[], axes: readonly number[]) => axes.reduce((p, a) => p * dims[a]!, 1);
        expect(segments.flatMap((segment) => segment.from)).toEqual(long(from));
        expect(segments.flatMap((segment) => segment.to)).toEqual(long(to));
        for (const segment of segments) expect(product(from, segment.from)).toBe(product(to, segment.to));
      }),
    );
  });
});

describe('equations of a reshape', () => {
  const reshape = recordOf(reshapeOperators, 'Reshape');
  const stated = (X: readonly Dim[], ...shape: number[]) =>
    equationsOf(reshape, { inputs: { X, shape: values(...shape) } }, /=/);

  it('merge axes in row-major order', () => {
    expect(stated([2, 8, 4, 4], 0, -1)).toEqual(['X[0] = Y[0]', '(X[1] x X[2] x X[3]) = Y[1]']);
  });

  it('call the outer factors of an axis that is split its groups', () => {
    expect(stated(['batch', 12, 5], 0, 2, 6, 5)).toEqual([
      'X[0] = Y[0]',
      'group:2 = Y[1]',
      'X[1] = (group:2 x Y[2])',
      'X[2] = Y[3]',
    ]);
  });

  it('tell apart what is inside of an axis that is merged with an unknown size', () => {
    // Heads are merged with the batch: 4 of the 32 channels go there, 8 stay.
    expect(stated([17, 'batch', 32], 17, -1, 8)).toEqual([
      'X[0] = Y[0]',
      'group:4 = leaf:4',
      'X[2] = (group:4 x Y[2])',
      'Y[1] = (leaf:batch x leaf:4)',
      '(X[1]) = (leaf:batch)',
    ]);
  });

  it('give up where an unknown size cannot be filled up from', () => {
    const lines = equationsOf(reshape, { inputs: { X: ['batch', 6, 5], shape: values(-1, 4) } }, /^freeze [XY]/);
    const because = 'the sizes do not tell which axes it is reshaped from and to';
    expect(lines).toEqual(['X[0]', 'X[1]', 'X[2]', 'Y[0]', 'Y[1]'].map((axis) => `freeze ${axis}: ${because}`));
  });

  it('keep axes of one element that are dropped or added', () => {
    const lines = equationsOf(reshape, { inputs: { X: [2, 1, 8], shape: values(2, 8, 1) } }, /one element/);
    expect(lines).toEqual([
      'freeze X[1]: an axis of one element is dropped',
      'freeze Y[2]: an axis of one element is added',
    ]);
  });
});

describe('sizes of a reshape', () => {
  const reshape = recordOf(reshapeOperators, 'Reshape');
  const after = { X: [17, 'batch', 16], Y: [17, '2*batch', 8] };
  const computed = (...value: Dim[]) => ({ inputs: { X: [17, 'batch', 32], shape: { dims: [3], value } } });

  it('are left open where one changes that only the run knows', () => {
    expect(resizesOf(reshape, computed(17, '4*batch', 8), { after })).toEqual(['input 1 = [17, -1, 8]']);
    const open = { inputs: { X: [17, 'batch', 32], shape: values(17, -1, 8) } };
    expect(resizesOf(reshape, open, { after })).toEqual([]);
  });

  it('are stated where another one has to be left open', () => {
    expect(resizesOf(reshape, computed(17, '4*batch', -1), { after })).toEqual(['input 1 = [17, -1, 8]']);
  });
});
