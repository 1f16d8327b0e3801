/** Slice: a range of every named axis, with a step. The bounds are attributes until opset 9, inputs from opset 10. */
import { axisOf, carry, checkedAxes, freezeAxes, freezeControl, range } from '../axes.ts';
import { isKnown, sameDim } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import {
  type Dim,
  type EquationContext,
  type InferContext,
  type NodeView,
  noLayer,
  noMacs,
  noOverhead,
  type OperatorRecord,
  type ResizeContext,
  type Term,
  type ValueInfo,
} from '../record.ts';
import { newPositions, RUN_LIMIT, type Run, selectRuns } from '../selection.ts';
import {
  elementsOf,
  elemTypeOf,
  hasInput,
  knownDims,
  knownValue,
  numbersOf,
  pick,
  stridesOf,
  valueInfo,
} from '../values.ts';

/** Bounds of one axis as the node states them; undefined where only the run knows. */
interface Bounds {
  /** As stated: may count from the end. */
  readonly axis: number;
  readonly start: Dim | undefined;
  readonly end: Dim | undefined;
  readonly step: Dim | undefined;
}

/** The channels that a Slice takes from an axis: `first`, `first + step`, ... (`count` of them). */
interface Progression {
  readonly first: number;
  readonly count: number;
  readonly step: number;
}

interface SliceVersion {
  /** Undefined when it is not even known which axes are sliced. */
  bounds(view: NodeView): readonly Bounds[] | undefined;
  write(ctx: ResizeContext, starts: readonly (Dim | undefined)[], ends: readonly (Dim | undefined)[]): void;
}

const byAttributes: SliceVersion = {
  bounds: (view) => {
    const starts = view.ints('starts') ?? [];
    const ends = view.ints('ends') ?? [];
    const axes = view.ints('axes');
    return starts.map((start, i) => ({ axis: axes?.[i] ?? i, start, end: ends[i], step: 1 }));
  },
  write: (ctx, starts, ends) => {
    const merge = (name: string, values: readonly (Dim | undefined)[]): void => {
      const old = ctx.ints(name) ?? [];
      ctx.setInts(
        name,
        old.map((value, i) => Number(values[i] ?? value)),
      );
    };
    merge('starts', starts);
    merge('ends', ends);
  },
};

const STARTS = 1;
const ENDS = 2;
const AXES = 3;
const STEPS = 4;

const byInputs: SliceVersion = {
  bounds: (view) => {
    const starts = elementsOf(view, STARTS);
    const ends = elementsOf(view, ENDS);
    const axes = hasInput(view, AXES) ? numbersOf(view, AXES) : undefined;
    const count = axes?.length ?? starts?.length ?? ends?.length;
    if (count === undefined || (hasInput(view, AXES) && axes === undefined)) return undefined;
    const steps = hasInput(view, STEPS) ? elementsOf(view, STEPS) : undefined;
    return Array.from({ length: count }, (_, i) => ({
      axis: axes?.[i] ?? i,
      start: starts?.[i],
      end: ends?.[i],
      step: hasInput(view, STEPS) ? steps?.[i] : 1,
    }));
  },
  write: (ctx, starts, ends) => {
    ctx.setInput(STARTS, starts);
    ctx.setInput(ENDS, ends);
  },
};

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

/** The channels that bounds select from an axis of `size`, by the rules of the specification. */
function progressionOf(size: number, start: number, end: number, step: number): Progression {
  const from = start < 0 ? start + size : start;
  const to = end < 0 ? end + size : end;
  if (step > 0) {
    const first = clamp(from, 0, size);
    return { first, count: Math.max(0, Math.ceil((clamp(to, 0, size) - first) / step)), step };
  }
  const first = clamp(from, 0, size - 1);
  return { first, count: size === 0 ? 0 : Math.max(0, Math.ceil((first - clamp(to, -1, size - 1)) / -step)), step };
}

