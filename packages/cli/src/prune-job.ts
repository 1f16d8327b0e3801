/**
 * The main job, step by step: read, prune, check, time, write. Returns what was found as data; prints nothing, and
 * writes nothing unless the check has passed.
 */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { countOpsAndParams } from '@onnx-pruning/cost';
import { LayerError, ShapeError } from '@onnx-pruning/depgraph';
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
  UnknownLayerError,
} from '@onnx-pruning/onnx';
import { checkWeights, EquivalenceError, type Verification, verify } from '@onnx-pruning/proof';
import {
  BasePruner,
  GroupMagnitudeImportance,
  OptionError,
  type Plan,
  type PrunerOptions,
  type SkippedGroup,
} from '@onnx-pruning/pruning';
import { type Refusal, refusalsOf, showRefusals } from '@onnx-pruning/report';
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
import { checkDestinations, type Destinations, type Written, writeResults } from './destinations.ts';
import { type InputSets, readInputs, sizesOf } from './given-inputs.ts';
import { type GivenShape, resolveInputShapes } from './input-shapes.ts';
import { type Calibration, openCalibration, type Recovery, type RecoveryOptions, recover } from './recovery.ts';

/** Everything that the verb `prune` can be told. */
export interface PruneJob extends RecoveryOptions {
  readonly model: string;
  readonly output: string;
  readonly plan?: string;
  readonly ratio: number;
  /** Layers, or patterns of layers, whose output channels stay. */
  readonly ignore?: readonly string[];
  readonly criterion: 'l1' | 'l2';
  readonly roundTo?: number;
  /** Prune also what is kept unless asked: see the options of these names of `BuildOptions`. */
  readonly pruneDistributions?: boolean;
  readonly pruneOverridable?: boolean;
  readonly inputShape?: readonly GivenShape[];
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
}

/** What a model costs. */
export interface Cost {
  /** Undefined where a size that only a run decides stands in the way. */
  readonly params?: number;
  readonly macs?: number;
  /** Of all files of the model; undefined where nothing was written. */
  readonly bytes?: number;
}

/** What a name or pattern of `--ignore` protects. */
export interface Selector {
  readonly selector: string;
  /** Names of the layers whose output channels stay. */
  readonly layers: readonly string[];
}

export interface PruneResult {
  readonly job: PruneJob;
  readonly selectors: readonly Selector[];
  readonly before: Cost;
  readonly after: Cost;
  readonly plan: Plan;
  readonly refusals: readonly Refusal[];
  /** Groups of which channels were to go, and stay. */
  readonly skipped: readonly SkippedGroup[];
  /** Sets of real inputs that were given. */
  readonly inputSets: number;
  /** Undefined where the check was switched off. */
  readonly equivalence?: Verification;
  /** Undefined where no weights were refitted. */
  readonly recovery?: Recovery;
  /** Undefined where timing was switched off or did not work, or the check failed. */
  readonly latency?: BenchmarkResult;
  /** Why there is no latency, where timing was asked for and did not work. */
  readonly notTimed?: string;
  /** Undefined where the check failed: nothing was written. */
  readonly written?: Written;
}

/** A job that would change nothing. */
export class NothingPrunedError extends OnnxPruningError {}

/**
 * @param onPhase told what is going on, for people who wait
 * @throws OnnxPruningError for bad input; nothing is written then
 * @throws EquivalenceError when onnxruntime does not run the pruned model. A difference in its results is no error
 * here: it is in the result, and nothing is written
 */
export async function runPruneJob(job: PruneJob, onPhase: (phase: string) => void = () => {}): Promise<PruneResult> {
  const destinations: Destinations = { source: job.model, output: job.output, plan: job.plan, force: job.force };
  checkRuntime(job);
  for (const path of [job.output, job.plan]) if (path !== undefined) completeInterruptedSave(path);
  discardAbandonedFolders(temporaryFoldersOf(job));
  onPhase('Reading the model');
  const original = await loadModel(job.model);
  checkModel(original);
  await checkDestinations(destinations);
  const sets = await readInputs(original, job.inputs ?? [], job.inputShape ?? []);
  const dims = sets ? sizesOf(sets[0]) : resolveInputShapes(original, job.inputShape ?? []);
  const calibration = await openCalibration(original, job);
  if (job.bench) await tryProvider(original, job.provider);

  onPhase('Pruning');
  const pruned = original.clone();
  const { plan, refusals, selectors, skipped } = prune(pruned, job);
  const found = {
    job,
    selectors,
    skipped,
    plan,
    refusals,
    inputSets: sets?.length ?? 0,
    before: { ...costOf(original, dims), bytes: bytesOf([job.model, ...original.dataFiles]) },
  };
  const moved = job.verify ? await moveNewContent(pruned, job) : undefined;
  try {
    const after = costOf(pruned, dims);
    return await checkAndWrite(original, pruned, { ...found, after }, { dims, sets, calibration }, onPhase);
  } finally {
    if (moved !== undefined) discard(moved);
  }
}

type Found = Omit<PruneResult, 'equivalence' | 'recovery' | 'latency' | 'notTimed' | 'written'>;

