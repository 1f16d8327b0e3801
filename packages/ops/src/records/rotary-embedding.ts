/**
 * RotaryEmbedding, of ai.onnx and of com.microsoft: pairs of channels of every head are turned by angles that depend on
 * the position. A pair, and its column of the cosines and sines, is one channel.
 */
import { carry, carryAll, freezeAxes, freezeNode } from '../axes.ts';
import { isKnown } from '../dims.ts';
import { NEWEST_OPSET } from '../opsets.ts';
import type { Axes, EquationContext, InferContext, NodeView, OperatorRecord, ResizeContext, Term } from '../record.ts';
import { noLayer, noMacs, noOverhead } from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { headSize, headsTerm, resizeHeads } from './heads.ts';
import { shapeInfo } from './operands.ts';

const X = 0;

/** Where a version has its inputs. */
interface Inputs {
  readonly cosines: number;
  readonly sines: number;
  readonly positions: number;
}

/** Heads and channels per head; undefined where they are not known. */
function headsOf(view: NodeView, inputs: Inputs): { heads: number; channels: number } | undefined {
  const dims = view.inputs[X]?.dims ?? [];
  const stated = view.int('num_heads', 0);
  const columns = view.inputs[inputs.cosines]?.dims?.at(-1);
  if (dims.length === 4)
    return isKnown(dims[3]) && isKnown(dims[1]) ? { heads: dims[1], channels: dims[3] } : undefined;
  if (stated > 0) return withHeads(stated, headSize(dims[2], stated));
  const whole = isKnown(columns) && isKnown(dims[2]) ? dims[2] / (2 * columns) : 0;
  return withHeads(whole, headSize(dims[2], whole));
}

function withHeads(heads: number, channels: number | undefined): { heads: number; channels: number } | undefined {
  return channels === undefined ? undefined : { heads, channels };
}

/** The channels of a head: pairs beside each other or half a head apart, then channels that are not turned. */
function headTerm(ctx: EquationContext, pairs: Term, channels: number): Term {
  const two = ctx.fixed(2, 'two channels are turned together');
  const turned = ctx.product(ctx.int('interleaved', 0) === 0 ? [two, pairs] : [pairs, two]);
  const rest = channels - Number(turned.size);
  return rest === 0 ? turned : ctx.sum([turned, ctx.leaf(rest)]);
}

function equations(inputs: Inputs, ctx: EquationContext): void {
  const found = headsOf(ctx, inputs);
  const [cosines, sines] = [ctx.in(inputs.cosines), ctx.in(inputs.sines)];
  const pairs = cosines.at(-1);
  if (!found || !pairs || !isKnown(pairs.size)) {
    freezeNode(ctx, 'the number of heads is not known');
    return;
  }
  const x = ctx.in(X);
  const head = headTerm(ctx, pairs, found.channels);
  carryAll(ctx, x, ctx.out(0));
  carryAll(ctx, cosines, sines);
  if (x.length === 4) ctx.equal(x[3]!, head);
  else ctx.equal(x[2]!, ctx.product([headsTerm(ctx, found.heads), head]));
  const places = [x[0], x.length === 4 ? x[2] : x[1]];
  equatePlaces(ctx, cosines.slice(0, -1), places);
  equatePlaces(ctx, ctx.in(inputs.positions), places);
}

/** Batch and positions, or one axis of all positions that there are. */
function equatePlaces(ctx: EquationContext, axes: Axes, places: readonly (Term | undefined)[]): void {
  if (axes.length === 1) freezeAxes(ctx, axes, 'positions are looked up in it');
  else
    axes.forEach((term, axis) => {
      carry(ctx, term, places[axis]);
    });
}

function resize(inputs: Inputs, ctx: ResizeContext): void {
  const pairs = ctx.newIn(inputs.cosines).at(-1);
  if (ctx.int('rotary_embedding_dim', 0) > 0 && isKnown(pairs)) ctx.setInt('rotary_embedding_dim', 2 * pairs);
  if (ctx.oldIn(X).length === 3) resizeHeads(ctx, 'num_heads', X, 2);
}

function rotary(domain: string, opsets: readonly [number, number], inputs: Inputs): OperatorRecord {
  return {
    domain,
    opType: 'RotaryEmbedding',
    opsets,
    infer: (ctx: InferContext) => [shapeInfo(elemTypeOf(ctx, X), ctx.dims(X))],
    equations: (ctx) => equations(inputs, ctx),
    resize: (ctx) => resize(inputs, ctx),
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

export const rotaryOperators: readonly OperatorRecord[] = [
  rotary('', [23, NEWEST_OPSET], { cosines: 1, sines: 2, positions: 3 }),
  rotary('com.microsoft', [1, 1], { positions: 1, cosines: 2, sines: 3 }),
];
