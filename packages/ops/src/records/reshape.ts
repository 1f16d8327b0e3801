/** Reshape, Flatten, Squeeze and Unsqueeze: the same elements in the same order, with other axes. */
import { axisOf, carry, checkedAxes, expectSize, freezeAxes, freezeControl, freezeOnes, range } from '../axes.ts';
import { divDims, isKnown, productOfDims, sameDim } from '../dims.ts';
import { equateMerged, equateReshaped } from '../factorise.ts';
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
  type ResizeContext,
  type Term,
  type ValueInfo,
} from '../record.ts';
import { type Elements, elementsOf, elemTypeOf, hasInput, knownValue, numbersOf, valueInfo } from '../values.ts';

const SHAPE = 1;
const AXES = 1;

/** The elements of the target shape, where 0 means "as in the input" unless `allowzero` is set. */
interface Target {
  readonly elements: Elements;
  copies(axis: number): boolean;
}

function targetOf(view: NodeView): Target | undefined {
  const elements = elementsOf(view, SHAPE);
  const zeroMeansCopy = view.int('allowzero', 0) === 0;
  return elements && { elements, copies: (axis) => zeroMeansCopy && elements[axis] === 0 };
}

/** Sizes that the target states; undefined where they follow from the number of elements. */
function statedSizes(ctx: InferContext, { elements, copies }: Target): (Dim | undefined)[] {
  const dims = ctx.dims(0);
  if (elements.filter((element) => element === -1).length > 1) ctx.fail('at most one -1 in the shape', 'several');
  return elements.map((element, axis) => {
    if (copies(axis)) {
      if (dims && axis >= dims.length) ctx.fail(`zeros only within the rank ${dims.length}`, `0 at ${axis}`);
      return dims ? dims[axis] : ctx.symbol('reshape');
    }
    if (isKnown(element) && element < -1) ctx.fail('sizes of at least -1', `${element}`);
    return element === -1 ? undefined : element;
  });
}

/** The one size that is left open: the number of elements divided by all others. */
function openSize(ctx: InferContext, total: Dim, others: Dim): Dim {
  const size = divDims(total, others);
  if (size !== undefined) return size;
  if (isKnown(total) && isKnown(others) && others !== 0) ctx.fail(`a divisor of ${total} elements`, `${others}`);
  return ctx.symbol('reshape');
}

function reshapedDims(ctx: InferContext, target: Target): Dim[] {
  const stated = statedSizes(ctx, target);
  const dims = ctx.dims(0);
  const total = dims && productOfDims(dims);
  const known = stated.filter((size) => size !== undefined);
  const others = productOfDims(known);
  const open = stated.length - known.length;
  if (open === 0) expectSize(ctx, 'number of elements', total, others);
  return stated.map((size) => {
    if (size !== undefined) return size;
    return open === 1 && total !== undefined ? openSize(ctx, total, others) : ctx.symbol('reshape');
  });
}

function inferReshape(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const target = targetOf(ctx);
  if (target === undefined) return [{ elemType }];
  return [valueInfo(elemType, reshapedDims(ctx, target), knownValue(ctx, 0))];
}

/** The new element for one axis of the target shape; undefined to leave it. */
function resizedElement(ctx: ResizeContext, target: Target, axis: number): Dim | undefined {
  const element = target.elements[axis];
  const size = ctx.newOut(0)[axis]!;
  // What the run computes may follow from sizes that shrink: it is stated again, and the engine sees what follows.
  const same = ctx.constant(SHAPE) === undefined ? element : undefined;
  if (element === -1) return leavesOpen(ctx, target) && isKnown(size) ? size : same;
  if (!changes(ctx, target, axis)) return isKnown(size) ? same : undefined;
  return isKnown(size) ? size : -1;
}

function changes(ctx: ResizeContext, target: Target, axis: number): boolean {
  const before = target.copies(axis) ? ctx.newIn(0)[axis]! : ctx.oldOut(0)[axis]!;
  return !sameDim(before, ctx.newOut(0)[axis]!);
}

/** Whether an axis changes whose size only the run knows: then it is the one that is left open. */
function leavesOpen(ctx: ResizeContext, target: Target): boolean {
  return ctx.newOut(0).some((size, axis) => !isKnown(size) && changes(ctx, target, axis));
}

function resizeReshape(ctx: ResizeContext): void {
  const target = targetOf(ctx);
  if (target === undefined) return;
  const elements = target.elements.map((_, axis) => resizedElement(ctx, target, axis));
  if (elements.some((element) => element !== undefined)) ctx.setInput(SHAPE, elements);
}

