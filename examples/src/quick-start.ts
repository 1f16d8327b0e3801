/**
 * Quick start: half of the channels of a ResNet-18, proven and saved.
 *
 *     npm run example quick-start [model.onnx [pruned.onnx]]
 *
 * Without a file the model is torchvision's ResNet-18 with random weights. With one, its last layer should be called
 * `fc`: the layer whose outputs are the classes, which must all stay.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { buildResNet18 } from '@onnx-pruning/models';
import {
  assertVerified,
  BasePruner,
  countOpsAndParams,
  GroupMagnitudeImportance,
  loadModel,
  printCount,
  saveModel,
  verify,
} from 'onnx-pruning';

export async function main(
  model = buildResNet18(),
  output = 'out/quick-start.onnx',
  print: (text: string) => void = console.log,
): Promise<void> {
  const original = model.clone();
  const pruner = new BasePruner(model, {
    importance: new GroupMagnitudeImportance({ p: 2 }),
    pruningRatio: 0.5,
    ignoredLayers: ['fc'],
  });
  pruner.step();

  const [before, after] = [original, model].map((one) => countOpsAndParams(one, { layerWise: true }));
  print(printCount(before, after));

  // The pruned model computes what the original computes when the removed channels contribute nothing.
  assertVerified(await verify(original, model, pruner.plan()));
  await mkdir(dirname(output), { recursive: true });
  await saveModel(model, output);
  print(`verified, and saved as ${output}`);
}

/** What `npm run example` calls, with what was written behind the name. */
export async function run([input, output]: readonly string[]): Promise<void> {
  await main(input === undefined ? undefined : await loadModel(input), output);
}
