/** Metrics in words. It must not measure. */
import type { MetricName } from '@onnx-pruning/data';

/** What results are called, by metric. */
export const METRIC_NAMES: Readonly<Record<MetricName, string>> = {
  top1: 'top-1 accuracy',
  top5: 'top-5 accuracy',
  agreement: 'agreement with the original',
  meanSquaredError: 'mean squared error against the original',
  cosineSimilarity: 'cosine similarity to the original',
};
