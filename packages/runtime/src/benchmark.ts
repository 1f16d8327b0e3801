/**
 * Times models against each other. Runs are interleaved (A B A B ...) and compared pair by pair, so that what slows the
 * machine down for a moment slows down both. It must not judge what the models compute.
 */

import { checkArguments, type Kind, kinds } from '@onnx-pruning/onnx';
import { deviceName } from './device.ts';
import { type RandomInputOptions, randomFeeds } from './inputs.ts';
import type { ModelSource } from './model-source.ts';
import { checkRunOptions, MODEL_SOURCE } from './run-options.ts';
import { checkedFeeds } from './run-sizes.ts';
import { createSession, type Session } from './session.ts';
import type { SessionOptions } from './session-options.ts';
import { isSteady, pairedRatios, type Quartiles, quartiles, type Summary, summarize } from './stats.ts';
import type { TensorValues } from './values.ts';

/** A model that is timed, under the name that the result gives it. */
export interface BenchmarkModel {
  /** Appears in the result; not looked at otherwise. */
  readonly name: string;
  /** In memory, as bytes, or as the path of a file. */
  readonly model: ModelSource;
}

export interface BenchmarkProgress {
  readonly phase: 'load' | 'warmup' | 'run';
  readonly done: number;
  readonly total: number;
}

export interface BenchmarkOptions extends SessionOptions, RandomInputOptions {
  /** Untimed runs of every model before the timed ones; 5 by default, at least 1. */
  readonly warmup?: number;
  /** Timed runs of every model; 30 by default. */
  readonly runs?: number;
  /** Input values to use in place of random ones. */
  readonly feeds?: TensorValues;
  /** Is told of every model loaded and every run done; it is called between runs, not during one. */
  readonly onProgress?: (progress: BenchmarkProgress) => void;
}

/** What was measured of one model. */
export interface ModelTiming {
  readonly name: string;
  /** Milliseconds per run. */
  readonly latencyMs: Summary;
  /** Inputs per second: batch over the median latency. */
  readonly throughput: number;
  /** How many times faster than the first model: quartiles of the ratios of paired runs. */
  readonly speedUp: Quartiles;
  /** Whether the paired runs agree; where not, the machine was too busy, and no figure here is to be relied on. */
  readonly steady: boolean;
  /** Every timed run in milliseconds, in the order of the runs. */
  readonly samplesMs: readonly number[];
}

/** What a benchmark measured, and under which conditions. */
export interface BenchmarkResult {
  /** That all models ran on, as it was asked for. */
  readonly executionProvider: string;
  /** The hardware. */
  readonly device: string;
  /** As asked for; `default` is onnxruntime's own choice, one thread per physical core. */
  readonly threads: number | 'default';
  /** First dimension of the first input. */
  readonly batch: number;
  /** Untimed runs of every model. */
  readonly warmup: number;
  /** Timed runs of every model. */
  readonly runs: number;
  /** In the order in which they were given; the first is what the others are compared with. */
  readonly models: readonly ModelTiming[];
}

const CONTENDERS: Kind = {
  expected: 'a list of at least one { name, model }',
  accepts: (value) => Array.isArray(value) && value.length > 0 && value.every(isContender),
};

function isContender(value: unknown): boolean {
  const { name, model } = (value ?? {}) as Partial<BenchmarkModel>;
  return kinds.text.accepts(name) && MODEL_SOURCE.accepts(model);
}

interface Contender {
  readonly name: string;
  readonly session: Session;
  readonly feeds: TensorValues;
}

/**
 * Times models on random inputs, or on those given, one session each, all loaded at once.
 *
 * A run is timed from JavaScript: it includes handing the inputs over and the outputs back, as an application sees
 * it. Between runs the threads of a session stop spinning, so that one model's idle threads do not slow down the next.
 *
 * @param models the first is the one that the others are compared with
 * @throws ArgumentError for no models or no runs; FeedError, SessionError and ExecutionProviderError as `createSession`
 * and `randomInputs` do; SessionError (`RUN_TOO_LARGE`) before a model is loaded of which a value is known to be too large
 */
export async function benchmark(
  models: readonly BenchmarkModel[],
  options: BenchmarkOptions = {},
): Promise<BenchmarkResult> {
  checkArguments('benchmark', { models: [models, CONTENDERS] });
  checkRunOptions('benchmark', options);
  const { warmup = 5, runs = 30, executionProvider = 'cpu', threads } = options;
  const contenders: Contender[] = [];
  try {
    for (const { name, model } of models) {
      report(options, 'load', contenders.length, models.length);
      contenders.push(await load(name, model, options));
    }
    await interleave(contenders, warmup, (done) => report(options, 'warmup', done, warmup));
    const samples = await interleave(contenders, runs, (done) => report(options, 'run', done, runs));
    const batch = batchOf(contenders[0]!.feeds);
    return {
      executionProvider,
      device: await deviceName(executionProvider, options.deviceId),
      threads: threads ?? 'default',
      batch,
      warmup,
      runs,
      models: contenders.map(({ name }, i) => timing(name, samples[i]!, samples[0]!, batch)),
    };
  } finally {
    await Promise.all(contenders.map(({ session }) => session.dispose()));
  }
}

async function load(name: string, model: ModelSource, options: BenchmarkOptions): Promise<Contender> {
  const config = { 'session.force_spinning_stop': '1', ...options.config };
  const known = checkedFeeds(model, options);
  const session = await createSession(model, { ...options, config });
  try {
    return { name, session, feeds: known ?? randomFeeds(model, session, options) };
  } catch (error) {
    await session.dispose();
    throw error;
  }
}

/** Milliseconds by model and run. */
async function interleave(
  contenders: readonly Contender[],
  runs: number,
  onRun: (done: number) => void,
): Promise<number[][]> {
  const samples: number[][] = contenders.map(() => []);
  for (let run = 0; run < runs; run++) {
    onRun(run);
    for (const [i, { session, feeds }] of contenders.entries()) {
      const start = performance.now();
      await session.run(feeds);
      samples[i]!.push(performance.now() - start);
    }
  }
  return samples;
}

function timing(name: string, samplesMs: readonly number[], first: readonly number[], batch: number): ModelTiming {
  const latencyMs = summarize(samplesMs);
  const speedUp = quartiles(pairedRatios(first, samplesMs));
  return {
    name,
    latencyMs,
    throughput: (1000 * batch) / latencyMs.median,
    speedUp,
    steady: isSteady(speedUp),
    samplesMs,
  };
}

function batchOf(feeds: TensorValues): number {
  return Object.values(feeds)[0]?.dims[0] ?? 1;
}

function report(options: BenchmarkOptions, phase: BenchmarkProgress['phase'], done: number, total: number): void {
  options.onProgress?.({ phase, done, total });
}
