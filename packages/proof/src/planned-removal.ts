/**
 * What a plan removes from its original model, as terms and kept indices: what the reference, the comparison of files
 * and the choice of compared values are all derived from. It reads the plan's groups only, never the pruned model.
 */
import { type DependencyGraph, type DimTerm, find, KeptIndices, numericSize } from '@onnx-pruning/depgraph';
import { DataType, type Model } from '@onnx-pruning/onnx';
import { graphOfPlan, keptLeaves, type Plan, type PlanOptions } from '@onnx-pruning/pruning';
import { type SessionOptions, withOutputs, withSession } from '@onnx-pruning/runtime';

export interface PlannedRemoval {
  readonly original: Model;
  readonly plan: Plan;
  readonly options: PlanOptions;
  /** A copy of the original in which shared vectors are separated. */
  readonly model: Model;
  /** The dependency graph of `model`. */
  readonly graph: DependencyGraph;
  readonly kept: KeptIndices;
  /** Element types that inference does not know, where they were asked of onnxruntime. */
  readonly types?: ReadonlyMap<string, number>;
}

/** @throws PlanError when the plan was made for another model */
export function plannedRemoval(original: Model, plan: Plan, { customizedOperators }: PlanOptions = {}): PlannedRemoval {
  const options = { customizedOperators };
  const model = original.clone();
  const graph = graphOfPlan(model, plan, options);
  graph.analysis.shapes.vectors.materialise(model);
  const removal = keptLeaves(graph, plan);
  const kept = new KeptIndices({ size: numericSize, kept: (leaf) => removal.get(leaf) });
  return { original, plan, options, model, graph, kept };
}

/** Terms of a value's axes; none where its rank is unknown. */
export function axesOf({ graph }: PlannedRemoval, value: string): readonly DimTerm[] {
  return graph.axesOf(value);
}

/** Whether channels along a term go. */
export function isPruned({ kept }: PlannedRemoval, term: DimTerm | undefined): boolean {
  return term !== undefined && typeof term.size === 'number' && kept.changes(term);
}

/** The axis that tells the groups of a family on axis `axis` apart; -1 where the value has none. */
export function groupAxis(axes: readonly DimTerm[], axis: number): number {
  const family = find(axes[axis]!);
  return family.kind === 'family' ? axes.findIndex((term) => find(term) === find(family.outer)) : -1;
}

/** The element type of a value: declared, inferred or asked; FLOAT where nobody knows. */
export function elemTypeOf({ graph, types }: PlannedRemoval, value: string): number {
  const known = graph.analysis.shapes.values.get(value)?.elemType;
  return known || types?.get(value) || DataType.FLOAT;
}

/**
 * The same with the types of values behind operators that the engine does not know, as onnxruntime has them.
 * @throws SessionError when the original does not load
 */
export async function withTypes(planned: PlannedRemoval, options: SessionOptions): Promise<PlannedRemoval> {
  const { values } = planned.graph.analysis.shapes;
  const made = planned.original.graph.node.flatMap(({ output }) => output);
  const unknown = made.filter((name) => name !== '' && !values.get(name)?.elemType);
  if (unknown.length === 0) return planned;
  const found = await withSession(withOutputs(planned.original, unknown), options, async ({ outputs }) => outputs);
  return { ...planned, types: new Map(found.map(({ name, dataType }) => [name, dataType])) };
}
