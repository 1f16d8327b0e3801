/**
 * Operators on one tensor, element by element: every axis of the output is that of the input. A few occur in shape
 * arithmetic and fold known elements. PRelu has a parameter and is in prelu.ts.
 */
import { DataType } from '@onnx-pruning/onnx';
import { carryAll, freezeControl } from '../axes.ts';
import { compareDims } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import { perOutputElement } from '../overhead.ts';
import type { Dim, EquationContext, InferContext, ModuleContext, OperatorRecord, ValueInfo } from '../record.ts';
import { noLayer, noMacs, noOverhead, nothing } from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { shapeInfo, wantsOutput } from './operands.ts';

type Fold = (element: Dim) => Dim | undefined;

function equateElements(ctx: EquationContext): void {
  carryAll(ctx, ctx.in(0), ctx.out(0));
}

function inferElements(ctx: InferContext, elemType: number, fold?: Fold): ValueInfo[] {
  const info = shapeInfo(elemType, ctx.dims(0));
  const value = fold && ctx.inputs[0]?.value;
  if (!value) return [info];
  return [{ ...info, value: value.map((element) => (element === undefined ? undefined : fold(element))) }];
}

function elementwise(
  opType: string,
  since: number,
  fold?: Fold,
  overhead: OperatorRecord['overhead'] = noOverhead,
): OperatorRecord {
  return {
    domain: '',
    opType,
    opsets: [Math.max(since, OLDEST_OPSET), NEWEST_OPSET],
    infer: (ctx) => inferElements(ctx, elemTypeOf(ctx, 0), fold),
    equations: equateElements,
    resize: nothing,
    macs: noMacs,
    overhead,
    layer: noLayer,
  };
}

/** Operators whose answer is true or false. */
function predicate(opType: string, since: number): OperatorRecord {
  return { ...elementwise(opType, since), infer: (ctx) => inferElements(ctx, DataType.BOOL) };
}

/** A function of numbers; a symbol, which is a whole number, stays what it is. */
function onNumbers(f: (x: number) => number): Fold {
  return (element) => (typeof element === 'number' ? f(element) : element);
}

/** As onNumbers, where symbols only stay what they are if they are positive. */
function onPositive(f: (x: number) => number): Fold {
  return (element) => {
    if (typeof element === 'number') return f(element);
    return compareDims(element, 0) === 1 ? element : undefined;
  };
}

/** A function of numbers that says nothing of symbols. */
function onlyNumbers(f: (x: number) => number): Fold {
  return (element) => (typeof element === 'number' ? f(element) : undefined);
}

/** Rounds half to even, as Round does. */
export function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

const FOLDING: readonly OperatorRecord[] = [
  elementwise('Abs', 7, onPositive(Math.abs)),
  elementwise('Ceil', 7, onNumbers(Math.ceil)),
  elementwise('Floor', 7, onNumbers(Math.floor)),
  elementwise(
    'Neg',
    7,
    onlyNumbers((x) => -x),
  ),
  elementwise(
    'Relu',
    7,
    onPositive((x) => Math.max(x, 0)),
    perOutputElement,
  ),
  elementwise('Round', 11, onNumbers(roundHalfToEven)),
  elementwise('Sign', 9, onlyNumbers(Math.sign)),
  elementwise('Sqrt', 7, onlyNumbers(Math.sqrt)),
];

/** Operators by the opset that introduced them. */
const SINCE: readonly (readonly [number, readonly string[]])[] = [
  [
    7,
    [
      ...['Acos', 'Asin', 'Atan', 'Cos', 'Sin', 'Tan', 'Tanh', 'Sigmoid', 'HardSigmoid', 'Exp', 'Log', 'Reciprocal'],
      ...['Selu', 'Softplus', 'Softsign', 'Not'],
    ],
  ],
  [9, ['Acosh', 'Asinh', 'Atanh', 'Cosh', 'Sinh', 'Erf', 'Shrink']],
  [10, ['ThresholdedRelu']],
  [12, ['Celu']],
  [14, ['HardSwish']],
  [18, ['BitwiseNot', 'Mish']],
  [24, ['Swish']],
];

