/** What a benchmark run found: the shape of its JSON file. Types, and the facts about the machine. */
import { arch, platform, totalmem } from 'node:os';
import { type BenchmarkResult, deviceName, onnxruntimeVersion } from '@onnx-pruning/runtime';
import type { EngineMemory, EngineTime } from './measure-engine.ts';

/** Size and cost of a model. */
export interface ModelSize {
  readonly fileBytes: number;
  readonly nodes: number;
  /** Inputs of all nodes. In a DenseNet they grow with the square of a block's depth, as its Concat nodes list all layers. */
  readonly edges: number;
  readonly params: number;
  readonly macs: number;
}

/** One model at one pruning ratio. */
export interface EngineResult {
  readonly model: string;
  readonly ratio: number;
  readonly original: ModelSize;
  readonly pruned: ModelSize;
  readonly time: EngineTime;
  readonly memory: EngineMemory;
}

/** The original of a model against its pruned versions, on one execution provider. */
export interface LatencyResult {
  readonly model: string;
  /** Pruning ratio of each timed model; 0 is the original. */
  readonly ratios: readonly number[];
  /** MACs of the original over those of each timed model: what the speed-up could be. */
  readonly macsRatios: readonly number[];
  readonly timing: BenchmarkResult;
}

export interface ScalingResult {
  readonly model: string;
  readonly original: ModelSize;
  readonly time: EngineTime;
}

export interface Machine {
  readonly processor: string;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
  readonly onnxruntimeNode: string;
}

export interface BenchmarkReport {
  readonly date: string;
  readonly machine: Machine;
  readonly executionProviders: readonly string[];
  readonly batch: number;
  readonly imageSize: number;
  readonly engine: readonly EngineResult[];
  readonly latency: readonly LatencyResult[];
  readonly scaling: readonly ScalingResult[];
}

/** The machine that this runs on. */
export async function thisMachine(): Promise<Machine> {
  return {
    processor: await deviceName('cpu'),
    memoryBytes: totalmem(),
    platform: `${platform()} ${arch()}`,
    node: process.version,
    onnxruntimeNode: onnxruntimeVersion(),
  };
}
