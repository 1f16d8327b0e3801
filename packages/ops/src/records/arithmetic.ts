/**
 * Operators that combine their inputs element by element, with broadcasting: arithmetic, comparisons, logic and Where.
 * Small integer tensors are folded, so that sizes computed in the graph are known.
 */

import { DataType, greatest } from '@onnx-pruning/onnx';
import type { Algebra } from '../algebra.ts';
import { broadcastDims, equateBroadcast } from '../broadcast.ts';
import { isKnown } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import { perOutputFeature } from '../overhead.ts';
import {
  type Dim,
  type EquationContext,
  type InferContext,
  type LayerSpec,
  type ModuleContext,
  type NodeView,
  noLayer,
  noMacs,
  noOverhead,
  nothing,
  type OperatorRecord,
  type ParameterSpec,
  type ValueInfo,
} from '../record.ts';
import * as scalars from '../scalars.ts';
import {
  type Elements,
  elemTypeOf,
  foldableSize,
  isFloat,
  isInteger,
  knownDims,
  knownValue,
  stretch,
  valueInfo,
} from '../values.ts';

/** What a constant operand is to a user who looks for layers; undefined where it is nothing of the kind. */
type OperandRole = ParameterSpec['role'] | undefined;

interface Elementwise {
  readonly opType: string;
  readonly since: number;
  readonly role: OperandRole;
  /** The input whose element type the output has; `bool` for predicates. */
  readonly type: number | 'bool';
  /** Folds one output element from the elements of the inputs there; undefined where nothing is folded. */
  readonly fold: ((view: NodeView, elements: readonly scalars.Element[]) => scalars.Element) | undefined;
  /** What Torch-Pruning charges; nothing by default. */
  readonly overhead?: OperatorRecord['overhead'];
  readonly algebra?: Algebra;
}

/** The contents of all inputs, each stretched to the dimensions of the result; undefined where one is not known. */
function stretchedInputs(ctx: InferContext, to: readonly number[]): Elements[] | undefined {
  const inputs: Elements[] = [];
  for (const i of ctx.inputs.keys()) {
    const value = knownValue(ctx, i);
    const from = knownDims(ctx.dims(i));
    if (value === undefined || from === undefined) return undefined;
    inputs.push(stretch(value, from, to));
  }
  return inputs;
}

/** Types whose arithmetic numbers follow exactly; half precision would round otherwise than they do. */
function foldsExactly(elemType: number): boolean {
  const exact: readonly number[] = [DataType.FLOAT, DataType.DOUBLE, DataType.BOOL];
  return isInteger(elemType) || exact.includes(elemType);
}

function foldedValue({ fold }: Elementwise, ctx: InferContext, dims: readonly Dim[]): Elements | undefined {
  const size = foldsExactly(elemTypeOf(ctx, 0)) ? foldableSize(dims) : undefined;
  const inputs = fold && size !== undefined ? stretchedInputs(ctx, knownDims(dims)!) : undefined;
  if (fold === undefined || inputs === undefined) return undefined;
  const single = elemTypeOf(ctx, 0) === DataType.FLOAT;
  return Array.from({ length: size! }, (_, at) => {
    const elements = inputs.map((value) => value[at]);
    const result = fold(ctx, elements);
    // Sizes computed in single precision are rounded as the run would round them.
    return single && isKnown(result) ? Math.fround(result) : result;
  });
}

function inferElementwise(operator: Elementwise, ctx: InferContext): ValueInfo[] {
  const elemType = operator.type === 'bool' ? DataType.BOOL : elemTypeOf(ctx, operator.type);
  const dims = broadcastDims(
    ctx,
    ctx.inputs.map((_, i) => ctx.dims(i)),
  );
  return [dims ? valueInfo(elemType, dims, foldedValue(operator, ctx, dims)) : { elemType }];
}

/** The axis of a constant operand that lies on the channel axis of the output. */
function channelAxis(dims: readonly number[], outputRank: number): number | undefined {
  const long = dims.flatMap((size, axis) => (size > 1 ? [axis] : []));
  if (long.length === 1) return long[0];
  // Images have their channels on axis 1, sequences and matrices on the last.
  const channel = (outputRank >= 4 ? 1 : outputRank - 1) - (outputRank - dims.length);
  return dims[channel]! > 1 ? channel : undefined;
}

function parameterOf(role: ParameterSpec['role'], view: NodeView, input: number, rank: number): ParameterSpec[] {
  const info = view.inputs[input];
  const dims = knownDims(info?.dims);
  if (view.constant(input) === undefined || info === undefined || dims === undefined) return [];
  if (!isFloat(info.elemType) || dims.every((size) => size === 1)) return [];
  const out = channelAxis(dims, rank);
  return [out === undefined ? { input, role } : { input, role, out }];
}

