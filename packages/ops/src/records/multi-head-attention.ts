/**
 * Attention as onnxruntime's optimizer fuses it (domain com.microsoft): MultiHeadAttention on separate queries, keys and
 * values, and Attention, which owns the weights that make them. Attention of ai.onnx is stated in attention.ts.
 */
import { carry, expectSize, freezeAxes, freezeNode } from '../axes.ts';
import { isKnown } from '../dims.ts';
import type {
  CostContext,
  Dim,
  EquationContext,
  InferContext,
  LayerSpec,
  NodeView,
  OperatorRecord,
  ParameterSpec,
  ResizeContext,
  Term,
  ValueInfo,
} from '../record.ts';
import { noLayer, noOverhead } from '../record.ts';
import { elemTypeOf, hasInput } from '../values.ts';
import { headSize, headsLeft, headsTerm, keepScale, resizeHeads } from './heads.ts';
import { shapeInfo, stretchOnto } from './operands.ts';

const MICROSOFT = 'com.microsoft';
const POSITIONS = 'positions are weighed against each other';

/** Heads, and the channels of a head: one dimension of queries and keys, another of values. */
interface HeadTerms {
  readonly heads: Term;
  readonly matched: Term;
  readonly carried: Term;
}

/** Undefined where the heads do not divide the channels. */
function headTerms(ctx: EquationContext, keySize: Dim | undefined, valueSize: Dim | undefined): HeadTerms | undefined {
  const count = ctx.int('num_heads', 0);
  const [matched, carried] = [headSize(keySize, count), headSize(valueSize, count)];
  if (matched === undefined || carried === undefined) return undefined;
  return { heads: headsTerm(ctx, count), matched: ctx.leaf(matched), carried: ctx.leaf(carried) };
}

/** Inputs that an operator has for runs in steps, or in other layouts than the one that is stated here. */
function usesAny(view: NodeView, inputs: readonly number[]): boolean {
  return inputs.some((i) => hasInput(view, i)) || view.node.output.slice(1).some((name) => name !== '');
}

/** Multiply-accumulates of the scores and of the weighted sum, by what is before and after them. */
function attentionMacs(queries: number, result: number, positions: number): number {
  return (queries + result) * positions;
}

// MultiHeadAttention

const BIAS = 3;
const PADDING_MASK = 4;
const SCORE_BIAS = 5;
/** Caches of runs in steps. */
const CACHES = [6, 7, 8, 9];

/** Queries, keys and values of rank 3, without caches: anything else is not followed. */
function isPlain(view: NodeView): boolean {
  const ranks = [0, 1, 2].map((i) => view.inputs[i]?.dims?.length);
  return ranks.every((rank) => rank === 3) && !usesAny(view, CACHES);
}

function inferMultiHead(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  if (!isPlain(ctx)) return ctx.node.output.map(() => ({ elemType }));
  const [q, k, v] = [ctx.dims(0)!, ctx.dims(1)!, ctx.dims(2)!];
  expectSize(ctx, 'channels of the keys', q[2], k[2]);
  expectSize(ctx, 'positions of the values', k[1], v[1]);
  return [shapeInfo(elemType, [q[0]!, q[1]!, v[2]!])];
}

function equateMultiHead(ctx: EquationContext): void {
  const [q, k, v, y] = [ctx.in(0), ctx.in(1), ctx.in(2), ctx.out(0)];
  const terms = isPlain(ctx) ? headTerms(ctx, q[2]?.size, v[2]?.size) : undefined;
  if (!terms) {
    freezeNode(ctx, 'this layout of queries, keys and values is not followed');
    return;
  }
  const { heads, matched, carried } = terms;
  const [keys, values] = [ctx.product([heads, matched]), ctx.product([heads, carried])];
  for (const axes of [q, k]) carry(ctx, axes[2], keys);
  for (const axes of [v, y]) carry(ctx, axes[2], values);
  if (hasInput(ctx, BIAS)) ctx.equal(ctx.in(BIAS)[0]!, ctx.sum([keys, keys, values]));
  for (const axes of [k, v, y]) carry(ctx, axes[0], q[0]);
  freezeAxes(ctx, [q[1], k[1], v[1], y[1], ...ctx.in(PADDING_MASK)], POSITIONS);
  stretchOnto(ctx, ctx.in(SCORE_BIAS), [q[0]!, heads, q[1]!, k[1]!]);
  ctx.consumes(0, 2);
  ctx.consumes(1, 2);
  // The bias is added inside: without it, removed channels would not be zero.
  if (hasInput(ctx, BIAS)) ctx.consumes(BIAS, 0);
}

const multiHeadAttention: OperatorRecord = {
  domain: MICROSOFT,
  opType: 'MultiHeadAttention',
  opsets: [1, 1],
  infer: inferMultiHead,
  equations: equateMultiHead,
  resize: (ctx) => {
    const heads = ctx.int('num_heads', 0);
    keepScale(ctx, headSize(ctx.oldIn(0)[2], heads), headSize(ctx.newIn(0)[2], headsLeft(ctx, 0, 2, heads)));
    resizeHeads(ctx, 'num_heads', 0, 2);
  },
  macs: (ctx) => {
    const [queries, result] = [ctx.inDims(0), ctx.outDims(0)].map((dims) => dims.reduce((n, size) => n * size, 1));
    return attentionMacs(queries!, result!, ctx.inDims(1).at(-2)!);
  },
  overhead: noOverhead,
  layer: noLayer,
};

