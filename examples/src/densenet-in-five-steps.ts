/**
 * Half of a DenseNet-121 in five steps. Every step removes what is least important then; between steps a model would be
 * trained to recover.
 *
 *     npm run example densenet-in-five-steps
 */
import { buildDenseNet } from '@onnx-pruning/models';
import { assertVerified, BasePruner, countOpsAndParams, GroupMagnitudeImportance, verify } from 'onnx-pruning';

export async function main(model = buildDenseNet(), print: (text: string) => void = console.log): Promise<void> {
  const original = model.clone();
  const iterativeSteps = 5;
  const pruner = new BasePruner(model, {
    importance: new GroupMagnitudeImportance({ p: 2 }),
    pruningRatio: 0.5,
    iterativeSteps,
    ignoredLayers: ['classifier'],
  });

  const before = countOpsAndParams(original);
  print(`before: ${before.params.toLocaleString('en')} parameters, ${before.macs.toLocaleString('en')} MACs`);
  for (let step = 1; step <= iterativeSteps; step++) {
    pruner.step();
    const { params, macs } = countOpsAndParams(model);
    print(`step ${step}: ${params.toLocaleString('en')} parameters, ${macs.toLocaleString('en')} MACs`);
  }
  assertVerified(await verify(original, model, pruner.plan()));
}
