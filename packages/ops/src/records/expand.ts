/** Expand and Tile: the same channels several times. */
import { freezeAxes, freezeControl, range } from '../axes.ts';
import { isKnown, mulDims, sameDim } from '../dims.ts';
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
import {
  type Elements,
  elementsOf,
  elemTypeOf,
  foldableSize,
  knownDims,
  knownValue,
  pick,
  stretch,
  stridesOf,
  valueInfo,
} from '../values.ts';

const CONTROL = 1;

/** The shape to expand to; a negative size, which the specification does not define, counts as unknown. */
function askedShape(view: NodeView): Elements | undefined {
  return elementsOf(view, CONTROL)?.map((size) => (isKnown(size) && size < 0 ? undefined : size));
}

/** The size of an expanded axis; `asked` is what the shape input says, undefined where only the run knows. */
function expandedSize(ctx: InferContext, size: Dim, asked: Dim | undefined): Dim {
  if (asked === 1) return size;
  if (isKnown(asked) && isKnown(size) && size !== 1 && size !== asked) ctx.fail(`size 1 or ${asked}`, `${size}`);
  if (isKnown(asked)) return asked;
  if (isKnown(size) && size !== 1) return size;
  if (asked !== undefined && (size === 1 || sameDim(size, asked))) return asked;
  return ctx.symbol('expand');
}

/** For each output axis, the sizes of input and shape that meet there; 1 where one of them is shorter. */
function meeting(dims: readonly Dim[], asked: Elements): { size: Dim; asked: Dim | undefined }[] {
  const rank = Math.max(dims.length, asked.length);
  return range(rank).map((axis) => {
    const d = axis - (rank - dims.length);
    const a = axis - (rank - asked.length);
    return { size: d < 0 ? 1 : dims[d]!, asked: a < 0 ? 1 : asked[a] };
  });
}

function inferExpand(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const dims = ctx.dims(0);
  const asked = askedShape(ctx);
  if (dims === undefined || asked === undefined) return [{ elemType }];
  const out = meeting(dims, asked).map((pair) => expandedSize(ctx, pair.size, pair.asked));
  return [valueInfo(elemType, out, expandedValue(ctx, out))];
}

function expandedValue(ctx: InferContext, out: readonly Dim[]): Elements | undefined {
  const value = knownValue(ctx, 0);
  const from = knownDims(ctx.dims(0));
  const to = knownDims(out);
  // Stretching a small constant can make a huge tensor: then its contents are not followed.
  if (value === undefined || from === undefined || to === undefined || foldableSize(to) === undefined) return undefined;
  return stretch(value, from, to);
}

const UNKNOWN_SHAPE = 'the shape to expand to is only known at run time';

function equateExpanded(ctx: EquationContext, term: Term | undefined, out: Term, asked: Dim | undefined): void {
  const carries = term !== undefined && sameDim(term.size, out.size);
  if (carries) ctx.equal(term, out);
  else if (term !== undefined) ctx.freeze(term, 'it is stretched over another size, so it must stay as it is');
  const shapeFollows = isKnown(asked) && (carries || term === undefined || term.size === 1);
  if (!shapeFollows) ctx.freeze(out, UNKNOWN_SHAPE);
}

function expandEquations(ctx: EquationContext): void {
  const axes = ctx.in(0);
  const out = ctx.out(0);
  const asked = askedShape(ctx) ?? [];
  freezeControl(ctx, CONTROL);
  const pairs = meeting(
    axes.map(({ size }) => size),
    asked,
  );
  out.forEach((term, axis) => {
    equateExpanded(ctx, axes[axis - (out.length - axes.length)], term, pairs[axis]?.asked);
  });
}

/** States the sizes of stretched axes again, where the output has fewer channels now. */
function resizeExpand(ctx: ResizeContext): void {
  const asked = askedShape(ctx);
  if (asked === undefined) return;
  const before = ctx.oldOut(0);
  const after = ctx.newOut(0);
  const shift = after.length - asked.length;
  const computed = ctx.constant(CONTROL) === undefined;
  const elements = asked.map((element, i) => {
    if (element === 1 || !isKnown(element)) return computed && isKnown(element) ? element : undefined;
    return sameDim(before[shift + i]!, after[shift + i]!) && !computed ? undefined : after[shift + i];
  });
  if (elements.some((element) => element !== undefined)) ctx.setInput(CONTROL, elements);
}

const expand: OperatorRecord = {
  domain: '',
  opType: 'Expand',
  opsets: [8, NEWEST_OPSET],
  infer: inferExpand,
  equations: expandEquations,
  resize: resizeExpand,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

function tiledValue(ctx: InferContext, out: readonly Dim[]): Elements | undefined {
  const value = knownValue(ctx, 0);
  const from = knownDims(ctx.dims(0));
  const to = knownDims(out);
  if (value === undefined || from === undefined || to === undefined || foldableSize(to) === undefined) return undefined;
  // Every axis is walked as (repeat, index): repeats do not move in the source.
  const strides = stridesOf(from);
  const dims = from.flatMap((size, axis) => [to[axis]! / size, size]);
  return pick(
    value,
    dims,
    from.flatMap((_, axis) => [0, strides[axis]!]),
  );
}

function inferTile(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const dims = ctx.dims(0);
  if (dims === undefined) return [{ elemType }];
  const repeats = elementsOf(ctx, CONTROL) ?? dims.map(() => undefined);
  if (repeats.length !== dims.length) ctx.fail(`${dims.length} repeats`, `${repeats.length}`);
  const out = dims.map((size, axis) => {
    const times = repeats[axis];
    return times === undefined ? ctx.symbol('tile') : mulDims(size, times);
  });
  return [valueInfo(elemType, out, tiledValue(ctx, out))];
}

function equateTiled(ctx: EquationContext, term: Term, out: Term, times: Dim | undefined): void {
  if (times === 1) ctx.equal(term, out);
  else if (!isKnown(times) || times === 0)
    freezeAxes(ctx, [term, out], 'how often it is repeated is only known at run time');
  else if (!isKnown(term.size) || term.size <= 1)
    freezeAxes(ctx, [term, out], 'one element is repeated a fixed number of times');
  else ctx.equal(out, ctx.product([ctx.fixed(times, `it is repeated ${times} times`), term]));
}

const tile: OperatorRecord = {
  domain: '',
  opType: 'Tile',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: inferTile,
  equations: (ctx) => {
    const repeats = elementsOf(ctx, CONTROL);
    freezeControl(ctx, CONTROL);
    ctx.in(0).forEach((term, axis) => {
      equateTiled(ctx, term, ctx.out(0)[axis]!, repeats?.[axis]);
    });
  },
  // Repeats count copies, not channels.
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** Expand, Tile. */
export const expandOperators: readonly OperatorRecord[] = [expand, tile];
