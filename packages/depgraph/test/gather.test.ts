/** Gathering along several axes at once, against the definition: element by element, for every width of element. */
import fc from 'fast-check';
import { gatherAxes, type RawTensor } from '../src/index.ts';

// A fixed seed: a failure is a failure everywhere.
fc.configureGlobal({ seed: 2024 });

const sizeOf = (dims: readonly number[]): number => dims.reduce((n, size) => n * size, 1);

/** Every index of a tensor, last axis fastest. */
function* indicesOf(dims: readonly number[]): Generator<number[]> {
  for (let flat = 0; flat < sizeOf(dims); flat++) {
    let rest = flat;
    yield dims.reduceRight<number[]>((index, size) => {
      index.unshift(rest % size);
      rest = Math.floor(rest / size);
      return index;
    }, []);
  }
}

const flatten = (index: readonly number[], dims: readonly number[]): number =>
  index.reduce((flat, i, axis) => flat * dims[axis] + i, 0);

/** The bits of one element as a string of zeros and ones, least significant first. */
function element({ bytes, bits }: RawTensor, flat: number): string {
  return Array.from({ length: bits }, (_, k) => {
    const bit = flat * bits + k;
    return (bytes[bit >> 3] >> (bit & 7)) & 1;
  }).join('');
}

/** The definition: y[i, j, ...] = x[kept0[i], kept1[j], ...]. */
function byDefinition(source: RawTensor, kept: readonly (Int32Array | undefined)[]): string[] {
  const dims = source.dims.map((size, axis) => kept[axis]?.length ?? size);
  return Array.from(indicesOf(dims), (index) => {
    const from = index.map((i, axis) => kept[axis]?.[i] ?? i);
    return element(source, flatten(from, source.dims));
  });
}

const elements = (t: RawTensor): string[] => Array.from({ length: sizeOf(t.dims) }, (_, flat) => element(t, flat));

/** Content that starts at an odd place of a larger buffer, as tensors in a file do. */
function unaligned(length: number, offset: number, seed: number): Uint8Array {
  const buffer = new Uint8Array(length + offset);
  for (let i = 0; i < buffer.length; i++) buffer[i] = (i * 37 + seed * 101 + (i >> 3)) & 0xff;
  return buffer.subarray(offset);
}

const WIDTHS = [2, 4, 8, 16, 32, 64, 128];

interface Case {
  readonly bits: number;
  readonly offset: number;
  readonly axes: readonly { readonly size: number; readonly keep: number | undefined }[];
}

const cases: fc.Arbitrary<Case> = fc.record({
  bits: fc.constantFrom(...WIDTHS),
  offset: fc.nat(8),
  axes: fc.array(
    fc.record({ size: fc.integer({ min: 1, max: 5 }), keep: fc.option(fc.nat(127), { nil: undefined }) }),
    {
      minLength: 1,
      maxLength: 4,
    },
  ),
});

function tensorOf({ bits, offset, axes }: Case): RawTensor {
  const dims = axes.map(({ size }) => size);
  return { bits, dims, bytes: unaligned(Math.ceil((sizeOf(dims) * bits) / 8), offset, bits) };
}

const listsOf = ({ axes }: Case): (Int32Array | undefined)[] =>
  axes.map(({ size, keep }) => {
    if (keep === undefined) return undefined;
    return Int32Array.from({ length: size }, (_, i) => i).filter((i) => ((keep >> i) & 1) === 1);
  });

describe('gatherAxes', () => {
  it('is the definition, for every width, alignment and combination of axes', () => {
    fc.assert(
      fc.property(cases, (example) => {
        const source = tensorOf(example);
        const before = source.bytes.slice();
        const gathered = gatherAxes(source, listsOf(example));
        expect(elements(gathered)).toEqual(byDefinition(source, listsOf(example)));
        expect(gathered.dims).toEqual(example.axes.map(({ size }, axis) => listsOf(example)[axis]?.length ?? size));
        expect(gathered.bytes).toHaveLength(Math.ceil((sizeOf(gathered.dims) * gathered.bits) / 8));
        expect(source.bytes).toEqual(before);
      }),
      { numRuns: 600 },
    );
  });

  it.each(WIDTHS)(
    '%i bits: long rows are copied as whole pieces and short ones by element, with one result',
    (bits) => {
      for (const inner of [1, 3, 64, 257]) {
        const dims = [5, inner];
        const source = { bits, dims, bytes: unaligned(Math.ceil((5 * inner * bits) / 8), 3, inner) };
        const kept = [Int32Array.of(0, 2, 3), undefined];
        expect(elements(gatherAxes(source, kept))).toEqual(byDefinition(source, kept));
      }
    },
  );

  it('by hand: rows 2 and 0, columns 1 and 2 of a 3 x 3 matrix', () => {
    const source = { bits: 8, dims: [3, 3], bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9) };
    const gathered = gatherAxes(source, [Int32Array.of(2, 0), Int32Array.of(1, 2)]);
    expect([...gathered.bytes]).toEqual([8, 9, 2, 3]);
  });

  it('by hand: packed 4-bit elements, low half first', () => {
    // Elements 1 2 3 4 5 in bytes 0x21 0x43 0x05; of these the second, third and fifth.
    const source = { bits: 4, dims: [5], bytes: Uint8Array.of(0x21, 0x43, 0x05) };
    expect([...gatherAxes(source, [Int32Array.of(1, 2, 4)]).bytes]).toEqual([0x32, 0x05]);
  });

  it('gives an equal tensor where nothing is gathered', () => {
    const source = { bits: 32, dims: [2], bytes: new Uint8Array(8).fill(3) };
    expect(gatherAxes(source, [undefined])).toEqual(source);
  });
});
