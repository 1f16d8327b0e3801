/**
 * Which values of the two models are compared besides the graph outputs: what goes into and comes out of every node that
 * reads a rewritten weight or runs over removed channels, so that a saturated activation at the end hides nothing. Also
 * says what depends on the inputs. Values inside the bodies of If, Loop and Scan are not looked at. It must not run models.
 */
import { type DimTerm, gatherAxes } from '@onnx-pruning/depgraph';
import { bitsPerElement, DataType, type NodeProto, outerReferences, subgraphs } from '@onnx-pruning/onnx';
import { drawsRandomNumbers } from '@onnx-pruning/ops';
import { PlanError } from '@onnx-pruning/pruning';
import { elementCount, isCarried, modelInputs, type TensorValue } from '@onnx-pruning/runtime';
import { rewrittenConstants } from './expected-weights.ts';
import { axesOf, elemTypeOf, groupAxis, isPruned, type PlannedRemoval } from './planned-removal.ts';

/** A rewritten weight and where its numbers meet values that depend on the inputs. */
export interface Reading {
  readonly initializer: string;
  /** One entry for each node that reads it, directly or behind operators on constants only. */
  readonly nodes: readonly { readonly inputs: readonly string[]; readonly outputs: readonly string[] }[];
}

export interface Checkpoints {
  /** Values to compare or to look at, in graph order; graph outputs aside. */
  readonly values: readonly string[];
  readonly readings: readonly Reading[];
  /** Weights that the graph computes from rewritten ones: what nodes that depend on an input read of them. */
  readonly computed: readonly string[];
  /** Values that depend on an input of the graph. */
  readonly dependent: ReadonlySet<string>;
  /** The node that makes each value. */
  readonly producers: ReadonlyMap<string, NodeProto>;
}

const FLOATS: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE]);

/** Values that a node reads, those that its subgraphs capture included. */
export function inputsOf(node: NodeProto): string[] {
  return [...node.input, ...subgraphs(node).flatMap(outerReferences)].filter((name) => name !== '');
}

/** Call this before the reference is built out of `planned.model`. */
export function checkpointsOf(planned: PlannedRemoval): Checkpoints {
  const { graph, model } = planned;
  const nodes = [...model.graph.node];
  const dependent = new Set(modelInputs(model).map(({ name }) => name));
  const constants = graph.analysis.shapes.constants;
  const producers = new Map<string, NodeProto>();
  /** Rewritten weights that a value was computed of, on constants only. */
  const carried = new Map<string, string[]>(rewrittenConstants(planned).map((name) => [name, [name]]));
  const rewritten = [...carried.keys()];
  const readings = new Map<string, { inputs: string[]; outputs: string[] }[]>(rewritten.map((name) => [name, []]));
  const { consumptions, mixings } = graph.analysis.terms;
  const overPruned = new Set(
    [...consumptions, ...mixings]
      .filter((at) => isPruned(planned, axesOf(planned, at.node.input[at.input] ?? '')[at.axis]))
      .map((at) => at.node),
  );
  const values = new Set<string>();
  const computed = new Set<string>();
  const outputs = new Set(model.graph.output.map(({ name }) => name));
  for (const node of nodes) {
    for (const name of node.output) producers.set(name, node);
    const inputs = inputsOf(node);
    const weights = [...new Set(inputs.flatMap((name) => carried.get(name) ?? []))];
    const dynamic = inputs.filter((name) => dependent.has(name));
    if (dynamic.length > 0) for (const name of node.output) dependent.add(name);
    if (weights.length > 0 && dynamic.length === 0) for (const name of node.output) carried.set(name, weights);
    for (const name of dynamic.length > 0 ? inputs : node.output.filter((one) => outputs.has(one))) {
      if (carried.has(name) && !constants.has(name) && isCompared(planned, name)) computed.add(name);
    }
    const isRandom = drawsRandomNumbers(node, constants);
    if (weights.length === 0 && !overPruned.has(node) && !isRandom) continue;
    const around = [...inputs, ...(isRandom ? [] : node.output)].filter((name) => name !== '' && !constants.has(name));
    for (const name of around) values.add(name);
    if (dynamic.length === 0) continue;
    for (const weight of weights)
      readings.get(weight)!.push({ inputs: dynamic, outputs: node.output.filter((name) => name !== '') });
  }
  const fetched = [...values].filter((name) => isFetched(planned, name, producers));
  return {
    values: fetched,
    readings: rewritten.map((initializer) => ({ initializer, nodes: readings.get(initializer)! })),
    computed: [...computed].filter((name) => isFetched(planned, name, producers)),
    dependent,
    producers,
  };
}

/** Feeds are known already; and what onnxruntime-node cannot pass out cannot be looked at. */
function isFetched(planned: PlannedRemoval, name: string, producers: ReadonlyMap<string, NodeProto>): boolean {
  const info = planned.graph.analysis.shapes.values.get(name);
  const type = elemTypeOf(planned, name);
  return producers.has(name) && info?.dims !== undefined && isCarried(type) && type !== DataType.STRING;
}

