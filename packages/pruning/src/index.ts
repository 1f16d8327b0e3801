export type { BudgetResult } from './budget.ts';
export { BNScaleImportance, CriterionError, FPGMImportance, LAMPImportance, RandomImportance } from './criteria.ts';
export {
  channelPositions,
  GroupMagnitudeImportance,
  GroupNormImportance,
  type Importance,
  type ImportanceFunction,
  MagnitudeImportance,
  type MagnitudeOptions,
  scoreGroup,
} from './importance.ts';
export { type LeastImportant, leastImportant } from './least-important.ts';
export { maskModel } from './mask.ts';
export { OptionError, optionError } from './options.ts';
export { parsePlan } from './parse-plan.ts';
export {
  applyPlan,
  assertPlanFits,
  createPlan,
  graphOfPlan,
  type InitializerChange,
  keptLeaves,
  type Plan,
  PlanError,
  type PlanGraph,
  type PlanGroup,
  type PlanOptions,
  type WeightChange,
} from './plan.ts';
export { BasePruner } from './pruner.ts';
export type { PrunerOptions, PruningRatioDict } from './pruner-options.ts';
export {
  BNScalePruner,
  GroupNormPruner,
  MagnitudePruner,
  MetaPruner,
  type PrunerOptionsWithDefault,
} from './pruners.ts';
export {
  checkNormalizer,
  GROUP_REDUCTIONS,
  type GroupReduction,
  type MemberScores,
  type Normalizer,
  normalize,
  reduceMembers,
} from './reduction.ts';
export { linearScheduler, type Scheduler } from './scheduler.ts';
export { type SoftPruning, SoftPruningError, softPrune } from './soft-pruning.ts';
export type { PrunedGroup, SkippedGroup, StepSummary } from './step-summary.ts';
