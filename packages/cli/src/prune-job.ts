/**
 * The main job, step by step: read, prune, check, time, write. Returns what was found as data; prints nothing, and
 * writes nothing unless the check has passed.
 */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { countOpsAndParams } from '@onnx-pruning/cost';
import type { Dataset } from '@onnx-pruning/data';
import { ShapeError } from '@onnx-pruning/depgraph';
import {
  bytesInMemory,
  checkModel,
  completeInterruptedSave,
  discard,
  discardAbandonedFolders,
  loadModel,
  type Model,
  moveContentToFile,
  OnnxPruningError,
  temporaryFolder,
} from '@onnx-pruning/onnx';
import { EquivalenceError, type Verification, verify } from '@onnx-pruning/proof';
import type { Plan } from '@onnx-pruning/pruning';
import { pruneWithinDrop, type WithinDropProgress } from '@onnx-pruning/recovery';
import {
  type BenchmarkProgress,
  type BenchmarkResult,
  benchmark,
  isRuntimeInstalled,
  RUNTIME_INSTALL_COMMAND,
  RuntimeError,
  runModel,
  SessionError,
  shortageOf,
  withSession,
} from '@onnx-pruning/runtime';
import { checkCriterion, criterionOf, needsSamples } from './criterion.ts';
import { checkDestinations, type Destinations, type Written, writeResults } from './destinations.ts';
import { type InputSets, readInputs, sizesOf } from './given-inputs.ts';
import { resolveInputShapes } from './input-shapes.ts';
import { type Accuracy, checkMeasuring, type MeasuringOptions, measure, type RatioChoice } from './measuring.ts';
import { graphOptions, NothingPrunedError, type PruneChoice, type PrunedModel, prune } from './prune-model.ts';
import { type Calibration, openSamples, type Recovery, type RecoveryOptions, recover } from './recovery.ts';

/** Everything that the verb `prune` can be told. */
export interface PruneJob extends PruneChoice, RecoveryOptions, MeasuringOptions {
  readonly model: string;
  readonly output: string;
  readonly plan?: string;
  readonly ratio: number;
  /** Files with real inputs, as `--inputs` takes them. */
  readonly inputs?: readonly string[];
  readonly seed: number;
  readonly force?: boolean;
  readonly verify: boolean;
  /** Write the result also where the check neither finds a difference nor shows that there is none. */
  readonly allowInconclusive?: boolean;
  readonly bench: boolean;
  readonly provider: string;
  readonly runs: number;
}

/** Sizes of every input, by name. */
type Shapes = Readonly<Record<string, readonly number[]>>;

/** What both models are run on: real inputs, where they were given, and sizes for all others. */
interface RunInputs {
  readonly dims: Shapes;
  readonly sets?: InputSets;
}

/** Everything that comes from files besides the model. */
interface GivenData extends RunInputs {
  /** Samples to refit weights to. */
  readonly calibration?: Calibration;
  /** Samples to measure on. */
  readonly measured?: Dataset;
}

/** A pruned model, refitted where the search for a ratio did so already. */
interface Candidate extends PrunedModel {
  readonly recovery?: Recovery;
}

/** What a model costs. */
export interface Cost {
  /** Undefined where a size that only a run decides stands in the way. */
  readonly params?: number;
  readonly macs?: number;
  /** Of all files of the model; undefined where nothing was written. */
  readonly bytes?: number;
}

export interface PruneResult extends Omit<PrunedModel, 'model'> {
  readonly job: PruneJob;
  readonly before: Cost;
  readonly after: Cost;
  /** Sets of real inputs that were given. */
  readonly inputSets: number;
  /** Undefined where the check was switched off. */
  readonly equivalence?: Verification;
  /** Undefined where no weights were refitted. */
  readonly recovery?: Recovery;
  /** Undefined where there were no samples to measure on. */
  readonly accuracy?: Accuracy;
  /** Undefined where the ratio was given. */
  readonly choice?: RatioChoice;
  /** Undefined where timing was switched off or did not work, or the check failed. */
  readonly latency?: BenchmarkResult;
  /** Why there is no latency, where timing was asked for and did not work. */
  readonly notTimed?: string;
  /** Undefined where the check failed: nothing was written. */
  readonly written?: Written;
}