function knownProgression(size: Dim, { start, end, step }: Bounds): Progression | undefined {
  if (!isKnown(size) || !isKnown(start) || !isKnown(end) || !isKnown(step)) return undefined;
  return progressionOf(size, start, end, step);
}

/** Bounds that no axis reaches: exporters write the largest or smallest integer for "to the end". */
const BEYOND = 2 ** 31 - 1;

/** Whether the bounds take the whole of an axis in order, whatever its size. */
function takesAll(size: Dim, { start, end, step }: Bounds): boolean {
  if (step !== 1 || start !== 0 || end === undefined) return false;
  return sameDim(end, size) || (isKnown(end) && end >= (isKnown(size) ? size : BEYOND));
}

/** Whether the bounds take one element, the first or the last, of an axis that has at least one. */
function takesOne({ start, end, step }: Bounds): boolean {
  const last = start === -1 && isKnown(end) && end >= BEYOND;
  return step === 1 && ((start === 0 && end === 1) || last);
}

function slicedSize(ctx: InferContext, size: Dim, bounds: Bounds): Dim {
  if (bounds.step === 0) ctx.fail('a step other than 0', '0');
  if (takesAll(size, bounds)) return size;
  if (!isKnown(size) && takesOne(bounds)) return 1;
  return knownProgression(size, bounds)?.count ?? ctx.symbol('slice');
}

function slicedValue(ctx: InferContext, out: readonly Dim[], bounds: readonly Bounds[]): ValueInfo['value'] {
  const value = knownValue(ctx, 0);
  const dims = knownDims(ctx.dims(0));
  const outDims = knownDims(out);
  if (value === undefined || dims === undefined || outDims === undefined) return undefined;
  const strides = stridesOf(dims);
  const steps = [...strides];
  let offset = 0;
  for (const bound of bounds) {
    const axis = axisOf(bound.axis, dims.length);
    const taken = knownProgression(dims[axis]!, bound);
    if (taken === undefined) return undefined;
    offset += taken.first * strides[axis]!;
    steps[axis] = taken.step * strides[axis]!;
  }
  return pick(value, outDims, steps, offset);
}

function inferSlice(version: SliceVersion, ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const dims = ctx.dims(0);
  if (dims === undefined) return [{ elemType }];
  const bounds = version.bounds(ctx);
  if (bounds === undefined) return [{ elemType, dims: dims.map(() => ctx.symbol('slice')) }];
  const axes = checkedAxes(
    ctx,
    bounds.map(({ axis }) => axis),
    dims.length,
  );
  const out = [...dims];
  axes.forEach((axis, i) => {
    out[axis] = slicedSize(ctx, dims[axis]!, bounds[i]!);
  });
  return [valueInfo(elemType, out, slicedValue(ctx, out, bounds))];
}

const oneChannel = (start: number): Run => ({ start, end: start + 1 });

/**
 * The term of the channels that a Slice takes. With a step above 1 the axis is rows of `step` channels of which one
 * column is taken, whole: then what survives is again every `step`-th channel. Any other step cannot follow pruning.
 */
function takenTerm(ctx: EquationContext, axis: Term, taken: Progression): Term | undefined {
  const { first, count, step } = taken;
  const size = Number(axis.size);
  if (Math.abs(step) === 1 || count === 1) {
    if (count === 0) return undefined;
    if (step > 0) return selectRuns(ctx, axis, [{ start: first, end: first + count }]);
    return count > RUN_LIMIT
      ? undefined
      : selectRuns(
          ctx,
          axis,
          range(count).map((i) => oneChannel(first - i)),
        );
  }
  if (step < 0 || size % step !== 0 || first >= step || count !== size / step) return undefined;
  const rows = ctx.leaf(count);
  ctx.equal(axis, ctx.product([rows, ctx.fixed(step, `one channel in ${step} is taken`)]));
  return rows;
}

