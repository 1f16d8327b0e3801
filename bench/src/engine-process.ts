/**
 * Runs the engine in a process of its own, so that neither time nor memory depends on what ran before. Started by
 * measure-engine.ts; prints one line of JSON. It must not import onnxruntime, whose memory would be counted.
 *
 * Arguments: `time` or `memory`, input file, output file, options as JSON.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { loadModel, saveModel } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';
import { type EngineOptions, type PhaseTimes, prunerOptions, pruneTimed } from './engine.ts';
import { peakMemoryBytes } from './peak-memory.ts';

/** Options of a child process. */
export interface ProcessOptions extends EngineOptions {
  /** Passes to time; the first one starts cold. */
  readonly repeats: number;
}

/** Phases of every pass. */
export type TimeAnswer = readonly PhaseTimes[];

export interface MemoryAnswer {
  /** With Node.js and the engine's code loaded, before the model. */
  readonly idleBytes: number;
  readonly peakBytes: number;
}

function time(input: string, output: string, options: ProcessOptions): TimeAnswer {
  const bytes = readFileSync(input);
  const passes = Array.from({ length: options.repeats }, () => {
    const { phasesMs, bytes: pruned } = pruneTimed(bytes, options);
    writeFileSync(output, pruned);
    return phasesMs;
  });
  return passes;
}

/** File to file, as a user does it. */
async function memory(input: string, output: string, options: ProcessOptions): Promise<MemoryAnswer> {
  const idleBytes = peakMemoryBytes();
  const model = await loadModel(input);
  new BasePruner(model, prunerOptions(new GroupMagnitudeImportance(), options)).step();
  await saveModel(model, output);
  return { idleBytes, peakBytes: peakMemoryBytes() };
}

const [task, input = '', output = '', options = ''] = process.argv.slice(2);
const parsed = JSON.parse(options) as ProcessOptions;
const answer = task === 'memory' ? await memory(input, output, parsed) : time(input, output, parsed);
process.stdout.write(JSON.stringify(answer));
