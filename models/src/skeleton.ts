/**
 * Model skeletons: real exports of real networks whose weights were left out (see ../zoo/README.md), filled again with
 * seeded values. Tests run on them what exporters really write, offline. The values are random: nothing was learned.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  createRandom,
  DataType,
  type GraphProto,
  hasContent,
  loadModel,
  type Model,
  OnnxPruningError,
  type Random,
  type TensorProto,
  tensorDims,
  tensorSize,
  withContent,
} from '@onnx-pruning/onnx';
import { fanIn, passesOn, roleOf, type TensorRole, type Use } from './skeleton-roles.ts';
import { kaimingValues, normalValues, uniformValues } from './weights.ts';

/** One file of the zoo folder. */
export interface SkeletonInfo {
  readonly name: string;
  /** Network, e.g. `densenet`. */
  readonly family: string;
  /** `script`: torch.onnx's TorchScript exporter; `dynamo`: the one on torch.export. */
  readonly exporter: 'script' | 'dynamo';
  /** Batch normalization kept as nodes or folded into convolutions; `none` where the network has none. */
  readonly batchNorm: 'kept' | 'folded' | 'none';
  readonly opset: number;
  /** Symbolic sizes of the image: none, the batch, or batch, height and width. */
  readonly dynamic: 'none' | 'batch' | 'spatial';
  /** Dimensions of an image that the network can be run with. */
  readonly input: readonly number[];
  readonly nodes: number;
  readonly operators: readonly string[];
}

export interface SkeletonOptions {
  /** Default 0. */
  seed?: number;
}

/** A skeleton that does not exist, or a tensor of one whose purpose is not known. */
export class SkeletonError extends OnnxPruningError {}

const zooDir = (): string => join(dirname(fileURLToPath(import.meta.url)), '..', 'zoo');

/** All skeletons that come with the project. */
export function listSkeletons(): SkeletonInfo[] {
  return JSON.parse(readFileSync(join(zooDir(), 'index.json'), 'utf8'));
}

/**
 * Loads a skeleton and fills the float tensors that have lost their content: weights Kaiming normal by fan-in, scales
 * and variances uniform in [0.5, 1.5), everything that is added normal with deviation 0.1. Same seed, same bytes.
 * @param nameOrPath name of a skeleton (see `listSkeletons`), or path of an .onnx file.
 * @throws SkeletonError for an unknown name, or when no node tells what a tensor is for.
 */
export async function loadSkeleton(nameOrPath: string, options: SkeletonOptions = {}): Promise<Model> {
  const model = await loadModel(skeletonPath(nameOrPath));
  fillTensors(model.graph, createRandom(options.seed ?? 0));
  return model;
}

function skeletonPath(nameOrPath: string): string {
  if (nameOrPath.endsWith('.onnx')) return nameOrPath;
  const names = listSkeletons().map((entry) => entry.name);
  if (names.includes(nameOrPath)) return join(zooDir(), `${nameOrPath}.onnx`);
  throw new SkeletonError('UNKNOWN_SKELETON', 'There is no skeleton of this name', {
    actual: nameOrPath,
    expected: `one of ${names.join(', ')}`,
    repair: 'Choose one of these, or pass the path of an .onnx file.',
  });
}

function fillTensors(graph: GraphProto, random: Random): void {
  const uses = usesOf(graph);
  graph.initializer.forEach((tensor, i) => {
    if (!isEmpty(tensor)) return;
    const dims = tensorDims(tensor);
    const values = valuesFor(tensor, dims, findUses(tensor.name ?? '', uses), random);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    graph.initializer[i] = withContent(tensor, dims, bytes);
  });
}

function isEmpty(tensor: TensorProto): boolean {
  return tensor.dataType === DataType.FLOAT && !hasContent(tensor) && tensorSize(tensor) > 0;
}

/** By value name: the inputs it is used as. */
function usesOf(graph: GraphProto): Map<string, Use[]> {
  const uses = new Map<string, Use[]>();
  for (const node of graph.node) {
    node.input.forEach((value, input) => {
      const list = uses.get(value) ?? [];
      list.push({ node, input });
      uses.set(value, list);
    });
  }
  return uses;
}

/** Uses of a value, and of the values that are the same tensor under another name. */
function findUses(value: string, uses: ReadonlyMap<string, Use[]>): Use[] {
  return (uses.get(value) ?? []).flatMap((use) => (passesOn(use) ? findUses(use.node.output[0] ?? '', uses) : [use]));
}

/** Where one tensor serves several purposes, the strictest wins: a variance that is also a scale must be positive. */
const STRICTEST_FIRST: readonly TensorRole[] = ['variance', 'scale', 'weight', 'shift'];

function valuesFor(tensor: TensorProto, dims: readonly number[], uses: readonly Use[], random: Random): Float32Array {
  const size = tensorSize(tensor);
  const role = STRICTEST_FIRST.find((candidate) => uses.some((use) => roleOf(use) === candidate));
  switch (role) {
    case 'variance':
    case 'scale':
      return uniformValues(random, size, 0.5, 1.5);
    case 'shift':
      return normalValues(random, size, 0.1);
    case 'weight':
      return kaimingValues(random, size, fanIn(uses.find((use) => roleOf(use) === 'weight')!, dims));
    default:
      throw new SkeletonError('UNKNOWN_ROLE', 'No node tells what an empty tensor is for', {
        value: tensor.name ?? '',
        actual: uses.map(({ node, input }) => `input ${input} of ${node.opType}`).join(', ') || 'no use',
        repair: 'Export the model with its weights, or add the operator to the table of roles.',
      });
  }
}
