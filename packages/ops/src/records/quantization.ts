/**
 * Quantization: operators that turn numbers into integers with a scale, compute on those, and turn them back. Nothing
 * that passes through them is pruned yet; their records say so, and say the shapes that others need.
 */
import { DataType } from '@onnx-pruning/onnx';
import { freezeNode } from '../axes.ts';
import { NEWEST_OPSET } from '../opsets.ts';
import {
  type InferContext,
  noLayer,
  noMacs,
  noOverhead,
  nothing,
  type OperatorRecord,
  type ValueInfo,
} from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { shapeInfo } from './operands.ts';

/** Said of everything that passes through one of these operators. */
const QUANTIZED = 'the model is quantized here: quantized weights and activations are not pruned yet';

const MICROSOFT = 'com.microsoft';

function quantized(
  domain: string,
  opType: string,
  since: number,
  infer: (ctx: InferContext) => ValueInfo[],
): OperatorRecord {
  return {
    domain,
    opType,
    opsets: [since, domain === '' ? NEWEST_OPSET : since],
    infer,
    equations: (ctx) => freezeNode(ctx, QUANTIZED),
    refusal: QUANTIZED,
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

/** Like the first input, of the type of another one where the node has it. */
const likeFirst =
  (typedBy: number, fallback: number) =>
  (ctx: InferContext): ValueInfo[] => [shapeInfo(elemTypeOf(ctx, typedBy) || fallback, ctx.dims(0))];

/** A tensor with a scale and a zero point of one element each. */
const withScaleAndZero = (ctx: InferContext): ValueInfo[] => [
  shapeInfo(DataType.UINT8, ctx.dims(0)),
  { elemType: DataType.FLOAT, dims: [] },
  { elemType: DataType.UINT8, dims: [] },
];

/** Shapes are what the file declares, if it declares any. */
const declaredOnly =
  (elemType: number) =>
  (ctx: InferContext): ValueInfo[] =>
    ctx.node.output.map(() => ({ elemType }));

/** Operators of com.microsoft that compute on quantized tensors or weights. */
const FUSED: readonly string[] = [
  ...['QLinearAdd', 'QLinearMul', 'QLinearSigmoid', 'QLinearLeakyRelu', 'QLinearSoftmax', 'QLinearConcat'],
  ...['QLinearGlobalAveragePool', 'QLinearAveragePool', 'QLinearReduceMean', 'QLinearWhere', 'QLinearConv'],
  ...['QGemm', 'QAttention', 'QOrderedMatMul', 'QEmbedLayerNormalization', 'QMoE', 'NhwcMaxPool'],
  ...['DynamicQuantizeMatMul', 'MatMulIntegerToFloat', 'MatMulInteger16', 'DynamicQuantizeLSTM'],
  ...['MatMulNBits', 'MatMulBnb4', 'MatMulFpQ4', 'GatherBlockQuantized'],
];

/** Quantization of ai.onnx and of com.microsoft. */
export const quantizationOperators: readonly OperatorRecord[] = [
  quantized('', 'QuantizeLinear', 10, likeFirst(2, DataType.UINT8)),
  quantized('', 'DequantizeLinear', 10, likeFirst(1, DataType.FLOAT)),
  quantized('', 'DynamicQuantizeLinear', 11, withScaleAndZero),
  quantized('', 'QLinearConv', 10, declaredOnly(DataType.UINT8)),
  quantized('', 'QLinearMatMul', 10, declaredOnly(DataType.UINT8)),
  quantized('', 'ConvInteger', 10, declaredOnly(DataType.INT32)),
  quantized('', 'MatMulInteger', 10, declaredOnly(DataType.INT32)),
  quantized(MICROSOFT, 'QuantizeLinear', 1, likeFirst(2, DataType.UINT8)),
  quantized(MICROSOFT, 'DequantizeLinear', 1, likeFirst(1, DataType.FLOAT)),
  ...FUSED.map((opType) => quantized(MICROSOFT, opType, 1, declaredOnly(DataType.UNDEFINED))),
];
