/**
 * No false alarm: what the pruner makes of real networks with random weights is never said to differ. The command
 * `npm run bench:proof` does the same for all skeletons, more ratios and more seeds.
 */
import { loadSkeleton } from '@onnx-pruning/models';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';
import { verify } from '../src/index.ts';

const SKELETONS = [
  'resnet-bottleneck-folded-13-batch',
  'densenet-folded-11-batch',
  'resnext-folded-11',
  'efficientnet-kept-16',
  'convnext-23-dynamo',
  'vit-23-dynamo',
];

describe.each(SKELETONS)('%s', (name) => {
  it.each([
    [0.3, 0],
    [0.3, 1],
    [0.6, 0],
    [0.6, 1],
  ])('ratio %d, seed %d', async (pruningRatio, seed) => {
    const original = await loadSkeleton(name, { seed });
    const model = original.clone();
    const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio });
    expect(pruner.step().channels).toBeGreaterThan(0);
    expect(await verify(original, model, pruner.plan(), { seed })).toMatchObject({ verdict: 'holds', reasons: [] });
  });
});
