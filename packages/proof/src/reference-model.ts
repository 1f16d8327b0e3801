/**
 * The oracle's side of the equivalence check: the original model in which removed channels contribute nothing. Every
 * consumer of pruned channels sees zeros in their place; a node that computes a statistic over them is evaluated on
 * the kept channels only. Everything else is the original, node for node.
 */
import {
  type DependencyGraph,
  type DimTerm,
  type KeptIndices as Kept,
  numericSize,
  termOf,
} from '@onnx-pruning/depgraph';
import {
  cloneProto,
  constantTensors,
  DataType,
  type Model,
  makeTensor,
  type NodeProto,
  type TensorProto,
} from '@onnx-pruning/onnx';
import { applyPlan, type Plan, PlanError, type PlanOptions } from '@onnx-pruning/pruning';
import { channelMask } from './channel-mask.ts';
import { GraphEdits, type Place } from './graph-edits.ts';
import { axesOf, elemTypeOf, groupAxis, isPruned, type PlannedRemoval, plannedRemoval } from './planned-removal.ts';

/**
 * Builds the reference for a plan from its original model, which is not changed.
 * @throws PlanError when the plan was made for another model
 */
export function referenceModel(original: Model, plan: Plan, options: PlanOptions = {}): Model {
  return referenceOf(plannedRemoval(original, plan, options));
}

/** As `referenceModel`; the copy of the original inside `planned` becomes the reference. */
export function referenceOf(planned: PlannedRemoval): Model {
  return new ReferenceBuilder(planned).build();
}

class ReferenceBuilder {
  readonly planned: PlannedRemoval;
  readonly model: Model;
  readonly graph: DependencyGraph;
  readonly kept: Kept;
  readonly edits: GraphEdits;

  constructor(planned: PlannedRemoval) {
    this.planned = planned;
    this.model = planned.model;
    this.graph = planned.graph;
    this.kept = planned.kept;
    this.edits = new GraphEdits(planned.model);
  }

  build(): Model {
    const { mixings, consumptions } = this.graph.analysis.terms;
    const mixed = new Set(
      mixings.filter((at) => isPruned(this.planned, termOf(this.graph.analysis, at))).map((at) => at.node),
    );
    for (const at of consumptions) {
      if (!mixed.has(at.node) && isPruned(this.planned, termOf(this.graph.analysis, at)))
        this.#maskInput(at.node, at.input, at.axis);
    }
    if (mixed.size > 0) this.#replaceMixed(mixed);
    this.edits.commit();
    return this.model;
  }

  /** Multiplies one input of a node by ones and zeros along an axis. */
  #maskInput(node: NodeProto, input: number, axis: number): void {
    const edited = this.edits.edit(node);
    edited.input[input] = this.#masked(edited.input[input], node.input[input], axis, { before: node });
  }

  #masked(from: string, like: string, axis: number, place: Place, output?: string): string {
    const axes = axesOf(this.planned, like);
    const { dims, ones } = channelMask(axes, axis, this.kept);
    const mask = this.edits.addConstant(makeTensor('mask', elemTypeOf(this.planned, like), [...dims], ones));
    return this.edits.addNode(place, 'Mul', [from, mask], {}, output);
  }

  /** Lets nodes with statistics over pruned channels see the kept channels only, as they do in the pruned model. */
  #replaceMixed(mixed: ReadonlySet<NodeProto>): void {
    const { original, plan, options } = this.planned;
    const pruned = original.clone();
    applyPlan(pruned, plan, options);
    const counterparts = new Map(pruned.graph.node.map((node) => [node.output[0], node]));
    const constants = constantTensors(pruned.graph);
    for (const node of mixed) this.#replaceNode(node, counterparts.get(node.output[0])!, constants);
  }

  #replaceNode(node: NodeProto, counterpart: NodeProto, constants: ReadonlyMap<string, TensorProto>): void {
    const edited = this.edits.edit(node);
    edited.attribute = cloneProto(counterpart.attribute);
    edited.input = counterpart.input.map((name) => this.#keptInput(node, name, constants));
    edited.output = node.output.map((name) => this.#expandedOutput(node, name));
  }

  #keptInput(node: NodeProto, name: string, constants: ReadonlyMap<string, TensorProto>): string {
    if (name === '') return name;
    const constant = constants.get(name);
    if (constant) return this.edits.addConstant(cloneProto(constant));
    if (!this.graph.analysis.shapes.values.has(name)) {
      throw new PlanError('NO_REFERENCE', 'no reference can be built: a statistic depends on a recomputed size', {
        node: node.name,
        operator: node.opType,
        value: name,
        repair: 'Ignore the layers of this group, or verify the model with data of your own.',
      });
    }
    return this.#gathered(name, { before: node });
  }

  #gathered(name: string, place: Place): string {
    const axes = axesOf(this.planned, name);
    let current = name;
    axes.forEach((term, axis) => {
      if (isPruned(this.planned, term)) current = this.#select(current, this.#lists(term), axes, axis, place);
    });
    return current;
  }

  /** What stays along a term: one list, or one for each group where groups keep different channels. */
  #lists(term: DimTerm): readonly Int32Array[] {
    return this.kept.perGroup(term) ?? [this.kept.of(term)!];
  }

  /** Selects along an axis: the same everywhere, or group by group with a list for each. */
  #select(
    from: string,
    lists: readonly (readonly number[] | Int32Array)[],
    axes: readonly DimTerm[],
    axis: number,
    place: Place,
  ): string {
    if (lists.length === 1) return this.#gather(from, lists[0]!, axis, place);
    const groups = groupAxis(axes, axis);
    const pieces = lists.map((list, g) => this.#gather(this.#gather(from, [g], groups, place), list, axis, place));
    return this.edits.addNode(place, 'Concat', pieces, { axis: groups });
  }

  #gather(from: string, indices: readonly number[] | Int32Array, axis: number, place: Place): string {
    const constant = this.edits.addConstant(makeTensor('kept', DataType.INT64, [indices.length], [...indices]));
    return this.edits.addNode(place, 'Gather', [from, constant], { axis });
  }

  /** Spreads an output over the original positions, zeros where channels were removed. Returns the name to compute it under. */
  #expandedOutput(node: NodeProto, name: string): string {
    const axes = axesOf(this.planned, name);
    const pruned = axes.flatMap((term, axis) => (isPruned(this.planned, term) ? [axis] : []));
    if (name === '' || pruned.length === 0) return name;
    const computed = this.edits.freshName(name);
    let current = computed;
    for (const axis of pruned) {
      const positions = this.#lists(axes[axis]).map((list) => positionsIn(list, numericSize(axes[axis])));
      const spread = this.#select(current, positions, axes, axis, { after: node });
      current = this.#masked(spread, name, axis, { after: node }, axis === pruned.at(-1) ? name : undefined);
    }
    return computed;
  }
}

/** Where each of `size` channels stands among the kept ones; 0 for those that are not. */
function positionsIn(kept: Int32Array, size: number): number[] {
  const positions = new Array<number>(size).fill(0);
  kept.forEach((index, position) => {
    positions[index] = position;
  });
  return positions;
}
