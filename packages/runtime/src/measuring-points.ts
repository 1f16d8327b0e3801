/**
 * Where the channels of a group are seen at work: the values from which they are consumed, that is after normalization
 * and activation. Runs nothing.
 */
import { type Group, type GroupOwner, type Leaf, leavesOf } from '@onnx-pruning/depgraph';
import { least, type NodeProto } from '@onnx-pruning/onnx';

/** One axis of one value. */
export interface MeasuringPoint {
  readonly value: string;
  readonly axis: number;
  /** Nodes that consume the value along this axis; for an output that nothing consumes, the node that computes it. */
  readonly nodes: readonly NodeProto[];
}

/** The name of a point. */
export function pointKey({ value, axis }: Pick<MeasuringPoint, 'value' | 'axis'>): string {
  return `${axis} ${value}`;
}

/** Points of every free dimension of a graph. Terms do not change once solved, so they hold for pruned graphs too. */
export class MeasuringPoints {
  readonly #byLeaf: ReadonlyMap<Leaf, readonly MeasuringPoint[]>;

  /** Values that are summed over along a free axis; the outputs of layers whose channels nothing sums over. */
  constructor(graph: GroupOwner) {
    const { terms, shapes } = graph.analysis;
    const consumed = new PointTable(graph);
    for (const { node, value, axis } of terms.consumptions) {
      if (!shapes.constants.has(value)) consumed.add(value, axis, node);
    }
    const produced = new PointTable(graph);
    for (const { axes, node } of graph.layers) {
      const leaves = new Set(axes.filter(({ side }) => side === 'out').flatMap(({ term }) => leavesOf(term)));
      const unseen = [...leaves].filter((leaf) => !consumed.byLeaf.has(leaf));
      for (const value of unseen.length > 0 ? node.output : []) produced.addHolders(value, node, new Set(unseen));
    }
    this.#byLeaf = new Map([...produced.byLeaf, ...consumed.byLeaf]);
  }

  /** All points, each once. */
  all(): MeasuringPoint[] {
    return [...new Set([...this.#byLeaf.values()].flat())];
  }

  /** The points of every free dimension that has any. */
  byLeaf(): ReadonlyMap<Leaf, readonly MeasuringPoint[]> {
    return this.#byLeaf;
  }

  /** Points of a group, in the order in which pruning its root reaches their nodes. */
  of(group: Group): MeasuringPoint[] {
    const order = new Map(group.items.map((item, i) => [item.axis.layer.node, i]));
    const position = ({ nodes }: MeasuringPoint): number => least(nodes.map((node) => order.get(node) ?? order.size));
    const points = new Set([...group.cells.keys()].flatMap((leaf) => this.#byLeaf.get(leaf) ?? []));
    return [...points].sort((a, b) => position(a) - position(b));
  }
}

class PointTable {
  readonly byLeaf = new Map<Leaf, MeasuringPoint[]>();
  readonly #graph: GroupOwner;
  readonly #known = new Map<string, { nodes: NodeProto[] }>();

  constructor(graph: GroupOwner) {
    this.#graph = graph;
  }

  add(value: string, axis: number, node: NodeProto): void {
    const term = this.#graph.termOf(value, axis);
    const leaves = term ? leavesOf(term) : [];
    const key = pointKey({ value, axis });
    const known = this.#known.get(key);
    if (known) {
      known.nodes.push(node);
      return;
    }
    const point = { value, axis, nodes: [node] };
    this.#known.set(key, point);
    for (const leaf of leaves) {
      const points = this.byLeaf.get(leaf);
      if (points) points.push(point);
      else this.byLeaf.set(leaf, [point]);
    }
  }

  /** Adds the axes of a value that hold one of the leaves. */
  addHolders(value: string, node: NodeProto, leaves: ReadonlySet<Leaf>): void {
    this.#graph.axesOf(value).forEach((term, axis) => {
      if (leavesOf(term).some((leaf) => leaves.has(leaf))) this.add(value, axis, node);
    });
  }
}
