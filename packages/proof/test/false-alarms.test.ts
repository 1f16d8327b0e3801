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

it('channels that are all but equal are normalized to rounding, which is no difference', async () => {
  // One channel in ten is left, and random weights make them nearly constant: the last bit decides what comes out.
  const original = await loadSkeleton('swin-18-dynamo', { seed: 4 });
  const model = original.clone();
  const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio: 0.9 });
  pruner.step();
  const { verdict, intermediates } = await verify(original, model, pruner.plan(), { seed: 4, threads: 1 });
  expect(verdict).not.toBe('differs');
  expect(intermediates.find(({ name }) => name === 'layer_norm_5')).toMatchObject({ ok: true });
});