/** Activations that Torch-Pruning charges for, by the opset that introduced them. */
const CHARGED: readonly (readonly [opType: string, since: number])[] = [
  ['Elu', 7],
  ['LeakyRelu', 7],
  ['Gelu', 20],
];

// Clip

/** Bounds are attributes up to opset 10, inputs of one element since. */
function inferClip(ctx: InferContext): ValueInfo[] {
  for (const i of [1, 2]) {
    const dims = ctx.dims(i);
    if (dims?.some((dim) => typeof dim === 'number' && dim !== 1)) ctx.fail('a bound of one element', `[${dims}]`);
  }
  return inferElements(ctx, elemTypeOf(ctx, 0), clipFold(ctx));
}

function clipFold(ctx: InferContext): Fold | undefined {
  if (ctx.opset < 11) return undefined;
  const bounds = [1, 2].map((i) => (ctx.node.input[i] ? ctx.inputs[i]?.value?.[0] : null));
  const [low, high] = bounds;
  if (low === undefined || high === undefined || typeof low === 'string' || typeof high === 'string') return undefined;
  return (element) => clip(element, low ?? Number.NEGATIVE_INFINITY, high ?? Number.POSITIVE_INFINITY);
}

/** A symbol is at least 1: a lower bound up to 1 does nothing to it, an upper bound may. */
function clip(element: Dim, low: number, high: number): Dim | undefined {
  if (typeof element === 'number') return Math.min(Math.max(element, low), high);
  const untouched = high === Number.POSITIVE_INFINITY || high >= Number.MAX_SAFE_INTEGER;
  return untouched && low <= 1 && compareDims(element, 0) === 1 ? element : undefined;
}

/** ReLU6 is exported as Clip; other bounds come from functions, which Torch-Pruning does not see. */
function relu6Overhead(ctx: ModuleContext): number {
  const bound = (name: string, input: number): unknown =>
    ctx.opset < 11 ? ctx.float(name, Number.NaN) : ctx.inputs[input]?.value?.[0];
  return bound('min', 1) === 0 && bound('max', 2) === 6 ? perOutputElement(ctx) : 0;
}

const clipOperator: OperatorRecord = {
  ...elementwise('Clip', 7, undefined, relu6Overhead),
  infer: inferClip,
  equations: (ctx) => {
    equateElements(ctx);
    freezeControl(ctx, 1, 2);
  },
};

// Identity and Dropout

/** What is known of the input, unread: it may be a sequence, or a constant whose elements nobody has asked for. */
const identityOperator: OperatorRecord = {
  ...elementwise('Identity', 7),
  infer: (ctx) => (ctx.inputs[0] ? [ctx.inputs[0]] : []),
  algebra: () => ({ kind: 'copy' }),
};

/** The mask has the type of the data before opset 10, and is BOOL since. */
function inferDropout(ctx: InferContext): ValueInfo[] {
  const output = shapeInfo(elemTypeOf(ctx, 0), ctx.dims(0));
  if (!wantsOutput(ctx, 1)) return [output];
  return [output, { ...output, elemType: ctx.opset < 10 ? output.elemType : DataType.BOOL }];
}

const dropoutOperator: OperatorRecord = {
  ...elementwise('Dropout', 7),
  infer: inferDropout,
  equations: (ctx) => {
    equateElements(ctx);
    carryAll(ctx, ctx.in(0), ctx.out(1));
  },
};

/** Elementwise operators of one input without parameters. */
export const activationOperators: readonly OperatorRecord[] = [
  ...FOLDING,
  ...SINCE.flatMap(([since, names]) => names.map((name) => elementwise(name, since))),
  ...CHARGED.map(([opType, since]) => elementwise(opType, since, undefined, perOutputElement)),
  predicate('IsNaN', 9),
  predicate('IsInf', 10),
  clipOperator,
  identityOperator,
  dropoutOperator,
];
