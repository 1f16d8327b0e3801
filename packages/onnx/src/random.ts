/** Seeded random numbers: same seed, same sequence on every machine. Nothing here is shared between callers. */
import { checkArguments, kinds } from './arguments.ts';

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Standard normal. */
  normal(): number;
  /** Uniform integer in [0, n). */
  int(n: number): number;
}

/**
 * A generator for weights and test data; not for cryptography.
 * Method: mulberry32 (Tommy Ettinger, 2017) for uniforms, Box and Muller (1958) for normals.
 */
export function createRandom(seed: number): Random {
  checkArguments('createRandom', { seed: [seed, kinds.number] });
  // Looking up the global in every call is slow where tests run it in a context of their own.
  const { imul, sqrt, log, sin, cos, PI, floor } = Math;
  let state = seed >>> 0;
  let spare: number | undefined;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = imul(state ^ (state >>> 15), state | 1);
    t ^= t + imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = sqrt(-2 * log(1 - next()));
    const angle = 2 * PI * next();
    spare = radius * sin(angle);
    return radius * cos(angle);
  };
  return { next, normal, int: (n) => floor(next() * n) };
}
