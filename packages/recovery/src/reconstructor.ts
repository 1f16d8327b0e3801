/**
 * Refits layer after layer: runs both models up to it, sums up what it is to be fitted to, and solves. It must not choose
 * the layers.
 */
import { createRandom, type Model, type NodeProto, type Random } from '@onnx-pruning/onnx';
import type { SessionOptions, TensorValues } from '@onnx-pruning/runtime';
import { fitChannels, type SeenWhole } from './layers/channel-fit.ts';
import { fitsOf, writeFits } from './layers/layer-weights.ts';
import { addMoments, emptyMoments, type Moments, MomentsRun } from './layers/moments.ts';
import type { ChannelMap, Refittable } from './layers/refittable.ts';
import { errorOf, type Fit, type FitOptions, ridge } from './layers/ridge.ts';
import { positionsIn, type Seen } from './layers/seen-graph.ts';
import type { RefittedLayer, Settings } from './reconstruct-options.ts';
import { executionOrder } from './run/execution-order.ts';
import { Frontier } from './run/frontier.ts';
import { MatrixProducts } from './solve/matrix.ts';

const LAMBDA = 0.02;
const POSITIONS = 2 ** 14;

/** What a reconstruction works on. */
export interface Parts {
  readonly original: Model;
  /** The pruned model, which is changed. */
  readonly model: Model;
  readonly order: readonly NodeProto[];
  readonly layers: readonly Refittable[];
  readonly session: SessionOptions;
  readonly settings: Settings;
}

/** What layers are fitted to, and what they are measured on. */
interface Halves<T> {
  readonly fitted: readonly T[];
  readonly held: readonly T[];
}

/** Holds what both models have computed so far, for every batch. */
export class Reconstructor {
  readonly #parts: Parts;
  readonly #batches: number;
  /** Batches from here on are held out. */
  readonly #fitted: number;
  readonly #before: Frontier;
  readonly #after: Frontier;
  readonly #products: MatrixProducts;
  readonly #random: Random;
  /** Where the original computes each value. */
  readonly #positions: ReadonlyMap<string, number>;
  #reached = 0;

  /** @param samples feeds of the original; those that are no longer needed are let go */
  constructor(parts: Parts, { fitted, held }: Halves<TensorValues>) {
    const { original, model, order, layers, session, settings } = parts;
    this.#parts = parts;
    const batches = [...fitted, ...held];
    this.#batches = batches.length;
    this.#fitted = fitted.length;
    const first = executionOrder(original.graph);
    const targets = layers.flatMap((layer) => [layer.target.value, ...(layer.channels ? [layer.input] : [])]);
    this.#before = new Frontier(original, first, batches, session, targets);
    this.#after = new Frontier(model, order, batches, session);
    this.#products = new MatrixProducts(session);
    this.#random = createRandom(settings.seed ?? 0);
    this.#positions = new Map(first.flatMap((node, at) => node.output.map((name) => [name, at] as const)));
  }

  async run(): Promise<RefittedLayer[]> {
    const { layers, settings } = this.#parts;
    const found: RefittedLayer[] = [];
    for (const [done, layer] of layers.entries()) {
      settings.signal?.throwIfAborted();
      settings.onProgress?.({ done, total: layers.length, layer: layer.name });
      found.push(await this.#refit(layer));
    }
    return found;
  }

  async #refit(layer: Refittable): Promise<RefittedLayer> {
    const { model, settings } = this.#parts;
    if (layer.channels) return this.#refitChannels(layer, layer.channels);
    const halves = await this.#moments(layer);
    const start = fitsOf(model, layer);
    const before = await this.#error(halves.held, start);
    const { lambda, after } = await this.#choose(layer, halves, start, before.error);
    const share = (error: number): number => (before.spread > 0 ? error / before.spread : 0);
    const method = settings.fit === 'bias' ? 'bias' : 'ridge';
    const report = {
      layer: layer.name,
      method,
      lambda,
      errorBefore: share(before.error),
      errorAfter: share(after),
    } as const;
    if (lambda === undefined) return { ...report, initializers: [] };
    // Measured on the rest of the data, made of all of it.
    for (const [g, moments] of halves.fitted.entries()) addMoments(moments, halves.held[g]!);
    const fits = await this.#fit(layer, halves.fitted, start, lambda);
    return { ...report, initializers: writeFits(model, layer, fits) };
  }

