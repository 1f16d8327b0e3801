/**
 * On which execution provider each node of a model ran, as onnxruntime's own profile says. It proves that a model
 * was not quietly computed on the CPU. It must not create sessions.
 */
import { readFile } from 'node:fs/promises';
import { ExecutionProviderError } from './errors.ts';
import { elementCount } from './values.ts';

/** One node as onnxruntime ran it, after its graph optimizations. */
export interface NodePlacement {
  readonly node: string;
  readonly operator: string;
  /** onnxruntime's name, such as `CPUExecutionProvider`. */
  readonly provider: string;
  readonly outputs: readonly { readonly type: string; readonly dims: readonly number[] }[];
}

interface ProfileEvent {
  readonly cat?: string;
  readonly name?: string;
  readonly args?: {
    readonly op_name?: string;
    readonly provider?: string;
    readonly output_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
  };
}

const CPU_PROVIDER = 'CPUExecutionProvider';
const KERNEL_SUFFIX = '_kernel_time';
/** The scales of a Resize are floats, one for each axis. */
const MOST_SCALES = 8;
/** How many nodes an error names. */
const MOST_NAMED = 5;
const FLOAT_TYPES: ReadonlySet<string> = new Set(['float', 'double', 'float16', 'bfloat16']);

/** Reads the profile that onnxruntime wrote of one or several runs; a node is named once. */
export async function readPlacement(profilePath: string): Promise<NodePlacement[]> {
  return placementOf(JSON.parse(await readFile(profilePath, 'utf8')) as readonly ProfileEvent[]);
}

/** internal: the nodes of a profile's events. */
export function placementOf(events: readonly ProfileEvent[]): NodePlacement[] {
  const nodes = new Map<string, NodePlacement>();
  for (const { cat, name, args } of events) {
    if (cat !== 'Node' || args?.provider === undefined || !name?.endsWith(KERNEL_SUFFIX)) continue;
    const node = name.slice(0, -KERNEL_SUFFIX.length);
    const outputs = (args.output_type_shape ?? []).flatMap((output) =>
      Object.entries(output).map(([type, dims]) => ({ type, dims })),
    );
    nodes.set(`${args.op_name}\n${node}`, { node, operator: args.op_name ?? '', provider: args.provider, outputs });
  }
  return [...nodes.values()];
}

/**
 * The nodes that ran on the CPU although they do a model's work. Nodes that compute sizes (vectors of integers, the few
 * scales of a Resize) belong on the CPU, where every execution provider of onnxruntime puts them, and are not listed.
 */
export function workOnCpu(placement: readonly NodePlacement[]): NodePlacement[] {
  return placement.filter((node) => node.provider === CPU_PROVIDER && !computesSizes(node));
}

/**
 * @throws ExecutionProviderError that names the nodes which ran on the CPU although another execution provider was asked
 * for, or when no node is known to have run at all
 */
export function assertOnDevice(executionProvider: string, placement: readonly NodePlacement[]): void {
  const strays = workOnCpu(placement);
  if (placement.length > 0 && strays.length === 0) return;
  const named = strays.slice(0, MOST_NAMED).map(({ node, operator }) => `${operator} '${node}'`);
  const more = strays.length > named.length ? ` and ${strays.length - named.length} more` : '';
  throw new ExecutionProviderError('EXECUTION_PROVIDER_STRAYS', `'${executionProvider}' does not run the whole model`, {
    expected: `every node on '${executionProvider}'`,
    actual: placement.length === 0 ? 'a run that says nothing of its nodes' : `${named.join(', ')}${more} on the CPU`,
    repair: "Pass cpuNodes: 'any' to run it all the same.",
  });
}

function computesSizes({ outputs }: NodePlacement): boolean {
  return outputs.every(({ type, dims }) => {
    if (dims.length > 1) return false;
    return !FLOAT_TYPES.has(type) || elementCount(dims) <= MOST_SCALES;
  });
}
