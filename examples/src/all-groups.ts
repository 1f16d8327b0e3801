/**
 * All groups: every set of coupled channels of a model, each pruned a little.
 *
 *     npm run example all-groups
 */
import { buildResNet18 } from '@onnx-pruning/models';
import { assertVerified, createPlan, DependencyGraph, verify } from 'onnx-pruning';

export async function main(model = buildResNet18(), print: (text: string) => void = console.log): Promise<void> {
  const original = model.clone();
  const DG = new DependencyGraph().buildDependency(model);

  // A group holds all its channels here. Groups may be pruned while they are listed.
  const options = { ignoredLayers: ['fc'], rootOpTypes: ['Conv', 'Gemm'] };
  for (const group of DG.getAllGroups(options)) {
    const members = new Set(group.items.map(({ axis }) => axis.layer.name));
    print(`${group.root.layer.name}: ${group.idxs.length} channels of ${members.size} layers`);
    group.prune([2, 4, 6]);
  }

  assertVerified(await verify(original, model, createPlan(DG)));
  print('verified: three channels fewer in every group');
}
