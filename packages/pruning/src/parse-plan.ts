/**
 * Plans from text. Checks what the engine relies on, so that a file that is no plan is refused with a word; the whole
 * format is stated by schema/plan.schema.json.
 */
import { checkArguments, kinds } from '@onnx-pruning/onnx';
import { type Plan, PlanError } from './plan.ts';

/**
 * Reads a plan as it was saved.
 * @param text JSON, as `JSON.stringify(plan)` gives it
 * @throws PlanError for text that is no JSON, no plan, or a plan of a version that does not exist
 */
export function parsePlan(text: string): Plan {
  checkArguments('parsePlan', { text: [text, kinds.text] });
  const plan = parseJson(text);
  if (!isRecord(plan)) throw notAPlan('', 'an object', plan);
  if (plan.version !== 1 && plan.version !== 2) {
    throw new PlanError('PLAN_VERSION', 'plans of this version cannot be read', {
      expected: 'version 1 or 2',
      actual: shown(plan.version),
      repair: 'Update onnx-pruning, or make the plan again.',
    });
  }
  if (plan.version === 2 && typeof plan.fingerprint !== 'string') {
    throw notAPlan('fingerprint', 'a fingerprint of the original model', plan.fingerprint);
  }
  for (const part of ['graph', 'initializers'] as const) {
    if (!isRecord(plan[part])) throw notAPlan(part, 'an object', plan[part]);
  }
  for (const [name, change] of Object.entries(plan.initializers as object)) checkChange(name, change);
  if (!Array.isArray(plan.groups)) throw notAPlan('groups', 'a list', plan.groups);
  plan.groups.forEach(checkGroup);
  checkChangedWeights(plan.changedWeights);
  return plan as unknown as Plan;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const actual = cause instanceof Error ? cause.message : String(cause);
    throw new PlanError('PLAN_FORMAT', 'this is not a plan: it is not JSON', { actual }, { cause });
  }
}

function checkChange(name: string, change: unknown): void {
  const where = `initializers['${name}']`;
  if (!isRecord(change)) throw notAPlan(where, 'an object', change);
  for (const part of ['shape', 'newShape']) {
    if (!isSizes(change[part])) throw notAPlan(`${where}.${part}`, 'a list of sizes', change[part]);
  }
  if (!isRecord(change.kept) || !Object.values(change.kept).every(isSizes)) {
    throw notAPlan(`${where}.kept`, 'lists of indices by axis', change.kept);
  }
}

function checkGroup(group: unknown, index: number): void {
  const where = `groups[${index}]`;
  if (!isRecord(group)) throw notAPlan(where, 'an object', group);
  if (typeof group.root !== 'string') throw notAPlan(`${where}.root`, 'the name of a layer', group.root);
  if (group.side !== 'out' && group.side !== 'in') throw notAPlan(`${where}.side`, "'out' or 'in'", group.side);
  if (!isSize(group.channels)) throw notAPlan(`${where}.channels`, 'a number of channels', group.channels);
  if (!isSizes(group.kept)) throw notAPlan(`${where}.kept`, 'a list of channels', group.kept);
  if (!Array.isArray(group.inexact)) throw notAPlan(`${where}.inexact`, 'a list', group.inexact);
}

function checkChangedWeights(changes: unknown): void {
  if (changes === undefined) return;
  if (!isRecord(changes)) throw notAPlan('changedWeights', 'an object', changes);
  for (const [name, change] of Object.entries(changes)) {
    const isKnown = isRecord(change) && typeof change.method === 'string' && typeof change.fingerprint === 'string';
    if (!isKnown) throw notAPlan(`changedWeights['${name}']`, 'a method and a fingerprint', change);
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every(isSize);

function notAPlan(part: string, expected: string, actual: unknown): PlanError {
  return new PlanError('PLAN_FORMAT', `this is not a plan${part ? `: ${part} is something else` : ''}`, {
    expected,
    actual: shown(actual),
    repair: 'Give the JSON that --plan or pruner.plan() made, as it is.',
  });
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 80);
}
