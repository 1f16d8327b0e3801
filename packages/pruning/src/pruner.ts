/**
 * The pruner: scores all groups, ranks them within their scopes and removes the least important units, step by step.
 * The algorithm and the option names are those of Torch-Pruning's BasePruner, so that the same model and options give
 * the same channels.
 */
import { DependencyGraph, type Group, type HistoryEntry, type PrunableLayer } from '@onnx-pruning/depgraph';
import type { Model } from '@onnx-pruning/onnx';
import { scoreGroup } from './importance.ts';
import { createPlan, type Plan } from './plan.ts';
import { type PrunerOptions, type ResolvedOptions, ratioEntries, resolveOptions } from './pruner-options.ts';
import { type Candidate, type Choice, rank } from './scopes.ts';
import { selectLayers } from './select-layers.ts';
import { unitsOf } from './units.ts';

/** Ratios per step and scope of one layer. */
interface LayerRatio {
  readonly scope: string;
  readonly ratios: readonly number[];
}

/** Prunes a model to a ratio, in one or several steps. */
export class BasePruner {
  readonly graph: DependencyGraph;
  readonly options: ResolvedOptions;
  #step = 0;
  readonly #ratios: readonly number[];
  readonly #layerRatios: ReadonlyMap<PrunableLayer, LayerRatio>;
  readonly #ignoredOutputs: readonly PrunableLayer[];
  readonly #ignoredInputs: ReadonlySet<PrunableLayer>;
  readonly #initialUnits = new Map<string, number>();
  readonly #initialSizes = new Map<string, number>();

  /**
   * Analyses the model; it is changed by step(), in place.
   * @throws OptionError for an option with a value that is not allowed; UnknownLayerError for a layer that does not exist
   */
  constructor(model: Model, options: PrunerOptions) {
    this.options = resolveOptions(options);
    this.graph = new DependencyGraph().buildDependency(model, options);
    const { pruningRatio, iterativeSteps, iterativePruningRatioScheduler: schedule } = this.options;
    this.#ratios = schedule(pruningRatio, iterativeSteps);
    this.#layerRatios = this.#scopedRatios();
    const select = (option: 'ignoredLayers' | 'ignoredInputs'): PrunableLayer[] =>
      (options[option] ?? []).flatMap((selector) => selectLayers(this.graph, selector, option));
    this.#ignoredOutputs = select('ignoredLayers');
    this.#ignoredInputs = new Set(select('ignoredInputs'));
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
   * Prunes one step further.
   * @param options with `interactive` nothing is pruned: the groups are yielded, and the caller prunes, changes or skips
   */
  step(): void;
  step(options: { readonly interactive: true }): Generator<Group>;
  step(options: { readonly interactive?: boolean } = {}): Generator<Group> | undefined {
    this.#step++;
    if (options.interactive) return this.#choose();
    const groups = [...this.#choose()];
    if (groups.length > 0) this.graph.pruneGroups(groups);
    return undefined;
  }

  /** What was pruned, in order; replayed by loadPruningHistory. */
  pruningHistory(): readonly HistoryEntry[] {
    return this.graph.pruningHistory();
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

  /** Groups of the lowest units, ready to be pruned. */
  *#choose(): Generator<Group> {
    if (this.#step > this.options.iterativeSteps) return;
    const candidates = this.#offeredGroups().flatMap((group) => this.#candidate(group) ?? []);
    for (const { units, removed } of rank(candidates, this.#initialUnits, this.options)) {
      const group = this.#groupOfChoice({ units, removed });
      if (group && this.graph.checkPruningGroup(group)) yield group;
    }
  }

  #groupOfChoice({ units, removed }: Choice): Group | undefined {
    if (removed.length === 0) return undefined;
    return this.graph.groupOf(
      units.group.root,
      removed.map((unit) => units.roots[unit]),
    );
  }

  #offeredGroups(): Group[] {
    const groups = [
      ...this.graph.getAllGroups({ ignoredLayers: this.#ignoredOutputs, rootOpTypes: this.options.rootOpTypes }),
    ];
    if (this.#ignoredInputs.size === 0) return groups;
    const frozen = (group: Group): boolean =>
      group.items.some(({ axis }) => axis.side === 'in' && this.#ignoredInputs.has(axis.layer));
    return groups.filter((group) => !frozen(group));
  }

  #candidate(group: Group): Candidate | undefined {
    const scores = scoreGroup(this.options.importance, group);
    if (!scores) return undefined;
    const units = unitsOf(group, scores);
    const name = group.root.layer.name;
    const now = units.scores.length;
    if (!this.#initialSizes.has(name)) this.#initialSizes.set(name, now);
    const fewest = Math.max(1, Math.ceil(this.#initialSizes.get(name)! * (1 - this.options.maxPruningRatio)));
    if (now <= fewest) return undefined;
    const own = this.#ownRatio(group);
    return {
      units,
      ratio: (own?.ratios ?? this.#ratios)[this.#step],
      scope: own?.scope ?? this.#defaultScope(group),
      limit: now - fewest,
    };
  }

  #ownRatio(group: Group): LayerRatio | undefined {
    if (this.#layerRatios.size === 0) return undefined;
    for (const { axis } of group.items) {
      const found = axis.side === 'out' ? this.#layerRatios.get(axis.layer) : undefined;
      if (found) return found;
    }
    return undefined;
  }

  #defaultScope(group: Group): string {
    if (this.options.isomorphic) return `isomorphic ${structureOf(group)}`;
    return this.options.globalPruning ? 'all groups' : `group ${group.root.layer.name}`;
  }

  #scopedRatios(): Map<PrunableLayer, LayerRatio> {
    const found = new Map<PrunableLayer, LayerRatio>();
    const { iterativePruningRatioScheduler: schedule, iterativeSteps, pruningRatioDict } = this.options;
    ratioEntries(pruningRatioDict).forEach(([selectors, ratio], i) => {
      const ratios = schedule(ratio, iterativeSteps);
      for (const selector of selectors) {
        for (const layer of selectLayers(this.graph, selector, 'pruningRatioDict')) {
          const shared = selectors.length > 1 || this.options.globalPruning;
          found.set(layer, { ratios, scope: shared ? `ratio ${i}` : `ratio ${i} ${layer.name}` });
        }
      }
    });
    return found;
  }
}

/** Operators on the way of a group's channels: groups with the same ones are isomorphic. */
function structureOf(group: Group): string {
  return group.traversal.operators.join(' ');
}
