/** The public API of @onnx-pruning/runtime. */
export {
  ActivationImportance,
  type ActivationImportanceOptions,
  type ActivationStatistic,
} from './activation-importance.ts';
export * from './benchmark.ts';
export { deviceName, onnxruntimeVersion } from './device.ts';
export { ExecutionProviderError, FeedError, RuntimeError, SessionError } from './errors.ts';
export { fitsDims, showDims, type ValueInfo } from './feeds.ts';
export type { GramMatrix, GramOptions } from './gram.ts';
export type { DimOptions } from './input-dims.ts';
export {
  modelInputs,
  type RandomInputOptions,
  randomFeeds,
  randomInputs,
} from './inputs.ts';
export { runWithIntermediates, withOutputs } from './intermediates.ts';
export { isRuntimeInstalled, RUNTIME_INSTALL_COMMAND } from './library.ts';
export { assertMeasured, measureAgain } from './measured-model.ts';
export { type MeasuringPoint, MeasuringPoints, pointKey } from './measuring-points.ts';
export * from './memory.ts';
export type { ModelSource } from './model-source.ts';
export { BATCHES, type Batches, type Observed, type ObserveOptions, type ObserveProgress, observe } from './observe.ts';
export { type Fold, NotFiniteError, ObserveError, type Observer } from './observer.ts';
export { observers, type StatisticOptions } from './observers.ts';
export { type NodePlacement, workOnCpu } from './placement.ts';
export {
  availableExecutionProviders,
  CUDA_INSTALL_COMMAND,
  type ExecutionProvider,
  listExecutionProviders,
} from './providers.ts';
export { availableMemory, collectGarbage, type ResourceLimits, shortageOf } from './resources.ts';
export * from './run-both.ts';
export { checkRunOptions, MODEL_SOURCE } from './run-options.ts';
export { checkRunSizes, type RunSizeOptions } from './run-sizes.ts';
export { createSession, type Session, withSession } from './session.ts';
export type { SessionOptions } from './session-options.ts';
export * from './stats.ts';
export {
  elementCount,
  isCarried,
  makeValue,
  type TensorValue,
  type TensorValues,
  type ValueData,
  valueNumbers,
  valueOfBytes,
} from './values.ts';
