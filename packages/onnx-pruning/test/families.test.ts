/**
 * What exporters really write, of every family of convolutional networks: pruned at several ratios, with and without
 * rounding, every file computes what it should; and the groups offered are as many as the architecture has.
 */
import { countOpsAndParams } from '@onnx-pruning/cost';
import { DependencyGraph } from '@onnx-pruning/depgraph';
import { buildDenseNet121, buildResNet18, listSkeletons, loadSkeleton, type SkeletonInfo } from '@onnx-pruning/models';
import { type Model, tensorSize } from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';

const RATIOS = [0.1, 0.3, 0.5, 0.7];
const ROUND_TO = 8;

/**
 * Free dimensions of each architecture, worked out by hand. Every layer that produces channels is one, except that
 * layers whose outputs are added share one, and that the outputs of the network are none.
 */
const GROUPS: Readonly<Record<string, number>> = {
  // 8 blocks with one inner width each; 4 stages, the first of which includes the stem.
  'resnet18-full': 8 + 4,
  'resnet-basic': 8 + 4,
  // Stem, 4 stages, and 2 inner widths in each of 2 + 2 + 1 + 1 blocks.
  'resnet-bottleneck': 1 + 4 + 2 * 6,
  // The same with 1 + 2 + 1 + 1 blocks. Numbers of groups are not offered, the channels inside are.
  resnext: 1 + 4 + 2 * 5,
  // Stem, a bottleneck and new features in each dense layer, 3 transitions.
  densenet: 1 + 2 * (2 + 3 + 3 + 2) + 3,
  'densenet121-full': 1 + 2 * (6 + 12 + 24 + 16) + 3,
  // Convolutions and two hidden linear layers.
  vgg11: 8 + 2,
  'vgg11-bn': 8 + 2,
  vgg16: 13 + 2,
  alexnet: 5 + 2,
  // Stem and three convolutions in each of 8 fire modules; the last convolution makes the classes.
  squeezenet1_0: 1 + 3 * 8,
  squeezenet1_1: 1 + 3 * 8,
  // Three convolutions, and six in each of 9 inception modules.
  googlenet: 3 + 6 * 9,
  'googlenet-transform': 3 + 6 * 9,
  // 16 of 17 blocks expand; 7 stages; the last convolution. At a quarter of the width stem and first stage are added.
  mobilenet_v2: 16 + 7 + 1,
  // 16 blocks expand; stem, first separable convolution, 6 stacks, last convolution; the stacks of 24 channels are added.
  mnasnet: 16 + 1 + 1 + 6 + 1 - 1,
  // Every convolution has a batch normalization and goes into concatenations only.
  inception_v3: 94,
};

/** Size of every symbol of the input, for the image that the network is made for. */
function sizesOf(model: Model, { input }: SkeletonInfo): Record<string, number> {
  const dims = model.graph.input[0].type?.tensorType?.shape?.dim ?? [];
  return Object.fromEntries(dims.flatMap((dim, axis) => (dim.dimParam ? [[dim.dimParam, input[axis]]] : [])));
}

function prune(model: Model, pruningRatio: number, roundTo?: number): BasePruner {
  const importance = new GroupMagnitudeImportance();
  const pruner = new BasePruner(model, { importance, pruningRatio, roundTo });
  pruner.step();
  return pruner;
}

/** Numbers that the initializers hold. */
const elements = ({ graph }: Model): number => graph.initializer.reduce((sum, tensor) => sum + tensorSize(tensor), 0);

const skeletons = listSkeletons();

/**
 * Every ratio with rounding or without, in turn; the first two files of a family see all combinations between them. Networks
 * of full size, whose every value is compared, take long: they see one each.
 */
function combinationsOf(info: SkeletonInfo): (readonly [number, number | undefined])[] {
  if (info.family.endsWith('-full')) return [[0.5, undefined]];
  const files = skeletons.filter(({ family }) => family === info.family);
  const parity = files.indexOf(info) % 2;
  const both = RATIOS.flatMap(
    (ratio) =>
      [
        [ratio, undefined],
        [ratio, ROUND_TO],
      ] as const,
  );
  return both.filter((_, i) => files.length === 1 || ((i >> 1) + i + parity) % 2 === 0);
}

describe.each(skeletons.map((info) => [info.name, info] as const))('%s', (name, info) => {
  const expected = GROUPS[info.family];

  if (expected !== undefined) {
    it(`offers ${expected} groups`, async () => {
      expect([...new DependencyGraph().buildDependency(await loadSkeleton(name)).getAllGroups()]).toHaveLength(
        expected,
      );
    });
  }

  it('computes what it should when it is pruned', async () => {
    const original = await loadSkeleton(name);
    for (const [ratio, roundTo] of combinationsOf(info)) {
      const model = original.clone();
      const pruner = prune(model, ratio, roundTo);
      const verification = await verify(original, model, pruner.plan(), { dims: sizesOf(original, info) });
      expect({ ratio, roundTo, failed: verification.outputs.filter((output) => !output.ok) }).toMatchObject({
        failed: [],
      });
      if (ratio >= 0.5 && !roundTo) {
        expect(elements(model)).toBeLessThan(0.8 * elements(original));
      }
    }
  }, 60_000);
});

describe('with 1000 classes and images of 224 x 224, half of every group and all classes kept', () => {
  /** Convolution and linear multiply-accumulates, and parameters. */
  function cost(model: Model): [number, number] {
    const { macs, params } = countOpsAndParams(model);
    return [macs, params];
  }

  it('ResNet-18 costs what Torch-Pruning leaves of it', () => {
    const model = buildResNet18();
    expect(cost(model)).toEqual([1_814_073_344, 11_689_512]);
    prune(model, 0.5);
    expect(cost(model)).toEqual([483_149_824, 3_055_880]);
  });

  it('DenseNet-121 costs what Torch-Pruning leaves of it', () => {
    const model = buildDenseNet121();
    expect(cost(model)).toEqual([2_834_161_664, 7_978_856]);
    prune(model, 0.5);
    expect(cost(model)).toEqual([738_299_904, 2_274_728]);
  });
});
