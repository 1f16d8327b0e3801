/**
 * If, Loop and Scan. What their bodies compute is not followed: it stays, and so do the values that they use. Shapes of
 * results are taken from what the bodies declare, where that holds whichever way the run takes.
 */
import { attrGraph, type GraphProto, toNumber, type ValueInfoProto } from '@onnx-pruning/onnx';
import { freezeNode } from '../axes.ts';
import { sameDim } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import {
  type Dim,
  type InferContext,
  noLayer,
  noMacs,
  noOverhead,
  nothing,
  type OperatorRecord,
  type ValueInfo,
} from '../record.ts';

function bodyOf(ctx: InferContext, name: string): GraphProto | undefined {
  return attrGraph(ctx.node, name);
}

/** Type and sizes that a body declares for one of its results; a size without a number is known to the run only. */
function declared(value: ValueInfoProto | undefined): { elemType: number; dims: (number | undefined)[] | undefined } {
  const tensor = value?.type?.tensorType;
  const dims = tensor?.shape?.dim.map(({ dimValue }) => (dimValue === undefined ? undefined : toNumber(dimValue)));
  return { elemType: tensor?.elemType ?? 0, dims };
}

/** What holds for all of several declarations: a size where all have it, a new symbol where they differ. */
function common(ctx: InferContext, all: readonly ReturnType<typeof declared>[]): ValueInfo {
  const elemType = all.find((one) => one.elemType !== 0)?.elemType ?? 0;
  const [first, ...others] = all.map(({ dims }) => dims);
  if (!first || others.some((dims) => dims?.length !== first.length)) return { elemType };
  const dims = first.map((size, axis): Dim => {
    const same = size !== undefined && others.every((other) => other?.[axis] === size);
    return same ? size : ctx.symbol('branch');
  });
  return { elemType, dims };
}

/** Both branches give the results, so only what they agree on is known. */
function inferIf(ctx: InferContext): ValueInfo[] {
  const branches = ['then_branch', 'else_branch'].map((name) => bodyOf(ctx, name));
  return ctx.node.output.map((_, i) =>
    common(
      ctx,
      branches.map((body) => declared(body?.output[i])),
    ),
  );
}

/** A carried value is what goes in (when the loop does not run) or what the body gives; others gain an axis of iterations. */
function inferLoop(ctx: InferContext): ValueInfo[] {
  const body = bodyOf(ctx, 'body');
  const carried = ctx.inputs.length - 2;
  return ctx.node.output.map((_, i) => {
    const result = declared(body?.output[i + 1]);
    if (i >= carried) return stacked(ctx, result, 0);
    const info = ctx.inputs[i + 2];
    const before = info?.dims?.map((size) => (typeof size === 'number' ? size : undefined));
    const both = common(ctx, [{ elemType: info?.elemType ?? 0, dims: before }, result]);
    // A symbol that goes in and is declared for what comes out is the same size only if the body says so by name.
    return withNames(both, info?.dims, body?.output[i + 1]);
  });
}

function withNames(info: ValueInfo, before: readonly Dim[] | undefined, result: ValueInfoProto | undefined): ValueInfo {
  const names = result?.type?.tensorType?.shape?.dim.map(({ dimParam }) => dimParam);
  const dims = info.dims?.map((size, axis): Dim => {
    const named = names?.[axis];
    return typeof size === 'string' && named && before && sameDim(before[axis], named) ? named : size;
  });
  return dims ? { ...info, dims } : info;
}

/** States first, in and out alike; then what every iteration gives, along an axis that counts iterations. */
function inferScan(ctx: InferContext): ValueInfo[] {
  const body = bodyOf(ctx, 'body');
  const scanned = ctx.int('num_scan_inputs', 0);
  const states = ctx.inputs.length - scanned;
  const axes = ctx.ints('scan_output_axes');
  return ctx.node.output.map((_, i) => {
    const result = declared(body?.output[i]);
    return i < states ? common(ctx, [result]) : stacked(ctx, result, axes?.[i - states] ?? 0);
  });
}

function stacked(ctx: InferContext, { elemType, dims }: ReturnType<typeof declared>, axis: number): ValueInfo {
  if (!dims) return { elemType };
  const sizes = dims.map((size): Dim => size ?? ctx.symbol('iteration'));
  const at = axis < 0 ? axis + sizes.length + 1 : axis;
  return { elemType, dims: sizes.toSpliced(at, 0, ctx.symbol('iterations')) };
}

function controlFlow(opType: string, since: number, infer: OperatorRecord['infer']): OperatorRecord {
  const refusal = `what the body of ${opType} computes is not followed`;
  return {
    domain: '',
    opType,
    opsets: [since, NEWEST_OPSET],
    infer,
    equations: (ctx) => freezeNode(ctx, refusal),
    refusal,
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

/** If, Loop, Scan (which had a batch axis before opset 9). */
export const controlFlowOperators: readonly OperatorRecord[] = [
  controlFlow('If', OLDEST_OPSET, inferIf),
  controlFlow('Loop', OLDEST_OPSET, inferLoop),
  controlFlow('Scan', 9, inferScan),
];
