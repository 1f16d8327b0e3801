/**
 * One file through everything that reads files: it is read, checked, printed, counted, analysed, pruned and written. The
 * outcome is a success, an error that says what is wrong, or a defect of ours. Nothing here limits time or memory: the
 * process around it does.
 */
import { countOpsAndParams } from '@onnx-pruning/cost';
import { DependencyGraph } from '@onnx-pruning/depgraph';
import { checkModel, encodeModel, type Model, OnnxPruningError, parseModel, printModel } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';
import { refusalsOf } from '@onnx-pruning/report';

/** `unsound`: the check refuses the model that was analysed, or the one that was written of a sound one. */
export type OutcomeKind = 'success' | 'refused' | 'untyped' | 'unsound';

export interface Outcome {
  readonly kind: OutcomeKind;
  /** What was being done when it failed. */
  readonly stage: string;
  /** The code of a typed error; what was thrown otherwise. */
  readonly what: string;
  /** The pruned model, where it was written. */
  readonly written?: Uint8Array;
}

/**
 * Reads, prunes and writes a model.
 * @param folder where the data files lie that it refers to
 */
export function tryModel(bytes: Uint8Array, folder: string): Outcome {
  const trial = new Trial();
  try {
    return { kind: 'success', stage: trial.stage, what: '', written: trial.run(bytes, folder) };
  } catch (error) {
    const { stage } = trial;
    if (error instanceof Unsound) return { kind: 'unsound', stage, what: error.message };
    const isMistake = !(error instanceof OnnxPruningError) || error.code === RECORD_FAILED;
    if (!isMistake) return { kind: 'refused', stage, what: error.code };
    return { kind: 'untyped', stage, what: whereThrown(error) };
  }
}

/** The code of errors that say with what node a rule of ours failed: typed, and mistakes all the same. */
const RECORD_FAILED = 'RECORD';

class Unsound extends Error {}

class Trial {
  stage = 'read';

  run(bytes: Uint8Array, folder: string): Uint8Array {
    const model = parseModel(bytes, { baseDir: folder });
    const problem = this.#at('check', () => typedErrorOf(() => checkModel(model)));
    this.#at('print', () => printModel(model));
    this.#at('count', () => typedErrorOf(() => countOpsAndParams(model)));
    this.#at('analyse', () => refusalsOf(new DependencyGraph().buildDependency(model)));
    if (problem) throw new Unsound(`the check refuses the model (${problem.code}), the analysis does not`);
    const pruner = this.#at(
      'analyse',
      () => new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio: 0.5 }),
    );
    this.#at('prune', () => pruner.step());
    const written = this.#at('write', () => encodeModel(model));
    this.#at('read again', () => expectSound(written));
    return written;
  }

  #at<T>(stage: string, work: () => T): T {
    this.stage = stage;
    return work();
  }
}

/** The typed error that something ends in, if any: what comes after it is tried all the same. */
function typedErrorOf(work: () => unknown): OnnxPruningError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof OnnxPruningError && error.code !== RECORD_FAILED) return error;
    throw error;
  }
}

/** What was written of a sound model is one, too. */
function expectSound(written: Uint8Array): Model {
  const model = parseModel(written);
  const problem = typedErrorOf(() => checkModel(model));
  if (problem) throw new Unsound(`the check refuses what was written: ${problem.message}`);
  return model;
}

/** The message, with numbers left out, and the innermost places: equal for failures of the same kind. */
function whereThrown(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return whereThrown(error.cause);
  const places = (error.stack ?? '').matchAll(/([\w-]+\/(?:dist|src)\/[\w/.-]+:\d+)/g);
  const [first, second] = [...places].map(([place]) => place);
  return `${error.name}: ${error.message.replace(/\d+/g, '#').slice(0, 120)} @ ${first ?? '?'} < ${second ?? '?'}`;
}
