/**
 * What a step of a pruner did, and how it goes on where a group cannot be pruned. Chooses nothing.
 */
import { alikeInGroups, type DependencyGraph, type Group, LayerError, type Side } from '@onnx-pruning/depgraph';
import { OnnxPruningError } from '@onnx-pruning/onnx';
import type { BudgetResult } from './budget.ts';

/** Channels that one group lost in a step. */
export interface PrunedGroup {
  /** Name of the root layer. */
  readonly root: string;
  readonly side: Side;
  /** Channels of the root before the step, along the axis that the group was pruned on. */
  readonly channels: number;
  readonly removed: number;
}

/** A group that keeps its channels although some were to go. */
export interface SkippedGroup {
  /** Name of the root layer. */
  readonly root: string;
  /** Whether the root's output or input channels were to go. */
  readonly side: Side;
  /** What stood in the way, in words. */
  readonly reason: string;
}

/** What one step of a pruner did. */
export interface StepSummary {
  /** Groups that lost channels, in the order in which they were pruned. */
  readonly groups: readonly PrunedGroup[];
  /** Channels of all roots that were removed. */
  readonly channels: number;
  /** Groups that were to lose channels and keep them. */
  readonly skipped: readonly SkippedGroup[];
  /** What came of the budget, where there is one. */
  readonly budget?: BudgetResult;
}

export function skippedGroup({ root }: Group, reason: string): SkippedGroup {
  return { root: root.layer.name, side: root.side, reason };
}

/**
 * Prunes groups, all at once where that works. Where it does not, halves are tried, down to the groups that are at
 * fault: they are added to `skipped`, and all others are pruned.
 */
export function pruneWhatCan(
  graph: DependencyGraph,
  groups: readonly Group[],
  skipped: SkippedGroup[],
): readonly PrunedGroup[] {
  if (groups.length === 0) return [];
  // Channels have been renumbered since the groups were made when others were pruned in between.
  const fresh = groups.map(({ root, cells }) => graph.groupOfCells(root, cells));
  const summary = fresh.map(describe);
  try {
    graph.pruneGroups(fresh);
    return summary;
  } catch (error) {
    if (!(error instanceof OnnxPruningError)) throw error;
    if (groups.length === 1) {
      const alike = isApart(error) ? alikeInGroups(groups[0]) : undefined;
      if (alike) return pruneWhatCan(graph, [alike], skipped);
      skipped.push(skippedGroup(groups[0], error.message));
      return [];
    }
  }
  const half = Math.ceil(groups.length / 2);
  const parts = [groups.slice(0, half), groups.slice(half)];
  return parts.flatMap((part) => pruneWhatCan(graph, part, skipped));
}

/** Whether something on the way needs the same channels in every group or head. */
function isApart(error: OnnxPruningError): boolean {
  return error instanceof LayerError && error.code === 'GROUPS_APART';
}

function describe({ root, idxs }: Group): PrunedGroup {
  return { root: root.layer.name, side: root.side, channels: Number(root.term.size), removed: idxs.length };
}
