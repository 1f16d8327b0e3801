/**
 * What a bound on the drop of accuracy leads to: the ratio is chosen on one half of the test images, and what is lost is
 * measured again on the other. It must not print.
 */
import { comparePaired, type Dataset, evaluate } from '@onnx-pruning/data';
import type { Model } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';
import { pruneWithinDrop, reconstruct } from '@onnx-pruning/recovery';

/** Columns of the table. */
export const MAX_DROP_HEADER = ['points allowed', 'ratio', 'fewer MACs', 'points lost', 'on the other half'];

/** What the ratio is chosen by, and measured on. */
export interface MaxDropSettings {
  readonly ignoredLayers: readonly string[];
  /** Unlabelled samples to refit to. */
  readonly train: Dataset;
  /** Samples with labels, which are split. */
  readonly test: Dataset;
  readonly macsOf: (model: Model) => number;
}

const points = (share: number): string => (100 * share).toFixed(2);

/** The line of one bound. @param maxDrop in points */
export async function measureMaxDrop(
  original: Model,
  maxDrop: number,
  { ignoredLayers, train, test, macsOf }: MaxDropSettings,
): Promise<string[]> {
  const [chosenOn, other] = test.split(0.5, { seed: 0 });
  const importance = new GroupMagnitudeImportance();
  const prune = async (pruningRatio: number): Promise<{ model: Model }> => {
    const model = original.clone();
    const pruner = new BasePruner(model, { importance, pruningRatio, ignoredLayers });
    pruner.step();
    return reconstruct(original, model, pruner.plan(), train.feeds());
  };
  const { ratio, result, cost } = await pruneWithinDrop(original, prune, chosenOn, { maxDrop: maxDrop / 100 });
  const again = comparePaired(await evaluate(original, other, 'top1'), await evaluate(result.model, other, 'top1'));
  return [
    String(maxDrop),
    String(ratio),
    `${(macsOf(original) / macsOf(result.model)).toFixed(2)}x`,
    `${points(cost.drop)} (${points(cost.interval[0])} to ${points(cost.interval[1])})`,
    points(-again.difference),
  ];
}
