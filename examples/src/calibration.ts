/**
 * Importance from data: channels that are silent on calibration inputs go first. The inputs here are random; a real job
 * would take some batches of what the model will see.
 *
 *     npm run example calibration
 */
import { buildResNet18 } from '@onnx-pruning/models';
import { ActivationImportance, assertVerified, BasePruner, randomInputs, verify } from 'onnx-pruning';

export async function main(model = buildResNet18(), print: (text: string) => void = console.log): Promise<void> {
  const original = model.clone();
  const batches = [1, 2, 3].map((seed) => randomInputs(model, { seed }));

  // The share of zeros after the activations (APoZ); one batch is in memory at a time.
  const importance = await ActivationImportance.measure(model, batches, { statistic: 'apoz' });
  const pruner = new BasePruner(model, { importance, pruningRatio: 0.3, ignoredLayers: ['fc'] });
  pruner.step();

  for (const [layer, , idxs] of pruner.pruningHistory()) print(`${layer}: ${idxs.length} channels removed`);
  assertVerified(await verify(original, model, pruner.plan()));
}
