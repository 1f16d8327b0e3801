/**
 * Matrix products: Gemm, MatMul, and FusedMatMul of com.microsoft, which can transpose its operands. They state which axis is summed over, and that the axes left over carry on; whether
 * an operand is a weight or an activation only decides who is named a layer.
 */

import { carry, expectSize, freezeNode } from '../axes.ts';
import { broadcastDims } from '../broadcast.ts';
import { gemmMap, linearInWeight, matMulMap } from '../linear-map.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import { perOutputFeature } from '../overhead.ts';
import type {
  Axes,
  CostContext,
  Dim,
  EquationContext,
  InferContext,
  LayerSpec,
  NodeView,
  OperatorRecord,
  ParameterSpec,
  ValueInfo,
} from '../record.ts';
import { noOverhead, nothing } from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { expectStretches, stretchOnto } from './operands.ts';

/** Which axes of the two operands are kept (undefined for a vector) and which is summed over. */
interface MatrixAxes {
  readonly kept: number | undefined;
  readonly summed: number;
}

/**
 * States that the node sums over these axes of its operands. A constant needs no mention beside an activation: it is
 * enough that one factor of every removed product is zero.
 */
function consumeOperands(ctx: EquationContext, a: MatrixAxes, b: MatrixAxes): void {
  const constants = [ctx.constant(0), ctx.constant(1)];
  if (!constants[0] || constants[1]) ctx.consumes(0, a.summed);
  if (!constants[1]) ctx.consumes(1, b.summed);
}

/** The operand that is a weight: the second where both are constant; undefined where neither is. */
function weightOperand(view: NodeView): 0 | 1 | undefined {
  if (view.constant(1)) return 1;
  return view.constant(0) ? 0 : undefined;
}

// Gemm

function gemmAxes(view: NodeView): [MatrixAxes, MatrixAxes] {
  const a = view.int('transA', 0) === 0 ? { kept: 0, summed: 1 } : { kept: 1, summed: 0 };
  const b = view.int('transB', 0) === 0 ? { kept: 1, summed: 0 } : { kept: 0, summed: 1 };
  return [a, b];
}

function expectMatrix(ctx: InferContext, name: string, dims: readonly Dim[]): void {
  if (dims.length !== 2) ctx.fail(`${name} of rank 2`, `[${dims.join(', ')}]`);
}

function inferGemm(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const [a, b] = [ctx.dims(0), ctx.dims(1)];
  if (!a || !b) return [{ elemType }];
  expectMatrix(ctx, 'A', a);
  expectMatrix(ctx, 'B', b);
  const [left, right] = gemmAxes(ctx);
  expectSize(ctx, 'the summed axis of B of size', a[left.summed], b[right.summed]);
  const dims = [a[left.kept!], b[right.kept!]];
  expectStretches(ctx, 'C', 2, dims);
  return [{ elemType, dims }];
}

function equateGemm(ctx: EquationContext): void {
  const [a, b, y] = [ctx.in(0), ctx.in(1), ctx.out(0)];
  const [left, right] = gemmAxes(ctx);
  carry(ctx, a[left.summed], b[right.summed]);
  ctx.equal(a[left.kept!], y[0]);
  ctx.equal(b[right.kept!], y[1]);
  stretchOnto(ctx, ctx.in(2), y);
  consumeOperands(ctx, left, right);
}

/** C counts as a bias where its axis along the weight's outputs is not stretched. */
function gemmBias(view: NodeView, outputAxis: 0 | 1): ParameterSpec[] {
  const dims = view.inputs[2]?.dims;
  if (!view.constant(2) || !dims) return [];
  const axis = outputAxis - (2 - dims.length);
  if (axis < 0 || dims[axis] === 1) return [{ input: 2, role: 'bias' }];
  return [{ input: 2, role: 'bias', out: axis }];
}

function gemmLayer(view: NodeView): LayerSpec | null {
  const input = weightOperand(view);
  if (input === undefined) return null;
  const { kept, summed } = gemmAxes(view)[input];
  const weight: ParameterSpec = { input, role: 'weight', out: kept, in: summed };
  return { kind: 'linear', parameters: [weight, ...gemmBias(view, input)] };
}

function gemmMacs(ctx: CostContext): number {
  const [left] = gemmAxes(ctx);
  return multiply(ctx.outDims(0)) * ctx.inDims(0)[left.summed];
}

// MatMul

/** A vector is a matrix of one row on the left, of one column on the right; that axis is not in the result. */
function leftAxes(view: NodeView, rank: number): MatrixAxes {
  if (rank < 2) return { kept: undefined, summed: 0 };
  const [row, column] = [rank - 2, rank - 1];
  return view.int('transA', 0) === 0 ? { kept: row, summed: column } : { kept: column, summed: row };
}

