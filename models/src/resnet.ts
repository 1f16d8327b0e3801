/**
 * Residual networks as torchvision builds and torch.onnx exports them. States the structure only; how a module becomes
 * nodes is in torch-graph.ts.
 */
import type { Model } from '@onnx-pruning/onnx';
import { child, type ModelOptions, requireInteger, rootScope, type Scope, TorchGraph } from './torch-graph.ts';

export interface ResNetOptions extends ModelOptions {
  /** Two 3x3 convolutions per block, or 1x1, 3x3, 1x1 with four times the channels at the end. Default `basic`. */
  block?: 'basic' | 'bottleneck';
  /** Blocks per stage; every stage but the first halves the image and doubles the channels. Default [2, 2, 2, 2]. */
  blocks?: readonly number[];
  /** Channels of the first stage. Default 64. */
  width?: number;
  /** Groups of the 3x3 convolution of a bottleneck (ResNeXt). Default 1. */
  groups?: number;
  /** Channels per group of a bottleneck at 64 channels of the stage (ResNeXt, Wide ResNet). Default 64. */
  widthPerGroup?: number;
}

type ResNetShape = Required<Pick<ResNetOptions, 'block' | 'blocks' | 'width' | 'groups' | 'widthPerGroup'>>;

interface BlockShape {
  readonly inChannels: number;
  /** Channels of the stage. */
  readonly planes: number;
  readonly outChannels: number;
  readonly stride: number;
}

/**
 * A ResNet of any depth and width; input `input` [batch, 3, imageSize, imageSize], output `output` [batch, classes].
 * Names of layers are torchvision's: `conv1`, `layer1.0.conv1`, `layer2.0.downsample.0`, `fc`.
 * Source: He et al., "Deep Residual Learning for Image Recognition" (2015); stride in the 3x3 convolution of a bottleneck.
 * @throws ModelOptionError for an option out of range.
 * @example buildResNet({ block: 'bottleneck', blocks: [3, 4, 6, 3] }) // ResNet-50
 */
export function buildResNet(options: ResNetOptions = {}): Model {
  const shape: ResNetShape = {
    block: options.block ?? 'basic',
    blocks: options.blocks ?? [2, 2, 2, 2],
    width: options.width ?? 64,
    groups: options.groups ?? 1,
    widthPerGroup: options.widthPerGroup ?? 64,
  };
  checkShape(shape);
  const graph = new TorchGraph('resnet', options);
  let x = stem(graph, shape.width);
  let channels = shape.width;
  shape.blocks.forEach((count, stage) => {
    for (let index = 0; index < count; index++) {
      const planes = shape.width * 2 ** stage;
      const outChannels = shape.block === 'basic' ? planes : planes * 4;
      const stride = stage > 0 && index === 0 ? 2 : 1;
      const scope = child(child(rootScope, `layer${stage + 1}`), index);
      x = residualBlock(graph, scope, x, shape, { inChannels: channels, planes, outChannels, stride });
      channels = outChannels;
    }
  });
  head(graph, x, channels);
  return graph.build();
}

/** torchvision's ResNet-18: 11,689,512 parameters at 1000 classes, not counting running statistics. See `buildResNet`. */
export function buildResNet18(options: ModelOptions = {}): Model {
  return buildResNet({ ...options, block: 'basic', blocks: [2, 2, 2, 2] });
}

function checkShape(shape: ResNetShape): void {
  requireInteger('blocks.length', shape.blocks.length, 1);
  for (const count of shape.blocks) requireInteger('blocks', count, 1);
  requireInteger('width', shape.width, 1);
  requireInteger('groups', shape.groups, 1);
  requireInteger('widthPerGroup', shape.widthPerGroup, 1);
}

function stem(graph: TorchGraph, width: number): string {
  const shape = { inChannels: 3, outChannels: width, kernel: 7, stride: 2 };
  const x = graph.convNorm(child(rootScope, 'conv1'), child(rootScope, 'bn1'), graph.image(), shape);
  return graph.maxPool(child(rootScope, 'maxpool'), graph.relu(child(rootScope, 'relu'), x));
}

function residualBlock(graph: TorchGraph, scope: Scope, x: string, net: ResNetShape, shape: BlockShape): string {
  const main = net.block === 'basic' ? basicPath(graph, scope, x, shape) : bottleneckPath(graph, scope, x, net, shape);
  const sum = graph.add(scope, main, shortcut(graph, scope, x, shape));
  return graph.relu(child(scope, net.block === 'basic' ? 'relu_1' : 'relu_2'), sum);
}

function basicPath(graph: TorchGraph, scope: Scope, x: string, { inChannels, planes, stride }: BlockShape): string {
  const first = { inChannels, outChannels: planes, kernel: 3, stride };
  const y = graph.relu(child(scope, 'relu'), convNorm(graph, scope, 1, x, first));
  return convNorm(graph, scope, 2, y, { inChannels: planes, outChannels: planes, kernel: 3 });
}

function bottleneckPath(graph: TorchGraph, scope: Scope, x: string, net: ResNetShape, shape: BlockShape): string {
  const { inChannels, planes, outChannels, stride } = shape;
  const { groups } = net;
  const width = Math.floor((planes * net.widthPerGroup) / 64) * groups;
  const reduced = convNorm(graph, scope, 1, x, { inChannels, outChannels: width, kernel: 1 });
  const y = graph.relu(child(scope, 'relu'), reduced);
  const middle = { inChannels: width, outChannels: width, kernel: 3, stride, groups };
  const z = graph.relu(child(scope, 'relu_1'), convNorm(graph, scope, 2, y, middle));
  return convNorm(graph, scope, 3, z, { inChannels: width, outChannels, kernel: 1 });
}

function convNorm(
  graph: TorchGraph,
  scope: Scope,
  n: number,
  x: string,
  shape: Parameters<TorchGraph['conv']>[2],
): string {
  return graph.convNorm(child(scope, `conv${n}`), child(scope, `bn${n}`), x, shape);
}

/** The identity where shapes agree, else a 1x1 convolution. */
function shortcut(graph: TorchGraph, scope: Scope, x: string, { inChannels, outChannels, stride }: BlockShape): string {
  if (stride === 1 && inChannels === outChannels) return x;
  const sequence = child(scope, 'downsample');
  return graph.convNorm(child(sequence, 0), child(sequence, 1), x, { inChannels, outChannels, kernel: 1, stride });
}

function head(graph: TorchGraph, x: string, channels: number): void {
  const pooled = graph.globalAvgPool(child(rootScope, 'avgpool'), x);
  graph.classifier(child(rootScope, 'fc'), graph.flatten(rootScope, pooled), channels);
}
