/** Gather, GatherElements, GatherND and the Scatter family: elements taken from or put at indexed places. */
import { axisOf, carry, checkedAxis, expectSize, freezeAxes, freezeControl, freezeNode } from '../axes.ts';
import { isKnown, sameDim } from '../dims.ts';
import { equateMerged } from '../factorise.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../opsets.ts';
import {
  type Axes,
  type Dim,
  type EquationContext,
  type InferContext,
  type LayerSpec,
  type NodeView,
  noLayer,
  noMacs,
  noOverhead,
  nothing,
  type OperatorRecord,
  type ResizeContext,
  type Term,
  type ValueInfo,
} from '../record.ts';
import { newPositions, selectChannels } from '../selection.ts';
import { type Elements, elemTypeOf, isFloat, knownDims, knownValue, numbersOf, valueInfo } from '../values.ts';

const DATA = 0;
const INDICES = 1;
const UPDATES = 2;

const RUN_TIME = 'its channels are taken at places only known at run time';

function gatheredValue(ctx: InferContext): Elements | undefined {
  const value = ctx.dims(DATA)?.length === 1 ? knownValue(ctx, DATA) : undefined;
  const indices = numbersOf(ctx, INDICES);
  if (value === undefined || indices === undefined) return undefined;
  return indices.map((index) => value[axisOf(index, value.length)]);
}

function checkIndices(ctx: InferContext, size: Dim): void {
  if (!isKnown(size)) return;
  const outside = numbersOf(ctx, INDICES)?.find((index) => index < -size || index >= size);
  if (outside !== undefined) ctx.fail(`indices from ${-size} to ${size - 1}`, `${outside}`);
}

function inferGather(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, DATA);
  const data = ctx.dims(DATA);
  const indices = ctx.dims(INDICES);
  if (data === undefined || indices === undefined) return [{ elemType }];
  const axis = checkedAxis(ctx, ctx.int('axis', 0), data.length);
  checkIndices(ctx, data[axis]!);
  return [valueInfo(elemType, data.toSpliced(axis, 1, ...indices), gatheredValue(ctx))];
}

/** Constant indices into an axis of known size, counted from the front; undefined when only the run knows them. */
function constantIndices(view: NodeView, size: Dim | undefined): number[] | undefined {
  if (view.constant(INDICES) === undefined || !isKnown(size)) return undefined;
  return numbersOf(view, INDICES)?.map((index) => axisOf(index, size));
}

/** Equates the axes that the indices put in the place of `axis`: the channels they take, in row-major order. */
function equateTaken(ctx: EquationContext, axis: Term, replaced: Axes): void {
  const indices = constantIndices(ctx, axis.size);
  const taken = indices && selectChannels(ctx, axis, indices);
  if (taken === undefined) freezeAxes(ctx, [axis, ...replaced], indices ? 'its channels are scattered' : RUN_TIME);
  // A scalar index drops the axis: the one channel it takes has to stay.
  else if (replaced.length === 0) ctx.freeze(taken, 'this very channel is taken');
  else equateReplaced(ctx, taken, replaced);
}

/** The axes of the indices that are longer than one hold what is taken; the last one, where all are of one element. */
function equateReplaced(ctx: EquationContext, taken: Term, replaced: Axes): void {
  const long = replaced.filter(({ size }) => size !== 1);
  const holding = long.length > 0 ? long : replaced.slice(-1);
  const others = replaced.filter((term) => !holding.includes(term));
  freezeAxes(ctx, others, 'the axis comes from the shape of the indices');
  if (holding.length === 1) ctx.equal(holding[0]!, taken);
  else equateMerged(ctx, [taken], holding);
}

function gatherEquations(ctx: EquationContext): void {
  const data = ctx.in(DATA);
  const indices = ctx.in(INDICES);
  const out = ctx.out(0);
  const axis = axisOf(ctx.int('axis', 0), data.length);
  const count = indices.length;
  data.slice(0, axis).forEach((term, a) => {
    carry(ctx, term, out[a]);
  });
  data.slice(axis + 1).forEach((term, a) => {
    carry(ctx, term, out[axis + count + a]);
  });
  const replaced = out.slice(axis, axis + count);
  if (ctx.constant(INDICES) !== undefined) {
    freezeControl(ctx, INDICES);
    equateTaken(ctx, data[axis]!, replaced);
    return;
  }
  ctx.freeze(data[axis]!, RUN_TIME);
  indices.forEach((term, a) => {
    carry(ctx, term, replaced[a]);
  });
}

/** Indices of the surviving channels, counted among the survivors. */
function resizeGather(ctx: ResizeContext): void {
  const data = ctx.oldIn(DATA);
  const axis = axisOf(ctx.int('axis', 0), data.length);
  const kept = ctx.keptIn(DATA, axis);
  const indices = constantIndices(ctx, data[axis]);
  const replaced = knownDims(ctx.newOut(0).slice(axis, axis + (ctx.inputs[INDICES]?.dims?.length ?? 0)));
  if (kept === undefined || indices === undefined || replaced === undefined) return;
  const positions = newPositions(kept);
  const places = indices.map((index) => positions.get(index)).filter((place) => place !== undefined);
  ctx.replaceConstant(INDICES, places, replaced);
}

/** A table of vectors that is looked up by row: the row is chosen by the input, the vector holds the channels. */
function embeddingLayer(view: NodeView): LayerSpec | null {
  const table = view.constant(DATA);
  const rank = table?.dims.length ?? 0;
  if (table === undefined || rank !== 2 || !isFloat(table.dataType ?? 0)) return null;
  if (axisOf(view.int('axis', 0), rank) !== 0) return null;
  return { kind: 'embedding', parameters: [{ input: DATA, role: 'weight', out: 1 }] };
}

