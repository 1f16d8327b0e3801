/**
 * Soft pruning: channels are masked first, and removed only where the model can do without them. The masked model
 * computes what the pruned one would; taking the mask back restores the very bytes.
 *
 *     npm run example soft-pruning
 */
import { buildResNet18 } from '@onnx-pruning/models';
import {
  assertVerified,
  BasePruner,
  compareModels,
  GroupMagnitudeImportance,
  type Model,
  softPrune,
  verify,
} from 'onnx-pruning';

/** How far the outputs move, relative to their size, on one random input. A real job would ask for the accuracy. */
async function change(original: Model, masked: Model): Promise<number> {
  const { outputs } = await compareModels(original, masked, { seed: 1 });
  return Math.max(...outputs.map(({ maxRel }) => maxRel));
}

export async function main(model = buildResNet18(), print: (text: string) => void = console.log): Promise<void> {
  const original = model.clone();
  const pruner = new BasePruner(model, {
    importance: new GroupMagnitudeImportance(),
    pruningRatio: 0.3,
    ignoredLayers: ['fc'],
  });

  let before = 0;
  for (const group of pruner.step({ interactive: true })) {
    const soft = softPrune(pruner.DG, [group]);
    const after = await change(original, model);
    const affordable = after - before < 0.1;
    if (affordable) {
      soft.commit();
      before = after;
    } else {
      soft.restore();
    }
    print(`${group.root.layer.name}: the outputs move to ${after.toFixed(3)}, ${affordable ? 'removed' : 'restored'}`);
  }
  assertVerified(await verify(original, model, pruner.plan()));
}
