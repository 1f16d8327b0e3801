/**
 * Writes the nodes that torch.onnx (PyTorch 1.13) writes for PyTorch's modules: same operators, attributes, order and
 * names. Knows modules, not networks: resnet.ts and densenet.ts say which modules there are.
 */
import {
  type AttributeValue,
  createRandom,
  DataType,
  GraphBuilder,
  type Model,
  makeTensor,
  OnnxPruningError,
  type Random,
} from '@onnx-pruning/onnx';
import { type BatchNormTensors, batchNormValues, foldBatchNorm, kaimingValues, uniformValues } from './weights.ts';

/** What every builder lets its caller choose. */
export interface ModelOptions {
  /** Number of classes. Default 1000. */
  classes?: number;
  /** Height and width of the input image in pixels. Default 224. */
  imageSize?: number;
  /** Batch size; a string is the name of a symbolic size. Default 1. */
  batch?: number | string;
  /** Seed of all weights. Default 0. */
  seed?: number;
  /**
   * Fold batch normalization into the convolution it directly follows, as torch.onnx does by default. The convolution
   * `conv1` then has the initializers `conv1.weight` and `conv1.bias`. Default false.
   */
  foldBatchNorm?: boolean;
  /** Opset of the model, from 9 on. Default 16. */
  opset?: number;
}

/** An option that no network can be built with. */
export class ModelOptionError extends OnnxPruningError {}

/**
 * A module of the network. Its parameters are named after `prefix` (`layer1.0.conv1`), its nodes after `path`
 * (`/layer1/layer1.0/conv1`): where a module is a number in a sequence, torch.onnx repeats the sequence's name.
 */
export interface Scope {
  readonly prefix: string;
  readonly path: string;
}

export const rootScope: Scope = { prefix: '', path: '' };

/** The submodule `name` of a module. */
export function child(scope: Scope, name: string | number): Scope {
  const sequence = scope.path.slice(scope.path.lastIndexOf('/') + 1);
  return {
    prefix: scope.prefix === '' ? `${name}` : `${scope.prefix}.${name}`,
    path: `${scope.path}/${typeof name === 'number' ? `${sequence}.${name}` : name}`,
  };
}

/** A convolution without bias, as batch-normalized networks have it. Padding keeps odd kernels centred. */
export interface ConvShape {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
}

const EPSILON = 1e-5;
const OLDEST_OPSET = 9;
/** First opset where pads of Pad are an input, where pooling has ceil_mode, and where BN has training_mode. */
const PADS_ARE_INPUT = 11;
const POOLING_HAS_CEIL_MODE = 10;
const NORM_HAS_TRAINING_MODE = 14;

export class TorchGraph {
  readonly #options: Required<ModelOptions>;
  readonly #builder: GraphBuilder;
  readonly #random: Random;
  /** torch.onnx lists folded tensors after all others. */
  readonly #folded: (() => void)[] = [];