async function checkAndWrite(
  original: Model,
  pruned: Model,
  found: Found,
  inputs: GivenData,
  onPhase: (phase: string) => void,
): Promise<PruneResult> {
  const { job, plan, after } = found;
  const { calibration } = inputs;
  onPhase('Checking that nothing else changed');
  const equivalence = job.verify ? await check(original, pruned, plan, job, inputs) : undefined;
  if (equivalence && !isAccepted(equivalence, job)) return { ...found, equivalence };
  const onLayer = (done: number, total: number): void => onPhase(`Refitting weights, layer ${done + 1} of ${total}`);
  const recovery = calibration && (await recover(original, pruned, plan, calibration, onLayer));
  const result = recovery?.model ?? pruned;
  const timing = job.bench ? await time(original, result, job, inputs, onPhase) : {};
  onPhase('Writing');
  const text = job.plan === undefined ? undefined : planText(recovery?.plan ?? plan);
  const { output, force } = job;
  const written = await writeResults(result, text, { source: job.model, output, plan: job.plan, force });
  const bytes = bytesOf([written.model, ...(written.data ? [written.data] : [])]);
  return { ...found, after: { ...after, bytes }, equivalence, recovery, ...timing, written };
}

/** Whether a result with this verdict is written. */
export function isAccepted({ verdict }: Verification, { allowInconclusive }: PruneJob): boolean {
  return verdict === 'holds' || (verdict === 'inconclusive' && allowInconclusive === true);
}

/** Without onnxruntime there is no proof: said before the work, and only done where it was asked for. */
function checkRuntime({ verify, bench, calib, recover: method }: PruneJob): void {
  const refits = calib !== undefined && method !== 'none';
  if (!(verify || bench || refits) || isRuntimeInstalled()) return;
  const without = [verify && '--no-verify', bench && '--no-bench', refits && '--recover none']
    .filter(Boolean)
    .join(' ');
  const what = verify ? 'proven' : refits ? 'refitted' : 'timed';
  throw new RuntimeError('RUNTIME_MISSING', `onnxruntime-node is not installed: nothing can be ${what} without it`, {
    repair: `Run '${RUNTIME_INSTALL_COMMAND}', or do without: ${without}.`,
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

function prune(model: Model, job: PruneJob): Pick<PruneResult, 'plan' | 'refusals' | 'selectors' | 'skipped'> {
  const pruner = makePruner(model, {
    importance: new GroupMagnitudeImportance({ p: job.criterion === 'l1' ? 1 : 2 }),
    pruningRatio: job.ratio,
    ignoredLayers: job.ignore,
    roundTo: job.roundTo,
    pruneDistributions: job.pruneDistributions,
    pruneOverridable: job.pruneOverridable,
    inputShapes: givenShapes(job.inputShape ?? []),
  });
  checkWeights(pruner.graph);
  const refusals = refusalsOf(pruner.graph);
  const selectors = (job.ignore ?? []).map((selector) => ({
    selector,
    layers: pruner.graph.matchLayers(selector).map(({ layer }) => layer.name),
  }));
  const anyGroup = !pruner.graph.getAllGroups().next().done;
  const { skipped } = pruner.step();
  const plan = pruner.plan();
  if (plan.groups.length === 0 && job.ratio > 0) throw nothingPruned(anyGroup, refusals, skipped);
  return { plan, refusals, selectors, skipped };
}

/** Shapes by input and sizes by symbol, as the graph takes them: only what was asked for is fixed. */
export function givenShapes(given: readonly GivenShape[]): Record<string, number | readonly number[]> {
  const isSymbol = ({ sizes }: GivenShape): boolean => sizes.length === 1;
  return Object.fromEntries(given.map((shape) => [shape.name, isSymbol(shape) ? shape.sizes[0] : shape.sizes]));
}

/** All options but the ignored layers were checked when they were read. */
function makePruner(model: Model, options: PrunerOptions): BasePruner {
  try {
    return new BasePruner(model, options);
  } catch (cause) {
    throw inWordsOfIgnore(cause, options.ignoredLayers ?? []);
  }
}

/** An error about a layer that `--ignore` names, in its words; any other as it is. */
export function inWordsOfIgnore(cause: unknown, ignored: readonly unknown[]): unknown {
  const isSelector = cause instanceof UnknownLayerError || cause instanceof LayerError;
  if (!isSelector || !ignored.some((selector) => selector === cause.details.node)) return cause;
  const { node, expected, actual, repair } = cause.details;
  const details = { expected: expected ?? 'a layer, a module or a pattern', actual: actual ?? `'${node}'`, repair };
  return new OptionError('IGNORE', `--ignore '${node}' names no layer whose channels could stay`, details, { cause });
}

function nothingPruned(
  anyGroup: boolean,
  refusals: readonly Refusal[],
  skipped: readonly SkippedGroup[],
): NothingPrunedError {
  if (skipped.length > 0) {
    const reasons = skipped.slice(0, 5).map(({ root, reason }) => `\n  ${root}: ${reason}`);
    return new NothingPrunedError('NOTHING_CHOSEN', 'none of the chosen channels may go', {
      repair: `Choose another --ratio, or a smaller --round-to.${reasons.join('')}`,
    });
  }
  if (anyGroup) {
    return new NothingPrunedError('NOTHING_CHOSEN', 'these options leave every channel in place', {
      repair: 'Ignore fewer layers, choose a larger --ratio, or a smaller --round-to.',
    });
  }
  const reasons = showRefusals(refusals, 5).map((line) => `\n  ${line}`);
  return new NothingPrunedError('NOTHING_PRUNABLE', 'this model has no channels that may be removed', {
    repair:
      reasons.length > 0
        ? `These channels stay because of what they are coupled with:${reasons.join('')}`
        : 'Channels are removed between convolutions and fully connected layers; a single layer has none to lose.',
  });
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
