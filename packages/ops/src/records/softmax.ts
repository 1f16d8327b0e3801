/**
 * Softmax, LogSoftmax and Hardmax. Their meaning changed at opset 13: before, the input was read as a matrix whose rows
 * are all axes from `axis` on, so the statistic is taken over all of these; since then, over one axis.
 */

import { axisOf, carryAll, checkedAxis } from '../axes.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import type { EquationContext, InferContext, NodeView, OperatorRecord, ValueInfo } from '../record.ts';
import { noLayer, noMacs, noOverhead, nothing } from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { shapeInfo } from './operands.ts';

const ONE_AXIS_OPSET = 13;

function statedAxis(view: NodeView): number {
  return view.int('axis', view.opset < ONE_AXIS_OPSET ? 1 : -1);
}

function infer(ctx: InferContext): ValueInfo[] {
  const x = ctx.dims(0);
  if (x) checkedAxis(ctx, statedAxis(ctx), x.length);
  return [shapeInfo(elemTypeOf(ctx, 0), x)];
}

function equations(ctx: EquationContext, statistic: string): void {
  const x = ctx.in(0);
  carryAll(ctx, x, ctx.out(0));
  const first = axisOf(statedAxis(ctx), x.length);
  const last = ctx.opset < ONE_AXIS_OPSET ? x.length - 1 : first;
  for (let axis = first; axis <= last; axis++) ctx.distributes(0, axis, statistic);
}

function softmaxRecord(opType: string, statistic: string): OperatorRecord {
  return {
    domain: '',
    opType,
    opsets: [OLDEST_OPSET, NEWEST_OPSET],
    infer,
    equations: (ctx) => equations(ctx, statistic),
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

export const softmaxOperators: readonly OperatorRecord[] = [
  softmaxRecord('Softmax', 'softmax'),
  softmaxRecord('LogSoftmax', 'log-softmax'),
  softmaxRecord('Hardmax', 'position of the maximum'),
];
