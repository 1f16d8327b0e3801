/**
 * Densely connected networks as torchvision builds and torch.onnx exports them. States the structure only; how a module
 * becomes nodes is in torch-graph.ts.
 */
import type { Model } from '@onnx-pruning/onnx';
import {
  child,
  ModelOptionError,
  type ModelOptions,
  requireInteger,
  rootScope,
  type Scope,
  TorchGraph,
} from './torch-graph.ts';

export interface DenseNetOptions extends ModelOptions {
  /** Dense layers per block; the image and the channels are halved between blocks. Default [6, 12, 24, 16]. */
  blocks?: readonly number[];
  /** Channels that every dense layer adds. Default 32. */
  growth?: number;
  /** Channels of the first convolution. Default 64. */
  initFeatures?: number;
  /** Channels inside a dense layer, as a multiple of `growth`. Default 4. */
  bottleneck?: number;
}

type DenseNetShape = Required<Pick<DenseNetOptions, 'blocks' | 'growth' | 'initFeatures' | 'bottleneck'>>;

/** A value and how many channels it has. */
interface Features {
  readonly value: string;
  readonly channels: number;
}

/**
 * A DenseNet of any depth and width; input `input` [batch, 3, imageSize, imageSize], output `output` [batch, classes].
 * Names of layers are torchvision's: `features.conv0`, `features.denseblock1.denselayer1.conv1`, `classifier`.
 * Folding reaches `norm0` and every `norm2`; the other normalizations follow a concatenation and stay.
 * Source: Huang et al., "Densely Connected Convolutional Networks" (2016).
 * @throws ModelOptionError for an option out of range, or an image too small for the number of blocks.
 * @example buildDenseNet({ blocks: [6, 12, 48, 32] }) // DenseNet-201
 */
export function buildDenseNet(options: DenseNetOptions = {}): Model {
  const shape: DenseNetShape = {
    blocks: options.blocks ?? [6, 12, 24, 16],
    growth: options.growth ?? 32,
    initFeatures: options.initFeatures ?? 64,
    bottleneck: options.bottleneck ?? 4,
  };
  checkShape(shape, options.imageSize);
  const graph = new TorchGraph('densenet', options);
  const features = child(rootScope, 'features');
  let x = stem(graph, features, shape.initFeatures);
  shape.blocks.forEach((layers, index) => {
    x = denseBlock(graph, child(features, `denseblock${index + 1}`), x, layers, shape);
    if (index < shape.blocks.length - 1) x = transition(graph, child(features, `transition${index + 1}`), x);
  });
  const normed = graph.batchNorm(child(features, 'norm5'), x.value, x.channels);
  const pooled = graph.globalAvgPool(rootScope, graph.relu(rootScope, normed));
  graph.classifier(child(rootScope, 'classifier'), graph.flatten(rootScope, pooled), x.channels);
  return graph.build();
}

/** torchvision's DenseNet-121: 7,978,856 parameters at 1000 classes, not counting running statistics. See `buildDenseNet`. */
export function buildDenseNet121(options: ModelOptions = {}): Model {
  return buildDenseNet({ ...options, blocks: [6, 12, 24, 16] });
}

function checkShape(shape: DenseNetShape, imageSize = 224): void {
  requireInteger('blocks.length', shape.blocks.length, 1);
  for (const layers of shape.blocks) requireInteger('blocks', layers, 1);
  requireInteger('growth', shape.growth, 1);
  requireInteger('initFeatures', shape.initFeatures, 2);
  requireInteger('bottleneck', shape.bottleneck, 1);
  // The stem halves twice rounding up, every transition once rounding down.
  const last = Math.floor(Math.ceil(imageSize / 4) / 2 ** (shape.blocks.length - 1));
  if (last >= 1) return;
  throw new ModelOptionError('MODEL_OPTION', `An image of ${imageSize} pixels vanishes before the last dense block`, {
    expected: `imageSize of at least ${4 * 2 ** (shape.blocks.length - 1) - 3}`,
    actual: imageSize,
    repair: 'Choose a larger imageSize or fewer blocks.',
  });
}

function stem(graph: TorchGraph, features: Scope, channels: number): Features {
  const shape = { inChannels: 3, outChannels: channels, kernel: 7, stride: 2 };
  const x = graph.convNorm(child(features, 'conv0'), child(features, 'norm0'), graph.image(), shape);
  const value = graph.maxPool(child(features, 'pool0'), graph.relu(child(features, 'relu0'), x));
  return { value, channels };
}

/** Every layer sees the block's input and the outputs of all layers before it. */
function denseBlock(graph: TorchGraph, scope: Scope, x: Features, layers: number, shape: DenseNetShape): Features {
  const values = [x.value];
  for (let i = 0; i < layers; i++) {
    const channels = x.channels + i * shape.growth;
    values.push(denseLayer(graph, child(scope, `denselayer${i + 1}`), values, channels, shape));
  }
  return { value: graph.concat(scope, values), channels: x.channels + layers * shape.growth };
}

function denseLayer(
  graph: TorchGraph,
  scope: Scope,
  values: readonly string[],
  inChannels: number,
  { growth, bottleneck }: DenseNetShape,
): string {
  const width = bottleneck * growth;
  const normed = graph.batchNorm(child(scope, 'norm1'), graph.concat(scope, values), inChannels);
  const x = graph.relu(child(scope, 'relu1'), normed);
  const reduce = { inChannels, outChannels: width, kernel: 1 };
  const y = graph.relu(child(scope, 'relu2'), graph.convNorm(child(scope, 'conv1'), child(scope, 'norm2'), x, reduce));
  return graph.conv(child(scope, 'conv2'), y, { inChannels: width, outChannels: growth, kernel: 3 });
}

/** Halves the channels and the image. */
function transition(graph: TorchGraph, scope: Scope, x: Features): Features {
  const channels = Math.floor(x.channels / 2);
  const normed = graph.relu(child(scope, 'relu'), graph.batchNorm(child(scope, 'norm'), x.value, x.channels));
  const value = graph.conv(child(scope, 'conv'), normed, { inChannels: x.channels, outChannels: channels, kernel: 1 });
  return { value: graph.avgPool(child(scope, 'pool'), value), channels };
}
