/**
 * Operators that make a tensor instead of transforming one: Constant, ConstantOfShape, Range, OneHot, EyeLike, NonZero
 * and random numbers.
 */
import { attrFloats, attrTensor, DataType, readNumbers, tensorDims, tensorSize } from '@onnx-pruning/onnx';
import { checkedAxis, freezeControl, freezeNode } from '../axes.ts';
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
  nothing,
  type OperatorRecord,
  type ResizeContext,
  type ValueInfo,
} from '../record.ts';
import {
  type Elements,
  elementsOf,
  elemTypeOf,
  foldableSize,
  isInteger,
  knownValue,
  VALUE_LIMIT,
  valueInfo,
} from '../values.ts';

const list = (elemType: number, value: readonly number[]): ValueInfo => valueInfo(elemType, [value.length], value);

function inferConstant(ctx: InferContext): ValueInfo[] {
  const tensor = attrTensor(ctx.node, 'value');
  if (tensor !== undefined) {
    const elemType = tensor.dataType ?? DataType.UNDEFINED;
    const small = elemType !== DataType.STRING && tensorSize(tensor) <= VALUE_LIMIT;
    return [valueInfo(elemType, tensorDims(tensor), small ? Array.from(readNumbers(tensor)) : undefined)];
  }
  if (ctx.has('value_int')) return [valueInfo(DataType.INT64, [], [ctx.int('value_int', 0)])];
  if (ctx.has('value_ints')) return [list(DataType.INT64, ctx.ints('value_ints') ?? [])];
  if (ctx.has('value_float')) return [valueInfo(DataType.FLOAT, [], [ctx.float('value_float', 0)])];
  if (ctx.has('value_floats')) return [list(DataType.FLOAT, attrFloats(ctx.node, 'value_floats', []))];
  if (ctx.has('value_string')) return [{ elemType: DataType.STRING, dims: [] }];
  if (ctx.has('value_strings')) return [{ elemType: DataType.STRING, dims: [ctx.symbol('strings')] }];
  return [{ elemType: DataType.UNDEFINED }];
}

