/**
 * Interactive pruning: the pruner proposes groups, and the program decides about each: prune it, change it, or leave it.
 *
 *     npm run example interactive
 */
import { buildResNet18 } from '@onnx-pruning/models';
import { assertVerified, BasePruner, GroupMagnitudeImportance, verify } from 'onnx-pruning';

export async function main(model = buildResNet18(), print: (text: string) => void = console.log): Promise<void> {
  const original = model.clone();
  const pruner = new BasePruner(model, {
    importance: new GroupMagnitudeImportance(),
    pruningRatio: 0.5,
    ignoredLayers: ['fc'],
  });

  for (const group of pruner.step({ interactive: true })) {
    const { name } = group.root.layer;
    const proposed = Array.from(group.idxs);
    if (name.startsWith('layer1')) {
      print(`${name}: left as it is`);
    } else if (proposed.length > 4) {
      group.prune(proposed.slice(0, -4));
      print(`${name}: ${proposed.length - 4} of the proposed ${proposed.length} channels removed`);
    } else {
      group.prune();
      print(`${name}: ${proposed.length} channels removed`);
    }
  }

  assertVerified(await verify(original, model, pruner.plan()));
  print(`${pruner.pruningHistory().length} groups pruned`);
}
