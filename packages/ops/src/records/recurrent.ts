/**
 * LSTM, GRU and RNN. Their hidden units are one dimension: the rows of every gate, the columns of the recurrence, and
 * the outputs. A unit feeds back into all others, so the recurrence is a consumer of the units like any later layer.
 */
import { carry, expectSize, freezeAxes } from '../axes.ts';
import { isKnown, mulDims } from '../dims.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import type {
  CostContext,
  Dim,
  EquationContext,
  InferContext,
  LayerKind,
  LayerSpec,
  NodeView,
  OperatorRecord,
  ParameterSpec,
  ResizeContext,
  Term,
  ValueInfo,
} from '../record.ts';
import { noOverhead } from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { expectDims, shapeInfo } from './operands.ts';

const X = 0;
const W = 1;
const R = 2;
const B = 3;
const SEQUENCE_LENGTHS = 4;
const INITIAL_H = 5;
const INITIAL_C = 6;
const P = 7;

/** Peepholes look at the cell from the input, output and forget gate. */
const PEEPHOLES = 3;

interface Cell {
  readonly opType: string;
  readonly kind: LayerKind;
  /** Gates, whose rows stand one after the other in W, R and, twice, in B. */
  readonly gates: number;
}

/** Where the axes are: `layout` 1 (from opset 14) puts the batch first. */
interface Layout {
  readonly sequence: 0 | 1;
  readonly batch: 0 | 1;
  /** Shape of the hidden states by step, and of the last one. */
  steps<T>(sequence: T, directions: T, batch: T, hidden: T): T[];
  state<T>(directions: T, batch: T, hidden: T): T[];
}

const SEQUENCE_FIRST: Layout = {
  sequence: 0,
  batch: 1,
  steps: (sequence, directions, batch, hidden) => [sequence, directions, batch, hidden],
  state: (directions, batch, hidden) => [directions, batch, hidden],
};

const BATCH_FIRST: Layout = {
  sequence: 1,
  batch: 0,
  steps: (sequence, directions, batch, hidden) => [batch, sequence, directions, hidden],
  state: (directions, batch, hidden) => [batch, directions, hidden],
};

function layoutOf(view: NodeView): Layout {
  return view.int('layout', 0) === 0 ? SEQUENCE_FIRST : BATCH_FIRST;
}

function directionsOf(view: NodeView): number {
  return view.string('direction', 'forward') === 'bidirectional' ? 2 : 1;
}

function hiddenSize(view: NodeView): Dim | undefined {
  return view.has('hidden_size') ? view.int('hidden_size', 0) : view.inputs[R]?.dims?.[2];
}

function checkParameters({ gates }: Cell, ctx: InferContext, features: Dim, hidden: Dim): void {
  const directions = directionsOf(ctx);
  const rows = (count: number): Dim => mulDims(hidden, count);
  expectDims(ctx, 'W', W, [directions, rows(gates), features]);
  expectDims(ctx, 'R', R, [directions, rows(gates), hidden]);
  expectDims(ctx, 'B', B, [directions, rows(2 * gates)]);
  expectDims(ctx, 'P', P, [directions, rows(PEEPHOLES)]);
}

function infer(cell: Cell, ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, X);
  const x = ctx.dims(X);
  const hidden = hiddenSize(ctx);
  if (!x || hidden === undefined) return ctx.node.output.map(() => ({ elemType }));
  expectSize(ctx, 'rank of X', 3, x.length);
  checkParameters(cell, ctx, x[2]!, hidden);
  const layout = layoutOf(ctx);
  const batch = x[layout.batch]!;
  const directions = directionsOf(ctx);
  const state = layout.state<Dim>(directions, batch, hidden);
  for (const i of [INITIAL_H, INITIAL_C]) expectDims(ctx, 'the initial state', i, state);
  const steps = layout.steps<Dim>(x[layout.sequence]!, directions, batch, hidden);
  return ctx.node.output.map((_, i) => shapeInfo(elemType, i === 0 ? steps : state));
}