  /** @throws ModelOptionError for an option out of range. */
  constructor(name: string, options: ModelOptions) {
    this.#options = checkOptions({
      classes: 1000,
      imageSize: 224,
      batch: 1,
      seed: 0,
      foldBatchNorm: false,
      opset: 16,
      ...options,
    });
    this.#builder = new GraphBuilder({ name, opset: this.#options.opset });
    this.#random = createRandom(this.#options.seed);
  }

  /** Declares the image input. Returns its value name. */
  image(): string {
    const { batch, imageSize } = this.#options;
    return this.#builder.input('input', [batch, 3, imageSize, imageSize]);
  }

  /** A convolution without bias. */
  conv(scope: Scope, x: string, shape: ConvShape): string {
    const weight = this.#parameter(`${scope.prefix}.weight`, weightDims(shape), this.#convWeight(shape));
    return this.#node(scope, 'Conv', [x, weight], convAttributes(shape));
  }

  /** A convolution and the batch normalization of its output: one node when folding, two otherwise. */
  convNorm(conv: Scope, norm: Scope, x: string, shape: ConvShape): string {
    if (!this.#options.foldBatchNorm) return this.batchNorm(norm, this.conv(conv, x, shape), shape.outChannels);
    const weight = this.#convWeight(shape);
    const bias = foldBatchNorm(weight, batchNormValues(this.#random, shape.outChannels), EPSILON);
    const names = [`${conv.prefix}.weight`, `${conv.prefix}.bias`] as const;
    this.#folded.push(() => {
      this.#parameter(names[0], weightDims(shape), weight);
      this.#parameter(names[1], [shape.outChannels], bias);
    });
    return this.#node(conv, 'Conv', [x, ...names], convAttributes(shape));
  }

  batchNorm(scope: Scope, x: string, channels: number): string {
    const values: BatchNormTensors = batchNormValues(this.#random, channels);
    const tensors = [
      this.#parameter(`${scope.prefix}.weight`, [channels], values.weight),
      this.#parameter(`${scope.prefix}.bias`, [channels], values.bias),
      this.#parameter(`${scope.prefix}.running_mean`, [channels], values.mean),
      this.#parameter(`${scope.prefix}.running_var`, [channels], values.variance),
    ];
    return this.#node(scope, 'BatchNormalization', [x, ...tensors], {
      epsilon: { float: EPSILON },
      momentum: { float: 0.9 },
      ...(this.#options.opset >= NORM_HAS_TRAINING_MODE && { training_mode: 0 }),
    });
  }

  relu(scope: Scope, x: string): string {
    return this.#node(scope, 'Relu', [x]);
  }

  add(scope: Scope, a: string, b: string): string {
    return this.#node(scope, 'Add', [a, b]);
  }

  /** Concatenates along the channels. */
  concat(scope: Scope, values: readonly string[]): string {
    return this.#node(scope, 'Concat', values, { axis: 1 });
  }

  /** The 3x3 pooling of stride 2 behind the first convolution. */
  maxPool(scope: Scope, x: string): string {
    return this.#node(scope, 'MaxPool', [x], this.#pooling(3, 2, 1));
  }

  /** 2x2 averages. torch.onnx pads before every average pooling, here by nothing. */
  avgPool(scope: Scope, x: string): string {
    const pads = Array.from({ length: 8 }, () => 0);
    const padded =
      this.#options.opset < PADS_ARE_INPUT
        ? this.#node(scope, 'Pad', [x], { mode: 'constant', pads, value: { float: 0 } })
        : this.#node(scope, 'Pad', [x, this.#constant(scope, pads)], { mode: 'constant' });
    return this.#node(scope, 'AveragePool', [padded], this.#pooling(2, 2, 0));
  }

  globalAvgPool(scope: Scope, x: string): string {
    return this.#node(scope, 'GlobalAveragePool', [x]);
  }

  flatten(scope: Scope, x: string): string {
    return this.#node(scope, 'Flatten', [x], { axis: 1 });
  }

  /** The fully connected classifier, the last layer; weights and bias as PyTorch's nn.Linear starts with. */
  classifier(scope: Scope, x: string, features: number): void {
    const { classes, batch } = this.#options;
    const bound = 1 / Math.sqrt(features);
    const weight = uniformValues(this.#random, classes * features, -bound, bound);
    const bias = uniformValues(this.#random, classes, -bound, bound);
    const names = [
      this.#parameter(`${scope.prefix}.weight`, [classes, features], weight),
      this.#parameter(`${scope.prefix}.bias`, [classes], bias),
    ];
    const attributes = { alpha: { float: 1 }, beta: { float: 1 }, transB: 1 };
    this.#builder.node('Gemm', [x, ...names], attributes, { name: `${scope.path}/Gemm`, outputs: ['output'] });
    this.#builder.output('output', [batch, classes]);
  }

  /** The finished model. */
  build(): Model {
    for (const add of this.#folded) add();
    return this.#builder.build();
  }

  #convWeight(shape: ConvShape): Float32Array {
    const fanIn = (shape.inChannels / (shape.groups ?? 1)) * shape.kernel ** 2;
    return kaimingValues(this.#random, shape.outChannels * fanIn, fanIn);
  }

  #pooling(kernel: number, stride: number, pad: number): Record<string, AttributeValue> {
    return {
      ...(this.#options.opset >= POOLING_HAS_CEIL_MODE && { ceil_mode: 0 }),
      kernel_shape: [kernel, kernel],
      pads: [pad, pad, pad, pad],
      strides: [stride, stride],
    };
  }

  #parameter(name: string, dims: readonly number[], values: Float32Array): string {
    // Raw bytes are kept as they are, where numbers would be copied.
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return this.#builder.tensor(makeTensor(name, DataType.FLOAT, dims, bytes, { raw: true }));
  }

  #constant(scope: Scope, values: readonly number[]): string {
    return this.#node(scope, 'Constant', [], { value: makeTensor('', DataType.INT64, [values.length], values) });
  }

  #node(
    scope: Scope,
    opType: string,
    inputs: readonly string[],
    attributes: Record<string, AttributeValue> = {},
  ): string {
    const name = `${scope.path}/${opType}`;
    return this.#builder.node(opType, inputs, attributes, { name, outputs: [`${name}_output_0`] });
  }
}

function weightDims({ inChannels, outChannels, kernel, groups = 1 }: ConvShape): number[] {
  return [outChannels, inChannels / groups, kernel, kernel];
}

function convAttributes({ kernel, stride = 1, groups = 1 }: ConvShape): Record<string, AttributeValue> {
  const pad = (kernel - 1) / 2;
  return {
    dilations: [1, 1],
    group: groups,
    kernel_shape: [kernel, kernel],
    pads: [pad, pad, pad, pad],
    strides: [stride, stride],
  };
}

/** A number that must be an integer of at least `least`. @throws ModelOptionError */
export function requireInteger(option: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new ModelOptionError('MODEL_OPTION', `The option '${option}' is out of range`, {
    expected: `an integer of at least ${least}`,
    actual: value,
  });
}

function checkOptions(options: Required<ModelOptions>): Required<ModelOptions> {
  requireInteger('classes', options.classes, 1);
  requireInteger('imageSize', options.imageSize, 1);
  requireInteger('opset', options.opset, OLDEST_OPSET);
  if (typeof options.batch === 'number') requireInteger('batch', options.batch, 1);
  return options;
}
