/**
 * Runs a model piece by piece over calibration data: the values in front of the cut are kept for every batch, so that a
 * piece runs once, and may be changed before it runs. It must not know what happens between the pieces.
 */
import {
  extractModel,
  type Model,
  type NodeProto,
  tensorType,
  usedNames,
  type ValueInfoProto,
} from '@onnx-pruning/onnx';
import {
  createSession,
  type Session,
  type SessionOptions,
  type TensorValue,
  type TensorValues,
} from '@onnx-pruning/runtime';

/** A piece of the model, loaded. */
export interface Piece {
  /** Runs it on one batch and returns the values that were asked for. */
  run(batch: number): Promise<TensorValues>;
  /** Ends it: the cut is behind it now. */
  finish(): Promise<void>;
}

/** The values that later nodes need, for every batch. */
export class Frontier {
  readonly #model: Model;
  readonly #order: readonly NodeProto[];
  /** Values that are still to be asked for, and how often. */
  readonly #pinned = new Map<string, number>();
  readonly #options: SessionOptions;
  readonly #kept: Map<string, TensorValue>[];
  /** Where each value is used for the last time; graph outputs that no node uses have no place. */
  readonly #lastUse = new Map<string, number>();
  #position = 0;

  /** @param batches feeds of the model; they are let go as soon as no node needs them */
  constructor(
    model: Model,
    order: readonly NodeProto[],
    batches: readonly TensorValues[],
    options: SessionOptions,
    pinned: readonly string[] = [],
  ) {
    this.#model = model;
    this.#order = order;
    this.#options = options;
    for (const name of pinned) this.#pin(name, 1);
    order.forEach((node, at) => {
      for (const name of usedNames(node)) this.#lastUse.set(name, at);
    });
    this.#kept = batches.map((feeds) => new Map(Object.entries(feeds).filter(([name]) => this.#lastUse.has(name))));
  }

  #pin(name: string, times: number): void {
    this.#pinned.set(name, (this.#pinned.get(name) ?? 0) + times);
  }

  /** A value in front of the cut, of one batch. */
  value(batch: number, name: string): TensorValue {
    const found = this.#kept[batch]!.get(name);
    if (found === undefined) throw new Error(`internal: '${name}' is not in front of the cut`);
    return found;
  }

  /**
   * The nodes up to a place, as the model has them now.
   * @param to index of the first node that does not belong to it
   * @param wanted values to be returned besides those that are kept
   */
  async piece(to: number, wanted: readonly string[] = []): Promise<Piece> {
    for (const name of wanted) this.#pin(name, -1);
    const known = this.#kept[0] ?? new Map<string, TensorValue>();
    const made = this.#order.slice(this.#position, to).flatMap(({ output }) => output);
    const isNeeded = (name: string): boolean =>
      (this.#lastUse.get(name) ?? -1) >= to || (this.#pinned.get(name) ?? 0) > 0;
    const next = made.filter((name) => name !== '' && isNeeded(name));
    const fetched = [...new Set([...next, ...wanted.filter((name) => !known.has(name))])];
    const session = fetched.length > 0 ? await this.#open(known, fetched) : undefined;
    return {
      run: async (batch) => {
        const kept = this.#kept[batch]!;
        const feeds = Object.fromEntries((session?.inputs ?? []).map(({ name }) => [name, kept.get(name)!]));
        const found = { ...(await session?.run(feeds, fetched)) };
        const returned = Object.fromEntries(wanted.map((name) => [name, kept.get(name) ?? found[name]!]));
        for (const name of kept.keys()) if (!isNeeded(name)) kept.delete(name);
        for (const name of next) kept.set(name, found[name]!);
        return returned;
      },
      finish: async () => {
        this.#position = Math.max(this.#position, to);
        await session?.dispose();
      },
    };
  }

  #open(known: ReadonlyMap<string, TensorValue>, fetched: readonly string[]): Promise<Session> {
    const inputs = [...known].map(
      ([name, { dataType }]): ValueInfoProto => ({ name, type: tensorType(dataType, undefined) }),
    );
    return createSession(extractModel(this.#model, inputs, fetched), this.#options);
  }
}
