/**
 * The pruner: scores all groups, ranks them within their scopes and removes the least important units, step by step.
 * The algorithm and the option names are those of Torch-Pruning's BasePruner, so that the same model and options give
 * the same channels.
 */
import { CostModel } from '@onnx-pruning/cost';
import {
  DependencyGraph,
  emptiedAxis,
  type Group,
  type HistoryEntry,
  type LayerSelector,
  type Leaf,
  leavesOf,
  numericSize,
  type PrunableLayer,
  type PruningFunction,
  pickBuildOptions,
  removalOf,
} from '@onnx-pruning/depgraph';
import {
  anyOf,
  checkArguments,
  checkOptions,
  type Kind,
  kinds,
  type Layer,
  listOf,
  type Model,
} from '@onnx-pruning/onnx';
import { type BudgetResult, meetBudget } from './budget.ts';
import { scoreGroup } from './importance.ts';
import { checkRange, optionError } from './options.ts';
import { createPlan, type Plan } from './plan.ts';
import { budgetOf, type PrunerOptions, type ResolvedOptions, ratioEntries, resolveOptions } from './pruner-options.ts';
import { ascending, type Candidate, type Choice, rank } from './scopes.ts';
import { type PrunedGroup, pruneWhatCan, type SkippedGroup, type StepSummary, skippedGroup } from './step-summary.ts';
import { groupOfUnits, totalWeight, unitsOf } from './units.ts';

/** Ratios per step and scope of one layer. */
interface LayerRatio {
  readonly scope: string;
  readonly ratios: readonly number[];
}

/** The range of the share is looked at where it is used. */
const SHARE_OR_CHANNELS: Kind = anyOf(kinds.anyNumber, listOf(kinds.anyNumber));

/** Prunes a model to a ratio, in one or several steps. */
export class BasePruner {
  /** The dependency graph of the model; a step prunes its groups in place. */
  readonly graph: DependencyGraph;
  /** The options as they were given, with defaults for what was left out. */
  readonly options: ResolvedOptions;
  #step = 0;
  readonly #ratios: readonly number[];
  readonly #layerRatios: ReadonlyMap<PrunableLayer, LayerRatio>;
  readonly #ignoredOutputs: readonly PrunableLayer[];
  readonly #ignoredInputs: ReadonlySet<PrunableLayer>;
  readonly #initialUnits = new Map<string, number>();
  /** Units of every free dimension at its first step, by its first leaf. */
  readonly #initialSizes = new Map<Leaf, number>();
  readonly #headRatios: readonly number[];
  readonly #headRatiosByLayer: ReadonlyMap<PrunableLayer, LayerRatio>;
  readonly #budget: ReturnType<typeof budgetOf>;
  #initialCost: number | undefined;
  #budgetResult: BudgetResult | undefined;

  /**
   * Analyses the model; it is changed by step(), in place.
   * @throws OptionError for an option with a value that is not allowed; UnknownLayerError for a layer that does not exist;
   * LayerError for a name that only nodes without channels of their own have
   */
  constructor(model: Model, options: PrunerOptions) {
    checkArguments('the pruner', { model: [model, kinds.model], options: [options, kinds.object] });
    this.options = resolveOptions(options);
    this.graph = new DependencyGraph().buildDependency(model, pickBuildOptions(this.options));
    const { pruningRatio, iterativeSteps, iterativePruningRatioScheduler: schedule } = this.options;
    this.#ratios = schedule(pruningRatio, iterativeSteps);
    this.#checkRootOpTypes();
    this.#layerRatios = this.#scopedRatios('pruningRatioDict');
    this.#headRatios = schedule(this.options.headPruningRatio, iterativeSteps);
    this.#headRatiosByLayer = this.#scopedRatios('headPruningRatioDict');
    this.#budget = budgetOf(this.options);
    this.#ignoredOutputs = this.#selected(options.ignoredLayers ?? []);
    this.#ignoredInputs = new Set(this.#selected(options.ignoredInputs ?? []));
  }

