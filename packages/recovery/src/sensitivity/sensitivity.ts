/**
 * Sensitivity: how much a metric suffers when the least important channels of one group of coupled channels go, group by
 * group and ratio by ratio. It needs no training: what a pruned model computes is computed with masks, in one session.
 */
import { checkLabels, DATASET, type Dataset, METRICS, type Metric } from '@onnx-pruning/data';
import { checkArguments, checkOptions, kinds, type Model } from '@onnx-pruning/onnx';
import { checkRunOptions } from '@onnx-pruning/runtime';
import { RecoveryError } from '../errors.ts';
import { measure } from './job.ts';
import {
  PRUNER_OPTIONS,
  SENSITIVITY_OPTIONS,
  type Sensitivity,
  type SensitivityOptions,
  type Settings,
  splitOptions,
} from './types.ts';

/**
 * Measures what every group of coupled channels is worth to a model: a metric without its least important channels, at
 * each of several ratios, against the model itself on the same samples.
 *
 * All evaluations share one session of a model in which whoever reads channels reads them through masks, which are inputs:
 * that is what the pruned model computes, exactly. Where an operator takes a statistic over a group's channels (a
 * LayerNormalization, a softmax over channels) zeros would take part in it, so that such a group is pruned for real, in
 * sessions of its own; `method` says which was done.
 *
 * @param dataset samples of the kind that the model is used on, with labels where the metric needs them; read once for
 * every evaluation
 * @returns plain data: `groups[].root` is a name that `pruningRatioDict` of the pruners takes
 * @throws RecoveryError for a model without groups, for no samples, and for a state file of something else; DataError as `evaluate` does;
 * OptionError, UnknownLayerError and LayerError as the pruners do; SessionError and FeedError as `createSession` and `run`
 * do; whatever `signal` was aborted with
 * @example
 * const { groups } = await sensitivity(model, data, { ratios: [0.3, 0.5], pruner: { ignoredLayers: ['fc'] } });
 * const robust = groups.filter(({ points }) => points.every(({ drop }) => drop < 0.01));
 */
export async function sensitivity(
  model: Model,
  dataset: Dataset,
  options: SensitivityOptions = {},
): Promise<Sensitivity> {
  checkArguments('sensitivity', { model: [model, kinds.model], dataset: [dataset, DATASET] });
  const { session, settings } = splitOptions(options);
  checkOptions('sensitivity', settings, SENSITIVITY_OPTIONS);
  checkOptions('sensitivity', settings.pruner ?? {}, PRUNER_OPTIONS);
  checkRunOptions('sensitivity', session);
  const metric = metricOf(settings, dataset);
  checkLabels(metric, dataset);
  if (dataset.length === 0) throw new RecoveryError('RECOVERY_DATA', 'there are no samples', { path: dataset.name });
  settings.signal?.throwIfAborted();
  return measure({ model, dataset, metric, session, settings });
}

function metricOf({ metric }: Settings, dataset: Dataset): Metric {
  if (metric === undefined) return dataset.hasLabels ? METRICS.top1 : METRICS.agreement;
  return typeof metric === 'string' ? METRICS[metric] : metric;
}
