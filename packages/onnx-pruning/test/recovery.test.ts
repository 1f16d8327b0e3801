/**
 * Weights are refitted in networks as exporters write them: every layer whose inputs pruning has changed is, or is named
 * with the reason; none gets worse on held-out samples; and the structure is proven.
 */
import { loadSkeleton } from '@onnx-pruning/models';
import { BasePruner, GroupMagnitudeImportance, randomInputs, reconstruct, verify } from '../src/index.ts';

/** The name of an export, how many layers are fitted, and why others are left. */
const EXPORTS: readonly (readonly [string, number, readonly string[]])[] = [
  ['convnext-18-batch-dynamo', 18, []],
  ['densenet-folded-11-batch', 24, []],
  ['mobilenet_v3-folded-18-batch-dynamo', 22, []],
  ['resnet-basic-kept-16-batch', 20, []],
  ['resnext-folded-20-batch-dynamo', 20, []],
  ['shufflenet_v2-kept-16', 28, []],
  ['swin-23-batch-dynamo', 18, []],
  ['vit-16-batch', 9, []],
  // Biases that the graph computes are no place for another one.
  ['resnet-basic-kept-23-batch-dynamo', 1, ['its bias is computed, shared, or not one number for each channel']],
];

it.each(EXPORTS)('%s', async (name, fitted, reasons) => {
  const original = await loadSkeleton(name);
  const pruned = original.clone();
  const pruner = new BasePruner(pruned, { importance: new GroupMagnitudeImportance(), pruningRatio: 0.5 });
  pruner.step();
  const batches = [1, 2, 3, 4].map((seed) =>
    randomInputs(original, { batch: /batch/.test(name) ? 4 : undefined, seed }),
  );
  const recovered = await reconstruct(original, pruned, pruner.plan(), batches, { positions: 256 });
  expect(recovered.layers).toHaveLength(fitted);
  expect([...new Set(recovered.left.map(({ reason }) => reason))]).toEqual(reasons);
  for (const { errorBefore, errorAfter } of recovered.layers) expect(errorAfter).toBeLessThanOrEqual(errorBefore);
  const { verdict } = await verify(original, recovered.model, recovered.plan, { parts: 'file' });
  expect(verdict).toBe('holds');
});
