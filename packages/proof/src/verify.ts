/**
 * The equivalence check: a pruned model computes what its original computes when the removed channels contribute
 * nothing. The reference is built from the original and the plan alone, so a mistake of the pruned model cannot hide
 * in it. Two halves, since each sees what the other cannot: the file is compared bit for bit with what the plan says,
 * and both models are run and compared at all values around what was rewritten. It must not prune.
 */
import { BUILD_OPTIONS, inferShapes, registryWith } from '@onnx-pruning/depgraph';
import {
  checkArguments,
  greatest,
  type Kind,
  kinds,
  type Model,
  OnnxPruningError,
  type OptionKinds,
  oneOf,
} from '@onnx-pruning/onnx';
import type { Dim, OperatorRecord, ValueInfo } from '@onnx-pruning/ops';
import type { Plan, PlanOptions } from '@onnx-pruning/pruning';
import {
  availableMemory,
  checkRunOptions,
  checkRunSizes,
  type ResourceLimits,
  SessionError,
  type SessionOptions,
  shortageOf,
  type TensorValues,
} from '@onnx-pruning/runtime';
import { structureOf } from './changed-weights.ts';
import { checkpointsOf } from './checkpoints.ts';
import type { CompareOptions, Comparison, OutputComparison } from './compare.ts';
import { checkComputedWeights } from './computed-weights.ts';
import { type DrawOptions, drawsOf } from './draws.ts';
import { checkRuns, type DynamicParts, type DynamicResult } from './dynamic-check.ts';
import { unexercised } from './exercise.ts';
import { checkFile } from './file-check.ts';
import { noiseOf, withNoiseAsInput } from './noise.ts';
import { type PlannedRemoval, plannedRemoval, withTypes } from './planned-removal.ts';
import { referenceOf } from './reference-model.ts';
import { SessionPool } from './session-pool.ts';
import { TOLERANCE } from './tolerance.ts';
import { checkWeights } from './weights.ts';

/** A pruned model that does not compute what its original computes. */
export class EquivalenceError extends OnnxPruningError {}

/** `inconclusive`: nothing differs, but what was run does not show that nothing could. */
export type Verdict = 'holds' | 'differs' | 'inconclusive';

export interface VerifyOptions extends SessionOptions, DrawOptions, CompareOptions, PlanOptions {
  /** Which halves of the proof run: both by default. With one alone the verdict says what that half sees. */
  readonly parts?: 'both' | 'file' | 'runs';
  /**
   * Bytes of memory that the runs may take; by default what the machine has left. Where the weights of a model alone, or a
   * value whose size is known, take more, nothing is run and the verdict is inconclusive.
   */
  readonly memoryLimit?: number;
}

const VERIFY_OPTIONS: OptionKinds<CompareOptions & PlanOptions & Pick<VerifyOptions, 'parts' | 'memoryLimit'>> = {
  tolerance: TOLERANCE,
  customizedOperators: BUILD_OPTIONS.customizedOperators,
  parts: oneOf('both', 'file', 'runs'),
  memoryLimit: kinds.count,
};

/** What the check found. */
export interface Verification extends Comparison {
  /**
   * `holds`: equal within the tolerance, and put to the test; `differs`: not equal; `inconclusive`: equal, but the runs
   * did not put every rewritten weight to the test.
   */
  readonly verdict: Verdict;
  /** Why the verdict is not `holds`: what differs, or what the runs did not show. */
  readonly reasons: readonly string[];
  /** Whether the verdict is `holds`. */
  readonly ok: boolean;
  /** Statistics over pruned channels that the reference evaluates on the kept channels only. */
  readonly inexact: readonly string[];
  /**
   * Initializers that the plan says were changed after pruning. The verdict is about the model with the original's numbers
   * in their place; what they are good for is measured, not proven.
   */
  readonly changedWeights: readonly string[];
  /** Comparisons of values inside the models. */
  readonly intermediates: readonly OutputComparison[];
  /** Dimensions of the inputs of every run. */
  readonly runs: readonly Readonly<Record<string, readonly number[]>>[];
  /** Random inputs that the model refused, where they were tried. */
  readonly notes: readonly string[];
}

/**
 * Compares the pruned file with what the plan says it is, then runs the reference of the plan and the pruned model on
 * the same inputs and compares every output and the values around everything that was rewritten. The pruned model must
 * load, run, and give the shapes that inference promises.
 *
 * Large models are loaded one at a time, from their files where these can be loaded as they are, else from a temporary copy
 * (`temporaryFolders`, `diskLimit`) that is removed again. Where memory or disk does not suffice, that is said before
 * anything is run, and the verdict is inconclusive.
 * @returns what was found; `differs` beats `inconclusive` beats `holds`
 * @throws PlanError when the plan is not the original's; WeightError when the original's weights are not numbers;
 * SessionError when a model does not load or run
 */
