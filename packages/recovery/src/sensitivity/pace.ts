/** Counts evaluations and says how long the rest will take. It must not know what is evaluated. */
import type { SensitivityProgress } from './types.ts';

export class Pace {
  readonly #total: number;
  readonly #tell: ((progress: SensitivityProgress) => void) | undefined;
  readonly #start = performance.now();
  #done = 0;
  /** Evaluations that took no time, since their results were there. */
  #given = 0;
  #group: string | undefined;

  constructor(total: number, tell: ((progress: SensitivityProgress) => void) | undefined) {
    this.#total = total;
    this.#tell = tell;
  }

  /** What is evaluated next. */
  begin(group: string | undefined): void {
    this.#group = group;
  }

  /** @param share of the evaluation that is done */
  batch(share: number): void {
    const seconds = (performance.now() - this.#start) / 1000;
    const [made, left] = [this.#done - this.#given + share, this.#total - this.#done - share];
    this.#tell?.({
      done: this.#done + (share === 1 ? 1 : 0),
      total: this.#total,
      secondsLeft: (seconds / made) * left,
      group: this.#group,
    });
  }

  /** An evaluation is over. @param isGiven whether it took no time */
  end(isGiven: boolean, count = 1): void {
    this.#done += count;
    if (isGiven) this.#given += count;
  }
}