  /** The same for a layer that is too wide for equations of every weight. */
  async #refitChannels(layer: Refittable, channels: ChannelMap): Promise<RefittedLayer> {
    const { model, session, settings } = this.#parts;
    const { lambda = LAMBDA, fit, positions: most = POSITIONS, precision = 'float32' } = settings;
    const seen = await this.#seen(layer);
    const { before, after, best } = await fitChannels({
      model,
      layer,
      channels,
      fitted: seen.slice(0, this.#fitted),
      held: seen.slice(this.#fitted),
      pulls: typeof lambda === 'number' ? [lambda] : lambda,
      biasOnly: fit === 'bias',
      precision,
      session,
      products: this.#products,
      draw: (count) => (count > most ? this.#draw(count, most) : undefined),
    });
    const initializers = best ? writeFits(model, layer, [best.fit]) : [];
    const method = fit === 'bias' ? 'bias' : 'channels';
    return { layer: layer.name, method, lambda: best?.lambda, errorBefore: before, errorAfter: after, initializers };
  }

  /** Runs both models up to the layer and keeps what every batch shows of it. */
  async #seen({ position, input, target: { value, added } }: Refittable): Promise<SeenWhole[]> {
    this.#reached = Math.max(this.#reached, this.#positions.get(value)! + 1);
    const original = await this.#before.piece(this.#reached, [value, input]);
    const own = await this.#after.piece(position);
    const seen: SeenWhole[] = [];
    try {
      for (let b = 0; b < this.#batches; b++) {
        this.#parts.settings.signal?.throwIfAborted();
        const { [value]: target, [input]: whole } = await original.run(b);
        await own.run(b);
        const other = added === undefined ? undefined : this.#after.value(b, added);
        seen.push({ input: this.#after.value(b, input), target: target!, added: other, whole: whole! });
      }
    } finally {
      await original.finish();
      await own.finish();
    }
    return seen;
  }

  /** The pull with which a fit is best on held-out data; none where no fit is better than what is there. */
  async #choose(
    layer: Refittable,
    { fitted, held }: Halves<Moments>,
    start: readonly Fit[],
    before: number,
  ): Promise<{ lambda: number | undefined; after: number }> {
    const { lambda = LAMBDA, fit } = this.#parts.settings;
    const pulls = typeof lambda === 'number' ? [lambda] : lambda;
    let best: { lambda: number | undefined; after: number } = { lambda: undefined, after: before };
    for (const pull of fit === 'bias' ? pulls.slice(0, 1) : pulls) {
      const { error } = await this.#error(held, await this.#fit(layer, fitted, start, pull));
      if (error < best.after) best = { lambda: pull, after: error };
    }
    return best;
  }

  async #fit({ bias }: Refittable, moments: readonly Moments[], start: readonly Fit[], lambda: number): Promise<Fit[]> {
    const options: FitOptions = { lambda, hasBias: bias !== undefined, biasOnly: this.#parts.settings.fit === 'bias' };
    const fits: Fit[] = [];
    for (const [g, group] of moments.entries()) fits.push(await ridge(group, start[g]!, options, this.#products));
    return fits;
  }

  async #error(moments: readonly Moments[], fits: readonly Fit[]): Promise<{ error: number; spread: number }> {
    const sum = { error: 0, spread: 0 };
    for (const [g, group] of moments.entries()) {
      const { error, spread } = await errorOf(group, fits[g]!, this.#products);
      sum.error += error;
      sum.spread += spread;
    }
    return sum;
  }

  /** Runs both models up to the layer and sums up what it is to be fitted to. */
  async #moments(layer: Refittable): Promise<Halves<Moments>> {
    const { model, session, settings } = this.#parts;
    const { value, added } = layer.target;
    this.#reached = Math.max(this.#reached, this.#positions.get(value)! + 1);
    const original = await this.#before.piece(this.#reached, [value]);
    const own = await this.#after.piece(layer.position);
    const empty = (): Moments[] => Array.from({ length: layer.map.groups }, () => emptyMoments(layer.map));
    const halves: Halves<Moments> = { fitted: empty(), held: empty() };
    const { positions: most = POSITIONS, precision = 'float32' } = settings;
    const runs = new Map<boolean, MomentsRun>();
    try {
      for (let b = 0; b < this.#batches; b++) {
        settings.signal?.throwIfAborted();
        const target = (await original.run(b))[value]!;
        await own.run(b);
        const input = this.#after.value(b, layer.input);
        const seen: Seen = { input, target, added: added === undefined ? undefined : this.#after.value(b, added) };
        const count = positionsIn(layer, seen);
        const someOnly = count > most;
        const run = runs.get(someOnly) ?? (await MomentsRun.open(model, layer, seen, { someOnly, precision }, session));
        runs.set(someOnly, run);
        await run.add(
          b < this.#fitted ? halves.fitted : halves.held,
          seen,
          someOnly ? this.#draw(count, most) : undefined,
        );
      }
    } finally {
      for (const run of runs.values()) await run.dispose();
      await original.finish();
      await own.finish();
    }
    return halves;
  }

  /** So many positions out of many, ascending: one of every stretch of equal length. */
  #draw(count: number, wanted: number): BigInt64Array {
    const stretch = count / wanted;
    return BigInt64Array.from({ length: wanted }, (_, i) => BigInt(Math.floor((i + this.#random.next()) * stretch)));
  }

  dispose(): Promise<void> {
    return this.#products.dispose();
  }
}