/**
 * @param onPhase told what is going on, for people who wait
 * @throws OnnxPruningError for bad input; nothing is written then
 * @throws EquivalenceError when onnxruntime does not run the pruned model. A difference in its results is no error
 * here: it is in the result, and nothing is written
 */
export async function runPruneJob(job: PruneJob, onPhase: (phase: string) => void = () => {}): Promise<PruneResult> {
  const destinations: Destinations = { source: job.model, output: job.output, plan: job.plan, force: job.force };
  checkCriterion(job);
  checkRuntime(job);
  for (const path of [job.output, job.plan]) if (path !== undefined) completeInterruptedSave(path);
  discardAbandonedFolders(temporaryFoldersOf(job));
  onPhase('Reading the model');
  const original = await loadModel(job.model);
  checkModel(original);
  await checkDestinations(destinations);
  const sets = await readInputs(original, job.inputs ?? [], job.inputShape ?? []);
  const dims = sets ? sizesOf(sets[0]) : resolveInputShapes(original, job.inputShape ?? []);
  checkMeasuring(job, original);
  const inputs: GivenData = { dims, sets, ...(await openSamples(original, job)) };
  if (job.bench) await tryProvider(original, job.provider);

  if (needsSamples(job.criterion)) onPhase('Scoring channels');
  const importance = await criterionOf(original, job, inputs.calibration, graphOptions(job));
  const remove = (ratio: number): PrunedModel => prune(original.clone(), job, ratio, importance);
  onPhase('Pruning');
  const { candidate, choice } = await choose(original, job, inputs, remove, onPhase);
  const { model: pruned, plan, refusals, selectors, skipped } = candidate;
  const found = {
    job,
    selectors,
    skipped,
    plan,
    refusals,
    choice,
    inputSets: sets?.length ?? 0,
    before: { ...costOf(original, dims), bytes: bytesOf([job.model, ...original.dataFiles]) },
  };
  const moved = job.verify ? await moveNewContent(pruned, job) : undefined;
  try {
    return await checkAndWrite(original, candidate, { ...found, after: costOf(pruned, dims) }, inputs, onPhase);
  } finally {
    if (moved !== undefined) discard(moved);
  }
}

/** The model at the ratio that was given, or at the largest one within the drop that is allowed. */
async function choose(
  original: Model,
  job: PruneJob,
  { dims, calibration, measured }: GivenData,
  remove: (ratio: number) => PrunedModel,
  onPhase: (phase: string) => void,
): Promise<{ candidate: Candidate; choice?: RatioChoice }> {
  const { maxDrop: points, maxDropConfidence: confidence } = job;
  if (points === undefined || measured === undefined) return { candidate: remove(job.ratio) };
  const maxDrop = points / 100;
  const macs = new Map<number, number | undefined>();
  const all = costOf(original, dims).macs;
  let now = '';
  const make = async (ratio: number): Promise<{ model?: Model; candidate?: Candidate }> => {
    const pruned = prunedOrNothing(remove, ratio);
    if (pruned === undefined) return {};
    const left = costOf(pruned.model, dims).macs;
    macs.set(ratio, all && left !== undefined ? left / all : undefined);
    const onLayer = (done: number, total: number): void => onPhase(`${now}, layer ${done + 1} of ${total}`);
    const recovery = calibration && (await recover(original, pruned.model, pruned.plan, calibration, onLayer));
    return { model: recovery?.model ?? pruned.model, candidate: { ...pruned, recovery } };
  };
  const onProgress = ({ done, total, ratio }: WithinDropProgress): void => {
    now = `Trying ratio ${ratio}, ${done + 1} of at most ${total}`;
    onPhase(now);
  };
  const found = await pruneWithinDrop(original, make, measured, { maxDrop, confidence, onProgress });
  const curve = found.curve.map((cost) => ({ ...cost, macs: macs.get(cost.ratio) }));
  return { candidate: found.result.candidate!, choice: { maxDrop, confidence, ratio: found.ratio, curve } };
}

