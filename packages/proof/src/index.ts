/** The public names of the proof package. */
export { type ChannelMask, channelMask } from './channel-mask.ts';
export {
  type CompareOptions,
  type Comparison,
  compareModels,
  compareOutputs,
  type OutputComparison,
} from './compare.ts';
export type { DrawOptions } from './draws.ts';
export { axesOf, elemTypeOf, groupAxis, isPruned, type PlannedRemoval, plannedRemoval } from './planned-removal.ts';
export { referenceModel } from './reference-model.ts';
export { type Tolerance, toleranceFor } from './tolerance.ts';
export {
  assertVerified,
  EquivalenceError,
  InconclusiveError,
  type Verdict,
  type Verification,
  type VerifyOptions,
  verify,
} from './verify.ts';
export { checkWeights, WeightError } from './weights.ts';
