/**
 * Arithmetic on single elements of shape tensors, which may be symbolic. Every function gives undefined where the
 * result is not known or would not be a size. Symbols stand for positive integers.
 */
import { isInexactInteger } from '@onnx-pruning/onnx';
import { addDims, compareDims, DimError, divDims, isKnown, mulDims, sameDim, subDims } from './dims.ts';
import type { Dim } from './record.ts';

/** An element as far as it is known. */
export type Element = Dim | undefined;
/** Folds two known elements. */
export type Fold = (a: Dim, b: Dim) => Element;

/** Symbolic sizes are whole numbers: a fraction and a symbol have no common form. */
function mixesFraction(a: Dim, b: Dim): boolean {
  const fraction = (dim: Dim): boolean => isKnown(dim) && !Number.isInteger(dim);
  return (fraction(a) || fraction(b)) && !(isKnown(a) && isKnown(b));
}

/** Beyond 2^53 a number may stand for several 64-bit integers, which the run would calculate with (and wrap around). */
const isInexact = (dim: Element): boolean => isKnown(dim) && isInexactInteger(dim);

/** What has no exact form is not known. */
function exactly(fold: Fold, a: Dim, b: Dim): Element {
  try {
    return fold(a, b);
  } catch (error) {
    if (error instanceof DimError) return undefined;
    throw error;
  }
}

function guarded(fold: Fold): Fold {
  return (a, b) => {
    if (mixesFraction(a, b) || isInexact(a) || isInexact(b)) return undefined;
    const result = exactly(fold, a, b);
    return isInexact(result) ? undefined : result;
  };
}

export const add: Fold = guarded(addDims);
export const subtract: Fold = guarded(subDims);
export const multiply: Fold = guarded(mulDims);

/** Division of integers drops the fraction; a symbolic quotient is only known where it is exact. */
export const divideIntegers: Fold = guarded((a, b) => {
  if (isKnown(a) && isKnown(b)) return b === 0 ? undefined : Math.trunc(a / b);
  return divDims(a, b);
});

/** Division of real numbers. */
export const divide: Fold = guarded((a, b) => (isKnown(a) && isKnown(b) ? a / b : divDims(a, b)));

/** The remainder with the sign of the divisor. */
export const modulo: Fold = guarded((a, b) => {
  if (isKnown(a) && isKnown(b)) return b === 0 ? undefined : a - b * Math.floor(a / b);
  return divDims(a, b) === undefined ? undefined : 0;
});

/** The remainder with the sign of the dividend. */
export const remainder: Fold = guarded((a, b) => {
  if (isKnown(a) && isKnown(b)) return b === 0 ? undefined : a % b;
  return divDims(a, b) === undefined ? undefined : 0;
});

export const power: Fold = guarded((a, b) => (isKnown(a) && isKnown(b) ? a ** b : undefined));

function order(a: Dim, b: Dim): number | undefined {
  if (isKnown(a) && isKnown(b)) return Math.sign(a - b);
  return mixesFraction(a, b) || isInexact(a) || isInexact(b)
    ? undefined
    : (exactly(compareDims, a, b) as number | undefined);
}

export const minimum: Fold = (a, b) => {
  const sign = order(a, b);
  return sign === undefined ? undefined : sign <= 0 ? a : b;
};

export const maximum: Fold = (a, b) => {
  const sign = order(a, b);
  return sign === undefined ? undefined : sign >= 0 ? a : b;
};

/** A comparison by the sign of the difference; the result is 0 or 1. */
export function comparison(holds: (sign: number) => boolean): Fold {
  return (a, b) => {
    const sign = isInexact(a) && isInexact(b) ? undefined : order(a, b);
    return sign === undefined ? undefined : Number(holds(sign));
  };
}

/** A logical operation on 0 and 1. */
export function logical(holds: (a: boolean, b: boolean) => boolean): Fold {
  return (a, b) => (isKnown(a) && isKnown(b) ? Number(holds(a !== 0, b !== 0)) : undefined);
}

/** The element that a condition chooses; where both are equal the condition does not matter. */
export function choose(condition: Element, a: Element, b: Element): Element {
  if (isKnown(condition)) return condition !== 0 ? a : b;
  return a !== undefined && b !== undefined && sameDim(a, b) ? a : undefined;
}