/** Undefined where the ratio is too small for any channel to go. */
function prunedOrNothing(remove: (ratio: number) => PrunedModel, ratio: number): PrunedModel | undefined {
  try {
    return remove(ratio);
  } catch (error) {
    if (error instanceof NothingPrunedError && error.code === 'NOTHING_CHOSEN') return undefined;
    throw error;
  }
}

type Found = Omit<PruneResult, 'equivalence' | 'recovery' | 'accuracy' | 'latency' | 'notTimed' | 'written'>;

async function checkAndWrite(
  original: Model,
  candidate: Candidate,
  found: Found,
  inputs: GivenData,
  onPhase: (phase: string) => void,
): Promise<PruneResult> {
  const { job, after } = found;
  const { calibration, measured } = inputs;
  const { model: pruned, plan } = candidate;
  onPhase('Checking that nothing else changed');
  const equivalence = job.verify ? await check(original, pruned, plan, job, inputs) : undefined;
  if (equivalence && !isAccepted(equivalence, job)) return { ...found, equivalence };
  const onLayer = (done: number, total: number): void => onPhase(`Refitting weights, layer ${done + 1} of ${total}`);
  const recovery = candidate.recovery ?? (calibration && (await recover(original, pruned, plan, calibration, onLayer)));
  const result = recovery?.model ?? pruned;
  if (measured) onPhase('Measuring what was lost');
  const accuracy = measured && (await measure(original, result, recovery && pruned, measured));
  const timing = job.bench ? await time(original, result, job, inputs, onPhase) : {};
  onPhase('Writing');
  const text = job.plan === undefined ? undefined : planText(recovery?.plan ?? plan);
  const { output, force } = job;
  const written = await writeResults(result, text, { source: job.model, output, plan: job.plan, force });
  const bytes = bytesOf([written.model, ...(written.data ? [written.data] : [])]);
  return { ...found, after: { ...after, bytes }, equivalence, recovery, accuracy, ...timing, written };
}

/** Whether a result with this verdict is written. */
export function isAccepted({ verdict }: Verification, { allowInconclusive }: PruneJob): boolean {
  return verdict === 'holds' || (verdict === 'inconclusive' && allowInconclusive === true);
}

/** Without onnxruntime there is no proof: said before the work, and only done where it was asked for. */
function checkRuntime({ verify, bench, calib, data, maxDrop, criterion, recover: method }: PruneJob): void {
  const refits = calib !== undefined && method !== 'none';
  const measures = data !== undefined || maxDrop !== undefined;
  const scores = needsSamples(criterion);
  if (!(verify || bench || refits || measures || scores) || isRuntimeInstalled()) return;
  const without = [
    verify && '--no-verify',
    bench && '--no-bench',
    refits && '--recover none',
    measures && 'no --data, no --max-drop',
    scores && '--criterion l2',
  ];
  const what = verify ? 'proven' : refits ? 'refitted' : measures ? 'measured' : scores ? 'scored' : 'timed';
  throw new RuntimeError('RUNTIME_MISSING', `onnxruntime-node is not installed: nothing can be ${what} without it`, {
    repair: `Run '${RUNTIME_INSTALL_COMMAND}', or do without: ${without.filter(Boolean).join(' ')}.`,
  });
}

/**
 * An execution provider that is not there is better known before the work than after it. Without optimizations, nothing is
 * computed when the model is loaded.
 */
async function tryProvider(model: Model, executionProvider: string): Promise<void> {
  const options = { executionProvider, graphOptimization: 'disabled' } as const;
  if (executionProvider !== 'cpu') await withSession(model, options, async () => {});
}

