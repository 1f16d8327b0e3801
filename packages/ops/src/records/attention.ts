/**
 * Attention of ai.onnx. Heads are one dimension of queries, keys and values (shared in groups where there are fewer keys
 * than queries); the channels of a head are one of queries and keys, and another of values and the result.
 */
import { carry, expectSize, freezeAxes, freezeNode } from '../axes.ts';
import { addDims, isKnown, mulDims, productOfDims } from '../dims.ts';
import { NEWEST_OPSET } from '../opsets.ts';
import type {
  Axes,
  CostContext,
  Dim,
  EquationContext,
  InferContext,
  NodeView,
  OperatorRecord,
  Term,
} from '../record.ts';
import { noLayer, noOverhead, type ResizeContext, type ValueInfo } from '../record.ts';
import { elemTypeOf, hasInput } from '../values.ts';
import { headSize, headsLeft, headsTerm, keepScale, resizeHeads } from './heads.ts';
import { expectDims, shapeInfo, stretchOnto } from './operands.ts';

const Q = 0;
const K = 1;
const V = 2;
const MASK = 3;
const PAST_K = 4;
const PAST_V = 5;
const KEY_LENGTHS = 6;
const PRESENT_K = 1;
const PRESENT_V = 2;
const SCORES = 3;

/** Queries, keys or values: `[batch, heads, sequence, channels]`, whichever way the input is written. */
interface Parts<T> {
  readonly batch: T;
  readonly heads: T;
  readonly sequence: T;
  readonly channels: T;
}

/** Splits the dimensions of an input; undefined where its rank is another, or its heads are not known. */
function partsOf(dims: readonly Dim[] | undefined, heads: number): Parts<Dim> | undefined {
  const [batch, second, third, fourth] = dims ?? [];
  if (dims?.length === 4) return { batch: batch!, heads: second!, sequence: third!, channels: fourth! };
  const channels = headSize(third, heads);
  if (dims?.length !== 3 || channels === undefined) return undefined;
  return { batch: batch!, heads, sequence: second!, channels };
}

interface Sizes {
  readonly q: Parts<Dim>;
  readonly k: Parts<Dim>;
  readonly v: Parts<Dim>;
  /** Positions that are looked at: those of the past, then those of the keys. */
  readonly total: Dim | undefined;
}

function sizesOf(view: NodeView): Sizes | undefined {
  const [queryHeads, keyHeads] = [view.int('q_num_heads', 0), view.int('kv_num_heads', 0)];
  const q = partsOf(view.inputs[Q]?.dims, queryHeads);
  const k = partsOf(view.inputs[K]?.dims, keyHeads);
  const v = partsOf(view.inputs[V]?.dims, keyHeads);
  const past = hasInput(view, PAST_K) ? view.inputs[PAST_K]?.dims?.[2] : 0;
  const total = k && past !== undefined ? addDims(past, k.sequence) : undefined;
  return q && k && v && { q, k, v, total };
}

function infer(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, Q);
  const sizes = sizesOf(ctx);
  if (!sizes) return ctx.node.output.map(() => ({ elemType }));
  const { q, k, v } = sizes;
  const total = sizes.total ?? ctx.symbol('positions');
  expectSize(ctx, 'channels of a head of K', q.channels, k.channels);
  expectSize(ctx, 'positions of V', k.sequence, v.sequence);
  expectDims(ctx, 'past_key', PAST_K, [k.batch, k.heads, ctx.dims(PAST_K)?.[2] ?? 0, k.channels]);
  const joined = [q.batch, q.sequence, mulDims(q.heads, v.channels)];
  const y = ctx.dims(Q)?.length === 4 ? [q.batch, q.heads, q.sequence, v.channels] : joined;
  const all = [
    y,
    [k.batch, k.heads, total, k.channels],
    [v.batch, v.heads, total, v.channels],
    [q.batch, q.heads, q.sequence, total],
  ];
  return ctx.node.output.map((_, i) => shapeInfo(elemType, all[i]));
}

/** Equates the axes of queries, keys, values or a result with their parts. */
function equateParts(ctx: EquationContext, axes: Axes, parts: Parts<Term>): void {
  const joined = [parts.batch, parts.sequence, ctx.product([parts.heads, parts.channels])];
  const apart = [parts.batch, parts.heads, parts.sequence, parts.channels];
  const expected = axes.length === 4 ? apart : joined;
  axes.forEach((term, axis) => {
    carry(ctx, term, expected[axis]);
  });
}

