/**
 * Small operators that onnxruntime's optimizer fuses from standard ones (domain com.microsoft): normalisation of a sum,
 * and Gelu with a bias. Fused attention is stated in multi-head-attention.ts, fused products in linear.ts.
 */
import { carryAll, expectSize } from '../axes.ts';
import { equateBroadcast } from '../broadcast.ts';
import type {
  EquationContext,
  InferContext,
  LayerSpec,
  NodeView,
  OperatorRecord,
  ParameterSpec,
  ValueInfo,
} from '../record.ts';
import { noLayer, noMacs, noOverhead, nothing } from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { shapeInfo, stretchOnto, wantsOutput } from './operands.ts';

const MICROSOFT = 'com.microsoft';

/** Output of SkipLayerNormalization that holds the sum before it is normalised; those between are not computed. */
const SUM = 3;

function inferSkip(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const x = ctx.dims(0);
  expectSize(ctx, 'size of gamma', x?.at(-1), ctx.dims(2)?.[0]);
  const same = shapeInfo(elemType, x);
  return ctx.node.output.map((_, i) => (i === 0 || i === SUM ? same : { elemType }));
}

function equateSkip(ctx: EquationContext, statistic: string): void {
  const x = ctx.in(0);
  carryAll(ctx, x, ctx.out(0));
  if (wantsOutput(ctx, SUM)) carryAll(ctx, x, ctx.out(SUM));
  for (const i of ctx.inputs.keys()) if (i > 0) stretchOnto(ctx, ctx.in(i), x);
  ctx.mixes(0, x.length - 1, statistic);
}

/** The constants among these inputs, whose channels are on axis 0. */
function vectors(kind: LayerSpec['kind'], view: NodeView, parameters: readonly ParameterSpec[]): LayerSpec | null {
  const own = parameters.filter(({ input }) => view.constant(input));
  return own.length > 0 ? { kind, parameters: own } : null;
}

function skipNormalization(opType: string, statistic: string, parameters: readonly ParameterSpec[]): OperatorRecord {
  return {
    domain: MICROSOFT,
    opType,
    opsets: [1, 1],
    infer: inferSkip,
    equations: (ctx) => equateSkip(ctx, statistic),
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: (view) => vectors('layernorm', view, parameters),
  };
}

const weight = (input: number): ParameterSpec => ({ input, role: 'weight', out: 0 });
const bias = (input: number): ParameterSpec => ({ input, role: 'bias', out: 0 });

/** An activation of its input, to which a bias per channel may be added before. */
function activation(opType: string, layer: OperatorRecord['layer']): OperatorRecord {
  return {
    domain: MICROSOFT,
    opType,
    opsets: [1, 1],
    infer: (ctx) => [shapeInfo(elemTypeOf(ctx, 0), ctx.dims(0))],
    equations: (ctx) => equateBroadcast(ctx),
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer,
  };
}

const biasLayer = (view: NodeView): LayerSpec | null => vectors('parameter', view, [bias(1)]);

export const fusedOperators: readonly OperatorRecord[] = [
  skipNormalization('SkipLayerNormalization', 'mean and variance', [weight(2), bias(3), bias(4)]),
  skipNormalization('SkipSimplifiedLayerNormalization', 'root mean square', [weight(2), bias(3)]),
  activation('BiasGelu', biasLayer),
  activation('FastGelu', biasLayer),
  activation('Gelu', noLayer),
  activation('QuickGelu', noLayer),
];