function rightAxes(view: NodeView, rank: number): MatrixAxes {
  if (rank < 2) return { kept: undefined, summed: 0 };
  const [row, column] = [rank - 2, rank - 1];
  return view.int('transB', 0) === 0 ? { kept: column, summed: row } : { kept: row, summed: column };
}

/** The axes before the matrix, which broadcast. */
function batchOf<T>(axes: readonly T[]): readonly T[] {
  return axes.slice(0, Math.max(0, axes.length - 2));
}

function inferMatMul(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const [a, b] = [ctx.dims(0), ctx.dims(1)];
  if (!a || !b) return [{ elemType }];
  if (a.length === 0 || b.length === 0) ctx.fail('operands of rank 1 or more', 'a scalar');
  const [left, right] = [leftAxes(ctx, a.length), rightAxes(ctx, b.length)];
  expectSize(ctx, 'the summed axis of B of size', a[left.summed], b[right.summed]);
  const dims = [...broadcastDims(ctx, [batchOf(a), batchOf(b)])!];
  if (left.kept !== undefined) dims.push(a[left.kept]);
  if (right.kept !== undefined) dims.push(b[right.kept]);
  return [{ elemType, dims }];
}

function equateMatMul(ctx: EquationContext): void {
  const [a, b, y] = [ctx.in(0), ctx.in(1), ctx.out(0)];
  const [left, right] = [leftAxes(ctx, a.length), rightAxes(ctx, b.length)];
  carry(ctx, a[left.summed], b[right.summed]);
  const rest = [...y];
  if (right.kept !== undefined) ctx.equal(b[right.kept], rest.pop()!);
  if (left.kept !== undefined) ctx.equal(a[left.kept], rest.pop()!);
  equateBatch(ctx, batchOf(a), batchOf(b), rest);
  consumeOperands(ctx, left, right);
}

function equateBatch(ctx: EquationContext, a: Axes, b: Axes, y: Axes): void {
  stretchOnto(ctx, a, y);
  stretchOnto(ctx, b, y);
}

function matMulLayer(view: NodeView): LayerSpec | null {
  const input = weightOperand(view);
  const rank = input === undefined ? undefined : view.inputs[input]?.dims?.length;
  if (input === undefined || !rank) return null;
  const { kept, summed } = input === 0 ? leftAxes(view, rank) : rightAxes(view, rank);
  return { kind: 'linear', parameters: [{ input, role: 'weight', out: kept, in: summed }] };
}

function matMulMacs(ctx: CostContext): number {
  const a = ctx.inDims(0);
  return multiply(ctx.outDims(0)) * a[leftAxes(ctx, a.length).summed]!;
}

function multiply(sizes: readonly number[]): number {
  return sizes.reduce((n, size) => n * size, 1);
}

const matMul: OperatorRecord = {
  domain: '',
  opType: 'MatMul',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: inferMatMul,
  equations: equateMatMul,
  resize: nothing,
  macs: matMulMacs,
  overhead: noOverhead,
  layer: matMulLayer,
  algebra: linearInWeight(matMulMap),
};

// FusedMatMul

/** Whether the batch axes are transposed as well, which is not followed. */
function transposesBatch(view: NodeView): boolean {
  return view.int('transBatchA', 0) !== 0 || view.int('transBatchB', 0) !== 0;
}

const fusedMatMul: OperatorRecord = {
  ...matMul,
  domain: 'com.microsoft',
  opType: 'FusedMatMul',
  opsets: [1, 1],
  infer: (ctx) => (transposesBatch(ctx) ? [{ elemType: elemTypeOf(ctx, 0) }] : inferMatMul(ctx)),
  equations: (ctx) => {
    if (transposesBatch(ctx)) freezeNode(ctx, 'its batch axes are transposed');
    else equateMatMul(ctx);
  },
  overhead: noOverhead,
  layer: (view) => (transposesBatch(view) ? null : matMulLayer(view)),
  // No rule for its factor and its transposed operands.
  algebra: linearInWeight(() => undefined),
};

/** Gemm (C optional since opset 11), MatMul and FusedMatMul; other versions differ in types only. */
export const linearOperators: readonly OperatorRecord[] = [
  {
    domain: '',
    opType: 'Gemm',
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: inferGemm,
    equations: equateGemm,
    resize: nothing,
    macs: gemmMacs,
    overhead: (ctx) => (ctx.node.input[2] ? perOutputFeature(ctx) : 0),
    layer: gemmLayer,
    algebra: linearInWeight(gemmMap),
  },
  matMul,
  fusedMatMul,
];
