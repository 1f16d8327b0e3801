/** Transpose, DepthToSpace and SpaceToDepth: elements in another order. */
import { carry, expectSize, freezeAxes, range } from '../axes.ts';
import { divDims, isKnown, mulDims } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import {
  type Dim,
  type InferContext,
  type NodeView,
  noLayer,
  noMacs,
  noOverhead,
  nothing,
  type OperatorRecord,
  type ValueInfo,
} from '../record.ts';
import { type Elements, elemTypeOf, knownDims, knownValue, pick, stridesOf, valueInfo } from '../values.ts';

/** The input axis of every output axis; the axes reversed when the node does not say. */
function permutationOf(view: NodeView, rank: number): readonly number[] {
  return view.ints('perm') ?? range(rank).reverse();
}

function transposedValue(ctx: InferContext, permutation: readonly number[]): Elements | undefined {
  const value = knownValue(ctx, 0);
  const dims = knownDims(ctx.dims(0));
  if (value === undefined || dims === undefined) return undefined;
  const strides = stridesOf(dims);
  return pick(
    value,
    permutation.map((axis) => dims[axis]!),
    permutation.map((axis) => strides[axis]!),
  );
}

const transpose: OperatorRecord = {
  domain: '',
  opType: 'Transpose',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: (ctx) => {
    const elemType = elemTypeOf(ctx, 0);
    const dims = ctx.dims(0);
    if (dims === undefined) return [{ elemType }];
    const permutation = permutationOf(ctx, dims.length);
    const sorted = [...permutation].sort((a, b) => a - b);
    if (sorted.length !== dims.length || sorted.some((axis, i) => axis !== i)) {
      ctx.fail(`a permutation of ${dims.length} axes`, `[${permutation.join(', ')}]`);
    }
    const out = permutation.map((axis) => dims[axis]!);
    return [valueInfo(elemType, out, transposedValue(ctx, permutation))];
  },
  equations: (ctx) => {
    const axes = ctx.in(0);
    permutationOf(ctx, axes.length).forEach((axis, position) => {
      carry(ctx, axes[axis], ctx.out(0)[position]);
    });
  },
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

const SPATIAL = 'blocks of channels and of places are exchanged';

function checkedImage(ctx: InferContext): readonly Dim[] | undefined {
  const dims = ctx.dims(0);
  expectSize(ctx, 'rank', 4, dims?.length);
  return dims;
}

/** `size / factor`, where a known size that does not divide fails. */
function dividedSize(ctx: InferContext, size: Dim, factor: number): Dim {
  const quotient = divDims(size, factor);
  if (quotient === undefined && isKnown(size)) ctx.fail(`a multiple of ${factor}`, `${size}`);
  return quotient ?? ctx.symbol('block');
}

/** DepthToSpace orders the channels it takes apart as block row, block column, depth; in mode CRD depth comes first. */
const depthToSpace: OperatorRecord = {
  domain: '',
  opType: 'DepthToSpace',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: (ctx): ValueInfo[] => {
    const elemType = elemTypeOf(ctx, 0);
    const dims = checkedImage(ctx);
    if (dims === undefined) return [{ elemType }];
    const block = ctx.int('blocksize', 1);
    const [n, c, h, w] = dims as [Dim, Dim, Dim, Dim];
    return [{ elemType, dims: [n, dividedSize(ctx, c, block * block), mulDims(h, block), mulDims(w, block)] }];
  },
  equations: (ctx) => {
    const [n, c, ...places] = ctx.in(0);
    const [outN, depth, ...outPlaces] = ctx.out(0);
    carry(ctx, n, outN);
    freezeAxes(ctx, [...places, ...outPlaces], SPATIAL);
    if (!isKnown(c!.size)) return;
    const block = ctx.int('blocksize', 1);
    const blocks = ctx.fixed(block * block, SPATIAL);
    const columnFirst = ctx.string('mode', 'DCR') === 'CRD';
    if (block === 1) carry(ctx, c, depth);
    else ctx.equal(c!, ctx.product(columnFirst ? [depth!, blocks] : [blocks, depth!]));
  },
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** SpaceToDepth orders the channels it makes as block row, block column, depth. */
const spaceToDepth: OperatorRecord = {
  domain: '',
  opType: 'SpaceToDepth',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: (ctx): ValueInfo[] => {
    const elemType = elemTypeOf(ctx, 0);
    const dims = checkedImage(ctx);
    if (dims === undefined) return [{ elemType }];
    const block = ctx.int('blocksize', 1);
    const [n, c, h, w] = dims as [Dim, Dim, Dim, Dim];
    return [{ elemType, dims: [n, mulDims(c, block * block), dividedSize(ctx, h, block), dividedSize(ctx, w, block)] }];
  },
  equations: (ctx) => {
    const [n, depth, ...places] = ctx.in(0);
    const [outN, c, ...outPlaces] = ctx.out(0);
    carry(ctx, n, outN);
    freezeAxes(ctx, [...places, ...outPlaces], SPATIAL);
    if (!isKnown(depth!.size)) return;
    const block = ctx.int('blocksize', 1);
    if (block === 1) carry(ctx, depth, c);
    else ctx.equal(c!, ctx.product([ctx.fixed(block * block, SPATIAL), depth!]));
  },
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** Transpose, DepthToSpace, SpaceToDepth. */
export const layoutOperators: readonly OperatorRecord[] = [transpose, depthToSpace, spaceToDepth];
