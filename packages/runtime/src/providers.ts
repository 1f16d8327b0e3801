/**
 * Which execution providers onnxruntime-node has on this machine, and how to get those it has not. It must not create
 * the sessions that users run: whether a provider starts is tried out in a process of its own, because drivers write
 * to the terminal and can take the process down.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { DataType, encodeModel, GraphBuilder } from '@onnx-pruning/onnx';
import { ExecutionProviderError, messageOf } from './errors.ts';
import { onnxruntimeNodePath } from './library.ts';
import { onnxruntime } from './onnxruntime.ts';

/** The command that adds the CUDA and TensorRT libraries to onnxruntime-node, which npm's package leaves out. */
export const CUDA_INSTALL_COMMAND =
  'ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild --ignore-scripts=false onnxruntime-node';

/** What is known of one execution provider on this machine. */
export interface ExecutionProvider {
  /** As onnxruntime-node spells it: `cpu`, `cuda`, `webgpu`, ... */
  readonly name: string;
  /** It ran a model here. */
  readonly available: boolean;
  /** Why it is not available, and what to do about it. */
  readonly reason?: string;
  /** What to install or run to have it, as a sentence. */
  readonly repair?: string;
}

interface ProviderFacts {
  /** Shared library that onnxruntime loads for this provider and that npm's package does not hold. */
  readonly library?: string;
  readonly repair: string;
}

const FACTS: ReadonlyMap<string, ProviderFacts> = new Map([
  [
    'cuda',
    {
      library: 'libonnxruntime_providers_cuda.so',
      repair: `Run '${CUDA_INSTALL_COMMAND}' on a Linux x64 machine with an NVIDIA driver, CUDA 12 and cuDNN 9.`,
    },
  ],
  [
    'tensorrt',
    {
      library: 'libonnxruntime_providers_tensorrt.so',
      repair: `Run '${CUDA_INSTALL_COMMAND}' on a Linux x64 machine with an NVIDIA driver, CUDA 12, cuDNN 9 and TensorRT 10.`,
    },
  ],
  ['webgpu', { repair: 'It needs a graphics driver with Vulkan (Linux), Metal (macOS) or Direct3D 12 (Windows).' }],
  ['dml', { repair: 'DirectML is part of onnxruntime-node on Windows.' }],
  ['coreml', { repair: 'Core ML is part of onnxruntime-node on macOS.' }],
]);

const CPU = 'cpu';
const PROBE_TIMEOUT_MS = 60_000;

/** Runs in a process of its own. Arguments: path of onnxruntime-node, provider, base64 of a model with one input x. */
const PROBE_SCRIPT = `
const [library, provider, model] = process.argv.slice(1);
const { InferenceSession, Tensor } = require(library);
InferenceSession.create(Buffer.from(model, 'base64'), { executionProviders: [provider], logSeverityLevel: 4 })
  .then((session) => session.run({ x: new Tensor('float32', [1], [1]) }))
  .then(() => process.stdout.write('ok'), (error) => process.stdout.write(String(error.message)))
  .finally(() => process.exit(0));
`;

/**
 * Every execution provider that this build of onnxruntime-node knows, with what became of trying it. Starts one short
 * process for each provider that could be there.
 *
 * @throws RuntimeError where onnxruntime-node is not installed
 */
export async function listExecutionProviders(): Promise<ExecutionProvider[]> {
  return Promise.all(
    onnxruntime()
      .listSupportedBackends()
      .map(({ name }) => inspect(name)),
  );
}

/** The names of the execution providers that run models on this machine; `cpu` is always one. */
export async function availableExecutionProviders(): Promise<string[]> {
  const providers = await listExecutionProviders();
  return providers.filter((provider) => provider.available).map((provider) => provider.name);
}

/** internal: why a provider cannot even be tried here; undefined when it can. */
export function missingProvider(name: string): string | undefined {
  if (
    !onnxruntime()
      .listSupportedBackends()
      .some((backend) => backend.name === name)
  ) {
    return `onnxruntime-node for ${platform()} ${arch()} is built without it`;
  }
  const library = FACTS.get(name)?.library;
  if (library === undefined || existsSync(join(libraryFolder(), library))) return undefined;
  return `its library ${library} is not installed`;
}

/** internal: the error for a provider that was asked for and cannot be had, with a list of those that can. */
export async function providerError(name: string, reason: string, cause?: unknown): Promise<ExecutionProviderError> {
  const available = await availableExecutionProviders();
  return new ExecutionProviderError(
    'EXECUTION_PROVIDER',
    `execution provider '${name}' is not available: ${reason}`,
    {
      expected: `one of ${available.map((provider) => `'${provider}'`).join(', ')}`,
      actual: `'${name}'`,
      repair: FACTS.get(name)?.repair ?? 'Choose one of the execution providers that are there.',
    },
    { cause },
  );
}

async function inspect(name: string): Promise<ExecutionProvider> {
  if (name === CPU) return { name, available: true };
  const reason = missingProvider(name) ?? (await failureOfTrial(name));
  if (reason === undefined) return { name, available: true };
  const repair = FACTS.get(name)?.repair;
  return { name, available: false, reason, ...(repair === undefined ? {} : { repair }) };
}

async function failureOfTrial(name: string): Promise<string | undefined> {
  const model = Buffer.from(probeModel()).toString('base64');
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['-e', PROBE_SCRIPT, onnxruntimeNodePath(), name, model],
      { timeout: PROBE_TIMEOUT_MS },
    );
    return stdout === 'ok' ? undefined : oneLine(stdout);
  } catch (error) {
    return oneLine(messageOf(error));
  }
}

function probeModel(): Uint8Array {
  const builder = new GraphBuilder({ opset: 13, irVersion: 8 });
  builder.input('x', [1]);
  const y = builder.node('Add', ['x', 'x']);
  builder.output(y, [1], DataType.FLOAT);
  return encodeModel(builder.build());
}

function oneLine(text: string): string {
  return text.trim().split('\n')[0] || 'it stopped without a message';
}

/** The folder of the native libraries, beside the one that Node.js loads. */
function libraryFolder(): string {
  return join(dirname(onnxruntimeNodePath()), '..', 'bin', 'napi-v6', platform(), arch());
}