const constant: OperatorRecord = {
  domain: '',
  opType: 'Constant',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: inferConstant,
  // A constant is a parameter: its axes are whatever its users say they are.
  equations: nothing,
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

const SHAPE = 0;

/** The element that ConstantOfShape repeats: a 32-bit zero when the node does not say. */
function filler(view: NodeView): { elemType: number; element: number | undefined } {
  const tensor = attrTensor(view.node, 'value');
  if (tensor === undefined) return { elemType: DataType.FLOAT, element: 0 };
  const elemType = tensor.dataType ?? DataType.UNDEFINED;
  return { elemType, element: elemType === DataType.STRING ? undefined : readNumbers(tensor)[0] };
}

function inferConstantOfShape(ctx: InferContext): ValueInfo[] {
  const { elemType, element } = filler(ctx);
  const dims = elementsOf(ctx, SHAPE)?.map((size) => size ?? ctx.symbol('shape'));
  if (dims === undefined) return [{ elemType }];
  const negative = dims.find((size) => isKnown(size) && size < 0);
  if (negative !== undefined) ctx.fail('sizes of at least 0', `${negative}`);
  const size = foldableSize(dims);
  const value = size === undefined ? undefined : new Array<number | undefined>(size).fill(element);
  return [valueInfo(elemType, dims, value)];
}

function constantOfShapeEquations(ctx: EquationContext): void {
  const stated = elementsOf(ctx, SHAPE);
  freezeControl(ctx, SHAPE);
  // Every channel is alike, so an axis may lose any of them, where its size can be stated anew.
  ctx.out(0).forEach((term, axis) => {
    if (!isKnown(stated?.[axis])) ctx.freeze(term, 'the shape to fill is only known at run time');
  });
}

function resizeConstantOfShape(ctx: ResizeContext): void {
  const computed = ctx.constant(SHAPE) === undefined;
  const before = ctx.oldOut(0);
  const sizes = ctx.newOut(0).map((size, axis) => {
    if (!isKnown(size)) return undefined;
    return computed || !sameDim(size, before[axis]!) ? size : undefined;
  });
  if (sizes.some((size) => size !== undefined)) ctx.setInput(SHAPE, sizes);
}

const constantOfShape: OperatorRecord = {
  domain: '',
  opType: 'ConstantOfShape',
  opsets: [9, NEWEST_OPSET],
  infer: inferConstantOfShape,
  equations: constantOfShapeEquations,
  resize: resizeConstantOfShape,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

function inferRange(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const [start, limit, delta] = [0, 1, 2].map((i) => knownValue(ctx, i)?.[0]);
  if (isKnown(start) && isKnown(limit) && isKnown(delta) && delta !== 0) {
    const count = Math.max(0, Math.ceil((limit - start) / delta));
    const value = count <= VALUE_LIMIT ? Array.from({ length: count }, (_, i) => start + i * delta) : undefined;
    return [valueInfo(elemType, [count], value)];
  }
  const counts = start === 0 && delta === 1 && limit !== undefined && isInteger(elemType);
  return [{ elemType, dims: [counts ? limit : ctx.symbol('range')] }];
}

/** Whatever a generator makes has the sizes it says, and its elements mean what their places mean. */
function generator(opType: string, since: number, infer: OperatorRecord['infer'], reason: string): OperatorRecord {
  return {
    domain: '',
    opType,
    opsets: [Math.max(since, OLDEST_OPSET), NEWEST_OPSET],
    infer,
    equations: (ctx) => freezeNode(ctx, reason),
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

function inferOneHot(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 2);
  const indices = ctx.dims(0);
  if (indices === undefined) return [{ elemType }];
  const axis = checkedAxis(ctx, ctx.int('axis', -1), indices.length + 1);
  const depth = knownValue(ctx, 1)?.[0] ?? ctx.symbol('depth');
  return [{ elemType, dims: indices.toSpliced(axis, 0, depth) }];
}

function inferNonZero(ctx: InferContext): ValueInfo[] {
  const rank: Dim = ctx.dims(0)?.length ?? ctx.symbol('rank');
  return [{ elemType: DataType.INT64, dims: [rank, ctx.symbol('nonzero')] }];
}

/** As the input, in the type that attribute `dtype` names, where there is one. */
function inferLike(ctx: InferContext): ValueInfo[] {
  const elemType = ctx.int('dtype', elemTypeOf(ctx, 0));
  const dims = ctx.dims(0);
  return [dims ? { elemType, dims } : { elemType }];
}

function inferRandom(ctx: InferContext): ValueInfo[] {
  const elemType = ctx.int('dtype', DataType.FLOAT);
  const dims: Elements | undefined = ctx.ints('shape');
  return [dims ? { elemType, dims: dims as readonly number[] } : { elemType }];
}

const RANDOM = 'its elements are random numbers, drawn in order';

/** Tensors made by a node. */
export const generatorOperators: readonly OperatorRecord[] = [
  constant,
  constantOfShape,
  generator('Range', 11, inferRange, 'it counts'),
  generator('OneHot', 9, inferOneHot, 'its indices name places along the new axis'),
  generator('NonZero', 9, inferNonZero, 'it gives the places of elements'),
  generator('EyeLike', 9, inferLike, 'its elements depend on their place'),
  generator('RandomNormal', OLDEST_OPSET, inferRandom, RANDOM),
  generator('RandomUniform', OLDEST_OPSET, inferRandom, RANDOM),
  generator('RandomNormalLike', OLDEST_OPSET, inferLike, RANDOM),
  generator('RandomUniformLike', OLDEST_OPSET, inferLike, RANDOM),
  generator('Bernoulli', 15, inferLike, RANDOM),
];
