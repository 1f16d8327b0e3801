/** The public names of the recovery package. */

export {
  type RecalibratedLayer,
  type RecalibrateOptions,
  type RecalibrateProgress,
  type Recalibration,
  recalibrateBatchNorm,
} from './batch-norm.ts';
export type { CovarianceImportanceOptions, DataImportanceOptions } from './criteria/data-importance-options.ts';
export { PredictionImportance } from './criteria/prediction-importance.ts';
export { ReconstructionImportance } from './criteria/reconstruction-importance.ts';
export { WandaImportance } from './criteria/wanda-importance.ts';
export { RecoveryError } from './errors.ts';
export type { NotRefitted } from './layers/refittable.ts';
export { reconstruct } from './reconstruct.ts';
export type {
  Reconstruction,
  ReconstructOptions,
  ReconstructProgress,
  RefittedLayer,
} from './reconstruct-options.ts';
export { sensitivity } from './sensitivity/sensitivity.ts';
export type {
  GroupSensitivity,
  NotMeasured,
  Sensitivity,
  SensitivityOptions,
  SensitivityPoint,
  SensitivityProgress,
  SensitivityPrunerOptions,
} from './sensitivity/types.ts';
export { type Drop, dropOf } from './within-drop/bound.ts';
export {
  pruneWithinDrop,
  type RatioCost,
  type WithinDrop,
  type WithinDropOptions,
  type WithinDropProgress,
} from './within-drop/within-drop.ts';
