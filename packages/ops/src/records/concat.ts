/** Concat and Split: axes joined and axes cut. */
import { axisOf, carry, checkedAxis, commonDim, expectSize, freezeAxes, freezeControl, range } from '../axes.ts';
import { addDims, divDims, isKnown } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import type {
  Dim,
  EquationContext,
  InferContext,
  NodeView,
  OperatorRecord,
  ResizeContext,
  ValueInfo,
} from '../record.ts';
import { noLayer, noMacs, noOverhead, nothing } from '../record.ts';
import { type Elements, elementsOf, elemTypeOf, hasInput, knownValue, valueInfo } from '../values.ts';

function joinedSize(ctx: InferContext, sizes: readonly (Dim | undefined)[]): Dim {
  const total = sizes.reduce<Dim | undefined>(
    (sum, size) => (sum === undefined || size === undefined ? undefined : addDims(sum, size)),
    0,
  );
  return total ?? ctx.symbol('concat');
}

/** The contents of 1-D tensors one after the other; an input of known length may have unknown contents. */
function joinedValue(ctx: InferContext): Elements | undefined {
  const parts = ctx.inputs.map((_, i) => elementsOf(ctx, i));
  if (parts.every((part) => part === undefined || part.every((element) => element === undefined))) return undefined;
  return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
}

function inferConcat(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const shapes = ctx.inputs.map((_, i) => ctx.dims(i));
  const rank = shapes.find((dims) => dims !== undefined)?.length;
  if (rank === undefined) return [{ elemType }];
  for (const dims of shapes) expectSize(ctx, 'rank', rank, dims?.length);
  const joined = checkedAxis(ctx, ctx.int('axis', 0), rank);
  const dims = range(rank).map((axis) => {
    const sizes = shapes.map((shape) => shape?.[axis]);
    return axis === joined ? joinedSize(ctx, sizes) : commonDim(ctx, sizes);
  });
  return [valueInfo(elemType, dims, rank === 1 ? joinedValue(ctx) : undefined)];
}

function concatEquations(ctx: EquationContext): void {
  const out = ctx.out(0);
  const joined = axisOf(ctx.int('axis', 0), out.length);
  const inputs = ctx.inputs.map((_, i) => ctx.in(i));
  for (const axes of inputs) {
    axes.forEach((term, axis) => {
      if (axis !== joined) carry(ctx, term, out[axis]);
    });
  }
  const parts = inputs.map((axes) => axes[joined]!);
  if (parts.every(({ size }) => isKnown(size))) ctx.equal(out[joined]!, ctx.sum(parts));
  else freezeAxes(ctx, [...parts, out[joined]], 'it is joined with an axis whose size is only known at run time');
}