/** A constant operand that differs by channel is a layer of its own: a shift or a scale. */
function operandLayer(role: OperandRole, view: NodeView): LayerSpec | null {
  const inputs = view.inputs.map((_, input) => input);
  if (role === undefined || inputs.every((input) => view.constant(input) !== undefined)) return null;
  const rank = greatest(view.inputs.map((info) => info?.dims?.length ?? 0));
  const parameters = inputs.flatMap((input) => parameterOf(role, view, input, rank));
  return parameters.length > 0 ? { kind: 'parameter', parameters } : null;
}

function elementwise(operator: Elementwise): OperatorRecord {
  const { opType, since, role } = operator;
  return {
    domain: '',
    opType,
    opsets: [Math.max(since, OLDEST_OPSET), NEWEST_OPSET],
    infer: (ctx) => inferElementwise(operator, ctx),
    equations: (ctx: EquationContext) => equateBroadcast(ctx),
    resize: nothing,
    macs: noMacs,
    overhead: operator.overhead ?? noOverhead,
    layer: role === undefined ? noLayer : (view) => operandLayer(role, view),
    algebra: () => operator.algebra ?? null,
  };
}

/** A fold of any number of operands, two at a time. */
const folding = (fold: scalars.Fold): Elementwise['fold'] => foldingBy(() => fold);

const foldingBy =
  (pick: (view: NodeView) => scalars.Fold): Elementwise['fold'] =>
  (view, elements) => {
    const fold = pick(view);
    return elements.reduce((a, b) => (a === undefined || b === undefined ? undefined : fold(a, b)));
  };

const ofNumbers = (opType: string, role: OperandRole, fold: Elementwise['fold']): Elementwise => ({
  opType,
  since: OLDEST_OPSET,
  role,
  type: 0,
  fold,
});

const predicate = (opType: string, since: number, fold: scalars.Fold): Elementwise => ({
  opType,
  since,
  role: undefined,
  type: 'bool',
  fold: folding(fold),
});

const onBits = (opType: string, since: number): Elementwise => ({
  opType,
  since,
  role: undefined,
  type: 0,
  fold: undefined,
});

/** A linear layer on a tensor of more than two axes is exported as a product with a constant and a sum with its bias. */
function separateBias(ctx: ModuleContext): number {
  const bias = ctx.inputs.findIndex((_, i) => ctx.constant(i) !== undefined && ctx.inDims(i).length === 1);
  return bias >= 0 && ctx.producer(1 - bias)?.isLayer('linear') ? perOutputFeature(ctx) : 0;
}

const operators: readonly Elementwise[] = [
  { ...ofNumbers('Add', 'bias', folding(scalars.add)), overhead: separateBias, algebra: { kind: 'sum' } },
  ofNumbers('Sub', 'bias', folding(scalars.subtract)),
  ofNumbers('Sum', 'bias', folding(scalars.add)),
  ofNumbers('Mean', 'bias', undefined),
  ofNumbers('Max', 'bias', folding(scalars.maximum)),
  ofNumbers('Min', 'bias', folding(scalars.minimum)),
  ofNumbers('Mul', 'weight', folding(scalars.multiply)),
  ofNumbers(
    'Div',
    'weight',
    foldingBy((view) => (isInteger(elemTypeOf(view, 0)) ? scalars.divideIntegers : scalars.divide)),
  ),
  ofNumbers('Pow', 'weight', folding(scalars.power)),
  {
    ...ofNumbers(
      'Mod',
      undefined,
      foldingBy((view) => (view.int('fmod', 0) === 0 ? scalars.modulo : scalars.remainder)),
    ),
    since: 10,
  },
  predicate(
    'Equal',
    7,
    scalars.comparison((sign) => sign === 0),
  ),
  predicate(
    'Less',
    7,
    scalars.comparison((sign) => sign < 0),
  ),
  predicate(
    'Greater',
    7,
    scalars.comparison((sign) => sign > 0),
  ),
  predicate(
    'LessOrEqual',
    12,
    scalars.comparison((sign) => sign <= 0),
  ),
  predicate(
    'GreaterOrEqual',
    12,
    scalars.comparison((sign) => sign >= 0),
  ),
  predicate(
    'And',
    7,
    scalars.logical((a, b) => a && b),
  ),
  predicate(
    'Or',
    7,
    scalars.logical((a, b) => a || b),
  ),
  predicate(
    'Xor',
    7,
    scalars.logical((a, b) => a !== b),
  ),
  onBits('BitShift', 11),
  onBits('BitwiseAnd', 18),
  onBits('BitwiseOr', 18),
  onBits('BitwiseXor', 18),
  {
    opType: 'Where',
    since: 9,
    role: 'bias',
    type: 1,
    fold: (_, [condition, a, b]) => scalars.choose(condition, a, b),
  },
];

/** Elementwise operators with broadcasting. */
export const arithmeticOperators: readonly OperatorRecord[] = operators.map(elementwise);
