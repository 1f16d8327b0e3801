/**
 * Pad: channels added before and after an axis, or taken away by negative pads. Attributes until opset 10, inputs from
 * opset 11, an input that names the axes from opset 18.
 */
import { axisOf, carry, checkedAxis, expectSize, freezeAxes, freezeControl, range } from '../axes.ts';
import { addDims, isKnown } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import {
  type Dim,
  type EquationContext,
  type InferContext,
  type NodeView,
  noLayer,
  noMacs,
  noOverhead,
  nothing,
  type OperatorRecord,
  type Term,
  type ValueInfo,
} from '../record.ts';
import { type Elements, elementsOf, elemTypeOf, hasInput, numbersOf } from '../values.ts';

/** Elements added (below zero: taken away) before and after one axis; undefined where only the run knows. */
interface Padding {
  readonly begin: Dim | undefined;
  readonly end: Dim | undefined;
}

const PADS = 1;
const VALUE = 2;
const AXES = 3;

const NO_PADDING: Padding = { begin: 0, end: 0 };
const UNKNOWN: Padding = { begin: undefined, end: undefined };

const statedPads = (view: NodeView): Elements | undefined =>
  view.opset < 11 ? (view.ints('pads') ?? []) : elementsOf(view, PADS);

/** The axes that the pads are of, in their order; undefined when only the run knows. */
function paddedAxes(view: NodeView, rank: number): readonly number[] | undefined {
  if (view.opset < 18 || !hasInput(view, AXES)) return range(rank);
  return numbersOf(view, AXES);
}

/** Padding of every axis; what is not known is unknown for each axis. */
function paddingOf(view: NodeView, rank: number): readonly Padding[] {
  const axes = paddedAxes(view, rank)?.map((axis) => axisOf(axis, rank));
  const pads = statedPads(view);
  return range(rank).map((axis) => {
    if (axes === undefined) return UNKNOWN;
    const at = axes.indexOf(axis);
    if (at < 0) return NO_PADDING;
    return { begin: pads?.[at], end: pads?.[at + axes.length] };
  });
}

function checkPads(ctx: InferContext, rank: number): void {
  const axes = paddedAxes(ctx, rank);
  for (const axis of axes ?? []) checkedAxis(ctx, axis, rank);
  expectSize(ctx, 'number of pads', axes && 2 * axes.length, statedPads(ctx)?.length);
}

function paddedSize(ctx: InferContext, size: Dim, { begin, end }: Padding): Dim {
  if (begin === undefined || end === undefined) return ctx.symbol('pad');
  const added = addDims(begin, end);
  const padded = added === undefined ? undefined : addDims(size, added);
  if (isKnown(padded) && padded < 0) ctx.fail('pads that leave something of the axis', `size ${padded}`);
  return padded ?? ctx.symbol('pad');
}

function inferPad(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const dims = ctx.dims(0);
  if (dims === undefined) return [{ elemType }];
  checkPads(ctx, dims.length);
  const padding = paddingOf(ctx, dims.length);
  return [{ elemType, dims: dims.map((size, axis) => paddedSize(ctx, size, padding[axis]!)) }];
}

/** The axis between what is added on the output's side or taken away on the input's side. */
function equatePadded(ctx: EquationContext, axis: Term, out: Term, begin: number, end: number): void {
  const side = (pads: readonly number[], core: Term): Term =>
    ctx.sum([
      ctx.fixed(Math.max(0, pads[0]!), 'the pads are stated as numbers'),
      core,
      ctx.fixed(Math.max(0, pads[1]!), 'the pads are stated as numbers'),
    ]);
  const left = Number(axis.size) + Math.min(0, begin) + Math.min(0, end);
  if (left <= 0) {
    freezeAxes(ctx, [axis, out], 'nothing of the axis is left between the pads');
    return;
  }
  const core = ctx.leaf(left);
  ctx.equal(axis, side([-begin, -end], core));
  ctx.equal(out, side([begin, end], core));
}

function padEquations(ctx: EquationContext): void {
  const axes = ctx.in(0);
  const mode = ctx.string('mode', 'constant');
  const padding = paddingOf(ctx, axes.length);
  freezeControl(ctx, PADS, VALUE, AXES);
  axes.forEach((axis, a) => {
    const out = ctx.out(0)[a]!;
    const { begin, end } = padding[a]!;
    if (begin === 0 && end === 0) carry(ctx, axis, out);
    else if (!isKnown(begin) || !isKnown(end) || !isKnown(axis.size)) {
      freezeAxes(ctx, [axis, out], 'how much is padded or how long the axis is is only known at run time');
    } else if (mode !== 'constant') {
      freezeAxes(ctx, [axis, out], `padding in mode '${mode}' repeats neighbouring channels`);
    } else equatePadded(ctx, axis, out, begin, end);
  });
}

const pad: OperatorRecord = {
  domain: '',
  opType: 'Pad',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: inferPad,
  equations: padEquations,
  // Pads are channels added or taken away, not sizes of the axis: what they are stated as stays right.
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** Pad, whose versions differ only in where the pads are stated. */
export const padOperators: readonly OperatorRecord[] = [pad];
