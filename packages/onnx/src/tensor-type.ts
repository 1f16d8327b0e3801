/** Types of tensor values, as graphs declare them. */
import type { TypeProto } from './proto.ts';

/** A tensor type; without dims the shape is left open. A string is a symbolic size. */
export function tensorType(elemType: number, dims: readonly (number | string)[] | undefined): TypeProto {
  if (dims === undefined) return { tensorType: { elemType } };
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { tensorType: { elemType, shape: { dim } } };
}
