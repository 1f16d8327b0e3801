/**
 * The least and the greatest of a list of any length. `Math.max(...list)` passes every element as an argument, and the
 * stack overflows where there are some hundred thousand: a node may have as many inputs.
 */

/** The greatest number; -Infinity of none. */
export function greatest(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => Math.max(most, number), Number.NEGATIVE_INFINITY);
}

/** The least number; Infinity of none. */
export function least(numbers: readonly number[]): number {
  return numbers.reduce((fewest, number) => Math.min(fewest, number), Number.POSITIVE_INFINITY);
}
