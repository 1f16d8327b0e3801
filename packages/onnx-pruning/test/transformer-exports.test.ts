/**
 * Vision transformers as both exporters of PyTorch write them: the dimensions of the network are found in every form,
 * and half of each can be pruned. What cannot be found in a form is left out of its list, and said.
 */
import { DependencyGraph } from '@onnx-pruning/depgraph';
import { loadSkeleton } from '@onnx-pruning/models';
import { describeDimension, dimensionsOf, verifyHalf } from './dimensions.ts';

/** The number of channels or heads, and whether pruning them is exact. */
function sizesIn(graph: DependencyGraph): string[] {
  return dimensionsOf(graph).map((dimension) => {
    const heads = dimension.leaf.role === 'group' ? ' heads' : '';
    const inexact = describeDimension(graph, dimension).endsWith('(inexact)') ? ' inexact' : '';
    return `${dimension.leaf.size}${heads}${inexact}`;
  });
}

const twice = (...sizes: string[]): string[] => [...sizes, ...sizes];

/** Two blocks of 4 heads with 8 channels and an MLP of 64, around a residual stream of 32. */
const vit: readonly (readonly [string, readonly string[]])[] = [
  // Queries and keys share their channels, values have channels of their own: the layer's result is split.
  ['vit-11', ['32 inexact', ...twice('4 heads', '8', '8', '64')]],
  // As with a known batch, with which the heads are merged for a while.
  ['vit-16-batch', ['32 inexact', ...twice('4 heads', '8', '8', '64')]],
  // The layer's result gets an axis of three that is indexed: all have the same channels.
  ['vit-18-batch-dynamo', ['32 inexact', ...twice('4 heads', '8', '64')]],
  // Attention derives its scale from the channels of a head: it is stated when they go.
  ['vit-23-dynamo', ['32 inexact', ...twice('4 heads', '8', '64')]],
];

/** Two blocks of 2 heads with 8 channels around 16 features, patches merged, two blocks of 4 heads around 32. */
const firstStage = ['16 inexact', ...twice('2 heads', '8', '32')];
const swin: readonly (readonly [string, readonly string[]])[] = [
  ['swin-18-dynamo', [...firstStage, '32 inexact', ...twice('4 heads', '8', '64')]],
  // The features of the last stage are picked at places that are computed from the batch: only what is picked is free.
  ['swin-23-batch-dynamo', [...firstStage, ...twice('4 heads', '8', '64'), '32']],
];

describe.each([...vit, ...swin])('%s', (name, expected) => {
  it('has the dimensions of the network', async () => {
    const graph = new DependencyGraph().buildDependency(await loadSkeleton(name, { seed: 1 }));
    expect(sizesIn(graph).sort()).toEqual([...expected].sort());
  });

  it('computes the same with half of any of them pruned', async () => {
    for (const i of expected.keys()) {
      const verification = await verifyHalf(() => loadSkeleton(name, { seed: 1 }), i);
      expect([i, verification.outputs.filter(({ ok }) => !ok)]).toEqual([i, []]);
    }
  }, 120_000);
});
