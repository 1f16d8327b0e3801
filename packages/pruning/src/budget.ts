/**
 * Meets a budget: finds the pruning ratio whose result costs what was asked for, then adds single units of the next
 * step until the cost is as near as it gets. Knows nothing of how costs are measured.
 */
import { greatest, least } from '@onnx-pruning/onnx';
import { type Candidate, type Choice, type RankOptions, rank } from './scopes.ts';

/** How near to its target a budget counts as met. */
const TOLERANCE = 0.01;

/** Halvings of the ratio; afterwards neighbouring ratios differ by less than one unit in a million. */
const HALVINGS = 24;

/** Units that are tried as the last one. */
const NEAREST_TRIED = 64;

/** What came of a budget. */
export interface BudgetResult {
  /** What was asked for, in the unit of the cost. */
  readonly target: number;
  /** What the pruned model costs. */
  readonly reached: number;
  /** Whether the two are within 1 % of each other. */
  readonly met: boolean;
  /** Why not. */
  readonly reason?: string;
}

export interface BudgetRequest {
  readonly candidates: readonly Candidate[];
  readonly options: RankOptions;
  readonly target: number;
  /** Cost of the model after some choices; falls as more units go. */
  readonly costOf: (choices: readonly Choice[]) => number;
}

/** Chooses units so that the cost is as near to the target as the groups allow. */
export function meetBudget(request: BudgetRequest): {
  readonly choices: readonly Choice[];
  readonly result: BudgetResult;
} {
  const { target, costOf } = request;
  const none: readonly Choice[] = [];
  if (costOf(none) <= target) return { choices: none, result: describe(request, costOf(none), 'small') };
  const most = chooseAt(request, 1);
  if (costOf(most) > target) return { choices: most, result: describe(request, costOf(most), 'exhausted') };
  const choices = refine(request, ...bracket(request, most));
  return { choices, result: describe(request, costOf(choices), 'coarse') };
}

/** Choices at two neighbouring ratios: one above the target, one not. */
function bracket(request: BudgetRequest, most: readonly Choice[]): [readonly Choice[], readonly Choice[]] {
  let above: readonly Choice[] = [];
  let below = most;
  let low = 0;
  let high = 1;
  for (let i = 0; i < HALVINGS; i++) {
    const ratio = (low + high) / 2;
    const choices = chooseAt(request, ratio);
    if (request.costOf(choices) > request.target) {
      above = choices;
      low = ratio;
    } else {
      below = choices;
      high = ratio;
    }
  }
  return [above, below];
}

function chooseAt({ candidates, options }: BudgetRequest, ratio: number): readonly Choice[] {
  return rank(
    candidates.map((candidate) => ({ ...candidate, ratio })),
    new Map(),
    options,
  );
}

/** A further removal from one group: units to go on top of those that are gone already. */
interface Extra {
  readonly choice: Choice;
  readonly units: readonly number[];
  readonly score: number;
}

/** Adds what the lower choice removes beyond the higher one, least important first, until the target is nearest. */
function refine(request: BudgetRequest, above: readonly Choice[], below: readonly Choice[]): readonly Choice[] {
  const extras = below.flatMap((choice) => extrasOf(choice, above, request.options.roundTo));
  extras.sort((a, b) => a.score - b.score);
  const withFirst = (count: number): readonly Choice[] => combine(above, extras.slice(0, count));
  let low = 0;
  let high = extras.length;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (request.costOf(withFirst(middle)) > request.target) low = middle;
    else high = middle;
  }
  // Units differ in cost: a single one from further down the order may come nearer than the next in line.
  const near = extras.slice(low, low + NEAREST_TRIED).map((extra) => combine(withFirst(low), [extra]));
  const options = [withFirst(low), withFirst(high), ...near];
  const distances = options.map((choices) => Math.abs(request.costOf(choices) - request.target));
  return options[distances.indexOf(least(distances))];
}

/** With `roundTo` a group changes by whole steps, otherwise unit by unit. */
function extrasOf(choice: Choice, above: readonly Choice[], roundTo: number | undefined): Extra[] {
  const gone = new Set(above.find(({ units }) => units === choice.units)?.removed);
  const units = choice.removed.filter((unit) => !gone.has(unit));
  const { scores } = choice.units;
  if (units.length === 0) return [];
  if (roundTo) return [{ choice, units, score: greatest(units.map((unit) => scores[unit])) }];
  return units.map((unit) => ({ choice, units: [unit], score: scores[unit] }));
}

function combine(above: readonly Choice[], extras: readonly Extra[]): readonly Choice[] {
  const removed = new Map(above.map((choice) => [choice.units, [...choice.removed]]));
  for (const { choice, units } of extras) removed.set(choice.units, [...(removed.get(choice.units) ?? []), ...units]);
  return [...removed].map(([units, list]) => ({ units, removed: list }));
}

function describe(
  { target, candidates, options }: BudgetRequest,
  reached: number,
  why: keyof typeof REASONS,
): BudgetResult {
  const met = Math.abs(reached - target) <= TOLERANCE * target;
  return met
    ? { target, reached, met }
    : { target, reached, met, reason: REASONS[why](candidates.length, options.roundTo ?? 1) };
}

const REASONS = {
  small: () => 'the model costs less than that already',
  exhausted: (groups: number) =>
    `all ${groups} groups are at their limit (one channel, roundTo channels or maxPruningRatio); the rest of the cost lies in layers that are ignored or fixed`,
  coarse: (_: number, step: number) =>
    `removing ${step === 1 ? 'one more channel' : `${step} more channels`} of a group changes the cost by more than 1 %`,
} as const;
