/** Names the hardware and the onnxruntime that a measurement was made on. It must not measure. */
import { execFile } from 'node:child_process';
import { cpus } from 'node:os';
import { promisify } from 'node:util';
import { onnxruntime } from './onnxruntime.ts';

const NVIDIA_PROVIDERS: ReadonlySet<string> = new Set(['cuda', 'tensorrt']);

/**
 * The processor or graphics card behind an execution provider, as a person would name it; for providers whose device
 * cannot be asked for, their name.
 */
export async function deviceName(executionProvider: string, deviceId = 0): Promise<string> {
  if (executionProvider === 'cpu') return processorName();
  if (!NVIDIA_PROVIDERS.has(executionProvider)) return `${executionProvider} device ${deviceId}`;
  try {
    const query = ['--query-gpu=name', '--format=csv,noheader', `--id=${deviceId}`];
    return (await promisify(execFile)('nvidia-smi', query)).stdout.trim();
  } catch {
    return `${executionProvider} device ${deviceId}`;
  }
}

/** The version of onnxruntime-node. @throws RuntimeError where it is not installed */
export function onnxruntimeVersion(): string {
  const { env } = onnxruntime();
  return env.versions.node ?? env.versions.common;
}

function processorName(): string {
  const processors = cpus();
  return `${processors[0]?.model.trim() || 'unknown processor'} (${processors.length} logical cores)`;
}
