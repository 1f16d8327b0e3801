import fc from 'fast-check';
import {
  addDims,
  canonicalDim,
  compareDims,
  DimError,
  divDims,
  mulDims,
  productOfDims,
  sameDim,
  subDims,
} from '../src/dims.ts';
import type { Dim } from '../src/record.ts';

// A fixed seed: a failure is a failure everywhere.
fc.configureGlobal({ seed: 2024 });

const symbol = fc.constantFrom('batch', 'h', 'w', 'past-1', '(a + b)', 's0');
/** Sizes of non-empty tensors: a positive integer, some symbols, or both. */
const dim = fc
  .tuple(fc.integer({ min: 1, max: 50 }), fc.array(symbol, { maxLength: 3 }))
  .map(([coefficient, symbols]) => symbols.reduce<Dim>(mulDims, coefficient));

describe('products of sizes', () => {
  it('multiply numbers and collect symbols in alphabetical order', () => {
    expect(mulDims(3, 4)).toBe(12);
    expect(mulDims('w', 'h')).toBe('h*w');
    expect(mulDims(mulDims('w', 2), mulDims(3, 'h'))).toBe('6*h*w');
    expect(mulDims('h', 'h')).toBe('h*h');
    expect(mulDims('h', 0)).toBe(0);
  });

  it('keep a single size as it is spelled', () => {
    expect(mulDims(1, 'past-1')).toBe('past-1');
    expect(canonicalDim('batch')).toBe('batch');
    expect(productOfDims([])).toBe(1);
  });

  it('never look inside a symbol that is not a monomial', () => {
    expect(mulDims('a + b*c', 'd')).toBe('(a + b*c)*d');
    expect(divDims('(a + b*c)*d', 'd')).toBe('a + b*c');
    expect(divDims('a + b*c', 'c')).toBeUndefined();
    expect(sameDim('a + b*c', mulDims('a + b', 'c'))).toBe(false);
  });

  it('refuse a fraction of a symbol', () => {
    expect(() => mulDims(0.5, 'h')).toThrow(DimError);
  });
});

describe('quotients of sizes', () => {
  it('are exact or undefined', () => {
    expect(divDims(12, 4)).toBe(3);
    expect(divDims(12, 5)).toBeUndefined();
    expect(divDims('6*h*w', '2*w')).toBe('3*h');
    expect(divDims('h', 2)).toBeUndefined();
    expect(divDims('h', 'w')).toBeUndefined();
    expect(divDims('h', 0)).toBeUndefined();
    expect(divDims(0, 7)).toBe(0);
  });

  it('undo products', () => {
    fc.assert(fc.property(dim, dim, (a, b) => sameDim(divDims(mulDims(a, b), b)!, a)));
  });
});

describe('the algebra of sizes', () => {
  it('has commutative and associative products', () => {
    fc.assert(fc.property(dim, dim, (a, b) => sameDim(mulDims(a, b), mulDims(b, a))));
    fc.assert(fc.property(dim, dim, dim, (a, b, c) => mulDims(mulDims(a, b), c) === mulDims(a, mulDims(b, c))));
  });

  it('spells equal sizes equally', () => {
    fc.assert(
      fc.property(
        fc.array(dim, { maxLength: 6 }),
        (dims) => productOfDims(dims) === productOfDims([...dims].reverse()),
      ),
    );
    expect(sameDim('w*h*2', '2*h*w')).toBe(true);
    expect(sameDim('h', 'w')).toBe(false);
    expect(sameDim('8', 8)).toBe(false);
  });

  it('agrees with numbers put in for the symbols', () => {
    const sizes: Readonly<Record<string, number>> = { batch: 2, h: 3, w: 5, s0: 7, 'past-1': 11, '(past-1)': 11 };
    const evaluate = (d: Dim): number =>
      typeof d === 'number'
        ? d
        : d.split('*').reduce((p, s) => p * (sizes[s] ?? (s.startsWith('(a') ? 13 : Number(s))), 1);
    fc.assert(fc.property(dim, dim, (a, b) => evaluate(mulDims(a, b)) === evaluate(a) * evaluate(b)));
  });
});

describe('sums and differences of sizes', () => {
  it('are known for numbers and for multiples of the same symbols', () => {
    expect(addDims(3, 4)).toBe(7);
    expect(addDims('h', 'h')).toBe('2*h');
    expect(addDims('h', 0)).toBe('h');
    expect(subDims('3*h', 'h')).toBe('2*h');
    expect(subDims('h', 'h')).toBe(0);
    expect(addDims('h', 1)).toBeUndefined();
    expect(addDims('h', 'w')).toBeUndefined();
  });

  it('give the order of sizes where symbols cannot change it', () => {
    expect(compareDims(3, 5)).toBe(-1);
    expect(compareDims('h', 'h')).toBe(0);
    expect(compareDims('2*h', 'h')).toBe(1);
    expect(compareDims('h', -1)).toBe(1);
    expect(compareDims(0, 'h')).toBe(-1);
    expect(compareDims('h', 5)).toBeUndefined();
    expect(compareDims('h', 'w')).toBeUndefined();
  });
});
