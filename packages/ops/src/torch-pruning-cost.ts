/**
 * What Torch-Pruning's counter charges for one inference: besides multiply-accumulates it charges biases, normalizations,
 * activations and pooling. Kept apart from the records, because it is the habit of another tool and no fact about the
 * operators. A module of PyTorch is recognised by the operator that it is exported as, so what was called as a function
 * there (and is not charged by Torch-Pruning) is charged here; recurrent and fused attention layers are charged their
 * multiply-accumulates only.
 */
import type { CostContext, NodeView, OperatorRecord } from './record.ts';

/** What the cost of a node may depend on besides the node itself. */
export interface ModuleContext extends CostContext {
  /** The node that computes input `i`; undefined for graph inputs and initializers. */
  producer(i: number): NodeView | undefined;
}

type Charge = (ctx: ModuleContext) => number;

const sizeOf = (dims: readonly number[]): number => dims.reduce((size, dim) => size * dim, 1);
const outputElements: Charge = (ctx) => sizeOf(ctx.outDims(0));
const inputElements: Charge = (ctx) => sizeOf(ctx.inDims(0));

/** One for each output element where the convolution has a bias. */
const convBias: Charge = (ctx) => (ctx.node.input[2] ? outputElements(ctx) : 0);

/** The bias of a linear layer is charged once a call, whatever the number of rows. */
const linearBias: Charge = (ctx) => (ctx.node.input[2] ? (ctx.outDims(0).at(-1) ?? 0) : 0);

/** A linear layer on a tensor of more than two axes is exported as a product with a constant and a sum with its bias. */
const separateBias: Charge = (ctx) => {
  const bias = ctx.node.input.findIndex((_, i) => ctx.constant(i) !== undefined && ctx.inDims(i).length === 1);
  const product = bias < 0 ? undefined : ctx.producer(1 - bias);
  const isLinear = product?.node.opType === 'MatMul' && product.constant(1) !== undefined;
  return isLinear ? (ctx.outDims(0).at(-1) ?? 0) : 0;
};

/** ReLU6 is exported as Clip; other bounds come from functions, which Torch-Pruning does not see. */
const relu6: Charge = (ctx) => {
  const bound = (name: string, input: number): unknown =>
    ctx.opset < 11 ? ctx.float(name, Number.NaN) : ctx.inputs[input]?.value?.[0];
  return bound('min', 1) === 0 && bound('max', 2) === 6 ? outputElements(ctx) : 0;
};

/** Scale and shift; the file does not tell whether a layer without them was exported with ones and zeros. */
const normalization: Charge = (ctx) => 2 * inputElements(ctx);

/** Upsampling is charged for the first sample of the batch. */
const upsampling: Charge = (ctx) => sizeOf(ctx.outDims(0).slice(1));

/** Charged besides the multiply-accumulates. */
const CHARGES: ReadonlyMap<string, Charge> = new Map<string, Charge>([
  ['Conv', convBias],
  ['ConvTranspose', convBias],
  ['Gemm', linearBias],
  ['Add', separateBias],
  ['BatchNormalization', normalization],
  ['InstanceNormalization', normalization],
  ['GroupNormalization', normalization],
  ['LayerNormalization', normalization],
  ['Relu', outputElements],
  ['PRelu', outputElements],
  ['Elu', outputElements],
  ['LeakyRelu', outputElements],
  ['Gelu', outputElements],
  ['Clip', relu6],
  ['MaxPool', inputElements],
  ['AveragePool', inputElements],
  ['GlobalMaxPool', inputElements],
  ['GlobalAveragePool', inputElements],
  ['Resize', upsampling],
  ['Upsample', upsampling],
]);

/**
 * The cost of a node as Torch-Pruning 1.6.1 (`count_ops_and_params`) counts it. A product of two activations is a
 * function call in PyTorch and costs nothing there.
 */
export function torchPruningMacs(record: OperatorRecord, ctx: ModuleContext): number {
  const macs = record.layer(ctx) === null ? 0 : record.macs(ctx);
  const standard = record.domain === '' || record.domain === 'ai.onnx';
  return macs + (standard ? (CHARGES.get(record.opType)?.(ctx) ?? 0) : 0);
}
