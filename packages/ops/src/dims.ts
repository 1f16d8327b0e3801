/**
 * Arithmetic on sizes that may be symbolic, so that shape inference can carry a dynamic batch or image through products
 * and quotients without knowing it.
 *
 * A symbolic size is a monomial: an optional integer coefficient, then its symbols in alphabetical order, joined with
 * `*` (`2*h*w`). What is not a monomial (`past + 1`) is one symbol in parentheses: nothing is ever known of its inside.
 * Symbols stand for sizes of non-empty tensors, that is for positive integers. This file knows no operators.
 */
import { anyOf, checkArgument, type Kind, kinds, OnnxPruningError } from '@onnx-pruning/onnx';
import type { Dim } from './record.ts';

/** A size beyond what can be counted exactly (2^53): no tensor has it, so the model is damaged. */
export class DimError extends OnnxPruningError {}

const SIZES: Kind = { expected: 'a list of sizes', accepts: (value) => Array.isArray(value) };

interface Monomial {
  readonly coefficient: number;
  readonly symbols: readonly string[];
}

/** Pieces of `text` between the `*` outside parentheses; undefined when it is something else than a product. */
function topLevelFactors(text: string): string[] | undefined {
  const factors: string[] = [];
  let depth = 0;
  let piece = '';
  for (const char of text) {
    if (char === '(') depth++;
    if (char === ')') depth--;
    if (depth < 0) return undefined;
    if (depth === 0 && /[\s+\-/%,<>=]/.test(char)) return undefined;
    if (depth === 0 && char === '*') {
      factors.push(piece);
      piece = '';
    } else piece += char;
  }
  factors.push(piece);
  return depth === 0 && factors.every((factor) => factor !== '') ? factors : undefined;
}

const SIZE = anyOf(kinds.number, kinds.text);

function parse(dim: Dim): Monomial {
  if (typeof dim === 'number') return { coefficient: dim, symbols: [] };
  checkArgument('arithmetic on sizes', 'dim', dim, SIZE);
  const signed = /^(-\d+)\*(.+)$/.exec(dim);
  const factors = topLevelFactors(signed ? signed[2]! : dim);
  if (factors === undefined) return { coefficient: 1, symbols: [`(${dim})`] };
  let coefficient = signed ? Number(signed[1]) : 1;
  const symbols: string[] = [];
  for (const factor of factors) {
    if (/^\d+$/.test(factor)) coefficient *= Number(factor);
    else symbols.push(factor);
  }
  return { coefficient, symbols: symbols.sort() };
}

/** A symbol on its own is spelled as it was found. */
function withoutParentheses(symbol: string): string {
  const inside = /^\((.*)\)$/.exec(symbol)?.[1];
  return inside !== undefined && topLevelFactors(inside) === undefined ? inside : symbol;
}

function format({ coefficient, symbols }: Monomial): Dim {
  if (symbols.length === 0 || coefficient === 0) return coefficient;
  if (!Number.isSafeInteger(coefficient)) throw notCountable(coefficient, symbols);
  if (coefficient !== 1) return [coefficient, ...symbols].join('*');
  return symbols.length === 1 ? withoutParentheses(symbols[0]!) : symbols.join('*');
}

function notCountable(coefficient: number, symbols: readonly string[]): DimError {
  const size = [coefficient, ...symbols].join('*');
  const isFraction = Math.abs(coefficient) <= Number.MAX_SAFE_INTEGER;
  return new DimError('SIZE', isFraction ? 'a size is no whole number' : 'a size is larger than any tensor has', {
    expected: isFraction ? 'a whole multiple of the symbol' : `at most ${Number.MAX_SAFE_INTEGER}`,
    actual: size,
    repair: 'The model is damaged, or its inputs were given wrong shapes: export it again, or give other shapes.',
  });
}

/** Whether the size is known before the run. */
export function isKnown(dim: Dim | undefined): dim is number {
  return typeof dim === 'number';
}

/** The canonical spelling of a size: equal sizes have equal spellings. */
export function canonicalDim(dim: Dim): Dim {
  return format(parse(dim));
}

/** Whether both sizes are the same for every value of their symbols. */
export function sameDim(a: Dim, b: Dim): boolean {
  return a === b || (typeof a === 'string' && typeof b === 'string' && canonicalDim(a) === canonicalDim(b));
}

/** The product of two sizes. @throws DimError for a symbol times something else than an integer below 2^53 */
export function mulDims(a: Dim, b: Dim): Dim {
  if (a === 1) return b;
  if (b === 1) return a;
  const left = parse(a);
  const right = parse(b);
  return format({
    coefficient: left.coefficient * right.coefficient,
    symbols: [...left.symbols, ...right.symbols].sort(),
  });
}

/** The exact quotient `a / b`, or undefined when there is none or it is not known to be exact. */
export function divDims(a: Dim, b: Dim): Dim | undefined {
  if (b === 1) return a;
  const numerator = parse(a);
  const denominator = parse(b);
  const coefficient = numerator.coefficient / denominator.coefficient;
  if (denominator.coefficient === 0 || !Number.isInteger(coefficient)) return undefined;
  const symbols = [...numerator.symbols];
  for (const symbol of denominator.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return undefined;
    symbols.splice(at, 1);
  }
  return format({ coefficient: coefficient === 0 ? 0 : coefficient, symbols });
}

/**
 * The number of elements of a tensor of these dimensions; 1 for a scalar.
 * @throws DimError for more than 2^53
 */
export function productOfDims(dims: readonly Dim[]): Dim {
  checkArgument('productOfDims', 'dims', dims, SIZES);
  const product = dims.reduce<Dim>(mulDims, 1);
  if (typeof product === 'number' && !Number.isSafeInteger(product)) throw notCountable(product, []);
  return product;
}

/** The sum of two sizes, or undefined when it is not a monomial (`h + 1`). */
export function addDims(a: Dim, b: Dim): Dim | undefined {
  if (a === 0) return b;
  if (b === 0) return a;
  const left = parse(a);
  const right = parse(b);
  if (left.symbols.join('*') !== right.symbols.join('*')) return undefined;
  return format({ coefficient: left.coefficient + right.coefficient, symbols: left.symbols });
}

/** The difference of two sizes, or undefined when it is not a monomial. */
export function subDims(a: Dim, b: Dim): Dim | undefined {
  return addDims(a, mulDims(-1, b));
}

/** The sign of `a - b` where it holds for every positive value of the symbols; undefined otherwise. */
export function compareDims(a: Dim, b: Dim): number | undefined {
  const difference = subDims(a, b);
  if (difference !== undefined) return Math.sign(parse(difference).coefficient);
  if (typeof a === 'number' && a <= 0 && parse(b).coefficient > 0) return -1;
  if (typeof b === 'number' && b <= 0 && parse(a).coefficient > 0) return 1;
  return undefined;
}
