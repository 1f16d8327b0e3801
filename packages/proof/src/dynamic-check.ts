/**
 * The dynamic half of the proof: reference and pruned model run on the same inputs, and graph outputs and the values
 * around everything that was rewritten agree. It finds mistakes of the equations, which the comparison of files cannot
 * see. It says what the runs have not exercised, and calls nothing proven. Large models are loaded one at a time, in
 * turns: of the values of one, no more are held than fit into a bound, until the other has computed the same.
 */
import { createHash } from 'node:crypto';
import type { Model } from '@onnx-pruning/onnx';
import {
  type ResourceLimits,
  type Session,
  SessionError,
  shortageOf,
  type TensorValue,
  type TensorValues,
  valueNumbers,
  withOutputs,
} from '@onnx-pruning/runtime';
import { batchesOf, fetchesOf, type Part, type Scale, scaleOf } from './batches.ts';
import { type Checkpoints, comparedPieces, isCompared } from './checkpoints.ts';
import { compareOutput, type OutputComparison } from './compare.ts';
import type { Draw } from './draws.ts';
import { drawNoise } from './noise.ts';
import type { PlannedRemoval } from './planned-removal.ts';
import { perturbedFeeds, perturbedModel, roundingOf, widened } from './rounding.ts';
import type { SessionPool } from './session-pool.ts';
import type { Tolerance } from './tolerance.ts';

/** Models with perturbed weights that rounding is measured by. */
const SAMPLES = 2;
/**
 * As many where a difference may yet be rounding: a normalization of channels that are all but equal divides the last bit
 * by the square root of its epsilon, and few samples happen to show that in every channel.
 */
const MOST_SAMPLES = 8;
/** What is further off than so many tolerances is not rounding. */
const FAR = 100;

/** What one draw showed of a value of the pruned model. */
export interface Seen {
  readonly digest: string;
  readonly dims: string;
  readonly finite: boolean;
  readonly zero: boolean;
}

export interface DynamicResult {
  /** The worst comparison of every graph output and compared value, outputs first. */
  readonly outputs: readonly OutputComparison[];
  readonly intermediates: readonly OutputComparison[];
  /** What was seen of every value at each draw; feeds and noise included. */
  readonly seen: readonly ReadonlyMap<string, Seen>[];
  readonly draws: readonly Draw[];
  /** Dimensions of the outputs of the pruned model at each draw. */
  readonly outputDims: readonly ReadonlyMap<string, readonly number[]>[];
  readonly notes: readonly string[];
  /** Differences that may be rounding, where there is no room to measure it. */
  readonly doubts: readonly string[];
}

type BothFeeds = Awaited<ReturnType<typeof drawNoise>>;

export interface DynamicParts {
  readonly planned: PlannedRemoval;
  readonly reference: Model;
  readonly pruned: Model;
  readonly checkpoints: Checkpoints;
  readonly draws: readonly Draw[];
  /** Random draws of which the first that the model runs on is compared. */
  readonly optional: readonly Draw[];
  readonly tolerance?: Tolerance;
  readonly pool: SessionPool;
  readonly limits: ResourceLimits;
  /** Why the model does not run at these sizes with what there is, where that is known. */
  readonly refusal: (feeds: TensorValues) => string | undefined;
  /** Values of random operators, which are inputs of both models here. */
  readonly noise: readonly string[];
}

/** @throws SessionError when a model does not load, or does not run at the sizes asked for */
export async function checkRuns(parts: DynamicParts): Promise<DynamicResult> {
  const { reference, pruned, checkpoints } = parts;
  const outputs = reference.graph.output.map(({ name = '' }) => name);
  const made = new Set(pruned.graph.node.flatMap((node) => node.output));
  const values = checkpoints.values.filter((name) => made.has(name) && !parts.noise.includes(name));
  return new DynamicCheck({ ...parts, checkpoints: { ...checkpoints, values } }, outputs).run();
}

/** A value that is further off than it may be, unless that is rounding. */
interface Doubt {
  readonly draw: number;
  readonly name: string;
  readonly right: TensorValue;
  readonly asked: TensorValue;
  /** How far samples with perturbed weights are off the reference. */
  deviation?: TensorValue;
}

class DynamicCheck {
  readonly #parts: DynamicParts;
  readonly #outputs: readonly string[];
  /** What is fetched from every model: outputs first. */
  readonly #names: readonly string[];
  readonly #worst = new Map<string, OutputComparison>();
  readonly #doubts: string[] = [];
  #feeds: readonly BothFeeds[] = [];
  #scales: readonly Scale[] = [];
  #seen: readonly Map<string, Seen>[] = [];
  #outputDims: readonly Map<string, readonly number[]>[] = [];