// Attention of com.microsoft

const X = 0;
const WEIGHT = 1;
const WEIGHT_BIAS = 2;
const MASK_INDEX = 3;
const OWN_SCORE_BIAS = 5;
/** The past, and how long it is. */
const PAST = [4, 6];

/** Channels of queries, keys and values in the weight: thirds, unless they are stated. */
function packedSizes(view: NodeView): readonly [number, number, number] | undefined {
  const columns = view.inputs[WEIGHT]?.dims?.[1];
  const stated = view.ints('qkv_hidden_sizes');
  if (stated) return [stated[0]!, stated[1]!, stated[2]!];
  return isKnown(columns) && columns % 3 === 0 ? [columns / 3, columns / 3, columns / 3] : undefined;
}

function isPacked(view: NodeView): boolean {
  const known = view.inputs[X]?.dims?.length === 3 && packedSizes(view) !== undefined;
  return known && !usesAny(view, PAST) && view.int('do_rotary', 0) === 0;
}

function inferPacked(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, X);
  if (!isPacked(ctx)) return ctx.node.output.map(() => ({ elemType }));
  const x = ctx.dims(X)!;
  expectSize(ctx, 'features of the weight', x[2], ctx.dims(WEIGHT)?.[0]);
  return [shapeInfo(elemType, [x[0]!, x[1]!, packedSizes(ctx)![2]])];
}

function equatePacked(ctx: EquationContext): void {
  const [x, weight, y] = [ctx.in(X), ctx.in(WEIGHT), ctx.out(0)];
  const sizes = packedSizes(ctx);
  const terms = isPacked(ctx) ? headTerms(ctx, sizes?.[1], sizes?.[2]) : undefined;
  if (!terms) {
    freezeNode(ctx, 'this layout of queries, keys and values is not followed');
    return;
  }
  const { heads, matched, carried } = terms;
  const [keys, values] = [ctx.product([heads, matched]), ctx.product([heads, carried])];
  const packed = ctx.sum([keys, keys, values]);
  carry(ctx, weight[1], packed);
  if (hasInput(ctx, WEIGHT_BIAS)) carry(ctx, ctx.in(WEIGHT_BIAS)[0], weight[1]);
  carry(ctx, x[2], weight[0]);
  carry(ctx, y[2], values);
  carry(ctx, x[0], y[0]);
  freezeAxes(ctx, [x[1], y[1], ...ctx.in(MASK_INDEX)], POSITIONS);
  stretchOnto(ctx, ctx.in(OWN_SCORE_BIAS), [x[0]!, heads, x[1]!, x[1]!]);
  ctx.consumes(X, 2);
  // Queries and keys meet inside the node: their removed channels are zero where weight and bias are.
  ctx.consumes(WEIGHT, 1);
  if (hasInput(ctx, WEIGHT_BIAS)) ctx.consumes(WEIGHT_BIAS, 0);
}

/** How many of the columns from `start` on are kept. */
function columnsLeft(kept: Int32Array, start: number, count: number): number {
  return kept.reduce((n, index) => (index >= start && index < start + count ? n + 1 : n), 0);
}

function resizePacked(ctx: ResizeContext): void {
  const kept = ctx.keptIn(WEIGHT, 1);
  const sizes = packedSizes(ctx);
  if (kept === undefined || sizes === undefined) return;
  const [q, k, v] = sizes;
  const left = [columnsLeft(kept, 0, q), columnsLeft(kept, q, k), columnsLeft(kept, q + k, v)];
  if (ctx.has('qkv_hidden_sizes') || left[0] !== left[2]) ctx.setInts('qkv_hidden_sizes', left);
  const heads = ctx.int('num_heads', 0);
  const remaining = survivingHeads(kept, q, q / heads);
  keepScale(ctx, q / heads, left[0]! / remaining);
  if (remaining !== heads) ctx.setInt('num_heads', remaining);
}

/** Heads of the queries, the first `columns` columns, that have channels left. */
function survivingHeads(kept: Int32Array, columns: number, width: number): number {
  return new Set(kept.filter((index) => index < columns).map((index) => Math.floor(index / width))).size;
}

const PARAMETERS: readonly ParameterSpec[] = [
  { input: WEIGHT, role: 'weight', out: 1, in: 0 },
  { input: WEIGHT_BIAS, role: 'bias', out: 0 },
];

function packedLayer(view: NodeView): LayerSpec | null {
  if (!view.constant(WEIGHT)) return null;
  return { kind: 'attention', parameters: PARAMETERS.filter(({ input }) => view.constant(input)) };
}

function packedMacs(ctx: CostContext): number {
  const [batch, positions, features] = ctx.inDims(X) as [number, number, number];
  const columns = ctx.inDims(WEIGHT)[1]!;
  const values = ctx.outDims(0)[2]!;
  const places = batch * positions;
  return places * features * columns + attentionMacs((places * (columns - values)) / 2, places * values, positions);
}

const packedAttention: OperatorRecord = {
  domain: MICROSOFT,
  opType: 'Attention',
  opsets: [1, 1],
  infer: inferPacked,
  equations: equatePacked,
  resize: resizePacked,
  macs: packedMacs,
  overhead: noOverhead,
  layer: packedLayer,
};

/** MultiHeadAttention and Attention of com.microsoft. */
export const multiHeadAttentionOperators: readonly OperatorRecord[] = [multiHeadAttention, packedAttention];
