/** The public API of @onnx-pruning/data: tensors and data sets from files. */
export { type Batch, DATASET, Dataset, type DatasetOptions, type SampleSource } from './dataset.ts';
export { DataError } from './errors.ts';
export {
  checkLabels,
  comparePaired,
  type EvaluateOptions,
  type EvaluateProgress,
  type Evaluation,
  evaluate,
  evaluationOf,
  METRIC,
  type Outputs,
  type PairedComparison,
  scoreBatch,
} from './evaluate.ts';
export { type FeedSource, readFeeds } from './feeds.ts';
export { METRICS, type Metric, type MetricName, type ScoreContext } from './metrics.ts';
export { type OpenDatasetOptions, openDataset } from './open-dataset.ts';
export { type ImageSize, PRESETS, type Preprocess, type Preset } from './preprocess.ts';
export { readNpy, readNpz, readRaw, readTensorProto } from './readers.ts';
export type { Interpolation } from './resample.ts';
export { type Interval, normalQuantile } from './statistics.ts';
export type { NamedTensor } from './tensor-proto.ts';