const gather: OperatorRecord = {
  domain: '',
  opType: 'Gather',
  opsets: [OLDEST_OPSET, NEWEST_OPSET],
  infer: inferGather,
  equations: gatherEquations,
  resize: resizeGather,
  macs: noMacs,
  overhead: noOverhead,
  layer: embeddingLayer,
};

/** Axes other than the indexed one line up where the sizes are equal; where they are not, only a part is visited. */
function carryOthers(ctx: EquationContext, axis: number, data: Axes, indices: Axes): void {
  data.forEach((term, a) => {
    if (a === axis) return;
    const other = indices[a];
    if (other !== undefined && sameDim(term.size, other.size)) ctx.equal(term, other);
    else freezeAxes(ctx, [term, other], 'only a part of the axis is visited');
  });
}

const gatherElements: OperatorRecord = {
  domain: '',
  opType: 'GatherElements',
  opsets: [11, NEWEST_OPSET],
  infer: (ctx) => {
    const elemType = elemTypeOf(ctx, DATA);
    const indices = ctx.dims(INDICES);
    expectSize(ctx, 'rank of the indices', ctx.dims(DATA)?.length, indices?.length);
    return [indices ? { elemType, dims: indices } : { elemType }];
  },
  equations: (ctx) => {
    const data = ctx.in(DATA);
    const indices = ctx.in(INDICES);
    const axis = axisOf(ctx.int('axis', 0), data.length);
    indices.forEach((term, a) => {
      carry(ctx, term, ctx.out(0)[a]);
    });
    carryOthers(ctx, axis, data, indices);
    ctx.freeze(data[axis]!, RUN_TIME);
  },
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** Number of leading axes of the data that one index tuple of GatherND or ScatterND addresses. */
function tupleLength(view: NodeView): number | undefined {
  const last = view.inputs[INDICES]?.dims?.at(-1);
  return isKnown(last) ? last : undefined;
}

function inferGatherNd(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, DATA);
  const data = ctx.dims(DATA);
  const indices = ctx.dims(INDICES);
  const tuple = tupleLength(ctx);
  if (data === undefined || indices === undefined || tuple === undefined) return [{ elemType }];
  const addressed = ctx.int('batch_dims', 0) + tuple;
  if (addressed > data.length) ctx.fail(`index tuples that fit rank ${data.length}`, `${tuple} indices`);
  return [{ elemType, dims: [...indices.slice(0, -1), ...data.slice(addressed)] }];
}

function gatherNdEquations(ctx: EquationContext): void {
  const data = ctx.in(DATA);
  const indices = ctx.in(INDICES);
  const out = ctx.out(0);
  const batch = ctx.int('batch_dims', 0);
  const addressed = batch + (tupleLength(ctx) ?? data.length);
  freezeAxes(ctx, [indices.at(-1), ...data.slice(batch, addressed)], RUN_TIME);
  indices.slice(0, -1).forEach((term, a) => {
    carry(ctx, term, out[a]);
    if (a < batch) carry(ctx, term, data[a]);
  });
  data.slice(addressed).forEach((term, a) => {
    carry(ctx, term, out[indices.length - 1 + a]);
  });
}

const gatherNd: OperatorRecord = {
  domain: '',
  opType: 'GatherND',
  opsets: [11, NEWEST_OPSET],
  infer: inferGatherNd,
  equations: gatherNdEquations,
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

/** The result of every Scatter is the data, with some elements replaced. */
function inferScatter(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, DATA);
  const dims = ctx.dims(DATA);
  return [dims ? { elemType, dims } : { elemType }];
}

const scatterNd: OperatorRecord = {
  domain: '',
  opType: 'ScatterND',
  opsets: [11, NEWEST_OPSET],
  infer: inferScatter,
  equations: (ctx) => {
    const tuple = tupleLength(ctx);
    const data = ctx.in(DATA);
    const indices = ctx.in(INDICES);
    const updates = ctx.in(UPDATES);
    if (tuple === undefined) return freezeNode(ctx, RUN_TIME);
    // Leaving an update out would leave the old elements in its place: as many updates as there are must stay.
    freezeAxes(ctx, [...indices, ...updates.slice(0, indices.length - 1), ...data.slice(0, tuple)], RUN_TIME);
    data.forEach((term, a) => {
      carry(ctx, term, ctx.out(0)[a]);
      if (a >= tuple) carry(ctx, term, updates[indices.length - 1 + a - tuple]);
    });
  },
  resize: nothing,
  macs: noMacs,
  overhead: noOverhead,
  layer: noLayer,
};

function scatterElementsEquations(ctx: EquationContext): void {
  const data = ctx.in(DATA);
  const indices = ctx.in(INDICES);
  const axis = axisOf(ctx.int('axis', 0), data.length);
  data.forEach((term, a) => {
    carry(ctx, term, ctx.out(0)[a]);
  });
  indices.forEach((term, a) => {
    carry(ctx, term, ctx.in(UPDATES)[a]);
  });
  carryOthers(ctx, axis, data, indices);
  // Leaving an update out would leave the old elements in its place: as many updates as there are must stay.
  freezeAxes(ctx, [data[axis], indices[axis]], RUN_TIME);
}

function scatterElements(opType: string, opsets: readonly [number, number]): OperatorRecord {
  return {
    domain: '',
    opType,
    opsets,
    infer: inferScatter,
    equations: scatterElementsEquations,
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
}

/** Gather, GatherElements, GatherND, ScatterElements, ScatterND, and Scatter as it was called until opset 10. */
export const gatherOperators: readonly OperatorRecord[] = [
  gather,
  gatherElements,
  gatherNd,
  scatterElements('Scatter', [9, 10]),
  scatterElements('ScatterElements', [11, NEWEST_OPSET]),
  scatterNd,
];
