/**
 * A plan: what was removed from which model, as plain JSON. It can be saved, compared, replayed on the same model and
 * used to prove a pruned model right. Derived from a pruned dependency graph; holds no weights.
 */
import {
  type Analysis,
  BUILD_OPTIONS,
  type BuildOptions,
  DependencyGraph,
  type DimTerm,
  forEachCell,
  GRAPH,
  isRootLayer,
  KeptIndices,
  type LayerAxis,
  type Leaf,
  type LeafRemoval,
  leavesOf,
  mixingsOf,
  nodeLabel,
  numericSize,
  originalSize,
  partOf,
  pickBuildOptions,
  removeChannels,
} from '@onnx-pruning/depgraph';
import {
  checkArguments,
  checkOptions,
  fingerprint,
  type Kind,
  kinds,
  type Model,
  OnnxPruningError,
  type OptionKinds,
} from '@onnx-pruning/onnx';

/** What happened to one initializer. */
export interface InitializerChange {
  /** Dimensions before pruning. */
  readonly shape: readonly number[];
  /** Dimensions after it. */
  readonly newShape: readonly number[];
  /** Kept indices of every changed axis, ascending, by axis number. */
  readonly kept: Readonly<Record<string, readonly number[]>>;
  /** Of axes along which every group keeps channels of its own: the kept indices group by group, by axis number. */
  readonly keptPerGroup?: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** What was done to an initializer after pruning. */
export interface WeightChange {
  /** `ridge`, `channels`, `bias`: by `reconstruct`; `bn`: by `recalibrateBatchNorm`. */
  readonly method: string;
  /** The pull towards the pruned weights, where the method has one. */
  readonly lambda?: number;
  /** Digest of the data that it was done with. */
  readonly data?: string;
  /** Of whatever was drawn at random. */
  readonly seed?: number;
  /** Of the initializer as it is now (see `tensorFingerprint`). */
  readonly fingerprint: string;
}

/** How the dependency graph was built: what a graph of the same model needs to have the same groups. */
export type PlanGraph = Omit<BuildOptions, 'exampleInputs' | 'customizedOperators'>;

/** What a plan cannot hold: rules of operators that the engine does not know. */
export type PlanOptions = Pick<BuildOptions, 'customizedOperators'>;

/** Channels that were chosen together. */
export interface PlanGroup {
  /** Name of the layer whose channels were chosen. */
  readonly root: string;
  /** Whether they are the root's output or input channels. */
  readonly side: 'out' | 'in';
  /** Which of the layer's channel axes of that side, where it has several (weights with heads on an axis of their own). */
  readonly part?: number;
  /** Channels of the root before pruning. */
  readonly channels: number;
  /** Root channels that stay. */
  readonly kept: readonly number[];
  /** All layers that lose channels with the root, the root included. */
  readonly members: readonly {
    /** Name of the layer. */
    readonly layer: string;
    /** Whether it loses output or input channels. */
    readonly side: 'out' | 'in';
    /** Its channels on that side before pruning. */
    readonly channels: number;
    /** How many of them stay. */
    readonly kept: number;
  }[];
  /** Why these channels were chosen. */
  readonly reason: string;
  /** Statistics over these channels that pruning changes by nature; empty when the result is exact. */
  readonly inexact: readonly string[];
}

/** Everything that distinguishes a pruned model from its original. */
export interface Plan {
  /** 1: plans that were written before they had fingerprints. */
  readonly version: 1 | 2;
  /** Of the original model (see `fingerprint`); plans of version 1 have none. */
  readonly fingerprint?: string;
  /** Options of the dependency graph that a replay builds. */
  readonly graph: PlanGraph;
  /** What becomes of each changed initializer or constant, by name. */
  readonly initializers: Readonly<Record<string, InitializerChange>>;
  /** The groups that lost channels. */
  readonly groups: readonly PlanGroup[];
  /**
   * Initializers that hold other numbers than the original's, by name: what `reconstruct` has changed. Their numbers are
   * not in the plan, so `applyPlan` gives the model as pruned, and `verify` proves its structure.
   */
  readonly changedWeights?: Readonly<Record<string, WeightChange>>;
}

/** A plan that does not fit the model it is used on. */
export class PlanError extends OnnxPruningError {}

const APPLY_OPTIONS: OptionKinds<PlanOptions> = { customizedOperators: BUILD_OPTIONS.customizedOperators };

const PLAN: Kind = {
  expected: 'a plan, as createPlan and parsePlan give it',
  accepts: (value) => kinds.object.accepts(value) && Array.isArray((value as Partial<Plan>).groups),
};

/** Indices that survive of the original channels, for any term of a pruned graph, once `pending` has been removed too. */
function survivors(pending: LeafRemoval): KeptIndices {
  const kept = (leaf: Leaf): Int32Array | undefined => {
    const [before, now] = [leaf.survivors, pending.get(leaf)];
    return before && now ? now.map((channel) => before[channel]) : (now ?? before);
  };
  return new KeptIndices({ size: originalSize, kept });
}

/**
 * The plan of everything that was pruned through this graph since it was built.
 * @param reason said of every group, e.g. `lowest 50 % by L2 magnitude`
 * @param pending channels that count as removed although they are still there
 */
export function createPlan(graph: DependencyGraph, reason = 'chosen by hand', pending: LeafRemoval = new Map()): Plan {
  checkArguments('createPlan', { graph: [graph, GRAPH], reason: [reason, kinds.text] });
  const kept = survivors(pending);
  return {
    version: 2,
    fingerprint: graph.fingerprint(),
    graph: planGraph(graph.buildOptions),
    initializers: initializerChanges(graph.analysis, kept),
    groups: planGroups(graph.analysis, kept, reason),
  };
}

/** The options that a plan holds: plain data that decides about groups. The compiler says when one is missing. */
const PLAN_OPTIONS: Readonly<Record<keyof PlanGraph, true>> = {
  inputShapes: true,
  unwrappedParameters: true,
  inChannelGroups: true,
  outChannelGroups: true,
  groupSelection: true,
  numHeads: true,
  pruneDistributions: true,
  pruneOverridable: true,
};

/** A pruner hands its own options on, criteria and layers among them: only those of the graph belong into a plan. */
function planGraph(options: BuildOptions): PlanGraph {
  const given = (Object.keys(PLAN_OPTIONS) as (keyof PlanGraph)[]).flatMap((name) => {
    const value = options[name];
    const isEmpty = typeof value === 'object' && Object.keys(value).length === 0;
    return value === undefined || isEmpty ? [] : [[name, value] as const];
  });
  return Object.fromEntries(given);
}

/** What a removal does to every constant that it touches, by name. */
export function initializerChanges(analysis: Analysis, kept: KeptIndices): Record<string, InitializerChange> {
  const changes: Record<string, InitializerChange> = {};
  for (const name of analysis.shapes.constants.keys()) {
    const axes = analysis.terms.axes.get(name);
    if (!axes) continue;
    if (axes.some((term) => kept.changes(term))) changes[name] = initializerChange(axes, kept);
  }
  return changes;
}

function initializerChange(axes: readonly DimTerm[], kept: KeptIndices): InitializerChange {
  const apart = axes.map((term) => kept.perGroup(term));
  const lists = axes.map((term, axis) => (apart[axis] ? undefined : kept.of(term)));
  const shape = axes.map((term) => kept.sizeBefore(term));
  const same = lists.flatMap((list, axis) => (list ? [[String(axis), Array.from(list)] as const] : []));
  const perGroup = apart.flatMap((groups, axis) =>
    groups ? [[String(axis), groups.map((list) => Array.from(list))] as const] : [],
  );
  return {
    shape,
    newShape: shape.map((n, axis) => apart[axis]?.[0].length ?? lists[axis]?.length ?? n),
    kept: Object.fromEntries(same),
    ...(perGroup.length > 0 ? { keptPerGroup: Object.fromEntries(perGroup) } : {}),
  };
}

function planGroups(analysis: Analysis, kept: KeptIndices, reason: string): PlanGroup[] {
  const covered = new Set<Leaf>();
  const groups: PlanGroup[] = [];
  // A group is named after the layer that the pruner would call its root; after another only where there is none.
  const layers = [...analysis.layers.filter(isRootLayer), ...analysis.layers.filter((layer) => !isRootLayer(layer))];
  const sides = (['out', 'in'] as const).flatMap((side) =>
    layers.flatMap((layer) => layer.axes.filter((axis) => axis.side === side)),
  );
  for (const root of sides) {
    const leaves = leavesOf(root.term).filter((leaf) => kept.changes(leaf) && !covered.has(leaf));
    if (leaves.length === 0) continue;
    for (const leaf of leaves) covered.add(leaf);
    groups.push(planGroup(analysis, kept, root, leaves, reason));
  }
  return groups;
}

function planGroup(
  analysis: Analysis,
  kept: KeptIndices,
  root: LayerAxis,
  leaves: readonly Leaf[],
  reason: string,
): PlanGroup {
  const axes = new Set([root, ...leaves.flatMap((leaf) => analysis.uses.get(leaf) ?? [])]);
  return {
    root: root.layer.name,
    side: root.side,
    ...(partOf(root) > 0 ? { part: partOf(root) } : {}),
    channels: originalSize(root.term),
    kept: Array.from(kept.of(root.term) ?? []),
    members: [...axes].map((axis) => ({
      layer: axis.layer.name,
      side: axis.side,
      channels: originalSize(axis.term),
      kept: (kept.perGroup(axis.term)?.[0] ?? kept.of(axis.term))?.length ?? numericSize(axis.term),
    })),
    reason,
    inexact: mixingsOf(analysis, new Set(leaves)).map(
      (m) => `${m.statistic} in ${m.node.opType} '${nodeLabel(m.node)}'`,
    ),
  };
}

/**
 * Throws unless the plan was made for this very model. A plan without a fingerprint is only checked against the layers
 * that it names.
 * @throws PlanError that says which model was expected
 */
export function assertPlanFits(model: Model, plan: Plan): void {
  if (plan.fingerprint === undefined) return;
  const found = fingerprint(model.proto);
  if (found === plan.fingerprint) return;
  throw new PlanError('PLAN_MODEL', 'the plan was made for another model', {
    ...(model.path !== undefined && { path: model.path }),
    expected: plan.fingerprint,
    actual: found,
    repair: 'Use the plan with the original model that it was made from, unpruned and with the same weights.',
  });
}

/**
 * The dependency graph of a plan's original model, as it was when the plan was made.
 * @throws PlanError when the plan was made for another model
 */
export function graphOfPlan(model: Model, plan: Plan, options: PlanOptions = {}): DependencyGraph {
  checkArguments('a plan', { model: [model, kinds.model], plan: [plan, PLAN] });
  assertPlanFits(model, plan);
  // When plans of the first version were made, nothing of this was kept.
  const before = plan.version === 1 ? { pruneDistributions: true, pruneOverridable: true } : {};
  return new DependencyGraph().buildDependency(model, {
    ...before,
    ...pickBuildOptions(plan.graph ?? {}),
    ...(options.customizedOperators && { customizedOperators: options.customizedOperators }),
  });
}

/**
 * Channels of each leaf that a plan keeps, on a fresh graph of the plan's original model.
 * @throws PlanError when a layer or its number of channels is not the plan's
 */
export function keptLeaves(graph: DependencyGraph, plan: Plan): Map<Leaf, Int32Array> {
  const removal = new Map<Leaf, Int32Array>();
  for (const group of plan.groups) {
    const root = graph.prunableLayer(group.root).axes.filter((axis) => axis.side === group.side)[group.part ?? 0];
    if (!root || numericSize(root.term) !== group.channels) {
      throw new PlanError('PLAN_MODEL', 'the plan was made for another model', {
        node: group.root,
        expected: `${group.channels} ${group.side}put channels`,
        actual: root ? `${numericSize(root.term)}` : 'none',
        repair: 'Use the plan with the original model that it was made from.',
      });
    }
    const stays = new Set(group.kept);
    const alive = new Map<Leaf, Set<number>>();
    for (const leaf of leavesOf(root.term)) alive.set(leaf, new Set());
    forEachCell(root.term, new Set(alive.keys()), (leaf, channel, index) => {
      if (stays.has(index)) alive.get(leaf)!.add(channel);
    });
    for (const [leaf, channels] of alive) {
      if (channels.size < numericSize(leaf)) removal.set(leaf, Int32Array.from(channels).sort());
    }
  }
  return removal;
}

/**
 * Prunes the plan's original model as the plan says, in place: the same bytes come out.
 * @throws PlanError when the plan was made for another model
 */
export function applyPlan(model: Model, plan: Plan, options: PlanOptions = {}): DependencyGraph {
  checkOptions('applyPlan', options, APPLY_OPTIONS);
  const graph = graphOfPlan(model, plan, options);
  removeChannels(graph.analysis, keptLeaves(graph, plan));
  return graph;
}
