/**
 * The groups whose sensitivity is asked for, and which of their channels go at which ratio: those that a pruner removes.
 * It must not run anything.
 */
import {
  alikeInGroups,
  type DependencyGraph,
  type Group,
  LayerError,
  type LeafRemoval,
  removalOf,
} from '@onnx-pruning/depgraph';
import type { Model } from '@onnx-pruning/onnx';
import { applyPlan, type BasePruner, createPlan, type LeastImportant, leastImportant } from '@onnx-pruning/pruning';
import type { NotMeasured } from './types.ts';

/** A group, and what goes of it. */
export interface Candidate {
  readonly group: Group;
  /** For every ratio the channels that go; undefined where none do. At some ratio, some do. */
  readonly chosen: readonly (Group | undefined)[];
}

/** The groups that a pruner is offered, with its choice of channels at every ratio. */
export function candidatesOf(
  pruner: BasePruner,
  ratios: readonly number[],
): { readonly candidates: readonly Candidate[]; readonly left: readonly NotMeasured[] } {
  const candidates: Candidate[] = [];
  const left: NotMeasured[] = [];
  for (const group of pruner.offeredGroups()) {
    const root = group.root.layer.name;
    const choices = leastImportant(group, ratios, pruner.options);
    const chosen = choices?.map((choice) => choice.group);
    if (chosen?.some((part) => part !== undefined)) candidates.push({ group, chosen });
    else left.push({ root, reason: reasonOf(choices) });
  }
  return { candidates, left };
}

/** Why nothing goes at any ratio. */
function reasonOf(choices: readonly LeastImportant[] | undefined): string {
  if (choices === undefined) return 'the criterion has nothing to say of it';
  return choices.find(({ refused }) => refused !== undefined)?.refused ?? 'no channel of it goes at any of the ratios';
}

/** Channels that stay. */
export function removalOfGroup(group: Group): LeafRemoval {
  return removalOf([group.cells]);
}

/** Removes channels from copies of a model, each time from the whole one. */
export class Surgeon {
  readonly #original: Model;
  readonly #graph: DependencyGraph;

  /** @param graph of a copy of the model, which stays as it is */
  constructor(original: Model, graph: DependencyGraph) {
    this.#original = original;
    this.#graph = graph;
  }

  /** The model without some channels. @throws OnnxPruningError when they cannot be removed */
  without(group: Group): Model {
    const model = this.#original.clone();
    const plan = createPlan(this.#graph, 'sensitivity', removalOfGroup(group));
    const { customizedOperators } = this.#graph.buildOptions;
    applyPlan(model, plan, { customizedOperators });
    return model;
  }

  /**
   * What can be removed of a candidate as it is chosen; or where something on the way needs the same channels in every
   * group, what a pruner removes in its place.
   * @throws OnnxPruningError when a pruner leaves the group alone
   */
  removable({ group, chosen }: Candidate): Candidate {
    const most = (choices: Candidate['chosen']): Group => choices.findLast((choice) => choice !== undefined)!;
    try {
      this.without(most(chosen));
      return { group, chosen };
    } catch (error) {
      if (!(error instanceof LayerError && error.code === 'GROUPS_APART')) throw error;
    }
    const alike = chosen.map((choice) => choice && (alikeInGroups(choice) ?? choice));
    this.without(most(alike));
    return { group, chosen: alike };
  }
}
