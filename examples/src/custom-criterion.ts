/**
 * A criterion of your own: any function that gives a group one score per root channel. Channels with low scores go
 * first. This one is the largest weight of every filter (the L-infinity norm).
 *
 *     npm run example custom-criterion
 */
import { buildResNet18 } from '@onnx-pruning/models';
import { assertVerified, BasePruner, type Group, readNumbers, tensorDims, verify } from 'onnx-pruning';

/** The largest magnitude among the weights of each channel in `group.idxs`, in that order. */
export function largestWeight(group: Group): Float32Array {
  const weight = group.root.parameters.find(({ role }) => role === 'weight')!;
  const tensor = group.graph.tensorOf(weight.tensor)!;
  const dims = tensorDims(tensor);
  const inner = dims.slice(weight.axis + 1).reduce((a, b) => a * b, 1);
  const largest = new Float32Array(dims[weight.axis]);
  readNumbers(tensor).forEach((x, i) => {
    const channel = Math.floor(i / inner) % largest.length;
    largest[channel] = Math.max(largest[channel], Math.abs(x));
  });
  return Float32Array.from(group.idxs, (channel) => largest[channel]);
}

export async function main(model = buildResNet18(), print: (text: string) => void = console.log): Promise<void> {
  const original = model.clone();
  const pruner = new BasePruner(model, { importance: largestWeight, pruningRatio: 0.3, ignoredLayers: ['fc'] });
  pruner.step();

  for (const [layer, , idxs] of pruner.pruningHistory()) print(`${layer}: ${idxs.length} channels removed`);
  const plan = pruner.plan();
  print(`because: ${plan.groups[0]?.reason}`);
  assertVerified(await verify(original, model, plan));
}