export async function verify(
  original: Model,
  pruned: Model,
  plan: Plan,
  options: VerifyOptions = {},
): Promise<Verification> {
  checkArguments('verify', { original: [original, kinds.model], pruned: [pruned, kinds.model] });
  checkRunOptions('verify', options, VERIFY_OPTIONS);
  const { parts = 'both' } = options;
  const planned = plannedRemoval(original, plan, options);
  checkWeights(planned.graph);
  const structure = structureOf(planned, pruned);
  const inFile = [...structure.differences, ...(parts === 'runs' ? [] : checkFile(planned, structure.model))];
  const inexact = [...new Set(plan.groups.flatMap((group) => group.inexact))];
  const found = { inFile, inexact, changed: structure.changed };
  if (parts === 'file') return summary(found);
  return summary({ ...found, ...(await runsOf(planned, structure.model, options)) });
}

type RunFindings = Partial<Pick<Findings, 'result'>> & Required<Pick<Findings, 'idle'>>;

async function runsOf(removal: PlannedRemoval, pruned: Model, options: VerifyOptions): Promise<RunFindings> {
  const { original, plan } = removal;
  const { draws, optional } = drawsOf(original, plan, drawOptions(options));
  const limits = limitsOf(options);
  const refusal = (feeds: TensorValues): string | undefined => tooLarge(original, feeds, limits, options);
  const reason =
    draws.map(({ feeds }) => refusal(feeds)).find((one) => one !== undefined) ??
    (await shortageOfBoth(original, pruned, limits));
  if (reason !== undefined) return { idle: [reason] };
  const session = sessionOptions(options);
  const pool = new SessionPool(session, limits.memoryLimit);
  try {
    const planned = await withTypes(removal, session);
    return await checkBoth(planned, pruned, { draws, optional, pool, limits, refusal }, options);
  } finally {
    await pool.dispose();
  }
}

type Runs = Pick<DynamicParts, 'draws' | 'optional' | 'pool' | 'limits' | 'refusal'>;

async function checkBoth(
  planned: PlannedRemoval,
  pruned: Model,
  runs: Runs,
  options: VerifyOptions,
): Promise<RunFindings> {
  const { tolerance } = options;
  const checkpoints = checkpointsOf(planned);
  const { names: noise, hidden } = noiseOf(planned.original);
  const reference = withNoiseAsInput(planned, referenceOf(planned), noise);
  const result = await checkRuns({
    ...runs,
    planned,
    reference,
    pruned: withNoiseAsInput(planned, pruned, noise),
    checkpoints,
    tolerance,
    noise,
  });
  const { pool, draws } = runs;
  const computed = await checkComputedWeights(planned, pruned, checkpoints, draws[0]!.feeds, { tolerance, pool });
  const all = { ...kept(result, pruned, options), intermediates: [...result.intermediates, ...computed] };
  return { result: all, idle: [...hidden, ...unexercised(checkpoints, result), ...result.doubts] };
}

/** Memory is looked at once: later, it is what this check itself has taken. */
function limitsOf({ memoryLimit = availableMemory(), temporaryFolders, diskLimit }: VerifyOptions): ResourceLimits {
  return { memoryLimit, temporaryFolders, diskLimit };
}

/** Why the models are not run on these inputs: a value is known to be too large. */
function tooLarge(
  model: Model,
  feeds: TensorValues,
  { memoryLimit }: ResourceLimits,
  { customizedOperators }: VerifyOptions,
): string | undefined {
  const dims = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, value.dims]));
  try {
    checkRunSizes(model, dims, { memoryLimit, customizedOperators });
    return undefined;
  } catch (error) {
    if (error instanceof SessionError) return error.message.replace(/\.$/, '');
    throw error;
  }
}

/** Why one of the models cannot be loaded. Zeros in place of removed channels make the original no larger. */
async function shortageOfBoth(original: Model, pruned: Model, limits: ResourceLimits): Promise<string | undefined> {
  for (const [name, model] of [
    ['original', original],
    ['pruned', pruned],
  ] as const) {
    const shortage = await shortageOf(model, limits);
    if (shortage !== undefined) {
      return `the ${name} model is not run: ${shortage}; check on a machine with more, or where the disk has room`;
    }
  }
  return undefined;
}

/**
 * Numeric differences must come from the models, not from the fusions that onnxruntime chose for one of them; and of
 * sessions that hand out all their values, what a run has used is not kept.
 */
const sessionOptions = ({
  executionProvider,
  deviceId,
  threads,
  logSeverity,
  graphOptimization = 'disabled',
  memoryArena = false,
  cpuNodes,
  temporaryFolders,
  diskLimit,
  config,
}: VerifyOptions): SessionOptions => ({
  executionProvider,
  deviceId,
  threads,
  logSeverity,
  graphOptimization,
  memoryArena,
  cpuNodes,
  temporaryFolders,
  diskLimit,
  config,
});

