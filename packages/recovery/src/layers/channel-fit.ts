/**
 * The fit of a layer that is too wide for one of every weight: the original's channels are predicted from those that the
 * pruned model has, by ridge regression, and the weights are multiplied with that prediction, the same at every position
 * of a kernel (as GRAIL, arXiv 2602.23795, does it). It must not run models up to the layer.
 */
import { constantTensors, DataType, type GraphEditor, type Model, makeTensor } from '@onnx-pruning/onnx';
import type { SessionOptions, TensorValue } from '@onnx-pruning/runtime';
import { type MatrixProducts, matrix } from '../solve/matrix.ts';
import { fitsOf } from './layer-weights.ts';
import { addMoments, emptyMoments, type Moments, MomentsRun } from './moments.ts';
import type { ChannelMap, Refittable } from './refittable.ts';
import { errorWith, Residuals } from './residuals.ts';
import { type Fit, ridge } from './ridge.ts';
import { positionsIn, type Seen, type Summed } from './seen-graph.ts';

/** What one batch shows of a layer, the input of the original's one included. */
export interface SeenWhole extends Seen {
  readonly whole: TensorValue;
}

/** A layer that is fitted by its channels, and how. */
export interface ChannelJob {
  /** The pruned model. */
  readonly model: Model;
  readonly layer: Refittable;
  readonly channels: ChannelMap;
  /** What it is fitted to, batch by batch, and what it is measured on. */
  readonly fitted: readonly SeenWhole[];
  readonly held: readonly SeenWhole[];
  readonly pulls: readonly number[];
  readonly biasOnly: boolean;
  readonly precision: 'float32' | 'float64';
  readonly session: SessionOptions;
  readonly products: MatrixProducts;
  /** Positions of one batch that count; undefined for all of them. */
  draw(count: number): BigInt64Array | undefined;
}

/** What came out: errors are shares of the variance; without a fit the layer keeps its weights. */
export interface ChannelResult {
  readonly before: number;
  readonly after: number;
  readonly best: { readonly lambda: number; readonly fit: Fit } | undefined;
}

/** The fit that is best on held-out data, made of all data; none where it is no better than what is there. */
export async function fitChannels(job: ChannelJob): Promise<ChannelResult> {
  const { model, layer, fitted, held, session } = job;
  const weight = constantTensors(model.graph).get(layer.weight)!;
  const residuals = await Residuals.open(model, layer, weight, fitted[0]!, session);
  try {
    return await new ChannelFit(job, residuals).run(await momentsOf(job, fitted), await momentsOf(job, held));
  } finally {
    await residuals.dispose();
  }
}

class ChannelFit {
  readonly #job: ChannelJob;
  readonly #residuals: Residuals;
  readonly #start: Fit;

  constructor(job: ChannelJob, residuals: Residuals) {
    this.#job = job;
    this.#residuals = residuals;
    this.#start = fitsOf(job.model, job.layer)[0]!;
  }

  async run(fitted: Moments, held: Moments): Promise<ChannelResult> {
    const job = this.#job;
    const { error: before, spread } = await this.#error(this.#start);
    let best: { lambda: number; error: number } | undefined;
    for (const lambda of job.biasOnly ? job.pulls.slice(0, 1) : job.pulls) {
      const { error } = await this.#error(await this.#fit(fitted, job.fitted, lambda));
      if (error < (best?.error ?? before)) best = { lambda, error };
    }
    const share = (error: number): number => (spread > 0 ? error / spread : 0);
    if (!best) return { before: share(before), after: share(before), best: undefined };
    addMoments(fitted, held);
    const fit = await this.#fit(fitted, [...job.fitted, ...job.held], best.lambda);
    return { before: share(before), after: share(best.error), best: { lambda: best.lambda, fit } };
  }

  async #error({ weights, bias }: Fit): Promise<{ error: number; spread: number }> {
    const left = await this.#residuals.of(this.#job.held, weights);
    return { error: errorWith(left, bias), spread: left.spread };
  }

  async #fit(moments: Moments, seen: readonly Seen[], lambda: number): Promise<Fit> {
    const hasBias = this.#job.layer.bias !== undefined;
    const weights = this.#job.biasOnly ? this.#start.weights : await this.#weights(moments, lambda);
    // What makes the mean of what is left zero.
    return { weights, bias: hasBias ? (await this.#residuals.of(seen, weights)).mean : this.#start.bias };
  }

  /** The original's weights behind the prediction of its channels: those that are there are drawn towards themselves. */
  async #weights(moments: Moments, lambda: number): Promise<Fit['weights']> {
    const { layer, channels, products } = this.#job;
    const { kept, before } = channels;
    const themselves = matrix(kept.length, before);
    for (const [i, c] of kept.entries()) themselves.data[i * before + c] = 1;
    const start = { weights: themselves, bias: new Float64Array(before) };
    const options = { lambda, hasBias: layer.bias !== undefined, biasOnly: false };
    const { weights } = await ridge(moments, start, options, products);
    const { data } = await products.multiply(weights, channels.weights());
    return matrix(layer.map.inputs, layer.map.outputs, data);
  }
}

/** Moments of the layer's channels and of those of the original; biases alone need none. */
async function momentsOf(job: ChannelJob, batches: readonly SeenWhole[]): Promise<Moments> {
  const { model, layer, channels, precision, session } = job;
  const summed = channelsAsLayer(layer, channels);
  const moments = emptyMoments(summed.map);
  const runs = new Map<boolean, MomentsRun>();
  try {
    for (const { input, whole } of job.biasOnly ? [] : batches) {
      const seen: Seen = {
        input: asChannels(input, layer, channels.block),
        target: asChannels(whole, layer, channels.block),
        added: undefined,
      };
      const positions = job.draw(positionsIn(summed, seen));
      const someOnly = positions !== undefined;
      const run = runs.get(someOnly) ?? (await MomentsRun.open(model, summed, seen, { someOnly, precision }, session));
      runs.set(someOnly, run);
      await run.add([moments], seen, positions);
    }
  } finally {
    for (const run of runs.values()) await run.dispose();
  }
  return moments;
}

/** The numbers of each channel behind each other: [..., channels, block], or [samples, channels, ...] as they are. */
function asChannels(value: TensorValue, { map }: Refittable, block: number): TensorValue {
  if (map.outputAxis !== -1) return value;
  const channels = value.dims.at(-1)! / block;
  return { ...value, dims: [value.data.length / (channels * block), channels, block] };
}

/** What gives the original's channels, as if it were a layer. */
function channelsAsLayer(layer: Refittable, { kept, before }: ChannelMap): Summed {
  const rows = (editor: GraphEditor, value: string, channels: number): string => {
    const sizes = (...dims: number[]): string =>
      editor.initializer(makeTensor('sizes', DataType.INT64, [dims.length], dims));
    const flat = editor.node('Reshape', [value, sizes(0, channels, -1)]);
    return editor.node('Reshape', [editor.node('Transpose', [flat], { perm: [0, 2, 1] }), sizes(1, -1, channels)]);
  };
  const map: Summed['map'] = {
    groups: 1,
    inputs: kept.length,
    outputs: before,
    outputAxis: 1,
    emitRows: (editor, value) => rows(editor, value, kept.length),
    emitOutputs: (editor, value) => rows(editor, value, before),
  };
  const target = { value: layer.input, kept: undefined, added: undefined, behind: undefined };
  return { name: layer.name, node: layer.node, input: layer.input, map, target };
}