/** `count` blocks of rows, in each of which there is one row for every hidden unit. */
function blocks(ctx: EquationContext, count: number, hidden: Term): Term {
  return ctx.product([ctx.fixed(count, 'every hidden unit has a row in each block of gates'), hidden]);
}

/** Weights share the hidden units; there is one of each per direction. */
function equateParameters({ gates }: Cell, ctx: EquationContext, hidden: Term): void {
  carry(ctx, ctx.in(W)[1], blocks(ctx, gates, hidden));
  carry(ctx, ctx.in(R)[1], ctx.in(W)[1]);
  if (ctx.in(B).length > 0) carry(ctx, ctx.in(B)[1], blocks(ctx, 2 * gates, hidden));
  if (ctx.in(P).length > 0) carry(ctx, ctx.in(P)[1], blocks(ctx, PEEPHOLES, hidden));
  const directions = [W, R, B, P].map((i) => ctx.in(i)[0]);
  freezeAxes(ctx, directions, 'there is one for each direction');
}

function equations(cell: Cell, ctx: EquationContext): void {
  const x = ctx.in(X);
  const hidden = ctx.in(R)[2]!;
  const layout = layoutOf(ctx);
  const batch = x[layout.batch]!;
  const sequence = x[layout.sequence]!;
  const directions = ctx.fixed(directionsOf(ctx), 'there is one for each direction');
  ctx.freeze(sequence, 'the recurrence runs along it');
  carry(ctx, x[2], ctx.in(W)[2]);
  equateParameters(cell, ctx, hidden);
  carry(ctx, ctx.in(SEQUENCE_LENGTHS)[0], batch);
  const state = layout.state(directions, batch, hidden);
  const steps = layout.steps(sequence, directions, batch, hidden);
  ctx.out(0).forEach((term, axis) => {
    carry(ctx, term, steps[axis]);
  });
  for (const axes of [ctx.in(INITIAL_H), ctx.in(INITIAL_C), ctx.out(1), ctx.out(2)]) {
    axes.forEach((term, axis) => {
      carry(ctx, term, state[axis]);
    });
  }
  ctx.consumes(X, 2);
  ctx.consumes(R, 2);
}

function resize(ctx: ResizeContext): void {
  const hidden = ctx.newIn(R)[2];
  if (ctx.has('hidden_size') && isKnown(hidden)) ctx.setInt('hidden_size', hidden);
}

const PARAMETERS: readonly ParameterSpec[] = [
  { input: W, role: 'weight', out: 1, in: 2 },
  { input: R, role: 'weight', out: 1, in: 2 },
  { input: B, role: 'bias', out: 1 },
  { input: P, role: 'weight', out: 1 },
];

/** Null where the weights are computed. */
function layer({ kind }: Cell, view: NodeView): LayerSpec | null {
  if (!view.constant(W) || !view.constant(R)) return null;
  return { kind, parameters: PARAMETERS.filter(({ input }) => view.constant(input)) };
}

/** Every step multiplies the features and the hidden state by all rows, in every direction. */
function macs(ctx: CostContext): number {
  const [first, second] = ctx.inDims(X);
  const [directions, rows, features] = ctx.inDims(W);
  return first! * second! * directions! * rows! * (features! + ctx.inDims(R)[2]!);
}

function recurrent(cell: Cell): OperatorRecord {
  return {
    domain: '',
    opType: cell.opType,
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer: (ctx) => infer(cell, ctx),
    equations: (ctx) => equations(cell, ctx),
    resize,
    macs,
    overhead: noOverhead,
    layer: (view) => layer(cell, view),
  };
}

/** LSTM, GRU and RNN; versions differ in types only, but for `layout`. */
export const recurrentOperators: readonly OperatorRecord[] = [
  recurrent({ opType: 'LSTM', kind: 'lstm', gates: 4 }),
  recurrent({ opType: 'GRU', kind: 'gru', gates: 3 }),
  recurrent({ opType: 'RNN', kind: 'rnn', gates: 1 }),
];
