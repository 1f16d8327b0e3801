/** The public names of the operator package. */
export type { Algebra, ChannelAffine, LinearMap } from './algebra.ts';
export { arityOf, arityProblem } from './arity.ts';
export { broadcastDims, equateBroadcast } from './broadcast.ts';
export {
  addDims,
  canonicalDim,
  compareDims,
  DimError,
  divDims,
  isKnown,
  mulDims,
  productOfDims,
  sameDim,
  subDims,
} from './dims.ts';
export {
  type IntegerContext,
  type IntegerPass,
  type IntegerRange,
  type IntegerReading,
  integerReading,
  integersPass,
} from './integer-inputs.ts';
export { NEWEST_OPSET, OLDEST_OPSET } from './opsets.ts';
export { drawsRandomNumbers } from './randomness.ts';
export * from './record.ts';
export { DuplicateOperatorError, OperatorRegistry } from './registry.ts';
export { standardOperators } from './standard.ts';
export { isFloat, VALUE_LIMIT } from './values.ts';
