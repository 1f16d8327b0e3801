/** The public names of the proof package. */
export * from './compare.ts';
export { referenceModel } from './reference-model.ts';
export { type Tolerance, toleranceFor } from './tolerance.ts';
export { assertVerified, EquivalenceError, type Verification, type VerifyOptions, verify } from './verify.ts';