  constructor(parts: DynamicParts, outputs: readonly string[]) {
    this.#parts = parts;
    this.#outputs = outputs;
    this.#names = [...new Set([...outputs, ...parts.checkpoints.values])];
  }

  async run(): Promise<DynamicResult> {
    const { draws, feeds, notes } = await this.#prepare();
    this.#feeds = feeds;
    this.#seen = feeds.map(({ candidate }) => new Map(Object.entries(candidate).map(([name, v]) => [name, look(v)])));
    this.#outputDims = feeds.map(() => new Map());
    const inside = this.#names.slice(new Set(this.#outputs).size);
    this.#scales = feeds.map(({ reference }) => scaleOf(this.#parts.planned, reference));
    const parts = this.#scales.flatMap((scale, draw) =>
      [[...new Set(this.#outputs)], ...fetchesOf(inside, scale)].map((names): Part => ({ draw, names, scale })),
    );
    for (const batch of batchesOf(parts.filter(({ names }) => names.length > 0))) await this.#compareBatch(batch);
    const of = (isOutput: boolean) =>
      this.#names.flatMap((name) => (this.#outputs.includes(name) === isOutput ? (this.#worst.get(name) ?? []) : []));
    return {
      outputs: of(true),
      intermediates: of(false),
      seen: this.#seen,
      draws,
      outputDims: this.#outputDims,
      notes,
      doubts: this.#doubts,
    };
  }

  /** All draws that are compared, with noise where the model draws some. */
  async #prepare(): Promise<{ draws: Draw[]; feeds: BothFeeds[]; notes: string[] }> {
    const draws: Draw[] = [...this.#parts.draws];
    const notes: string[] = [];
    const feeds: BothFeeds[] = [];
    for (const draw of draws) feeds.push(await this.#feedsOf(draw.feeds));
    for (const draw of this.#parts.optional) {
      const accepted = await this.#accepted(draw);
      if (typeof accepted === 'object') {
        draws.push(draw);
        feeds.push(accepted);
        break;
      }
      notes.push(`the model ${accepted} random values of ${showDims(draw.feeds)}: not compared there`);
    }
    return { draws, feeds, notes };
  }

  #feedsOf(feeds: TensorValues): Promise<BothFeeds> {
    return drawNoise(this.#parts.planned, this.#parts.noise, feeds, this.#parts.pool);
  }

  /** What the reference is fed, where it runs on the draw; else what it does. */
  async #accepted({ feeds }: Draw): Promise<BothFeeds | string> {
    if (this.#parts.refusal(feeds) !== undefined) return 'is not run on';
    try {
      const both = await this.#feedsOf(feeds);
      await (await this.#reference()).run(both.reference, this.#outputs);
      return both;
    } catch (error) {
      if (error instanceof SessionError) return 'does not run on';
      throw error;
    }
  }

  #reference(): Promise<Session> {
    return this.#parts.pool.get('reference', () => withOutputs(this.#parts.reference, this.#names));
  }

  /** Runs the reference on all parts, then the pruned model, and compares what both computed. */
  async #compareBatch(batch: readonly Part[]): Promise<void> {
    const reference = await this.#reference();
    const right: TensorValues[] = [];
    for (const { draw, names } of batch) right.push(await reference.run(this.#feeds[draw]!.reference, names));
    const candidate = await this.#parts.pool.get('pruned', () => withOutputs(this.#parts.pruned, this.#names));
    const doubts: Doubt[] = [];
    for (const [i, part] of batch.entries()) {
      const asked = await candidate.run(this.#feeds[part.draw]!.candidate, part.names);
      doubts.push(...this.#comparePart(part, right[i]!, asked));
      // What was compared is not held until the batch ends.
      right[i] = {};
    }
    if (doubts.length > 0) await this.#judgeByRounding(doubts);
  }

  #comparePart({ draw, names }: Part, right: TensorValues, asked: TensorValues): Doubt[] {
    return names.flatMap((name) => {
      const [expected, found] = [right[name]!, asked[name]!];
      this.#seen[draw]!.set(name, look(found));
      if (this.#outputs.includes(name)) this.#outputDims[draw]!.set(name, found.dims);
      if (!this.#isAsked(name)) return [];
      const comparison = this.#worstPiece(name, expected, found);
      if (!comparison.ok) return [{ draw, name, right: expected, asked: found }];
      this.#keep(comparison);
      return [];
    });
  }

  #isAsked(name: string): boolean {
    return this.#outputs.includes(name) || isCompared(this.#parts.planned, name);
  }

  /** Measures what rounding does to these values of the reference, and compares once more. */
  async #judgeByRounding(doubts: readonly Doubt[]): Promise<void> {
    let open = doubts;
    for (let seed = 1; seed <= MOST_SAMPLES && open.length > 0; seed++) {
      const shortage = seed === 1 ? await this.#sampleShortage() : undefined;
      if (shortage !== undefined) return this.#leaveOpen(open, shortage);
      await this.#runSample(seed, open);
      if (seed < SAMPLES) continue;
      open = open.filter(({ name, right, asked, deviation }) => {
        const found = this.#worstPiece(name, right, asked, deviation);
        const mayBeRounding = !found.ok && found.maxRel <= FAR * found.tolerance && seed < MOST_SAMPLES;
        if (!mayBeRounding) this.#keep(found);
        return mayBeRounding;
      });
    }
  }

  /** Without a measure of rounding nobody can tell: neither that the value is right, nor that it is wrong. */
  #leaveOpen(doubts: readonly Doubt[], shortage: string): void {
    for (const { name, right, asked } of doubts) {
      const { maxRel, tolerance, reason } = this.#worstPiece(name, right, asked);
      const how = Number.isFinite(maxRel) ? `is off by ${maxRel.toExponential(1)}, above ${tolerance}` : `${reason}`;
      this.#doubts.push(
        `value '${name}' ${how}; whether that is rounding takes a copy of the model to measure: ${shortage}`,
      );
    }
  }

  #sampleShortage(): Promise<string | undefined> {
    return shortageOf(perturbedModel(this.#parts.reference, 1), this.#parts.limits);
  }

  async #runSample(seed: number, open: readonly Doubt[]): Promise<void> {
    const { pool, reference } = this.#parts;
    const name = `sample ${seed}`;
    const session = await pool.get(name, () => withOutputs(perturbedModel(reference, seed), this.#names));
    for (const [draw, { reference: feeds }] of this.#feeds.entries()) {
      const doubts = open.filter((doubt) => doubt.draw === draw);
      if (doubts.length === 0) continue;
      const perturbed = perturbedFeeds(feeds, seed);
      const fetches = fetchesOf(
        doubts.map((doubt) => doubt.name),
        this.#scales[draw]!,
      );
      for (const names of fetches) {
        const sample = await session.run(perturbed, names);
        for (const doubt of doubts.filter((one) => names.includes(one.name) && hasRounding(one.right))) {
          doubt.deviation = widened(doubt.deviation, doubt.right, sample[doubt.name]!);
        }
      }
    }
    // The further ones are rarely needed, and take as much memory as the first.
    if (seed > SAMPLES) await pool.close(name);
  }

  #worstPiece(name: string, right: TensorValue, asked: TensorValue, deviation?: TensorValue): OutputComparison {
    const { planned, tolerance } = this.#parts;
    const piecesOf = (value: TensorValue) =>
      isCompared(planned, name)
        ? comparedPieces(planned, name, value, asked)
        : [{ reference: value, candidate: asked }];
    const deviations = deviation && piecesOf(deviation);
    const found = piecesOf(right).map(({ reference, candidate }, i) => {
      const rounding = deviations && roundingOf(deviations[i]!.reference);
      return compareOutput(name, reference, candidate, tolerance, rounding);
    });
    return found.reduce((worst, one) => (isWorse(one, worst) ? one : worst));
  }

  #keep(found: OutputComparison): void {
    const before = this.#worst.get(found.name);
    if (!before || isWorse(found, before))
      this.#worst.set(found.name, { ...found, maxReference: Math.max(found.maxReference, before?.maxReference ?? 0) });
  }
}

/** Text and 64-bit integers are compared exactly. */
function hasRounding({ data }: TensorValue): boolean {
  return ArrayBuffer.isView(data) && !(data instanceof BigInt64Array || data instanceof BigUint64Array);
}

const isWorse = (a: OutputComparison, b: OutputComparison): boolean => (a.ok === b.ok ? a.maxRel > b.maxRel : !a.ok);

/** `x [2, 3, 192, 192]` */
export const showDims = (feeds: TensorValues): string =>
  Object.entries(feeds)
    .map(([name, { dims }]) => `${name} [${dims.join(', ')}]`)
    .join(', ');

function look(value: TensorValue): Seen {
  const { data } = value;
  const dims = value.dims.join();
  if (!ArrayBuffer.isView(data)) return { digest: data.join('\n'), dims, finite: true, zero: false };
  const digest = createHash('sha1')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('base64');
  const numbers = valueNumbers(value);
  let finite = false;
  let zero = true;
  for (let i = 0; i < numbers.length && (zero || !finite); i++) {
    if (Number.isFinite(numbers[i]!)) finite = true;
    if (numbers[i] !== 0) zero = false;
  }
  return { digest, dims, finite: finite || numbers.length === 0, zero };
}
