/**
 * What criteria are worth: the same classifier pruned by each of them, as pruned and with weights refitted, on the same
 * draws of unlabelled images. It must not print.
 */
import type { Dataset } from '@onnx-pruning/data';
import type { Model } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance, type Importance } from '@onnx-pruning/pruning';
import { PredictionImportance, ReconstructionImportance, reconstruct, WandaImportance } from '@onnx-pruning/recovery';
import type { Batches } from '@onnx-pruning/runtime';

/** Columns of the table. */
export const CRITERIA_HEADER = ['ratio', 'criterion', 'fewer MACs', 'as pruned', 'refitted', 'seconds to score'];

/** How each criterion is made. */
const CRITERIA: Readonly<Record<string, (model: Model, batches: Batches) => Importance | Promise<Importance>>> = {
  'magnitude (L2)': () => new GroupMagnitudeImportance(),
  'activation times weight (Wanda)': (model, batches) => WandaImportance.measure(model, batches),
  'residual of prediction': (model, batches) => PredictionImportance.measure(model, batches),
  'reconstruction error, greedily': (model, batches) => ReconstructionImportance.measure(model, batches),
};

/** What criteria are compared on. */
export interface CriteriaSettings {
  readonly ignoredLayers: readonly string[];
  /** Unlabelled samples, one draw each. */
  readonly draws: readonly Dataset[];
  readonly accuracyOf: (model: Model) => Promise<number>;
  readonly macsOf: (model: Model) => number;
}

/** One line for each criterion. */
export async function compareCriteria(
  original: Model,
  pruningRatio: number,
  { ignoredLayers, draws, accuracyOf, macsOf }: CriteriaSettings,
): Promise<string[][]> {
  const lines: string[][] = [];
  for (const [criterion, make] of Object.entries(CRITERIA)) {
    const [asPruned, refitted, seconds]: [number[], number[], number[]] = [[], [], []];
    let saved = 0;
    for (const data of draws) {
      const start = performance.now();
      const importance = await make(original, data.feeds());
      seconds.push((performance.now() - start) / 1000);
      const pruned = original.clone();
      const pruner = new BasePruner(pruned, { importance, pruningRatio, ignoredLayers });
      pruner.step();
      saved = macsOf(original) / macsOf(pruned);
      asPruned.push(await accuracyOf(pruned));
      const { model } = await reconstruct(original, pruned, pruner.plan(), data.feeds());
      refitted.push(await accuracyOf(model));
    }
    const fastest = Math.min(...seconds).toFixed(1);
    lines.push([
      String(pruningRatio),
      criterion,
      `${saved.toFixed(2)}x`,
      showAll(asPruned),
      showAll(refitted),
      fastest,
    ]);
  }
  return lines;
}

const percent = (share: number): string => (100 * share).toFixed(2);

/** The mean in percent, with the least and the greatest. */
export function showAll(shares: readonly number[]): string {
  const mean = shares.reduce((sum, x) => sum + x / shares.length, 0);
  return `${percent(mean)} (${percent(Math.min(...shares))} to ${percent(Math.max(...shares))})`;
}
