/**
 * One group by hand: which channels are coupled with channels 2, 6 and 9 of the first convolution, and their removal.
 *
 *     npm run example one-group
 */
import { buildResNet18 } from '@onnx-pruning/models';
import { assertVerified, createPlan, DependencyGraph, pruneConvOutChannels, verify } from 'onnx-pruning';

export async function main(model = buildResNet18(), print: (text: string) => void = console.log): Promise<void> {
  const original = model.clone();
  const DG = new DependencyGraph().buildDependency(model);

  // What may be pruned here at all, and with what it is coupled.
  print(DG.explain('conv1'));

  // The root comes first; then everything that has to follow, and which layer it follows.
  const group = DG.getPruningGroup(model.layer('conv1'), pruneConvOutChannels, [2, 6, 9]);
  print(group.details());

  // Never down to zero channels.
  if (DG.checkPruningGroup(group)) group.prune();
  print(`conv1 has ${DG.channelsOf('conv1', 'out')} output channels now`);

  // Indices count the channels that are left: this is another channel than the 2 from before.
  DG.getPruningGroup('conv1', pruneConvOutChannels, [2]).prune();
  print(`and now ${DG.channelsOf('conv1', 'out')}`);
  assertVerified(await verify(original, model, createPlan(DG)));
}
