/**
 * The order in which pruning a root reaches the other layers: a depth-first walk over values that carry the group's
 * channels. It is the order in which Torch-Pruning lists the members of a group, which two of its reductions depend on.
 */
import type { NodeProto } from '@onnx-pruning/onnx';
import type { Analysis } from './analysis.ts';
import type { LayerAxis, PrunableLayer, Side } from './layers.ts';
import { type DimTerm, forEachLeaf } from './term.ts';

/** Which values carry each leaf, and which nodes produce and consume each value. Terms do not change once solved. */
export class Carriers {
  readonly valuesOf = new Map<DimTerm, Set<string>>();
  readonly producers = new Map<string, NodeProto>();
  readonly consumers = new Map<string, NodeProto[]>();
  readonly layers: ReadonlyMap<NodeProto, PrunableLayer>;

  constructor(analysis: Analysis) {
    this.layers = new Map(analysis.layers.map((layer) => [layer.node, layer]));
    for (const node of analysis.model.graph.node) {
      for (const name of node.output) this.producers.set(name, node);
      for (const name of new Set(node.input)) {
        const list = this.consumers.get(name);
        if (list) list.push(node);
        else this.consumers.set(name, [node]);
      }
    }
    for (const [name, axes] of analysis.terms.axes) {
      for (const term of axes) forEachLeaf(term, (leaf) => this.#carry(leaf, name));
    }
  }

  #carry(leaf: DimTerm, name: string): void {
    const values = this.valuesOf.get(leaf);
    if (values) values.add(name);
    else this.valuesOf.set(leaf, new Set([name]));
  }
}

/** Members in the order in which they are reached, and the layer through which each is. */
export interface Traversal {
  readonly sources: ReadonlyMap<LayerAxis, PrunableLayer>;
  /** Operator types of the nodes on the way: groups with equal ones have the same structure. */
  readonly operators: readonly string[];
}

interface Visit {
  readonly node: NodeProto;
  /** Undefined for nodes whose inputs and outputs have the same channels. */
  readonly side: Side | undefined;
  readonly from: PrunableLayer;
}

/** Walks from the root over everything that carries one of the leaves. */
export function traverse(carriers: Carriers, root: LayerAxis, leaves: ReadonlySet<DimTerm>): Traversal {
  return new Walk(carriers, root, leaves).run();
}

class Walk {
  readonly #carriers: Carriers;
  readonly #root: LayerAxis;
  readonly #leaves: ReadonlySet<DimTerm>;
  readonly #carried = new Set<string>();
  readonly #sources = new Map<LayerAxis, PrunableLayer>();
  readonly #operators: string[] = [];
  readonly #reached = new Map<NodeProto, Set<Side | undefined>>();
  readonly #stack: Visit[] = [];

  constructor(carriers: Carriers, root: LayerAxis, leaves: ReadonlySet<DimTerm>) {
    this.#carriers = carriers;
    this.#root = root;
    this.#leaves = leaves;
    for (const leaf of leaves) for (const name of carriers.valuesOf.get(leaf) ?? []) this.#carried.add(name);
  }

  run(): Traversal {
    const { layer, side } = this.#root;
    this.#sources.set(this.#root, layer);
    this.#reach(layer.node, separateSides(layer) ? side : undefined, layer);
    for (let visit = this.#stack.pop(); visit; visit = this.#stack.pop()) this.#expand(visit);
    return { sources: this.#sources, operators: this.#operators };
  }

  #expand({ node, side, from }: Visit): void {
    const through = this.#carriers.layers.get(node) ?? from;
    if (side !== 'out') {
      for (const name of node.input) {
        const producer = this.#carried.has(name) ? this.#carriers.producers.get(name) : undefined;
        if (producer) this.#enter(producer, 'out', through);
      }
    }
    if (side !== 'in') {
      for (const name of node.output) {
        if (!this.#carried.has(name)) continue;
        for (const consumer of this.#carriers.consumers.get(name) ?? []) this.#enter(consumer, 'in', through);
      }
    }
  }

  #enter(node: NodeProto, by: Side, from: PrunableLayer): void {
    const layer = this.#carriers.layers.get(node);
    this.#reach(node, layer && separateSides(layer) ? by : undefined, from);
  }

  #reach(node: NodeProto, side: Side | undefined, from: PrunableLayer): void {
    let sides = this.#reached.get(node);
    if (!sides) {
      sides = new Set();
      this.#reached.set(node, sides);
    }
    if (sides.has(side)) return;
    sides.add(side);
    this.#operators.push(`${node.opType}${side ?? ''}`);
    for (const axis of this.#carriers.layers.get(node)?.axes ?? []) {
      if ((side === undefined || axis.side === side) && !this.#sources.has(axis) && this.#holds(axis.term)) {
        this.#sources.set(axis, from);
      }
    }
    this.#stack.push({ node, side, from });
  }

  #holds(term: DimTerm): boolean {
    let found = false;
    forEachLeaf(term, (leaf) => {
      found ||= this.#leaves.has(leaf);
    });
    return found;
  }
}

/** Whether input and output channels of a layer are different dimensions. */
function separateSides(layer: PrunableLayer): boolean {
  return layer.axes.some((axis) => axis.side === 'in');
}
