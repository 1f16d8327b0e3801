/** From numbers to places along an axis of a drawing, and the round numbers that are written there. It must not draw. */

const { abs, ceil, floor, log10, max, min } = Math;

/** One axis. */
export interface Scale {
  /** Where a number lies, from 0 to 1. */
  at(value: number): number;
  /** Round numbers, ascending, at least two. */
  readonly ticks: readonly number[];
  /** Whether numbers that are not above 0 have no place. */
  readonly isLogarithmic: boolean;
}

const TICKS = 4;

/** From one round number to another, with all given ones between them. */
export function linearScale(values: readonly number[]): Scale {
  const [low, high] = [min(...values), max(...values)];
  const spread = high > low ? high - low : abs(high) || 1;
  const step = roundStep(spread / TICKS);
  const [first, last] = [floor(low / step + 1e-9), max(floor(low / step + 1e-9) + 1, ceil(high / step - 1e-9))];
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => rounded((first + i) * step));
  const [from, to] = [ticks[0]!, ticks.at(-1)!];
  return { at: (value) => (value - from) / (to - from), ticks, isLogarithmic: false };
}

/** Powers of ten, with all given numbers above 0 between them. */
export function logarithmicScale(values: readonly number[]): Scale {
  const logs = values.filter((value) => value > 0).map(log10);
  const from = floor(min(...logs) + 1e-9);
  const to = max(from + 1, ceil(max(...logs) - 1e-9));
  const step = max(1, ceil((to - from) / TICKS));
  const ticks = Array.from({ length: floor((to - from) / step) + 1 }, (_, i) => rounded(10 ** (from + i * step)));
  return { at: (value) => (log10(value) - from) / (to - from), ticks, isLogarithmic: true };
}

/** 1, 2 or 5 times a power of ten, not below a number. */
function roundStep(least: number): number {
  const power = 10 ** floor(log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10);
}

/** Without the last digits, which are noise of the arithmetic. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}