const drawOptions = ({ feeds, dims, batch, seed, ranges }: VerifyOptions): DrawOptions => ({
  feeds,
  dims,
  batch,
  seed,
  ranges,
});

/** Outputs whose shape is not the one that inference promises have failed, too. */
function kept(result: DynamicResult, pruned: Model, options: VerifyOptions): DynamicResult {
  const outputs = result.outputs.map((output) => {
    for (const [i, { feeds }] of result.draws.entries()) {
      const promised = promisedShapes(pruned, feeds, options.customizedOperators).get(output.name)?.dims;
      const broken = brokenPromise(promised, result.outputDims[i]?.get(output.name) ?? []);
      if (broken) return { ...output, ok: false, reason: broken };
    }
    return output;
  });
  return { ...result, outputs };
}

interface Findings {
  readonly inFile: readonly string[];
  readonly inexact: readonly string[];
  readonly changed: readonly string[];
  readonly result?: DynamicResult;
  readonly idle?: readonly string[];
}

function summary({ inFile, inexact, changed, result, idle = [] }: Findings): Verification {
  const { outputs = [], intermediates = [], draws = [], notes = [] } = result ?? {};
  const compared = [...outputs, ...intermediates];
  const failed = [
    ...outputs.filter(({ ok }) => !ok).map(({ name, reason }) => `output '${name}': ${reason}`),
    ...intermediates.filter(({ ok }) => !ok).map(({ name, reason }) => `value '${name}': ${reason}`),
  ];
  const differences = [...inFile, ...failed];
  const nothing = result && compared.length === 0 ? ['nothing was compared: the model has no outputs'] : [];
  const doubts = [...idle, ...nothing];
  const verdict = differences.length > 0 ? 'differs' : doubts.length > 0 ? 'inconclusive' : 'holds';
  return {
    verdict,
    ok: verdict === 'holds',
    reasons: verdict === 'differs' ? differences : doubts,
    outputs,
    tolerance: greatest([0, ...compared.map((one) => one.tolerance)]),
    inexact,
    changedWeights: changed,
    intermediates,
    runs: draws.map(({ feeds }) => Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]))),
    notes,
  };
}

/** A check that found no difference, and could not have found every one. */
export class InconclusiveError extends OnnxPruningError {}

const VERIFICATION: Kind = {
  expected: 'the result of verify',
  accepts: (value) => kinds.object.accepts(value) && 'verdict' in (value as object),
};

/**
 * @throws EquivalenceError where `verify` found a difference, and InconclusiveError where its verdict is `inconclusive`
 */
export function assertVerified(verification: Verification): void {
  checkArguments('assertVerified', { verification: [verification, VERIFICATION] });
  const { verdict, reasons } = verification;
  if (verdict === 'holds') return;
  if (verdict === 'inconclusive') {
    const accept = 'or accept it as it is (--allow-inconclusive)';
    const [what, repair] =
      verification.runs.length === 0
        ? ['nothing was run', `Check it where more memory or disk is left, or on smaller inputs, ${accept}.`]
        : [
            'what was run does not show that the pruned model is right',
            `Give real inputs, best several sets (--inputs, feeds), ${accept}.`,
          ];
    throw new InconclusiveError('INCONCLUSIVE', `the check is inconclusive: ${what}`, {
      actual: reasons.join('; '),
      repair,
    });
  }
  const failed = verification.outputs.find((output) => !output.ok) ?? verification.intermediates.find((one) => !one.ok);
  if (!failed) {
    throw new EquivalenceError('NOT_EQUIVALENT', 'the pruned model is not what the plan says', {
      actual: reasons.join('; '),
      repair:
        'Do not use the pruned file. Where nobody changed it, this is a mistake of the engine: report the model and the plan.',
    });
  }
  throw new EquivalenceError('NOT_EQUIVALENT', 'the pruned model does not compute what the original does', {
    value: failed.name,
    expected: `a relative difference of at most ${failed.tolerance}`,
    actual: failed.reason ?? failed.maxRel,
    repair: 'Do not use the pruned file. This is a mistake of the engine: report the model and the plan.',
  });
}

/** Shapes that inference promises of the pruned model for these inputs. */
function promisedShapes(
  pruned: Model,
  feeds: TensorValues,
  customized?: readonly OperatorRecord[],
): ReadonlyMap<string, ValueInfo> {
  const inputShapes = Object.fromEntries(Object.entries(feeds).map(([input, value]) => [input, value.dims]));
  return inferShapes(pruned, registryWith(customized), inputShapes).values;
}

function brokenPromise(promised: readonly Dim[] | undefined, found: readonly number[]): string | undefined {
  const fits =
    !promised ||
    (promised.length === found.length &&
      promised.every((size, axis) => typeof size !== 'number' || size === found[axis]));
  return fits ? undefined : `inference promises [${promised.join(', ')}], the run gave [${found.join(', ')}]`;
}
