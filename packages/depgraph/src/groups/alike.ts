/**
 * The same local channels in every group or head, for where something on the way cannot tell the groups apart. Chooses
 * among what was asked for; changes nothing.
 */
import { numericSize } from '../terms/term.ts';
import type { Group } from './group.ts';

/**
 * As many channels as a group would lose, the same ones in every group of its families: those that most of the groups
 * would lose, the first of equals.
 * @returns undefined where that is what the group is already
 */
export function alikeInGroups(group: Group): Group | undefined {
  const { graph, root, cells } = group;
  const alike = new Map(cells);
  let isNew = false;
  for (const { members } of graph.analysis.terms.families) {
    const chosen = members.map((leaf) => cells.get(leaf) ?? new Set<number>());
    const count = chosen[0].size;
    if (count === 0) continue;
    const votes = (channel: number): number => chosen.filter((channels) => channels.has(channel)).length;
    const channels = Array.from({ length: numericSize(members[0]) }, (_, channel) => channel);
    const most = new Set(channels.sort((a, b) => votes(b) - votes(a) || a - b).slice(0, count));
    if (chosen.every((own) => [...own].every((channel) => most.has(channel)))) continue;
    isNew = true;
    for (const leaf of members) alike.set(leaf, most);
  }
  return isNew ? graph.groupOfCells(root, alike) : undefined;
}
