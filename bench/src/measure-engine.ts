/** Measures the engine on one model file: time by phase, and peak memory. Every measurement is a process of its own. */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { emptyNodeBytes, median } from '@onnx-pruning/runtime';
import type { CommandAnswer } from './command-process.ts';
import { PHASES, type Phase, type PhaseTimes, totalMs } from './engine.ts';
import type { MemoryAnswer, ProcessOptions, TimeAnswer } from './engine-process.ts';

export interface EngineTime {
  /** Milliseconds by phase: the median of all passes, and the first pass of a fresh process. */
  readonly phasesMs: PhaseTimes;
  readonly totalMs: number;
  readonly firstTotalMs: number;
  readonly passes: number;
}

export interface EngineMemory {
  readonly fileBytes: number;
  readonly peakBytes: number;
  /** Node.js alone, and with the engine's code. */
  readonly emptyNodeBytes: number;
  readonly idleBytes: number;
  /** What the work took beyond an empty Node.js, as a multiple of the file. */
  readonly timesFile: number;
}

/** Times `options.repeats` passes over a file; the last pruned model is left in `output`. */
export async function measureTime(input: string, output: string, options: ProcessOptions): Promise<EngineTime> {
  const passes = await inProcess<TimeAnswer>('time', input, output, options);
  const totals = passes.map(totalMs);
  const phasesMs = Object.fromEntries(
    PHASES.map((phase) => [phase, median(passes.map((pass) => pass[phase]))]),
  ) as Record<Phase, number>;
  return { phasesMs, totalMs: median(totals), firstTotalMs: totals[0]!, passes: passes.length };
}

/** Peak memory of pruning one file into another. */
export async function measurePeak(input: string, output: string, options: ProcessOptions): Promise<EngineMemory> {
  const { idleBytes, peakBytes } = await inProcess<MemoryAnswer>('memory', input, output, options);
  const fileBytes = statSync(input).size;
  const empty = await emptyNodeBytes();
  return { fileBytes, peakBytes, emptyNodeBytes: empty, idleBytes, timesFile: (peakBytes - empty) / fileBytes };
}

/** What the command took that prunes a file, checks the result and writes it. */
export async function measureCommand(input: string, output: string, ratio: number): Promise<CommandAnswer> {
  return runProgram<CommandAnswer>('./command-process.js', [input, output, String(ratio)]);
}

async function inProcess<T>(task: string, input: string, output: string, options: ProcessOptions): Promise<T> {
  return runProgram<T>('./engine-process.js', [task, input, output, JSON.stringify(options)]);
}

async function runProgram<T>(file: string, args: readonly string[]): Promise<T> {
  const program = fileURLToPath(new URL(file, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...args]);
  return JSON.parse(stdout) as T;
}
