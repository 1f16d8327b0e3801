/**
 * Runs models over the data set and scores what they give. The model with masks is open all the time; models that lost
 * channels for real are opened one after the other. It must not know groups.
 */
import { type Batch, type Dataset, type Evaluation, evaluationOf, type Metric, scoreBatch } from '@onnx-pruning/data';
import type { LeafRemoval } from '@onnx-pruning/depgraph';
import { DataType, type Model } from '@onnx-pruning/onnx';
import {
  createSession,
  type Session,
  type SessionOptions,
  type TensorValue,
  type TensorValues,
  withSession,
} from '@onnx-pruning/runtime';
import { DataDigest } from '../data-digest.ts';
import type { MaskedModel } from './masked-model.ts';

/** Outputs of the model itself are kept up to so many bytes; beyond that they are computed again. */
const KEPT_OUTPUTS = 2 ** 29;

/** What is scored, and on what. */
export interface Scoring {
  readonly dataset: Dataset;
  readonly metric: Metric;
  /** Name of the output. */
  readonly output: string | undefined;
  readonly seed: number | undefined;
  readonly session: SessionOptions;
  readonly signal: AbortSignal | undefined;
  /** Called after every batch with the share of the evaluation that is done. */
  readonly onBatch: (share: number) => void;
}

/** The model itself, and what the data set was seen to be. */
export interface Unpruned {
  readonly evaluation: Evaluation;
  /** Of feeds and labels. */
  readonly digest: string;
  /** Sizes of the feeds, by input. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

type Run = (feeds: TensorValues, output: string) => Promise<TensorValue>;

/** Scores a model, and what is left of it without some channels. */
export class Evaluator {
  readonly #scoring: Scoring;
  readonly #model: MaskedModel;
  readonly #session: Session;
  readonly #outputs: (TensorValue | undefined)[] = [];
  #bytes = 0;
  /** Sessions that were opened. */
  sessions = 1;
  /** Evaluations that were made. */
  evaluations = 0;

  private constructor(scoring: Scoring, model: MaskedModel, session: Session) {
    this.#scoring = scoring;
    this.#model = model;
    this.#session = session;
  }

  /** Opens the one session for everything that masks can express. */
  static async open(scoring: Scoring, model: MaskedModel): Promise<Evaluator> {
    return new Evaluator(scoring, model, await createSession(model.model, scoring.session));
  }

  /** Scores the model itself: first, since others are compared with what it gives. */
  async unpruned(): Promise<Unpruned> {
    const digest = new DataDigest();
    let shapes: Unpruned['shapes'] = {};
    const evaluation = await this.#evaluate(this.#masked(), ({ feeds, labels }, found) => {
      digest.add(feeds);
      if (labels) digest.add({ labels: { dataType: DataType.INT32, dims: [labels.length], data: labels } });
      shapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
      this.#keep(found);
    });
    return { evaluation, digest: digest.text(), shapes };
  }

  /** Scores the model with masked channels. */
  async masked(removal: LeafRemoval): Promise<Evaluation> {
    return this.#evaluate(this.#masked(removal));
  }

  /** Scores another model of the same inputs and outputs, in a session of its own. */
  async other(model: Model): Promise<Evaluation> {
    this.sessions++;
    return withSession(model, this.#scoring.session, (session) =>
      this.#evaluate(async (feeds, output) => (await session.run(feeds, [output]))[output]!),
    );
  }

  #masked(removal?: LeafRemoval): Run {
    const masks = this.#model.masks(removal);
    return async (feeds, output) => (await this.#session.run({ ...feeds, ...masks }, [output]))[output]!;
  }

  async #evaluate(run: Run, seen?: (batch: Batch, found: TensorValue) => void): Promise<Evaluation> {
    const { dataset, metric, seed, signal, onBatch } = this.#scoring;
    const name = this.#scoring.output ?? this.#session.outputs[0]?.name ?? '';
    const itself = this.#masked();
    const scores = new Float64Array(dataset.length);
    let [done, number] = [0, 0];
    for await (const batch of dataset) {
      signal?.throwIfAborted();
      const found = await run(batch.feeds, name);
      seen?.(batch, found);
      const other =
        metric.needs === 'reference' ? (this.#outputs[number] ?? (await itself(batch.feeds, name))) : undefined;
      scoreBatch(scores, done, batch, { name, found, other }, metric);
      number++;
      done += batch.size;
      onBatch(done / dataset.length);
    }
    this.evaluations++;
    return evaluationOf(metric, scores, { seed });
  }

  /** Keeps what the model itself gives for the next batch, as far as there is room. */
  #keep(found: TensorValue): void {
    if (this.#scoring.metric.needs !== 'reference') return;
    this.#bytes += ArrayBuffer.isView(found.data) ? found.data.byteLength : 0;
    this.#outputs.push(this.#bytes <= KEPT_OUTPUTS ? found : undefined);
  }

  /** Closes the session. */
  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}
