/** PRelu: elementwise, with a slope that is stretched over the input (never the other way round). */
import { equateBroadcast } from '../broadcast.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import { perOutputElement } from '../overhead.ts';
import type { InferContext, LayerSpec, NodeView, OperatorRecord, ValueInfo } from '../record.ts';
import { noMacs, nothing } from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { expectStretches, shapeInfo } from './operands.ts';

function infer(ctx: InferContext): ValueInfo[] {
  const x = ctx.dims(0);
  if (x) expectStretches(ctx, 'slope', 1, x);
  return [shapeInfo(elemTypeOf(ctx, 0), x)];
}

/** The slope's channel axis: beside axis 1 of the input if it is not stretched there, else its last that is not. */
function channelAxis(view: NodeView): number | undefined {
  const x = view.inputs[0]?.dims;
  const slope = view.inputs[1]?.dims;
  if (!x || !slope) return undefined;
  const besideChannels = 1 - (x.length - slope.length);
  if (besideChannels >= 0 && slope[besideChannels] !== 1) return besideChannels;
  const last = slope.findLastIndex((size) => size !== 1);
  return last < 0 ? undefined : last;
}

function layer(view: NodeView): LayerSpec | null {
  if (!view.constant(1)) return null;
  return { kind: 'prelu', parameters: [{ input: 1, role: 'weight', out: channelAxis(view) }] };
}

export const preluOperators: readonly OperatorRecord[] = [
  {
    domain: '',
    opType: 'PRelu',
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer,
    equations: (ctx) => equateBroadcast(ctx),
    resize: nothing,
    macs: noMacs,
    overhead: perOutputElement,
    layer,
  },
];
