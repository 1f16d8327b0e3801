/** The models that the benchmarks run on. All are built in code with seeded weights, so that nothing is downloaded. */
import { buildDenseNet, buildDenseNet121, buildResNet18 } from '@onnx-pruning/models';
import type { Model } from '@onnx-pruning/onnx';

/** The input of a benchmark's models: images in one batch, and their height and width in pixels. */
export interface Images {
  readonly batch: number;
  readonly imageSize: number;
}

/** A model and what its pruner must leave alone. */
export interface BenchmarkCase {
  readonly name: string;
  readonly ignoredLayers: readonly string[];
  build(images: Images): Model;
}

/** The models that are pruned, timed and compared with their originals. */
export const COMPARED: readonly BenchmarkCase[] = [
  { name: 'ResNet-18', ignoredLayers: ['fc'], build: buildResNet18 },
  { name: 'DenseNet-121', ignoredLayers: ['classifier'], build: buildDenseNet121 },
];

/**
 * DenseNets of growing depth. The last is ten times as deep as the first; it grows by 8 channels a layer instead of 32,
 * since the weights of a DenseNet grow with the square of its depth.
 */
export const SCALED: readonly BenchmarkCase[] = [
  denseNet('DenseNet-121', [6, 12, 24, 16], 32),
  denseNet('DenseNet-169', [6, 12, 32, 32], 32),
  denseNet('DenseNet-201', [6, 12, 48, 32], 32),
  denseNet('DenseNet-1165 (growth 8)', [60, 120, 240, 160], 8),
];

function denseNet(name: string, blocks: readonly number[], growth: number): BenchmarkCase {
  const build = (images: Images): Model => buildDenseNet({ ...images, blocks, growth, initFeatures: 2 * growth });
  return { name, ignoredLayers: ['classifier'], build };
}
