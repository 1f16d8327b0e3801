/**
 * Resize (opset 10 on) and Upsample (opsets 7 to 9). An axis whose scale is 1 carries its channels over; any other is
 * interpolated and may not change. This file says what each version states about an axis, and knows no interpolation.
 */
import { attrFloats } from '@onnx-pruning/onnx';
import { axisOf, carryAll, checkedAxis, freezeAxes, freezeControl } from '../axes.ts';
import { mulDims, sameDim } from '../dims.ts';
import { NEWEST_OPSET } from '../opsets.ts';
import { perElementOfOneSample } from '../overhead.ts';
import type {
  Dim,
  EquationContext,
  InferContext,
  NodeView,
  OperatorRecord,
  ResizeContext,
  ValueInfo,
} from '../record.ts';
import { noLayer, noMacs } from '../record.ts';
import { elemTypeOf, hasInput } from '../values.ts';
import { expectRank } from './operands.ts';

/** What a node states about its axes: one entry per axis that takes part. `undefined` entries are not known. */
interface Request {
  readonly kind: 'scales' | 'sizes' | 'unknown';
  readonly values: readonly (Dim | undefined)[];
  /** The input that holds the values; undefined for the attribute of Upsample 7. */
  readonly input: number | undefined;
}

const ROI = 1;

/** Position of each input of the operator version. */
function inputsOf(view: NodeView): { scales: number | undefined; sizes: number | undefined } {
  if (view.node.opType === 'Upsample') return { scales: view.opset < 9 ? undefined : 1, sizes: undefined };
  return view.opset < 11 ? { scales: 1, sizes: undefined } : { scales: 2, sizes: 3 };
}

/** Whether optional input `i` is there and not the empty tensor that opset 11 asks for in its place. */
function isGiven(view: NodeView, i: number): boolean {
  return hasInput(view, i) && view.inputs[i]?.dims?.[0] !== 0;
}

function requestOf(view: NodeView): Request {
  const { scales, sizes } = inputsOf(view);
  if (scales === undefined) return { kind: 'scales', values: attrFloats(view.node, 'scales') ?? [], input: undefined };
  const [kind, input] =
    sizes !== undefined && isGiven(view, sizes) ? (['sizes', sizes] as const) : (['scales', scales] as const);
  const values = view.inputs[input]?.value;
  return values ? { kind, values, input } : { kind: 'unknown', values: [], input };
}

/** The axes that roi, scales and sizes refer to, in their order: all, unless attribute `axes` (opset 18) lists some. */
function listedAxes(view: NodeView, rank: number): number[] {
  const listed = view.ints('axes');
  if (!listed) return Array.from({ length: rank }, (_, axis) => axis);
  return listed.map((axis) => axisOf(axis, rank));
}

function keepsAspectRatio(view: NodeView): boolean {
  return view.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch';
}

// Shapes

/** floor(size * scale) in single precision, as it is computed at run time. */
function scaledSize(ctx: InferContext, size: Dim, scale: Dim | undefined): Dim {
  if (scale === 1) return size;
  if (typeof scale !== 'number') return ctx.symbol('resized');
  if (typeof size === 'number') return Math.floor(Math.fround(size * Math.fround(scale)));
  return Number.isInteger(scale) && scale > 0 ? mulDims(scale, size) : ctx.symbol('resized');
}

/**
 * Sizes under `keep_aspect_ratio_policy`: one scale for all listed axes, the smallest or the largest of those asked for.
 * Unknown where an axis is counted from the back: onnxruntime then keeps the input size, against the specification.
 */
function aspectSizes(
  ctx: InferContext,
  x: readonly Dim[],
  axes: readonly number[],
  sizes: readonly (Dim | undefined)[],
): Dim[] {
  const inputs = axes.map((axis) => x[axis]);
  const known = [...inputs, ...sizes].every((size) => typeof size === 'number');
  if (!known || ctx.ints('axes')?.some((axis) => axis < 0)) return axes.map(() => ctx.symbol('resized'));
  const ratios = inputs.map((size, i) => Math.fround(Number(sizes[i]) / Number(size)));
  const larger = ctx.string('keep_aspect_ratio_policy', 'stretch') === 'not_smaller';
  const scale = larger ? Math.max(...ratios) : Math.min(...ratios);
  return inputs.map((size) => Math.floor(Math.fround(scale * Number(size)) + 0.5));
}

