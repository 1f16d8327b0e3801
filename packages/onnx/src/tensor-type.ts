/** Types of tensor values, as graphs declare them. */
import { anyOf, checkArguments, kinds, listOf, optional } from './arguments.ts';
import type { TypeProto } from './proto.ts';

/** A tensor type; without dims the shape is left open. A string is a symbolic size. */
export function tensorType(elemType: number, dims: readonly (number | string)[] | undefined): TypeProto {
  checkArguments('tensorType', {
    elemType: [elemType, kinds.count],
    dims: [dims, optional(listOf(anyOf(kinds.integer, kinds.text)))],
  });
  if (dims === undefined) return { tensorType: { elemType } };
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { tensorType: { elemType, shape: { dim } } };
}
