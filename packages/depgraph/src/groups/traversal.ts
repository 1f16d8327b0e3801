/**
 * The order in which pruning a root reaches the other layers: a depth-first walk over values that carry the group's
 * channels. It is the order in which Torch-Pruning lists the members of a group, which two of its reductions depend on.
 */
import type { NodeProto } from '@onnx-pruning/onnx';
import type { Analysis } from '../analysis/analysis.ts';
import type { LayerAxis, PrunableLayer, Side } from '../layers/layers.ts';
import { type DimTerm, find, forEachLeaf, type Leaf } from '../terms/term.ts';

/** A node that a walk may come by. */
interface Stop {
  readonly node: NodeProto;
  readonly layer: PrunableLayer | undefined;
  /** Whether input and output channels are different dimensions. */
  readonly separateSides: boolean;
  readonly outputs: Value[];
}

/** A value that a node computes. */
interface Value {
  readonly producer: Stop;
  readonly consumers: Consumer[];
}

/** A node that uses a value, and the first of its inputs that is the value. */
interface Consumer {
  readonly stop: Stop;
  readonly input: number;
  readonly value: Value;
}

/** Which values carry each leaf, and which nodes produce and consume each value. Terms do not change once solved. */
export class Carriers {
  readonly uses: Analysis['uses'];
  readonly stops = new Map<NodeProto, Stop>();
  /** Terms that hold a leaf, and values with such a term: far fewer than pairs of leaves and values. */
  readonly #termsOf = new Map<Leaf, DimTerm[]>();
  readonly #valuesOf = new Map<DimTerm, Value[]>();

  constructor(analysis: Analysis) {
    this.uses = analysis.uses;
    const values = new Map<string, Value>();
    for (const node of analysis.model.graph.node) {
      const layer = analysis.layerOf.get(node);
      const separateSides = layer?.axes.some((axis) => axis.side === 'in') ?? false;
      const stop: Stop = { node, layer, separateSides, outputs: [] };
      this.stops.set(node, stop);
      node.input.forEach((name, input) => {
        const value = values.get(name);
        if (value && value.consumers.at(-1)?.stop !== stop) value.consumers.push({ stop, input, value });
      });
      for (const name of node.output) this.#addValue(stop, analysis.terms.axes.get(name), name, values);
    }
  }

  #addValue(producer: Stop, axes: readonly DimTerm[] | undefined, name: string, values: Map<string, Value>): void {
    const value: Value = { producer, consumers: [] };
    producer.outputs.push(value);
    values.set(name, value);
    for (const term of axes ?? []) this.#carry(find(term), value);
  }

  #carry(term: DimTerm, value: Value): void {
    if (term.kind === 'fixed') return;
    const values = entry(this.#valuesOf, term);
    if (values.length === 0) {
      forEachLeaf(term, (leaf) => {
        const terms = entry(this.#termsOf, leaf);
        if (terms.at(-1) !== term) terms.push(term);
      });
    }
    values.push(value);
  }

  /** Values that carry one of the leaves. */
  valuesOf(leaves: ReadonlySet<Leaf>): Set<Value> {
    const values = new Set<Value>();
    for (const leaf of leaves) {
      for (const term of this.#termsOf.get(leaf) ?? []) {
        for (const value of this.#valuesOf.get(term)!) values.add(value);
      }
    }
    return values;
  }
}

function entry<K, V>(lists: Map<K, V[]>, key: K): V[] {
  let list = lists.get(key);
  if (!list) {
    list = [];
    lists.set(key, list);
  }
  return list;
}

/** Members in the order in which they are reached, and the layer through which each is. */
export interface Traversal {
  readonly sources: ReadonlyMap<LayerAxis, PrunableLayer>;
  /** Operator types of the nodes on the way: groups with equal ones have the same structure. */
  readonly operators: readonly string[];
}

interface Visit {
  readonly stop: Stop;
  /** Undefined for nodes whose inputs and outputs have the same channels. */
  readonly side: Side | undefined;
  readonly from: PrunableLayer;
}

/** Walks from the root over everything that carries one of the leaves. */
export function traverse(carriers: Carriers, root: LayerAxis, leaves: ReadonlySet<Leaf>): Traversal {
  return new Walk(carriers, root, leaves);
}

function bitOf(side: Side | undefined): number {
  if (side === undefined) return 1;
  return side === 'out' ? 2 : 4;
}

class Walk implements Traversal {
  readonly sources = new Map<LayerAxis, PrunableLayer>();
  readonly #members = new Set<LayerAxis>();
  readonly #carried: ReadonlySet<Value>;
  /** Inputs of each node that are carried. A node may have many more. */
  readonly #inputs = new Map<Stop, Consumer[]>();
  /** Sides from which each node was reached, as a sum of `bitOf`. */
  readonly #reached = new Map<Stop, number>();
  readonly #order: Visit[] = [];
  readonly #stack: Visit[] = [];

  constructor(carriers: Carriers, root: LayerAxis, leaves: ReadonlySet<Leaf>) {
    for (const leaf of leaves) for (const axis of carriers.uses.get(leaf) ?? []) this.#members.add(axis);
    this.#carried = carriers.valuesOf(leaves);
    for (const { consumers } of this.#carried) for (const use of consumers) entry(this.#inputs, use.stop).push(use);
    this.sources.set(root, root.layer);
    const start = carriers.stops.get(root.layer.node)!;
    this.#reach(start, root.side, root.layer);
    for (let visit = this.#stack.pop(); visit; visit = this.#stack.pop()) this.#expand(visit);
  }

  get operators(): string[] {
    return this.#order.map(({ stop, side }) => `${stop.node.opType}${side ?? ''}`);
  }

  #expand({ stop, side, from }: Visit): void {
    const through = stop.layer ?? from;
    if (side !== 'out') {
      const inputs = this.#inputs.get(stop) ?? [];
      if (inputs.length > 1) inputs.sort((a, b) => a.input - b.input);
      for (const { value } of inputs) this.#reach(value.producer, 'out', through);
    }
    if (side !== 'in') {
      for (const value of stop.outputs) {
        if (this.#carried.has(value)) for (const { stop: next } of value.consumers) this.#reach(next, 'in', through);
      }
    }
  }

  #reach(stop: Stop, by: Side, from: PrunableLayer): void {
    const side = stop.separateSides ? by : undefined;
    const reached = this.#reached.get(stop) ?? 0;
    if (reached & bitOf(side)) return;
    this.#reached.set(stop, reached | bitOf(side));
    for (const axis of stop.layer?.axes ?? []) {
      if ((side === undefined || axis.side === side) && !this.sources.has(axis) && this.#members.has(axis)) {
        this.sources.set(axis, from);
      }
    }
    const visit = { stop, side, from };
    this.#order.push(visit);
    this.#stack.push(visit);
  }
}
