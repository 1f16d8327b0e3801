/**
 * Tries many mutated files in several processes, each of them limited in time and memory, and counts what came out. A
 * process that hangs, runs out of memory or dies costs one case; another takes its place. Such a case is tried once more
 * in a process of its own: a machine that stalls is no defect of the engine, and only what fails twice is counted as one.
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
  /** The program that tries the files. Default `worker.js` beside this module; tests hand in one that fails on purpose. */
  readonly program?: string;
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
      const { reply, defect } = await this.#outcomeOf(index);
      add(this.#tally, reply, defect);
      if (defect) this.#options.onDefect?.(defect);
    }
    this.#stop();
  }

  async #outcomeOf(index: number): Promise<{ reply?: Reply | undefined; defect?: Defect | undefined }> {
    const first = await this.#attempt(index);
    if (!isLimit(first.defect)) return first;
    this.#stop();
    this.#tally.triedTwice++;
    const second = await this.#attempt(index);
    const { defect } = second;
    return isLimit(defect) ? { ...second, defect: { ...defect, what: `${defect.what}, tried twice` } } : second;
  }

  /** One try, in the process at hand or, where there is none, in a new one. */
  async #attempt(index: number): Promise<{ reply?: Reply | undefined; defect?: Defect | undefined }> {
    this.#worker ??= await startWorker(this.#options.program ?? workerProgram(), this.#memoryLimit);
    const answer = await this.#try(this.#worker, index);
    if (typeof answer === 'string') {
      this.#stop();
      return { defect: lost(index, answer) };
    }
    if (answer.peakBytes > this.#memoryLimit * REPLACED_AT) this.#stop();
    return { reply: answer, defect: this.#judge(answer) };
  }

  get #memoryLimit(): number {
    return this.#options.memoryLimit ?? GIGABYTE;
  }

  #stop(): void {
    this.#worker?.kill('SIGKILL');
    this.#worker = undefined;
  }

  /** The reply, or how the process was lost. */
  #try(worker: ChildProcess, index: number): Promise<Reply | 'time' | 'memory'> {
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

/** What a stalled or crowded machine can bring about as well as the engine. */
function isLimit(defect: Defect | undefined): defect is Defect {
  return defect?.kind === 'time' || defect?.kind === 'memory';
}

function lost(index: number, kind: 'time' | 'memory'): Defect {
  return { index, kind, file: '', kinds: [], stage: '', what: 'the process had to be ended' };
}

function workerProgram(): string {
  return fileURLToPath(new URL('./worker.js', import.meta.url));
}

async function startWorker(program: string, memoryLimit: number): Promise<ChildProcess> {
  const heap = Math.floor((memoryLimit * 0.8) / 2 ** 20);
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
