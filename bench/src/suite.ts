/** Runs the benchmarks of DESIGN's contract 4 and of pruned models, in order, and collects what they find. */
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countOpsAndParams } from '@onnx-pruning/cost';
import { loadModel, saveModel } from '@onnx-pruning/onnx';
import { availableExecutionProviders, benchmark, ExecutionProviderError } from '@onnx-pruning/runtime';
import { type BenchmarkCase, COMPARED, type Images, SCALED } from './cases.ts';
import type { ProcessOptions } from './engine-process.ts';
import { measurePeak, measureTime } from './measure-engine.ts';
import {
  type BenchmarkReport,
  type EngineResult,
  type LatencyResult,
  type ModelSize,
  type ScalingResult,
  thisMachine,
} from './result.ts';

export interface SuiteOptions extends Images {
  readonly ratios: readonly number[];
  /** Timed passes of the engine, and timed runs of every model. */
  readonly repeats: number;
  readonly runs: number;
  readonly threads?: number;
  /** Channels that are left are a multiple of this. */
  readonly roundTo?: number;
  /** The execution providers to time models on; by default all that are here. */
  readonly providers?: readonly string[];
  readonly log: (line: string) => void;
}

/** Everything, on models that are built into a temporary folder and deleted afterwards. */
export async function runSuite(options: SuiteOptions): Promise<BenchmarkReport> {
  const folder = await mkdtemp(join(tmpdir(), 'onnx-pruning-bench-'));
  try {
    const executionProviders = options.providers ?? (await availableExecutionProviders());
    const compared: Comparison[] = [];
    for (const model of COMPARED) compared.push(await compare(model, folder, executionProviders, options));
    const scaling: ScalingResult[] = [];
    for (const model of SCALED) scaling.push(await scale(model, folder, options));
    return {
      date: new Date().toISOString(),
      machine: await thisMachine(),
      executionProviders,
      batch: options.batch,
      imageSize: options.imageSize,
      engine: compared.flatMap((one) => one.engine),
      latency: compared.flatMap((one) => one.latency),
      scaling,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Comparison {
  readonly engine: readonly EngineResult[];
  readonly latency: readonly LatencyResult[];
}

async function compare(
  model: BenchmarkCase,
  folder: string,
  executionProviders: readonly string[],
  options: SuiteOptions,
): Promise<Comparison> {
  const input = await writeOriginal(model, folder, options);
  const original = await sizeOf(input);
  const engine: EngineResult[] = [];
  for (const ratio of options.ratios) {
    options.log(`${model.name}: engine at ratio ${ratio}`);
    const output = prunedPath(input, ratio);
    const task = taskOf(model, ratio, options);
    const time = await measureTime(input, output, task);
    const memory = await measurePeak(input, output, task);
    engine.push({ model: model.name, ratio, original, pruned: await sizeOf(output), time, memory });
  }
  const latency: LatencyResult[] = [];
  for (const provider of executionProviders) {
    options.log(`${model.name}: latency on ${provider}`);
    try {
      latency.push(await timeOn(provider, model.name, input, engine, options));
    } catch (error) {
      if (!(error instanceof ExecutionProviderError)) throw error;
      options.log(`${model.name}: ${error.message}`);
    }
  }
  return { engine, latency };
}

async function timeOn(
  executionProvider: string,
  model: string,
  input: string,
  engine: readonly EngineResult[],
  { runs, threads }: SuiteOptions,
): Promise<LatencyResult> {
  const pruned = engine.map(({ ratio }) => ({ name: `${ratio}`, model: prunedPath(input, ratio) }));
  const models = [{ name: 'original', model: input }, ...pruned];
  const timing = await benchmark(models, { executionProvider, runs, threads });
  const macsRatios = engine.map((result) => result.original.macs / result.pruned.macs);
  return { model, ratios: [0, ...engine.map(({ ratio }) => ratio)], macsRatios: [1, ...macsRatios], timing };
}

async function scale(model: BenchmarkCase, folder: string, options: SuiteOptions): Promise<ScalingResult> {
  options.log(`${model.name}: engine`);
  const input = await writeOriginal(model, folder, options);
  const time = await measureTime(input, prunedPath(input, 0.5), taskOf(model, 0.5, options));
  return { model: model.name, original: await sizeOf(input), time };
}

function taskOf({ ignoredLayers }: BenchmarkCase, ratio: number, { repeats, roundTo }: SuiteOptions): ProcessOptions {
  return { ratio, ignoredLayers, repeats, ...(roundTo === undefined ? {} : { roundTo }) };
}

async function writeOriginal(
  model: BenchmarkCase,
  folder: string,
  { batch, imageSize }: SuiteOptions,
): Promise<string> {
  const path = join(folder, `${model.name.replace(/\W+/g, '-')}.onnx`);
  await saveModel(model.build({ batch, imageSize }), path);
  return path;
}

function prunedPath(input: string, ratio: number): string {
  return input.replace(/\.onnx$/, `.pruned-${ratio}.onnx`);
}

async function sizeOf(path: string): Promise<ModelSize> {
  const model = await loadModel(path);
  const { macs, params } = countOpsAndParams(model);
  const { node } = model.graph;
  const edges = node.reduce((sum, { input }) => sum + input.length, 0);
  return { fileBytes: statSync(path).size, nodes: node.length, edges, params, macs };
}