const reshape: OperatorRecord = {
  domain: '',
  opType: 'Reshape',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: inferReshape,
  equations: (ctx) => {
    freezeControl(ctx, SHAPE);
    equateReshaped(ctx, ctx.in(0), ctx.out(0));
  },
  resize: resizeReshape,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** Flatten allows its axis to be the rank itself: then nothing is left for the second axis. */
function flattenAxis(view: NodeView, rank: number): number {
  return axisOf(view.int('axis', 1), rank);
}

const flatten: OperatorRecord = {
  domain: '',
  opType: 'Flatten',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: (ctx) => {
    const elemType = elemTypeOf(ctx, 0);
    const dims = ctx.dims(0);
    if (dims === undefined) return [{ elemType, dims: [ctx.symbol('flatten'), ctx.symbol('flatten')] }];
    const axis = flattenAxis(ctx, dims.length);
    if (axis < 0 || axis > dims.length) ctx.fail(`an axis up to ${dims.length}`, `${ctx.int('axis', 1)}`);
    const out = [productOfDims(dims.slice(0, axis)), productOfDims(dims.slice(axis))];
    return [valueInfo(elemType, out, knownValue(ctx, 0))];
  },
  equations: (ctx) => {
    const axes = ctx.in(0);
    const [outer, inner] = ctx.out(0);
    const axis = flattenAxis(ctx, axes.length);
    freezeOnes(ctx, [...axes, ...ctx.out(0)], 'an axis of one element is merged');
    equateFlattened(ctx, axes.slice(0, axis), outer!);
    equateFlattened(ctx, axes.slice(axis), inner!);
  },
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

function equateFlattened(ctx: EquationContext, from: readonly Term[], to: Term): void {
  if (from.some(({ size }) => size === 0)) freezeAxes(ctx, [...from, to], 'the tensor is empty');
  else equateMerged(ctx, from, [to]);
}

/** Axes of Squeeze and Unsqueeze: an attribute until opset 12, an input from opset 13. */
interface StatedAxes {
  readonly stated: boolean;
  /** Undefined where only the run knows them. */
  readonly axes: readonly number[] | undefined;
}

function statedAxes(view: NodeView): StatedAxes {
  if (view.opset < 13) return { stated: view.has('axes'), axes: view.ints('axes') };
  return { stated: hasInput(view, AXES), axes: numbersOf(view, AXES) };
}

/** The axes that Squeeze drops, as stated; undefined where it is not known before the run. */
function squeezedAxes(view: NodeView, dims: readonly Dim[]): readonly number[] | undefined {
  const { stated, axes } = statedAxes(view);
  if (stated) return axes;
  return dims.every(isKnown) ? range(dims.length).filter((axis) => dims[axis] === 1) : undefined;
}

/** Neighbours that stay carry over; the axes of one element between them are dropped or added. */
function equateKeeping(
  ctx: EquationContext,
  whole: readonly Term[],
  less: readonly Term[],
  extra: readonly number[],
): void {
  const stay = whole.filter((_, axis) => !extra.includes(axis));
  freezeAxes(
    ctx,
    extra.map((axis) => whole[axis]),
    'an axis of one element is added or dropped',
  );
  stay.forEach((term, axis) => {
    carry(ctx, term, less[axis]);
  });
}

/** Without axes Squeeze drops every axis of one element: those that pruning left with one are told apart by axes. */
function stateSqueezedAxes(ctx: ResizeContext): void {
  const dims = ctx.oldIn(0);
  const dropped = squeezedAxes(ctx, dims) ?? [];
  const appeared = ctx.newIn(0).some((size, axis) => size === 1 && dims[axis] !== 1);
  if (statedAxes(ctx).stated || !appeared) return;
  if (ctx.opset < 13) ctx.setInts('axes', dropped);
  else ctx.replaceConstant(AXES, dropped, [dropped.length]);
}

const squeeze: OperatorRecord = {
  domain: '',
  opType: 'Squeeze',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: (ctx) => {
    const elemType = elemTypeOf(ctx, 0);
    const dims = ctx.dims(0);
    const axes = dims && squeezedAxes(ctx, dims);
    if (dims === undefined || axes === undefined) return [{ elemType }];
    const dropped = checkedAxes(ctx, axes, dims.length);
    for (const axis of dropped) expectSize(ctx, 'size to squeeze', 1, dims[axis]);
    const out = dims.filter((_, axis) => !dropped.includes(axis));
    return [valueInfo(elemType, out, knownValue(ctx, 0))];
  },
  equations: (ctx) => {
    const axes = ctx.in(0);
    const dims = axes.map(({ size }) => size);
    freezeControl(ctx, AXES);
    const dropped = (squeezedAxes(ctx, dims) ?? []).map((axis) => axisOf(axis, axes.length));
    equateKeeping(ctx, axes, ctx.out(0), dropped);
  },
  resize: stateSqueezedAxes,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

const unsqueeze: OperatorRecord = {
  domain: '',
  opType: 'Unsqueeze',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: (ctx) => {
    const elemType = elemTypeOf(ctx, 0);
    const dims = ctx.dims(0);
    const { axes } = statedAxes(ctx);
    if (dims === undefined || axes === undefined) return [{ elemType }];
    const added = checkedAxes(ctx, axes, dims.length + axes.length);
    const out: Dim[] = [...dims];
    for (const axis of [...added].sort((a, b) => a - b)) out.splice(axis, 0, 1);
    return [valueInfo(elemType, out, knownValue(ctx, 0))];
  },
  equations: (ctx) => {
    const out = ctx.out(0);
    const added = (statedAxes(ctx).axes ?? []).map((axis) => axisOf(axis, out.length));
    freezeControl(ctx, AXES);
    equateKeeping(ctx, out, ctx.in(0), added);
  },
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** Reshape, Flatten, Squeeze, Unsqueeze. */
export const reshapeOperators: readonly OperatorRecord[] = [reshape, flatten, squeeze, unsqueeze];