function equateSliced(ctx: EquationContext, axis: Term, out: Term, bounds: Bounds): void {
  if (takesAll(axis.size, bounds)) {
    carry(ctx, axis, out);
    return;
  }
  const taken = knownProgression(axis.size, bounds);
  const term = taken && takenTerm(ctx, axis, taken);
  if (term) ctx.equal(term, out);
  else freezeAxes(ctx, [axis, out], 'the channels that are sliced cannot be followed');
}

function sliceEquations(version: SliceVersion, ctx: EquationContext): void {
  const axes = ctx.in(0);
  const out = ctx.out(0);
  const bounds = version.bounds(ctx);
  freezeControl(ctx, STARTS, ENDS, AXES, STEPS);
  if (bounds === undefined) {
    freezeAxes(ctx, [...axes, ...out], 'which axes are sliced is only known at run time');
    return;
  }
  const byAxis = new Map(bounds.map((bound) => [axisOf(bound.axis, axes.length), bound]));
  axes.forEach((term, axis) => {
    const bound = byAxis.get(axis);
    if (bound) equateSliced(ctx, term, out[axis]!, bound);
    else carry(ctx, term, out[axis]);
  });
}

interface NewBounds {
  readonly start: number;
  readonly end: number;
  /** Whether the stated bounds take the same channels of what survives. */
  readonly asStated: boolean;
}

/** Bounds that take exactly the survivors of what was taken. */
function newBounds(size: number, bounds: Bounds, kept: Int32Array): NewBounds | undefined {
  const old = knownProgression(size, bounds);
  if (old === undefined) return undefined;
  const positions = newPositions(kept);
  const survivors = Array.from({ length: old.count }, (_, i) => positions.get(old.first + i * old.step));
  const places = survivors.filter((place) => place !== undefined);
  const [start] = places;
  const last = places.at(-1);
  if (start === undefined || last === undefined) return undefined;
  // Going down, one before channel 0 would count from the end; far below zero it means "through channel 0".
  const end = old.step > 0 ? last + 1 : last === 0 ? -kept.length - 1 : last - 1;
  const now = progressionOf(kept.length, Number(bounds.start), Number(bounds.end), old.step);
  return { start, end, asStated: now.first === start && now.count === places.length };
}

/**
 * The new value of a bound, undefined to leave it. A bound that the run computes is always stated: what it is computed
 * from may shrink with the model.
 */
function restated(
  ctx: ResizeContext,
  input: number,
  old: Dim | undefined,
  change: number | undefined,
  asStated: boolean,
): number | undefined {
  const computed = hasInput(ctx, input) && ctx.constant(input) === undefined;
  if (computed) return change ?? (isKnown(old) ? old : undefined);
  return asStated ? undefined : change;
}

function resizeSlice(version: SliceVersion, ctx: ResizeContext): void {
  const dims = ctx.oldIn(0);
  const starts: (number | undefined)[] = [];
  const ends: (number | undefined)[] = [];
  for (const bounds of version.bounds(ctx) ?? []) {
    const axis = axisOf(bounds.axis, dims.length);
    const kept = ctx.keptIn(0, axis);
    const change = kept && newBounds(Number(dims[axis]), bounds, kept);
    const asStated = change?.asStated ?? true;
    starts.push(restated(ctx, STARTS, bounds.start, change?.start, asStated));
    ends.push(restated(ctx, ENDS, bounds.end, change?.end, asStated));
  }
  if ([...starts, ...ends].some((bound) => bound !== undefined)) version.write(ctx, starts, ends);
}

function slice(opsets: readonly [number, number], version: SliceVersion): OperatorRecord {
  return {
    domain: '',
    opType: 'Slice',
    opsets,
    infer: (ctx) => inferSlice(version, ctx),
    equations: (ctx) => sliceEquations(version, ctx),
    resize: (ctx) => resizeSlice(version, ctx),
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

/** All versions of Slice. */
export const sliceOperators: readonly OperatorRecord[] = [
  slice([OLDEST_OPSET, 9], byAttributes),
  slice([10, NEWEST_OPSET], byInputs),
];
