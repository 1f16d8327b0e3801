/**
 * Which values of the two models are compared besides the graph outputs: what goes into and comes out of every node that
 * reads a rewritten weight or runs over removed channels, so that a saturated activation at the end hides nothing. Also
 * says what depends on the inputs. Values inside the bodies of If, Loop and Scan are not looked at. It must not run models.
 */
import { gatherAxes } from '@onnx-pruning/depgraph';
import { bitsPerElement, DataType, type NodeProto, outerReferences, subgraphs } from '@onnx-pruning/onnx';
import { drawsRandomNumbers } from '@onnx-pruning/ops';
import { isCarried, modelInputs, type TensorValue } from '@onnx-pruning/runtime';
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
  return (
    producers.has(name) && info?.dims !== undefined && isCarried(info.elemType) && info.elemType !== DataType.STRING
  );
}

/**
 * Whether a value is the same in both models once channels are gathered. Numbers of channels and positions change by
 * nature, and only floating-point values that no shape arithmetic folds are compared.
 */
export function isCompared(planned: PlannedRemoval, name: string): boolean {
  const info = planned.graph.analysis.shapes.values.get(name);
  if (!FLOATS.has(elemTypeOf(planned, name)) || info?.dims === undefined || info.value !== undefined) return false;
  const axes = axesOf(planned, name);
  const apart = axes.filter((term) => planned.kept.perGroup(term)).length;
  return axes.length === info.dims.length && (apart === 0 || (apart === 1 && groupedAxis(planned, name) !== undefined));
}

interface GroupedAxis {
  readonly axis: number;
  readonly outer: number;
  readonly perGroup: readonly Int32Array[];
}

function groupedAxis(planned: PlannedRemoval, name: string): GroupedAxis | undefined {
  const axes = axesOf(planned, name);
  const axis = axes.findIndex((term) => planned.kept.perGroup(term));
  if (axis < 0) return undefined;
  const outer = groupAxis(axes, axis);
  const perGroup = planned.kept.perGroup(axes[axis]!)!;
  return outer < 0 ? undefined : { axis, outer, perGroup };
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
  const lists = axes.map((term) =>
    typeof term.size !== 'number' || planned.kept.perGroup(term) ? undefined : planned.kept.of(term),
  );
  const grouped = groupedAxis(planned, name);
  if (!grouped) return [{ reference: gathered(reference, lists), candidate }];
  const { axis, outer, perGroup } = grouped;
  return perGroup.map((list, g) => ({
    reference: gathered(reference, lists.with(outer, Int32Array.of(g)).with(axis, list)),
    candidate: gathered(
      candidate,
      lists.map((_, a) => (a === outer ? Int32Array.of(g) : undefined)),
    ),
  }));
}

/** A value of the original, gathered to the channels that stay. Groups must keep the same ones. */
export function keptPart(planned: PlannedRemoval, name: string, value: TensorValue): TensorValue {
  const lists = axesOf(planned, name).map((term) => (isPruned(planned, term) ? planned.kept.of(term) : undefined));
  return gathered(value, lists);
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
