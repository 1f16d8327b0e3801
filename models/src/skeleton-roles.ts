/**
 * What a tensor is for, read off the node that uses it: decides which random values stand in for its lost content.
 * A table for test data only; it says nothing about how an operator is pruned.
 */
import { attrInt, canonicalDomain, type NodeProto, toNumber } from '@onnx-pruning/onnx';

/** `weight` is multiplied and summed, `scale` multiplied, `shift` added, `variance` has its square root taken. */
export type TensorRole = 'weight' | 'scale' | 'shift' | 'variance';

/** One input of one node. */
export interface Use {
  readonly node: NodeProto;
  readonly input: number;
}

/** Roles of inputs 1, 2, ...; and of input 0, for operators that combine two values alike. */
const ROLES: Readonly<Record<string, readonly (TensorRole | undefined)[]>> = {
  Conv: [undefined, 'weight', 'shift'],
  ConvTranspose: [undefined, 'weight', 'shift'],
  Gemm: [undefined, 'weight', 'shift'],
  MatMul: ['weight', 'weight'],
  BatchNormalization: [undefined, 'scale', 'shift', 'shift', 'variance'],
  InstanceNormalization: [undefined, 'scale', 'shift'],
  GroupNormalization: [undefined, 'scale', 'shift'],
  LayerNormalization: [undefined, 'scale', 'shift'],
  PRelu: [undefined, 'scale'],
  Mul: ['scale', 'scale'],
  Div: ['scale', 'scale'],
  Add: ['shift', 'shift'],
  Sub: ['shift', 'shift'],
  Concat: ['shift', 'shift'],
  Gather: ['shift'],
};

/** These hand their input on as it is. */
const PASS_ON: readonly string[] = ['Identity', 'Cast', 'Expand'];

export function roleOf({ node, input }: Use): TensorRole | undefined {
  return canonicalDomain(node.domain) === '' ? ROLES[node.opType ?? '']?.[input] : undefined;
}

/** True when the node's output is the same tensor, so that its uses count as well. */
export function passesOn({ node, input }: Use): boolean {
  return input === 0 && PASS_ON.includes(node.opType ?? '');
}

/** How many products one output of the node sums over, for a weight with these dimensions. */
export function fanIn({ node, input }: Use, dims: readonly number[]): number {
  const size = dims.reduce((product, dim) => product * dim, 1);
  switch (node.opType) {
    case 'ConvTranspose':
      return size / (dims[1] ?? 1) / toNumber(attrInt(node, 'group', 1));
    case 'Gemm':
      return (attrInt(node, 'transB', 0) === 1 ? dims[1] : dims[0]) ?? 1;
    case 'MatMul':
      return dims.at(input === 1 && dims.length > 1 ? -2 : -1) ?? 1;
    default:
      return size / (dims[0] ?? 1);
  }
}