function resizedDims(ctx: InferContext, x: readonly Dim[]): Dim[] {
  expectRank(ctx, x, 1);
  for (const axis of ctx.ints('axes') ?? []) checkedAxis(ctx, axis, x.length);
  const axes = listedAxes(ctx, x.length);
  const { kind, values } = requestOf(ctx);
  if (kind !== 'unknown' && values.length !== axes.length) ctx.fail(`${axes.length} ${kind}`, `${values.length}`);
  const sizes = kind === 'sizes' && keepsAspectRatio(ctx) ? aspectSizes(ctx, x, axes, values) : values;
  const dims = [...x];
  axes.forEach((axis, i) => {
    dims[axis] = kind === 'sizes' ? (sizes[i] ?? ctx.symbol('resized')) : scaledSize(ctx, x[axis], values[i]);
  });
  return dims;
}

function infer(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const x = ctx.dims(0);
  const { scales, sizes } = inputsOf(ctx);
  if (scales !== undefined && sizes !== undefined && isGiven(ctx, scales) && isGiven(ctx, sizes)) {
    ctx.fail('either scales or sizes', 'both');
  }
  return [x ? { elemType, dims: resizedDims(ctx, x) } : { elemType }];
}

// Equations

/** Whether the region of interest covers all of listed axis `i`; it matters in one coordinate mode only. */
function isCropped(view: NodeView, i: number, listed: number): boolean {
  if (view.string('coordinate_transformation_mode', 'half_pixel') !== 'tf_crop_and_resize') return false;
  const roi = view.inputs[ROI]?.value;
  return roi?.length !== 2 * listed || roi[i] !== 0 || roi[i + listed] !== 1;
}

/** Why axis `axis` may not change; undefined where it carries over. */
function obstacle(ctx: EquationContext, axis: number): string | undefined {
  const [x, y] = [ctx.in(0)[axis], ctx.out(0)[axis]];
  const axes = listedAxes(ctx, ctx.in(0).length);
  const i = axes.indexOf(axis);
  if (i < 0) return undefined;
  const { kind, values } = requestOf(ctx);
  const op = ctx.node.opType;
  if (kind === 'unknown' || values[i] === undefined) return `${op} decides the size of this axis at run time`;
  if (kind === 'scales' ? values[i] !== 1 : !sameDim(x.size, y.size)) return `${op} interpolates along this axis`;
  if (kind === 'sizes' && keepsAspectRatio(ctx)) return `${op} keeps the aspect ratio over this axis`;
  return isCropped(ctx, i, axes.length) ? `${op} crops this axis` : undefined;
}

function equations(ctx: EquationContext): void {
  const [x, y] = [ctx.in(0), ctx.out(0)];
  x.forEach((term, axis) => {
    const reason = obstacle(ctx, axis);
    if (reason === undefined) carryAll(ctx, [term], [y[axis]]);
    else freezeAxes(ctx, [term, y[axis]], reason);
  });
  freezeControl(ctx, 1, 2, 3);
}

/**
 * Sizes that are stated follow the channels. Scales stay 1 there: nothing to do for constants, but scales may be
 * computed from stated sizes.
 */
function resize(ctx: ResizeContext): void {
  const { input } = requestOf(ctx);
  const { sizes } = inputsOf(ctx);
  if (input === undefined || (input !== sizes && ctx.constant(input))) return;
  const [before, after] = [ctx.oldOut(0), ctx.newOut(0)];
  const values = listedAxes(ctx, before.length).map((axis) => {
    if (before[axis] === after[axis]) return undefined;
    return input === sizes ? after[axis] : 1;
  });
  if (values.some((value) => value !== undefined)) ctx.setInput(input, values);
}

function resizeRecord(opType: string, opsets: readonly [number, number]): OperatorRecord {
  return {
    domain: '',
    opType,
    opsets,
    infer,
    equations,
    resize,
    macs: noMacs,
    overhead: perElementOfOneSample,
    layer: noLayer,
  };
}

export const resizeOperators: readonly OperatorRecord[] = [
  resizeRecord('Upsample', [7, 9]),
  resizeRecord('Resize', [10, NEWEST_OPSET]),
];
