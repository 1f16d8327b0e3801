/** The public names of the recovery package. */
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