const concat: OperatorRecord = {
  domain: '',
  opType: 'Concat',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: inferConcat,
  equations: concatEquations,
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** How a version of Split states the sizes of its outputs. */
interface SplitVersion {
  /** Sizes that the node states itself; undefined where it leaves them to the rule of equal parts. */
  stated(view: NodeView): Elements | undefined;
  /** Sizes of equal parts; undefined where there are none. */
  equalParts(size: number, count: number): number[] | undefined;
  write(ctx: ResizeContext, sizes: readonly number[]): void;
}

function exactParts(size: number, count: number): number[] | undefined {
  return size % count === 0 ? new Array<number>(count).fill(size / count) : undefined;
}

/** All chunks of one size, rounded up; the last one may be smaller (Split 18). */
function roundedParts(size: number, count: number): number[] | undefined {
  const chunk = Math.ceil(size / count);
  const last = size - chunk * (count - 1);
  return last < 0 ? undefined : [...new Array<number>(count - 1).fill(chunk), last];
}

const writeInput = (ctx: ResizeContext, sizes: readonly number[]): void => {
  if (hasInput(ctx, 1)) ctx.setInput(1, sizes);
  else ctx.replaceConstant(1, sizes, [sizes.length]);
};

/** Until opset 12: attribute `split`. */
const byAttribute: SplitVersion = {
  stated: (view) => view.ints('split'),
  equalParts: exactParts,
  write: (ctx, sizes) => ctx.setInts('split', sizes),
};

const statedByInput = (view: NodeView): Elements | undefined =>
  hasInput(view, 1) ? (elementsOf(view, 1) ?? view.node.output.map(() => undefined)) : undefined;

/** From opset 13: optional input `split`. */
const byInput: SplitVersion = { stated: statedByInput, equalParts: exactParts, write: writeInput };

/** From opset 18: input `split` or attribute `num_outputs`, never both. */
const byInputOrCount: SplitVersion = {
  stated: statedByInput,
  equalParts: roundedParts,
  write: (ctx, sizes) => {
    if (ctx.has('num_outputs')) ctx.removeAttribute('num_outputs');
    writeInput(ctx, sizes);
  },
};

/** Sizes of the parts of an axis of `size` channels, as far as they are known. */
function partSizes(version: SplitVersion, view: NodeView, size: Dim): Elements | undefined {
  const stated = version.stated(view);
  const count = view.node.output.length;
  if (stated !== undefined) return stated;
  if (isKnown(size)) return version.equalParts(size, count);
  const part = divDims(size, count);
  return view.node.output.map(() => part);
}

function checkParts(ctx: InferContext, parts: Elements, size: Dim): void {
  const count = ctx.node.output.length;
  expectSize(ctx, 'number of outputs', ctx.int('num_outputs', count), count);
  expectSize(ctx, 'number of split sizes', count, parts.length);
  const total = parts.every(isKnown) ? parts.reduce<number>((sum, part) => sum + Number(part), 0) : undefined;
  expectSize(ctx, 'sum of the split sizes', size, total);
}

function inferSplit(version: SplitVersion, ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const dims = ctx.dims(0);
  const count = ctx.node.output.length;
  if (dims === undefined) return Array.from({ length: count }, () => ({ elemType }));
  const axis = checkedAxis(ctx, ctx.int('axis', 0), dims.length);
  const parts = partSizes(version, ctx, dims[axis]!);
  if (parts === undefined) return ctx.fail(`a size that splits into ${count} parts`, `${dims[axis]}`);
  checkParts(ctx, parts, dims[axis]!);
  const value = dims.length === 1 ? knownValue(ctx, 0) : undefined;
  let start = 0;
  return parts.map((part) => {
    const size = part ?? ctx.symbol('split');
    const from = start;
    start += isKnown(size) ? size : Number.NaN;
    return valueInfo(elemType, dims.with(axis, size), value?.slice(from, start));
  });
}

function splitEquations(version: SplitVersion, ctx: EquationContext): void {
  const axes = ctx.in(0);
  const cut = axisOf(ctx.int('axis', 0), axes.length);
  const outputs = ctx.node.output.map((_, o) => ctx.out(o));
  freezeControl(ctx, 1);
  for (const out of outputs) {
    out.forEach((term, axis) => {
      if (axis !== cut) carry(ctx, axes[axis], term);
    });
  }
  const size = axes[cut]!.size;
  const sizes = partSizes(version, ctx, size);
  if (isKnown(size) && sizes?.every(isKnown)) {
    const parts = outputs.map((out, o) => out[cut] ?? ctx.leaf(sizes[o]!));
    ctx.equal(axes[cut]!, ctx.sum(parts));
  } else
    freezeAxes(ctx, [axes[cut], ...outputs.map((out) => out[cut])], 'it is split at points only known at run time');
}

/** How many survivors fall into each part. */
function survivorsPerPart(kept: Int32Array, parts: readonly number[]): number[] {
  let start = 0;
  return parts.map((part) => {
    const from = start;
    start += part;
    return kept.reduce((count, index) => (index >= from && index < start ? count + 1 : count), 0);
  });
}

function resizeSplit(version: SplitVersion, ctx: ResizeContext): void {
  const dims = ctx.oldIn(0);
  const axis = axisOf(ctx.int('axis', 0), dims.length);
  const kept = ctx.keptIn(0, axis);
  const parts = partSizes(version, ctx, dims[axis]!);
  if (kept === undefined || !parts?.every(isKnown)) return;
  const sizes = survivorsPerPart(kept, parts);
  const unstated = version.stated(ctx) === undefined;
  const implied = unstated ? version.equalParts(kept.length, sizes.length) : undefined;
  if (implied === undefined || implied.some((size, part) => size !== sizes[part])) version.write(ctx, sizes);
}

function split(opsets: readonly [number, number], version: SplitVersion): OperatorRecord {
  return {
    domain: '',
    opType: 'Split',
    opsets,
    infer: (ctx) => inferSplit(version, ctx),
    equations: (ctx) => splitEquations(version, ctx),
    resize: (ctx) => resizeSplit(version, ctx),
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

/** Concat and all versions of Split. */
export const concatOperators: readonly OperatorRecord[] = [
  concat,
  split([OLDEST_OPSET, 12], byAttribute),
  split([13, 17], byInput),
  split([18, NEWEST_OPSET], byInputOrCount),
];
