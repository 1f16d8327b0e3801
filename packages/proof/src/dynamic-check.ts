/**
 * The dynamic half of the proof: reference and pruned model run on the same inputs, and graph outputs and the values
 * around everything that was rewritten agree. It finds mistakes of the equations, which the comparison of files cannot
 * see. It says what the runs have not exercised, and calls nothing proven.
 */
import { createHash } from 'node:crypto';
import { greatest, type Model } from '@onnx-pruning/onnx';
import {
  createSession,
  elementCount,
  type Session,
  SessionError,
  type SessionOptions,
  type TensorValue,
  type TensorValues,
  valueNumbers,
  withOutputs,
  withSession,
} from '@onnx-pruning/runtime';
import { type Checkpoints, comparedPieces, isCompared } from './checkpoints.ts';
import { compareOutput, type OutputComparison } from './compare.ts';
import type { Draw } from './draws.ts';
import { drawNoise } from './noise.ts';
import type { PlannedRemoval } from './planned-removal.ts';
import { perturbedFeeds, perturbedModel, roundingOf } from './rounding.ts';
import type { Tolerance } from './tolerance.ts';

/** Bytes of intermediate values that are held at once. */
const FETCH_BYTES = 2 ** 26;
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
  readonly candidates: readonly TensorValues[];
  readonly notes: readonly string[];
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
  readonly session: SessionOptions;
  /** Values of random operators, which are inputs of both models here. */
  readonly noise: readonly string[];
}

/** @throws SessionError when a model does not load, or does not run at the sizes asked for */
export async function checkRuns(parts: DynamicParts): Promise<DynamicResult> {
  const { reference, pruned, checkpoints, session } = parts;
  const outputs = reference.graph.output.map(({ name = '' }) => name);
  const made = new Set(pruned.graph.node.flatMap((node) => node.output));
  const values = checkpoints.values.filter((name) => made.has(name) && !parts.noise.includes(name));
  const names = [...new Set([...outputs, ...values])];
  return withSession(withOutputs(reference, names), session, (right) => {
    const fetched = names.filter((name) => made.has(name) || outputs.includes(name));
    return withSession(withOutputs(pruned, fetched), session, async (asked) => {
      const check = new DynamicCheck({ ...parts, checkpoints: { ...checkpoints, values } }, right, asked, outputs);
      try {
        return await check.run();
      } finally {
        await check.dispose();
      }
    });
  });
}

class DynamicCheck {
  readonly #parts: DynamicParts;
  readonly #reference: Session;
  readonly #candidate: Session;
  readonly #outputs: readonly string[];
  readonly #worst = new Map<string, OutputComparison>();
  readonly #samples = new Map<number, Session>();

  constructor(parts: DynamicParts, reference: Session, candidate: Session, outputs: readonly string[]) {
    this.#parts = parts;
    this.#reference = reference;
    this.#candidate = candidate;
    this.#outputs = outputs;
  }

