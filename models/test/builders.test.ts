import { join } from 'node:path';
import { encodeModel, loadModel, type Model } from '@onnx-pruning/onnx';
import { buildDenseNet, buildDenseNet121, buildResNet, buildResNet18, ModelOptionError } from '../src/index.ts';
import { relativeDifference, runModel } from './run.ts';
import { countParameters, foldedNames, structureOf } from './structure.ts';

const small = { classes: 10, imageSize: 32 };
const tinyResNet = { ...small, width: 8, blocks: [1, 1, 1] };
const tinyDenseNet = { ...small, growth: 8, initFeatures: 16, blocks: [2, 3, 3, 2] };
const narrowBottleneck = { ...small, width: 8, block: 'bottleneck' } as const;
const resNext = { ...narrowBottleneck, blocks: [1, 2, 1, 1], groups: 8, widthPerGroup: 32 };

/** Each is a torch.onnx export of torchvision's network, next to the call that must build the same. */
const exports: [skeleton: string, build: () => Model][] = [
  ['resnet18-full-kept-16', () => buildResNet18()],
  ['resnet18-full-folded-16', () => buildResNet18({ foldBatchNorm: true })],
  ['densenet121-full-kept-16', () => buildDenseNet121()],
  ['densenet121-full-folded-16', () => buildDenseNet121({ foldBatchNorm: true })],
  ['resnet-basic-kept-16-batch', () => buildResNet({ ...small, width: 16, batch: 'batch' })],
  ['resnet-basic-folded-9', () => buildResNet({ ...small, width: 16, foldBatchNorm: true, opset: 9 })],
  ['resnet-bottleneck-kept-16', () => buildResNet({ ...narrowBottleneck, blocks: [2, 2, 1, 1] })],
  [
    'resnet-bottleneck-folded-13-batch',
    () => buildResNet({ ...narrowBottleneck, blocks: [2, 2, 1, 1], batch: 'batch', foldBatchNorm: true, opset: 13 }),
  ],
  ['resnext-kept-16', () => buildResNet(resNext)],
  ['resnext-folded-11', () => buildResNet({ ...resNext, foldBatchNorm: true, opset: 11 })],
  ['densenet-kept-9', () => buildDenseNet({ ...tinyDenseNet, opset: 9 })],
  [
    'densenet-folded-11-batch',
    () => buildDenseNet({ ...tinyDenseNet, foldBatchNorm: true, opset: 11, batch: 'batch' }),
  ],
];

describe('structure', () => {
  it.each(exports)(
    '%s: node for node what torchvision exports',
    async (skeleton, build) => {
      const exported = await loadModel(join(__dirname, '..', 'zoo', `${skeleton}.onnx`));
      const built = build();
      expect(structureOf(built)).toEqual(structureOf(exported, foldedNames(exported.graph, built.graph)));
      expect(built.graph.input).toMatchObject(exported.graph.input.map(({ name }) => ({ name })));
      expect(built.graph.output.map(({ name }) => name)).toEqual(exported.graph.output.map(({ name }) => name));
    },
    60_000,
  );

  it('names layers as PyTorch does', () => {
    const names = buildResNet(tinyResNet)
      .layers()
      .map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['conv1', 'bn1', 'layer1.0.conv2', 'layer2.0.downsample.0', 'fc']));
  });
});

describe('parameters, as torchvision counts them', () => {
  it('ResNet-18 has 11,689,512', () => expect(countParameters(buildResNet18())).toBe(11_689_512), 60_000);
  it('DenseNet-121 has 7,978,856', () => expect(countParameters(buildDenseNet121())).toBe(7_978_856), 60_000);
});

describe('weights', () => {
  it.each([
    ['ResNet', (foldBatchNorm: boolean) => buildResNet({ ...tinyResNet, foldBatchNorm })],
    ['ResNeXt', (foldBatchNorm: boolean) => buildResNet({ ...resNext, foldBatchNorm })],
    ['DenseNet', (foldBatchNorm: boolean) => buildDenseNet({ ...tinyDenseNet, foldBatchNorm })],
  ])('%s: folded computes what kept computes, for the same seed', async (_, build) => {
    const [kept] = await runModel(build(false), [1, 3, 32, 32], [1]);
    const [folded] = await runModel(build(true), [1, 3, 32, 32], [1]);
    expect(relativeDifference(kept!, folded!)).toBeLessThan(1e-4);
  });

  it('are the same for the same seed, and others for another', () => {
    const bytes = (seed: number) =>
      Buffer.from(encodeModel(buildDenseNet({ ...tinyDenseNet, seed }))).toString('base64');
    expect(bytes(3)).toBe(bytes(3));
    expect(bytes(3)).not.toBe(bytes(4));
  });

  it.each([
    ['ResNet-18', () => buildResNet18(small)],
    ['DenseNet-121', () => buildDenseNet121(small)],
  ])(
    '%s: outputs are finite and depend on the image',
    async (_, build) => {
      const [first, second] = await runModel(build(), [1, 3, 32, 32], [1, 2]);
      expect(first).toHaveLength(10);
      expect(first!.every(Number.isFinite)).toBe(true);
      expect(relativeDifference(first!, second!)).toBeGreaterThan(1e-2);
    },
    60_000,
  );
});

describe('options', () => {
  it('a symbolic batch takes any number of images', async () => {
    const model = buildDenseNet({ ...tinyDenseNet, batch: 'batch' });
    expect((await runModel(model, [3, 3, 32, 32], [1]))[0]).toHaveLength(30);
  });

  it.each([9, 10, 11, 13, 14, 18, 23, 26])('opset %i runs', async (opset) => {
    for (const foldBatchNorm of [false, true]) {
      expect(
        (await runModel(buildResNet({ ...tinyResNet, opset, foldBatchNorm }), [1, 3, 32, 32], [1]))[0],
      ).toHaveLength(10);
      expect(
        (await runModel(buildDenseNet({ ...tinyDenseNet, opset, foldBatchNorm }), [1, 3, 32, 32], [1]))[0],
      ).toHaveLength(10);
    }
  });

  it('the smallest image that a DenseNet of four blocks can see has 29 pixels', async () => {
    expect((await runModel(buildDenseNet({ ...tinyDenseNet, imageSize: 29 }), [1, 3, 29, 29], [1]))[0]).toHaveLength(
      10,
    );
    expect(() => buildDenseNet({ ...tinyDenseNet, imageSize: 28 })).toThrow(
      'An image of 28 pixels vanishes before the last dense block: expected imageSize of at least 29, found 28. Choose a larger imageSize or fewer blocks.',
    );
  });

  it.each([
    { classes: 0 },
    { imageSize: 1.5 },
    { batch: -1 },
    { opset: 8 },
    { width: 0 },
    { blocks: [] },
    { blocks: [2, 0] },
  ])('refuses %j', (option) => {
    expect(() => buildResNet({ ...tinyResNet, ...option })).toThrow(ModelOptionError);
  });
});