/** Heads of keys, and of the queries that share them: neighbouring ones look at the same keys. */
function headTerms(ctx: EquationContext, { q, k }: Sizes): { queries: Term; keys: Term } | undefined {
  if (!isKnown(q.heads) || !isKnown(k.heads) || q.heads % k.heads !== 0) return undefined;
  const keys = headsTerm(ctx, k.heads);
  const shared = q.heads / k.heads;
  return { keys, queries: shared === 1 ? keys : ctx.product([keys, headsTerm(ctx, shared)]) };
}

const POSITIONS = 'positions are weighed against each other';

function equations(ctx: EquationContext): void {
  const sizes = sizesOf(ctx);
  const heads = sizes && headTerms(ctx, sizes);
  if (!sizes || !heads) {
    freezeNode(ctx, 'the number of heads is not known');
    return;
  }
  const { q, k, v } = sizes;
  const batch = ctx.in(Q)[0]!;
  const positions = (size: Dim): Term => ctx.fixed(size, POSITIONS);
  const total = positions(sizes.total ?? 'positions');
  const [matched, carried] = [ctx.leaf(q.channels), ctx.leaf(v.channels)];
  const queries = { batch, heads: heads.queries, sequence: positions(q.sequence), channels: matched };
  const keys = { batch, heads: heads.keys, sequence: positions(k.sequence), channels: matched };
  equateParts(ctx, ctx.in(Q), queries);
  equateParts(ctx, ctx.in(K), keys);
  equateParts(ctx, ctx.in(V), { ...keys, channels: carried });
  equateParts(ctx, ctx.out(0), { ...queries, channels: carried });
  equateCaches(ctx, [PAST_K, PRESENT_K], { ...keys, sequence: total });
  equateCaches(ctx, [PAST_V, PRESENT_V], { ...keys, sequence: total, channels: carried });
  equateParts(ctx, ctx.out(SCORES), { ...queries, channels: total });
  stretchOnto(ctx, ctx.in(MASK), [batch, heads.queries, queries.sequence, total]);
  carry(ctx, ctx.in(KEY_LENGTHS)[0], batch);
  for (const input of [Q, K]) ctx.consumes(input, ctx.in(input).length - 1);
}

/** Past and present keys or values; the past has positions of its own. */
function equateCaches(ctx: EquationContext, [past, present]: [number, number], parts: Parts<Term>): void {
  const before = ctx.in(past);
  freezeAxes(ctx, [before[2]], POSITIONS);
  if (before.length > 0) equateParts(ctx, before, { ...parts, sequence: before[2]! });
  equateParts(ctx, ctx.out(present), parts);
}

/** Inputs of rank 3 leave the numbers of heads to attributes. */
function resize(ctx: ResizeContext): void {
  const heads = ctx.int('q_num_heads', 0);
  const before = partsOf(ctx.oldIn(Q), heads)?.channels;
  const after = partsOf(ctx.newIn(Q), headsLeft(ctx, Q, 2, heads))?.channels;
  if (isKnown(before) && isKnown(after)) keepScale(ctx, before, after);
  if (ctx.oldIn(Q).length === 3) resizeHeads(ctx, 'q_num_heads', Q, 2);
  if (ctx.oldIn(K).length === 3) resizeHeads(ctx, 'kv_num_heads', K, 2);
}

/** Every query is multiplied with all keys; every result is a sum over all values. */
function macs(ctx: CostContext): number {
  const past = hasInput(ctx, PAST_K) ? ctx.inDims(PAST_K)[2]! : 0;
  const positions = past + ctx.inDims(K).at(-2)!;
  return positions * Number(addDims(productOfDims(ctx.inDims(Q)), productOfDims(ctx.outDims(0))));
}

/** Attention; opset 24 added the lengths of keys. */
export const attentionOperators: readonly OperatorRecord[] = [
  {
    domain: '',
    opType: 'Attention',
    opsets: [23, NEWEST_OPSET],
    infer,
    equations,
    resize,
    macs,
    overhead: noOverhead,
    layer: noLayer,
  },
];