/** Where temporary copies may go: where the results go, there is room for them. */
const temporaryFoldersOf = ({ output, model }: PruneJob): string[] => [
  dirname(resolve(output)),
  dirname(resolve(model)),
];

/** New weights of fewer bytes stay in memory while the models are run. */
const MOVED_FROM = 2 ** 27;

/** Puts large new weights into a temporary folder, whose path this returns; they stay in memory where there is no room. */
async function moveNewContent(pruned: Model, job: PruneJob): Promise<string | undefined> {
  const bytes = bytesInMemory(pruned);
  if (bytes < MOVED_FROM) return undefined;
  let folder: string | undefined;
  try {
    folder = await temporaryFolder({ bytes, folders: temporaryFoldersOf(job) });
    await moveContentToFile(pruned, folder);
    return folder;
  } catch (error) {
    if (folder !== undefined) discard(folder);
    // What the disk refuses has a code; anything else is a mistake.
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}

function costOf(model: Model, shapes: Shapes): Cost {
  try {
    const { params, macs } = countOpsAndParams(model, { inputShapes: shapes });
    return { params, macs };
  } catch (error) {
    if (error instanceof ShapeError && error.code === 'SIZE_UNKNOWN') return {};
    throw error;
  }
}

/** Indented JSON with one line for each list of indices, so that two plans can be compared line by line. */
function planText(plan: Plan): string {
  const lists = /\[\n\s+([\d,\s]+?)\n\s*\]/g;
  return `${JSON.stringify(plan, undefined, 2).replace(lists, (_, list: string) => `[${list.replace(/\s+/g, ' ')}]`)}\n`;
}

function bytesOf(paths: readonly string[]): number {
  return paths.reduce((sum, path) => sum + statSync(path).size, 0);
}

async function check(
  original: Model,
  pruned: Model,
  plan: Plan,
  job: PruneJob,
  { dims, sets }: RunInputs,
): Promise<Verification> {
  const { seed } = job;
  try {
    const temporaryFolders = temporaryFoldersOf(job);
    return await verify(original, pruned, plan, { dims, seed, feeds: sets, temporaryFolders });
  } catch (error) {
    if (!(error instanceof SessionError || error instanceof ShapeError)) throw error;
    // A model that onnxruntime did not run in the first place is bad input, and its own error says so.
    for (const feeds of sets ?? [undefined]) await runModel(original, { dims, seed, feeds });
    throw new EquivalenceError(
      'NOT_RUNNABLE',
      'the pruned model does not run as it should',
      { actual: error.message, repair: 'This is a mistake of onnx-pruning: please report it with the model.' },
      { cause: error },
    );
  }
}

/** A model that was checked is not lost because it could not be timed. */
async function time(
  original: Model,
  pruned: Model,
  job: PruneJob,
  { dims, sets }: RunInputs,
  onPhase: (phase: string) => void,
): Promise<Pick<PruneResult, 'latency' | 'notTimed'>> {
  const { provider, runs, seed } = job;
  const models = [
    { name: 'original', model: original },
    { name: 'pruned', model: pruned },
  ];
  const onProgress = ({ phase, done, total }: BenchmarkProgress): void =>
    onPhase(phase === 'run' ? `Timing, run ${done + 1} of ${total}` : 'Timing');
  const temporaryFolders = temporaryFoldersOf(job);
  try {
    for (const { name, model } of models) {
      const shortage = await shortageOf(model, { temporaryFolders });
      if (shortage !== undefined) return { notTimed: `the ${name} model is not run: ${shortage}` };
    }
    const options = { executionProvider: provider, runs, dims, seed, feeds: sets?.[0], onProgress, temporaryFolders };
    return { latency: await benchmark(models, options) };
  } catch (error) {
    if (error instanceof OnnxPruningError) return { notTimed: error.message };
    throw error;
  }
}
