/**
 * GroupNormalization. Channels factor into groups x channels within a group: a whole group leaves exactly, a channel
 * within the groups changes their statistics. Opset 18 scales per group, opset 21 per channel.
 */

import { carryAll, freezeAxes } from '../axes.ts';
import { NEWEST_OPSET } from '../opsets.ts';
import { scaleAndShift } from '../overhead.ts';
import type {
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
import { noMacs } from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { expectDims, expectRank, shapeInfo } from './operands.ts';

/** Since this opset scale and bias have one value per channel instead of one per group. */
const PER_CHANNEL_OPSET = 21;

const groupsOf = (view: NodeView): number => view.int('num_groups', 0);

function inferGroupNorm(ctx: InferContext): ValueInfo[] {
  const x = ctx.dims(0);
  if (x) {
    expectRank(ctx, x, 2);
    expectGroups(ctx, x[1]);
    const parameter = [ctx.opset < PER_CHANNEL_OPSET ? groupsOf(ctx) : x[1]];
    expectDims(ctx, 'scale', 1, parameter);
    expectDims(ctx, 'bias', 2, parameter);
  }
  return [shapeInfo(elemTypeOf(ctx, 0), x)];
}

function expectGroups(ctx: InferContext, channels: Dim): void {
  const groups = groupsOf(ctx);
  if (groups < 1) ctx.fail('num_groups of 1 or more', `${groups}`);
  if (typeof channels === 'number' && channels % groups !== 0) {
    ctx.fail(`channels in ${groups} equal groups`, `${channels}`);
  }
}

/** The term of the groups; undefined where there is one group, which has no axis to choose from. */
function equateGroups(ctx: EquationContext, channels: number): Term | undefined {
  const groups = groupsOf(ctx);
  if (groups === 1) return undefined;
  if (groups === channels) return ctx.in(0)[1];
  const term = ctx.leaf(groups, 'group');
  ctx.equal(ctx.in(0)[1], ctx.product([term, ctx.leaf(channels / groups, 'channel')]));
  return term;
}

function equateGroupNorm(ctx: EquationContext): void {
  const x = ctx.in(0);
  const parameters = [...ctx.in(1), ...ctx.in(2)];
  carryAll(ctx, x, ctx.out(0));
  const channels = x[1].size;
  if (typeof channels !== 'number') {
    freezeAxes(ctx, [x[1], ...parameters], 'the channels of its groups are only known at run time');
    return;
  }
  const groups = equateGroups(ctx, channels);
  const shared = ctx.opset < PER_CHANNEL_OPSET ? groups : x[1];
  for (const term of parameters) {
    if (shared) ctx.equal(term, shared);
    else ctx.freeze(term, 'it holds the one value of the only group');
  }
  const first = groupsOf(ctx) === channels ? 2 : 1;
  for (let axis = first; axis < x.length; axis++) ctx.mixes(0, axis, 'mean and variance of each group');
}

/** The groups that are left are those of the channels that are left: removals take the same channels of each group. */
function resizeGroupNorm(ctx: ResizeContext): void {
  const kept = ctx.keptIn(0, 1);
  const channels = ctx.oldIn(0)[1];
  if (!kept || typeof channels !== 'number') return;
  const perGroup = channels / groupsOf(ctx);
  const left = new Set(Array.from(kept, (channel) => Math.floor(channel / perGroup))).size;
  if (left !== groupsOf(ctx)) ctx.setInt('num_groups', left);
}

function groupNormLayer(view: NodeView): LayerSpec | null {
  if (!view.constant(1)) return null;
  const parameters: ParameterSpec[] = [{ input: 1, role: 'weight', out: 0 }];
  if (view.constant(2)) parameters.push({ input: 2, role: 'bias', out: 0 });
  return { kind: 'groupnorm', parameters };
}

export const groupNormalization: OperatorRecord = {
  domain: '',
  opType: 'GroupNormalization',
  opsets: [18, NEWEST_OPSET],
  infer: inferGroupNorm,
  equations: equateGroupNorm,
  resize: resizeGroupNorm,
  macs: noMacs,
  overhead: scaleAndShift,
  layer: groupNormLayer,
};
