/**
 * What a pruner would remove of one group, were it alone: the least important of its units, for several ratios at once.
 * Removes nothing.
 */
import { emptiedAxis, type Group, removalOf } from '@onnx-pruning/depgraph';
import { type Importance, scoreGroup } from './importance.ts';
import { type Choice, rank } from './scopes.ts';
import { groupOfUnits, totalWeight, unitsOf } from './units.ts';

/** What goes of a group at one ratio. */
export interface LeastImportant {
  /** The channels that go; undefined where none do. */
  readonly group?: Group;
  /** Why none go although some were to. */
  readonly refused?: string;
}

/**
 * The channels that a pruner removes of a group at each of some ratios.
 * @param group all channels of it, as `offeredGroups` gives it
 * @returns undefined where the criterion has nothing to say of the group
 */
export function leastImportant(
  group: Group,
  ratios: readonly number[],
  options: { readonly importance: Importance; readonly roundTo?: number },
): readonly LeastImportant[] | undefined {
  const scores = scoreGroup(options.importance, group);
  if (!scores) return undefined;
  const units = unitsOf(group, scores);
  const limit = totalWeight(units) - 1;
  return ratios.map((ratio) => {
    if (limit <= 0) return {};
    const [choice] = rank([{ units, ratio, scope: '', limit }], new Map(), { ...options, globalPruning: false });
    return choice === undefined ? {} : withoutEmptied(choice);
  });
}

function withoutEmptied({ units, removed, refused }: Choice): LeastImportant {
  if (removed.length === 0) return refused === undefined ? {} : { refused };
  const group = groupOfUnits(units, removed);
  const emptied = emptiedAxis(group.graph.analysis, removalOf([group.cells]));
  return emptied ? { refused: emptied.message } : { group };
}
