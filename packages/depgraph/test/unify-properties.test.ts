/**
 * Properties of the laws, over random systems of equations: what they say must hold for every choice of channels, and
 * must not depend on the order in which they are stated.
 */
import fc from 'fast-check';
import { type DimTerm, find, forEachCell, KeptIndices, leavesOf, numericSize, TermUniverse } from '../src/index.ts';

// A fixed seed: a failure is a failure everywhere.
fc.configureGlobal({ seed: 2024 });

const WHERE = { node: 'here', operator: 'Test' };

/** How an axis of a given size is written: cut into two, or factored, or as it is. */
type Form = Atom | Pair;
type Atom = { readonly kind: 'leaf' | 'fixed'; readonly variable: number };
type Pair = { readonly kind: 'sum' | 'product'; readonly at: number; readonly forms: readonly [Form, Form] };

const isAtom = (form: Form): form is Atom => form.kind === 'leaf' || form.kind === 'fixed';

const forms: fc.Arbitrary<Form> = fc.letrec<{ form: Form; atom: Form; pair: Form }>((tie) => ({
  form: fc.oneof({ maxDepth: 3 }, tie('atom'), tie('pair')),
  atom: fc.record({ kind: fc.constantFrom('leaf' as const, 'leaf' as const, 'fixed' as const), variable: fc.nat(2) }),
  pair: fc.record({
    kind: fc.constantFrom('sum' as const, 'product' as const),
    at: fc.nat(30),
    forms: fc.tuple(tie('form'), tie('form')),
  }),
})).form;

/** Builds terms of given sizes; equal variables of equal size are the same leaf. */
class Builder {
  readonly universe = new TermUniverse();
  readonly #variables = new Map<string, DimTerm>();

  build(form: Form, size: number): DimTerm {
    if (form.kind === 'fixed') return this.universe.fixed(size, { because: 'it is fixed' });
    if (isAtom(form)) return this.#variable(form.variable, size);
    if (size === 1) return this.#variable(0, size);
    if (form.kind === 'sum') {
      const first = 1 + (form.at % (size - 1));
      return this.universe.sum([this.build(form.forms[0], first), this.build(form.forms[1], size - first)]);
    }
    const divisors = Array.from({ length: size }, (_, i) => i + 1).filter((d) => size % d === 0);
    const outer = divisors[form.at % divisors.length];
    return this.universe.product([this.build(form.forms[0], outer), this.build(form.forms[1], size / outer)]);
  }

  #variable(variable: number, size: number): DimTerm {
    const key = `${variable} ${size}`;
    const known = this.#variables.get(key) ?? this.universe.leaf(size);
    this.#variables.set(key, known);
    return known;
  }
}

const systems = fc.array(fc.tuple(fc.constantFrom(6, 8, 12, 24), forms, forms), { minLength: 1, maxLength: 4 });
type System = readonly (readonly [number, Form, Form])[];

/** States all equations; both sides of each. */
function solve(system: System): [DimTerm, DimTerm][] {
  const builder = new Builder();
  return system.map(([size, left, right]) => {
    const pair: [DimTerm, DimTerm] = [builder.build(left, size), builder.build(right, size)];
    builder.universe.unify(...pair, WHERE);
    return pair;
  });
}

/** Keeps some channels of every leaf, as the numbers say. */
function choose(terms: readonly DimTerm[], numbers: readonly number[]): KeptIndices {
  const leaves = [...new Set(terms.flatMap(leavesOf))];
  const kept = new Map(
    leaves.map((leaf, i) => {
      const all = Int32Array.from({ length: numericSize(leaf) }, (_, channel) => channel);
      return [leaf, all.filter((channel) => ((numbers[i % numbers.length] >> (channel % 16)) & 1) === 1)];
    }),
  );
  return new KeptIndices({ size: numericSize, kept: (leaf) => kept.get(leaf) });
}

const choices = fc.array(fc.nat(0xffff), { minLength: 4, maxLength: 8 });
const indicesOf = (kept: KeptIndices, t: DimTerm): number[] =>
  Array.from(kept.of(t) ?? Array.from({ length: numericSize(t) }, (_, i) => i));

describe('a solved system', () => {
  it('keeps the same indices on both sides of every equation, whatever is chosen', () => {
    fc.assert(
      fc.property(systems, choices, (system, numbers) => {
        const pairs = solve(system);
        const kept = choose(pairs.flat(), numbers);
        for (const [left, right] of pairs) expect(indicesOf(kept, left)).toEqual(indicesOf(kept, right));
      }),
      { numRuns: 2000 },
    );
  });

  it('preserves the size of every term', () => {
    fc.assert(
      fc.property(systems, (system) => {
        const pairs = solve(system);
        pairs.forEach(([left, right], i) => {
          expect([numericSize(left), numericSize(right)]).toEqual([system[i][0], system[i][0]]);
        });
      }),
    );
  });

  it('stays solved when its equations are stated again', () => {
    fc.assert(
      fc.property(systems, (system) => {
        const builder = new Builder();
        const state = (): string[][] =>
          system.map(([size, left, right]) => {
            const pair = [builder.build(left, size), builder.build(right, size)] as const;
            builder.universe.unify(...pair, WHERE);
            return pair.map(occurrences);
          });
        state();
        expect(state()).toEqual(state());
      }),
    );
  });
});

/** Which channel of which leaf lies at every index, with leaves numbered as they are met. */
function occurrences(t: DimTerm): string {
  const numbers = new Map(leavesOf(t).map((leaf, i) => [leaf, i]));
  const cells: string[] = [];
  forEachCell(t, new Set(numbers.keys()), (leaf, channel, index) => {
    cells.push(`${index}:${numbers.get(leaf)}.${channel}`);
  });
  return cells.sort().join(' ');
}

describe('equations over cuts alone', () => {
  const cuts: fc.Arbitrary<Form> = fc.letrec<{ form: Form; atom: Form; pair: Form }>((tie) => ({
    form: fc.oneof({ maxDepth: 3 }, tie('atom'), tie('pair')),
    atom: fc.record({ kind: fc.constant('leaf' as const), variable: fc.nat(2) }),
    pair: fc.record({ kind: fc.constant('sum' as const), at: fc.nat(30), forms: fc.tuple(tie('form'), tie('form')) }),
  })).form;

  it('have one solution, in whatever order they are stated', () => {
    const system = fc.array(fc.tuple(fc.constant(12), cuts, cuts), { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(system, fc.array(fc.nat(20), { minLength: 4, maxLength: 4 }), (equations, keys) => {
        const order = equations.map((_, i) => i).sort((a, b) => keys[a] - keys[b] || a - b);
        const stated = solve(equations);
        const shuffled = solve(order.map((i) => equations[i]));
        order.forEach((i, at) => {
          expect(classes(shuffled[at])).toEqual(classes(stated[i]));
        });
      }),
      { numRuns: 500 },
    );
  });

  /** Indices of an axis that stand or fall together. */
  function classes([left]: readonly [DimTerm, DimTerm]): number[][] {
    const indices = new Map<string, number[]>();
    forEachCell(left, new Set(leavesOf(left)), (leaf, channel, index) => {
      const key = `${find(leaf).id}.${channel}`;
      indices.set(key, [...(indices.get(key) ?? []), index]);
    });
    return [...indices.values()].sort((a, b) => a[0] - b[0]);
  }
});
