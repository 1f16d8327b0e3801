/** How the pruning ratio grows over iterative steps. */

/** Ratios after 0, 1, ..., `steps` steps. */
export type Scheduler = (ratio: number, steps: number) => number[];

/** Equal steps: after step i the ratio is i / steps of the target. Torch-Pruning's default. */
export const linearScheduler: Scheduler = (ratio, steps) =>
  Array.from({ length: steps + 1 }, (_, i) => (i / steps) * ratio);