  async run(): Promise<DynamicResult> {
    const draws: Draw[] = [...this.#parts.draws];
    const notes: string[] = [];
    for (const draw of this.#parts.optional) {
      if (await this.#accepts(draw)) {
        draws.push(draw);
        break;
      }
      notes.push(`the model does not run on random values of ${showDims(draw.feeds)}: not compared there`);
    }
    const seen: Map<string, Seen>[] = [];
    const candidates: TensorValues[] = [];
    for (const draw of draws) {
      const feeds = await this.#feedsOf(draw.feeds);
      const found = new Map(Object.entries(feeds.candidate).map(([name, value]) => [name, look(value)]));
      candidates.push(await this.#compare(feeds, found));
      seen.push(found);
    }
    const of = (isOutput: boolean) =>
      [...this.#worst].filter(([name]) => this.#outputs.includes(name) === isOutput).map(([, found]) => found);
    return { outputs: of(true), intermediates: of(false), seen, draws, candidates, notes };
  }

  #feedsOf(feeds: TensorValues): ReturnType<typeof drawNoise> {
    return drawNoise(this.#parts.planned, this.#parts.noise, feeds, this.#parts.session);
  }

  async #accepts({ feeds }: Draw): Promise<boolean> {
    try {
      await this.#reference.run((await this.#feedsOf(feeds)).reference, this.#outputs);
      return true;
    } catch (error) {
      if (error instanceof SessionError) return false;
      throw error;
    }
  }

  /** Compares every value on one draw, so many at a time; returns the candidate's outputs. */
  async #compare(feeds: BothFeeds, seen: Map<string, Seen>): Promise<TensorValues> {
    let rest = [...this.#parts.checkpoints.values].filter((name) => !this.#outputs.includes(name));
    const outputs = await this.#compareSome(this.#outputs, feeds, seen);
    const scale = scaleOf(this.#parts.planned, feeds.reference);
    while (rest.length > 0) {
      const some = rest.slice(0, fetchedAtOnce(rest, scale));
      rest = rest.slice(some.length);
      await this.#compareSome(some, feeds, seen);
    }
    return outputs;
  }

  async #compareSome(names: readonly string[], feeds: BothFeeds, seen: Map<string, Seen>): Promise<TensorValues> {
    if (names.length === 0) return {};
    const [right, asked] = [
      await this.#reference.run(feeds.reference, names),
      await this.#candidate.run(feeds.candidate, names),
    ];
    const doubtful: string[] = [];
    for (const name of names) {
      seen.set(name, look(asked[name]!));
      if (!this.#isAsked(name)) continue;
      const found = this.#worstPiece(name, right[name]!, asked[name]!);
      if (found.ok) this.#keep(found);
      else doubtful.push(name);
    }
    if (doubtful.length > 0) await this.#judgeByRounding(doubtful, feeds.reference, right, asked);
    return asked;
  }

  #isAsked(name: string): boolean {
    return this.#outputs.includes(name) || isCompared(this.#parts.planned, name);
  }

  /** Measures what rounding does to these values of the reference, and compares once more. */
  async #judgeByRounding(
    names: readonly string[],
    feeds: TensorValues,
    right: TensorValues,
    asked: TensorValues,
  ): Promise<void> {
    const samples: TensorValues[] = [];
    let open = names;
    for (let seed = 1; seed <= MOST_SAMPLES && open.length > 0; seed++) {
      samples.push(await this.#runSample(seed, feeds, names));
      if (seed < SAMPLES) continue;
      open = open.filter((name) => {
        const seen = samples.map((sample) => sample[name]!);
        const found = this.#worstPiece(name, right[name]!, asked[name]!, seen);
        const mayBeRounding = !found.ok && found.maxRel <= FAR * found.tolerance && seed < MOST_SAMPLES;
        if (!mayBeRounding) this.#keep(found);
        return mayBeRounding;
      });
    }
  }

  async #runSample(seed: number, feeds: TensorValues, names: readonly string[]): Promise<TensorValues> {
    const session = await this.#sample(seed);
    try {
      return await session.run(perturbedFeeds(feeds, seed), names);
    } finally {
      // The further ones are rarely needed, and take as much memory as the first.
      if (seed > SAMPLES) {
        this.#samples.delete(seed);
        await session.dispose();
      }
    }
  }

  /** A session of the reference with perturbed weights: made where the first doubt arises, and kept. */
  async #sample(seed: number): Promise<Session> {
    const { reference, session, checkpoints } = this.#parts;
    const known = this.#samples.get(seed);
    if (known) return known;
    const names = [...new Set([...this.#outputs, ...checkpoints.values])];
    const sample = await createSession(withOutputs(perturbedModel(reference, seed), names), session);
    this.#samples.set(seed, sample);
    return sample;
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#samples.values()].map((sample) => sample.dispose()));
  }

  #worstPiece(
    name: string,
    right: TensorValue,
    asked: TensorValue,
    samples: readonly TensorValue[] = [],
  ): OutputComparison {
    const { planned, tolerance } = this.#parts;
    const piecesOf = (value: TensorValue) =>
      isCompared(planned, name)
        ? comparedPieces(planned, name, value, asked)
        : [{ reference: value, candidate: asked }];
    const sampled = samples.map(piecesOf);
    const found = piecesOf(right).map(({ reference, candidate }, i) => {
      const exact =
        !ArrayBuffer.isView(reference.data) ||
        reference.data instanceof BigInt64Array ||
        reference.data instanceof BigUint64Array;
      const rounding =
        samples.length === 0 || exact
          ? undefined
          : roundingOf(
              reference,
              sampled.map((pieces) => pieces[i]!.reference),
            );
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

const isWorse = (a: OutputComparison, b: OutputComparison): boolean => (a.ok === b.ok ? a.maxRel > b.maxRel : !a.ok);

/** `x [2, 3, 192, 192]` */
export const showDims = (feeds: TensorValues): string =>
  Object.entries(feeds)
    .map(([name, { dims }]) => `${name} [${dims.join(', ')}]`)
    .join(', ');

/** An estimate of the elements of each value on these feeds: sizes that only the run knows count as those of the inputs. */
function scaleOf({ graph }: PlannedRemoval, feeds: TensorValues): (name: string) => number {
  const largest = greatest([1, ...Object.values(feeds).flatMap(({ dims }) => dims)]);
  return (name) => {
    const dims = graph.analysis.shapes.values.get(name)?.dims ?? [];
    return elementCount(dims.map((size) => (typeof size === 'number' ? size : largest)));
  };
}

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

/** How many of the next values fit into the bytes that are held at once; at least one. */
function fetchedAtOnce(names: readonly string[], elements: (name: string) => number): number {
  let bytes = 0;
  let count = 0;
  for (const name of names) {
    bytes += 4 * elements(name);
    if (bytes > FETCH_BYTES) break;
    count++;
  }
  return Math.max(1, count);
}