/**
 * Whether a value is the same in both models once channels are gathered. Numbers of channels and positions change by
 * nature, and only floating-point values that no shape arithmetic folds are compared.
 */
export function isCompared(planned: PlannedRemoval, name: string): boolean {
  const info = planned.graph.analysis.shapes.values.get(name);
  if (!FLOATS.has(elemTypeOf(planned, name)) || info?.dims === undefined || info.value !== undefined) return false;
  return axesOf(planned, name).length === info.dims.length && groupsOf(planned, axesOf(planned, name)) !== undefined;
}

interface Groups {
  /** The axis that tells the groups apart. */
  readonly outer: number;
  readonly count: number;
}

/** The groups that keep different channels of a value: one for values without, undefined where it has several kinds. */
function groupsOf({ kept }: PlannedRemoval, axes: readonly DimTerm[]): Groups | undefined {
  const apart = axes.flatMap((term, axis) => (kept.perGroup(term) ? [axis] : []));
  if (apart.length === 0) return { outer: -1, count: 1 };
  const [outer, ...others] = new Set(apart.map((axis) => groupAxis(axes, axis)));
  if (others.length > 0 || outer! < 0) return undefined;
  return { outer: outer!, count: kept.perGroup(axes[apart[0]!]!)!.length };
}

/**
 * The pieces in which a value is compared: reference gathered to the kept channels beside the candidate. One piece,
 * except where groups keep different channels: then one for each group.
 */
export function comparedPieces(
  planned: PlannedRemoval,
  name: string,
  reference: TensorValue,
  candidate: TensorValue,
): { reference: TensorValue; candidate: TensorValue }[] {
  const axes = axesOf(planned, name);
  const { outer, count } = groupsOf(planned, axes)!;
  const all = axes.map((): Int32Array | undefined => undefined);
  return Array.from({ length: count }, (_, g) => ({
    reference: gathered(reference, keptOfGroup(planned, axes, outer, g)),
    candidate: outer < 0 ? candidate : gathered(candidate, all.with(outer, Int32Array.of(g))),
  }));
}

/**
 * A value of the original, gathered to the channels that stay.
 * @throws PlanError where its channels belong to several kinds of groups
 */
export function keptPart(planned: PlannedRemoval, name: string, value: TensorValue): TensorValue {
  const axes = axesOf(planned, name);
  const groups = groupsOf(planned, axes);
  if (!groups) {
    throw new PlanError('NO_REFERENCE', 'no reference can be built: groups of several kinds keep different channels', {
      value: name,
      repair: 'Build the graph with groupSelection: same.',
    });
  }
  const { outer, count } = groups;
  const pieces = Array.from({ length: count }, (_, g) => gathered(value, keptOfGroup(planned, axes, outer, g)));
  return outer < 0 ? pieces[0]! : stacked(pieces, outer);
}

/** Puts values of size 1 along an axis beside each other there. */
function stacked(pieces: readonly TensorValue[], axis: number): TensorValue {
  const [first] = pieces;
  const dims = first!.dims.with(axis, pieces.length);
  const block = elementCount(dims.slice(axis + 1));
  const Data = first!.data.constructor as Float32ArrayConstructor;
  const data = new Data(elementCount(dims));
  pieces.forEach((piece, g) => {
    const part = piece.data as Float32Array;
    for (let row = 0; row * block < part.length; row++) {
      data.set(part.subarray(row * block, (row + 1) * block), (row * pieces.length + g) * block);
    }
  });
  return { dataType: first!.dataType, dims, data };
}

/** What stays of one group along every axis; of the whole value where it has no groups. */
function keptOfGroup(
  { kept }: PlannedRemoval,
  axes: readonly DimTerm[],
  outer: number,
  g: number,
): (Int32Array | undefined)[] {
  return axes.map((term, axis) => {
    if (axis === outer) return Int32Array.of(g);
    return typeof term.size === 'number' ? (kept.perGroup(term)?.[g] ?? kept.of(term)) : undefined;
  });
}

function gathered(value: TensorValue, lists: readonly (Int32Array | undefined)[]): TensorValue {
  if (lists.every((list) => list === undefined) || lists.length !== value.dims.length) return value;
  const data = value.data as Float32Array;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const raw = gatherAxes({ bytes, dims: value.dims, bits: bitsPerElement(value.dataType) }, lists);
  const owned = raw.bytes.byteOffset % 8 === 0 ? raw.bytes : raw.bytes.slice();
  const Data = data.constructor as Float32ArrayConstructor;
  return {
    dataType: value.dataType,
    dims: raw.dims,
    data: new Data(owned.buffer, owned.byteOffset, owned.byteLength / Data.BYTES_PER_ELEMENT),
  };
}
