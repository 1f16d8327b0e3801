/**
 * Tries many mutated files in several processes, each of them limited in time and memory, and counts what came out. A
 * process that hangs, runs out of memory or dies costs one case, once it has done so twice; another takes its place.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { add, type Defect, emptyTally, type Tally } from './tally.ts';
import type { Reply, Request } from './worker.ts';

export interface CampaignOptions {
  readonly seed: number;
  readonly first: number;
  /** One behind the last. */
  readonly end: number;
  readonly workers: number;
  /** Milliseconds for one file. Default 10,000. */
  readonly timeLimit?: number;
  /** Resident bytes of a process that tries one file. Default 1 GB. */
  readonly memoryLimit?: number;
  /** Is told every defect as it is found. */
  readonly onDefect?: (defect: Defect) => void;
}

const GIGABYTE = 1e9;
/** A process that has grown to this share of the limit is replaced before the next file, so that each starts small. */
const REPLACED_AT = 0.45;

/** Tries the files `first` to `end`. */
export async function runCampaign(options: CampaignOptions): Promise<Tally> {
  const tally = emptyTally();
  let next = options.first;
  const take = (): number | undefined => (next < options.end ? next++ : undefined);
  await Promise.all(Array.from({ length: options.workers }, () => new Lane(options, tally, take).run()));
  return tally;
}

/** One process at a time, and the files that it is asked to try. */
class Lane {
  readonly #options: CampaignOptions;
  readonly #tally: Tally;
  readonly #take: () => number | undefined;
  #worker: ChildProcess | undefined;

  constructor(options: CampaignOptions, tally: Tally, take: () => number | undefined) {
    this.#options = options;
    this.#tally = tally;
    this.#take = take;
  }

  async run(): Promise<void> {
    for (let index = this.#take(); index !== undefined; index = this.#take()) {
      let answer = await this.#try(index);
      // A machine that stands still for a while loses a process that did nothing wrong: it is tried once more in a new one.
      if (typeof answer === 'string') answer = await this.#try(index);
      const defect = typeof answer === 'string' ? lost(index, answer) : this.#judge(answer);
      add(this.#tally, typeof answer === 'string' ? undefined : answer, defect);
      if (defect) this.#options.onDefect?.(defect);
    }
    this.#stop();
  }

  get #memoryLimit(): number {
    return this.#options.memoryLimit ?? GIGABYTE;
  }

  #stop(): void {
    this.#worker?.kill('SIGKILL');
    this.#worker = undefined;
  }

  /** The reply, or how the process was lost. */
  async #try(index: number): Promise<Reply | 'time' | 'memory'> {
    this.#worker ??= await startWorker(this.#memoryLimit);
    const answer = await this.#ask(this.#worker, index);
    if (typeof answer === 'string' || answer.peakBytes > this.#memoryLimit * REPLACED_AT) this.#stop();
    return answer;
  }

  #ask(worker: ChildProcess, index: number): Promise<Reply | 'time' | 'memory'> {
    const { seed, timeLimit = 10_000 } = this.#options;
    return new Promise((resolve) => {
      const done = (answer: Reply | 'time' | 'memory'): void => {
        clearTimeout(timer);
        worker.removeAllListeners('message').removeAllListeners('exit');
        resolve(answer);
      };
      const timer = setTimeout(() => done('time'), timeLimit);
      // A process ends by itself only where V8 finds no more memory.
      worker.once('exit', () => done('memory')).once('message', (reply: Reply) => done(reply));
      worker.send({ seed, index } satisfies Request);
    });
  }

  #judge({ index, file, kinds, outcome, peakBytes }: Reply): Defect | undefined {
    const { kind, stage, what } = outcome;
    if (peakBytes > this.#memoryLimit) return { index, kind: 'memory', file, kinds, stage, what: `${peakBytes} bytes` };
    return kind === 'untyped' || kind === 'unsound' ? { index, kind, file, kinds, stage, what } : undefined;
  }
}

function lost(index: number, kind: 'time' | 'memory'): Defect {
  return { index, kind, file: '', kinds: [], stage: '', what: 'the process had to be ended, twice' };
}

async function startWorker(memoryLimit: number): Promise<ChildProcess> {
  const heap = Math.floor((memoryLimit * 0.8) / 2 ** 20);
  const program = fileURLToPath(new URL('./worker.js', import.meta.url));
  const worker = fork(program, {
    execArgv: [`--max-old-space-size=${heap}`],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    worker
      .once('message', () => resolve())
      .once('error', reject)
      .once('exit', () => reject(new Error('the worker ended')));
  });
  worker.removeAllListeners('exit').removeAllListeners('error');
  return worker;
}