  #selected(selectors: readonly LayerSelector[]): PrunableLayer[] {
    return selectors.flatMap((selector) => this.graph.matchLayers(selector).map(({ layer }) => layer));
  }

  /** A misspelt operator would silently offer no groups. */
  #checkRootOpTypes(): void {
    const { registry, model } = this.graph.analysis;
    const known = new Set([...registry.supported(), ...model.graph.node].map(({ opType }) => opType));
    const unknown = this.options.rootOpTypes?.find((opType) => !known.has(opType));
    if (unknown === undefined) return;
    const layers = new Set(this.graph.layers.map((layer) => layer.node.opType));
    throw optionError(
      'rootOpTypes',
      unknown,
      `operators, such as those of the model's layers: ${[...layers].join(', ')}`,
    );
  }

  /** The dependency graph, by the name that users of Torch-Pruning know. */
  get DG(): DependencyGraph {
    return this.graph;
  }

  /** Number of steps done. */
  get currentStep(): number {
    return this.#step;
  }

  /**
   * Prunes one step further. A group that cannot be pruned is left out, and the others go on; when the step fails
   * altogether (a criterion throws), pruner and model are as they were.
   * @returns what was done, and which groups were left out for which reason
   */
  step(): StepSummary;
  /**
   * The groups of one step further, without pruning them.
   * @param options with `interactive` the groups are yielded, and the caller prunes, changes or skips each
   */
  step(options: { readonly interactive: true }): Generator<Group>;
  step(options: { readonly interactive?: boolean } = {}): Generator<Group> | StepSummary {
    checkOptions('step', options, { interactive: kinds.boolean });
    if (options.interactive) {
      this.#step++;
      return this.#groupsOf(this.#choose());
    }
    const budget = this.#budgetResult;
    this.#step++;
    try {
      return this.#prune(this.#choose());
    } catch (error) {
      this.#step--;
      this.#budgetResult = budget;
      throw error;
    }
  }

  /** Prunes what was chosen, as far as it can be pruned. */
  #prune(choices: readonly Choice[]): StepSummary {
    const skipped: SkippedGroup[] = choices.flatMap(({ units: { group }, refused }) =>
      refused === undefined ? [] : [skippedGroup(group, refused)],
    );
    const pruned: PrunedGroup[] = [];
    const chosen = [...this.#groupsOf(choices, skipped)];
    for (const group of pruneWhatCan(this.graph, chosen, skipped)) pruned.push(group);
    return {
      groups: pruned,
      channels: pruned.reduce((sum, { removed }) => sum + removed, 0),
      skipped,
      ...(this.#budgetResult && { budget: this.#budgetResult }),
    };
  }

  /** What was pruned, in order; replayed by loadPruningHistory. */
  pruningHistory(): readonly HistoryEntry[] {
    return this.graph.pruningHistory();
  }

  /** Prunes an unpruned model as a recorded history says; the same bytes come out. */
  loadPruningHistory(history: readonly HistoryEntry[]): void {
    this.graph.loadPruningHistory(history);
  }

  /**
   * Prunes one layer's group by hand.
   * @param ratioOrIdxs the share of channels to remove, least important first; or the indices to remove
   * @throws OptionError for a ratio outside [0, 1); LayerError for indices that do not exist
   */
  pruneWidth(layer: Layer | string, fn: PruningFunction, ratioOrIdxs: number | readonly number[]): void {
    checkArguments('pruneWidth', { ratioOrIdxs: [ratioOrIdxs, SHARE_OR_CHANNELS] });
    if (typeof ratioOrIdxs !== 'number') {
      this.graph.getPruningGroup(layer, fn, ratioOrIdxs).prune();
      return;
    }
    checkRange('ratio', ratioOrIdxs, 0, 1);
    const group = this.graph.getFullGroup(layer, fn);
    const units = unitsOf(group, scoreGroup(this.options.importance, group) ?? new Float32Array(group.idxs.length));
    const count = units.scores.length - Math.trunc(units.scores.length * (1 - ratioOrIdxs));
    if (count > 0) groupOfUnits(units, ascending(units.scores).slice(0, count)).prune();
  }

  /** Everything that was removed since the pruner was made. */
  plan(): Plan {
    return createPlan(this.graph, this.#reason());
  }

  #reason(): string {
    const { pruningRatio, globalPruning, isomorphic, importance } = this.options;
    const name = typeof importance === 'function' ? importance.name || 'custom criterion' : importance.constructor.name;
    const scope = isomorphic
      ? 'among groups of the same structure'
      : globalPruning
        ? 'over all groups'
        : 'in its group';
    return `lowest ${name} ${scope}, pruning ratio ${pruningRatio}`;
  }

  /** The lowest units of every group. */
  #choose(): readonly Choice[] {
    if (this.#step > this.options.iterativeSteps) return [];
    const candidates = this.offeredGroups().flatMap((group) => this.#candidate(group) ?? []);
    const heads = this.#headCandidates();
    const channels = this.#budget ? this.#meetBudget(candidates) : rank(candidates, this.#initialUnits, this.options);
    const wholeHeads = rank(heads, this.#initialUnits, { globalPruning: this.options.globalPruning });
    return [...channels, ...wholeHeads];
  }

  /** Groups of the chosen units, ready to be pruned. */
  *#groupsOf(choices: readonly Choice[], skipped: SkippedGroup[] = []): Generator<Group> {
    for (const { units, removed } of choices) {
      if (removed.length === 0) continue;
      const group = groupOfUnits(units, removed);
      const refusal = emptiedAxis(this.graph.analysis, removalOf([group.cells]));
      if (refusal) skipped.push(skippedGroup(group, refusal.message));
      else yield group;
    }
  }

  #meetBudget(candidates: readonly Candidate[]): readonly Choice[] {
    const { option, target } = this.#budget!;
    const model = new CostModel(this.graph.analysis, this.options);
    const measure = { targetParams: 'params', targetMacs: 'macs', targetBytes: 'bytes' } as const;
    const costOf = (choices: readonly Choice[]): number => model.after(channelsLeft(choices))[measure[option]];
    this.#initialCost ??= costOf([]);
    const final = target < 1 ? target : target / this.#initialCost;
    const shares = this.options.iterativePruningRatioScheduler(1 - final, this.options.iterativeSteps);
    const wanted = this.#initialCost * (1 - shares[this.#step]);
    const { choices, result } = meetBudget({ candidates, options: this.options, target: wanted, costOf });
    this.#budgetResult = result;
    return choices;
  }

  /** What came of `targetParams`, `targetMacs` or `targetBytes` in the last step; undefined without a budget. */
  get budget(): BudgetResult | undefined {
    return this.#budgetResult;
  }

  /** The groups that a step chooses from, each with all of its channels as they are now. */
  offeredGroups(): Group[] {
    const { rootOpTypes, pruneHeadDims } = this.options;
    const groups = [...this.graph.getAllGroups({ ignoredLayers: this.#ignoredOutputs, rootOpTypes })];
    const inHeads = pruneHeadDims ? new Set() : this.graph.channelsInHeads();
    return groups.filter(
      (group) => !this.#inputsIgnored(group) && ![...group.cells.keys()].some((leaf) => inHeads.has(leaf)),
    );
  }

  #inputsIgnored(group: Group): boolean {
    if (this.#ignoredInputs.size === 0) return false;
    return group.items.some(({ axis }) => axis.side === 'in' && this.#ignoredInputs.has(axis.layer));
  }

  #candidate(group: Group): Candidate | undefined {
    const own = this.#ownRatio(group, this.#layerRatios);
    const ratio = (own?.ratios ?? this.#ratios)[this.#step];
    return this.#scored(group, ratio, own?.scope ?? this.#defaultScope(group));
  }

  #headCandidates(): Candidate[] {
    if (!this.options.pruneNumHeads) return [];
    const { globalPruning } = this.options;
    const groups = [...this.graph.getHeadGroups({ ignoredLayers: this.#ignoredOutputs })];
    return withoutShared(groups).flatMap((group) => {
      const own = this.#ownRatio(group, this.#headRatiosByLayer);
      const [leaf] = group.cells.keys();
      const scope = globalPruning ? 'all heads' : `heads ${group.root.layer.name} ${leaf.id}`;
      const ratio = (own?.ratios ?? this.#headRatios)[this.#step];
      return this.#inputsIgnored(group) ? [] : (this.#scored(group, ratio, own?.scope ?? scope) ?? []);
    });
  }

  #scored(group: Group, ratio: number, scope: string): Candidate | undefined {
    const scores = scoreGroup(this.options.importance, group);
    if (!scores) return undefined;
    const units = unitsOf(group, scores);
    const now = totalWeight(units);
    const [leaf] = group.cells.keys();
    const first = this.#initialSizes.get(leaf) ?? now;
    this.#initialSizes.set(leaf, first);
    const fewest = Math.max(1, Math.ceil(first * (1 - this.options.maxPruningRatio)));
    return now > fewest ? { units, ratio, scope, limit: now - fewest } : undefined;
  }

  #ownRatio(group: Group, ratios: ReadonlyMap<PrunableLayer, LayerRatio>): LayerRatio | undefined {
    if (ratios.size === 0) return undefined;
    for (const { axis } of group.items) {
      const found = axis.side === 'out' ? ratios.get(axis.layer) : undefined;
      if (found) return found;
    }
    return undefined;
  }

  #defaultScope(group: Group): string {
    if (this.options.isomorphic) return `isomorphic ${structureOf(group)}`;
    return this.options.globalPruning ? 'all groups' : `group ${group.root.layer.name}`;
  }

  #scopedRatios(option: 'pruningRatioDict' | 'headPruningRatioDict'): Map<PrunableLayer, LayerRatio> {
    const found = new Map<PrunableLayer, LayerRatio>();
    const { iterativePruningRatioScheduler: schedule, iterativeSteps, globalPruning } = this.options;
    ratioEntries(this.options[option]).forEach(([selectors, ratio], i) => {
      const ratios = schedule(ratio, iterativeSteps);
      const shared = selectors.length > 1 || globalPruning;
      for (const layer of this.#selected(selectors)) {
        found.set(layer, { ratios, scope: shared ? `${option} ${i}` : `${option} ${i} ${layer.name}` });
      }
    });
    return found;
  }
}

/** Operators on the way of a group's channels: groups with the same ones are isomorphic. */
function structureOf(group: Group): string {
  return group.traversal.operators.join(' ');
}

/** Channels that each leaf keeps after some choices. */
function channelsLeft(choices: readonly Choice[]): Map<Leaf, { readonly length: number }> {
  const left = new Map<Leaf, { length: number }>();
  for (const { units, removed } of choices) {
    for (const unit of removed) {
      for (const [leaf] of units.cells[unit]) {
        const now = left.get(leaf) ?? { length: numericSize(leaf) };
        now.length--;
        left.set(leaf, now);
      }
    }
  }
  return left;
}

/**
 * Groups of heads without those that only count the queries of a key-value head, where there are several such heads: in
 * grouped-query attention a share of heads is cut once, by whole key-value heads with their queries.
 */
function withoutShared(groups: readonly Group[]): readonly Group[] {
  const heads = new Set(groups.flatMap((group) => [...group.cells.keys()]));
  const holders = (leaf: Leaf, group: Group): readonly Leaf[][] =>
    group.graph.usesOf(leaf).map(({ term }) => leavesOf(term).filter((other) => heads.has(other)));
  return groups.filter((group) => {
    const [leaf] = group.cells.keys();
    const others = holders(leaf, group).map((held) => held.filter((other) => other !== leaf));
    const around = others[0]?.find((other) => others.every((held) => held.includes(other)));
    const isShared = around !== undefined && holders(around, group).some((held) => !held.includes(leaf));
    return !(isShared && numericSize(around) > 1);
  });
}
