/**
 * The inputs that both models are run on: real ones where the caller has them, else two draws of random ones and a third
 * at another batch and other spatial or sequence sizes where the model leaves those open. It must not run models.
 */
import type { Model } from '@onnx-pruning/onnx';
import type { Plan } from '@onnx-pruning/pruning';
import { modelInputs, type RandomInputOptions, randomInputs, type TensorValues } from '@onnx-pruning/runtime';

export interface DrawOptions extends RandomInputOptions {
  /** Input values to use in place of random ones: one set, or several. */
  readonly feeds?: TensorValues | readonly TensorValues[];
}

export interface Draw {
  readonly feeds: TensorValues;
  /** Whether the sizes are not those that were asked for: a model that refuses them is no failure. */
  readonly optional: boolean;
}

const isList = (feeds: TensorValues | readonly TensorValues[]): feeds is readonly TensorValues[] =>
  Array.isArray(feeds);

/** Draws at the sizes asked for, then one at other sizes for every list of fall-backs: the first that runs counts. */
export function drawsOf(model: Model, plan: Plan, options: DrawOptions): { draws: Draw[]; resized: Draw[] } {
  const { feeds, seed = 0, ...random } = options;
  const given = feeds === undefined ? [] : isList(feeds) ? feeds : [feeds];
  if (given.length > 1) return { draws: given.map((one) => ({ feeds: one, optional: false })), resized: [] };
  const drawn = [seed, seed + 1].map((s) =>
    randomInputs(model, { ...random, seed: s, ...(given[0] ? { dims: dimsOf(given[0]), batch: undefined } : {}) }),
  );
  const draws = [given[0] ?? drawn[0]!, drawn[1]!].map((one) => ({ feeds: one, optional: false }));
  if (modelInputs(model).length === 0) return { draws: draws.slice(0, 1), resized: [] };
  const shapes = given.length > 0 ? [] : otherShapes(model, plan, dimsOf(drawn[0]!));
  return {
    draws,
    resized: shapes.map((dims) => ({
      feeds: randomInputs(model, { ...random, batch: undefined, dims, seed: seed + 2 }),
      optional: true,
    })),
  };
}

type Shapes = Readonly<Record<string, readonly number[]>>;

const dimsOf = (feeds: TensorValues): Shapes =>
  Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));

/** Other sizes for the symbols that the plan leaves open: batch and the others, the batch alone, the others alone. */
function otherShapes(model: Model, plan: Plan, dims: Shapes): Shapes[] {
  const inputs = modelInputs(model);
  const pinned = plan.graph.inputShapes ?? {};
  const symbols = new Map<string, { batch: boolean; size: number }>();
  const keyOf = (input: string, axis: number, symbol: string): string => symbol || `${input}:${axis}`;
  for (const { name, dims: declared } of inputs) {
    declared?.forEach((dim, axis) => {
      if (typeof dim === 'number' || name in pinned || dim in pinned) return;
      const key = keyOf(name, axis, dim);
      const before = symbols.get(key);
      symbols.set(key, { batch: (before?.batch ?? false) || axis === 0, size: dims[name]![axis]! });
    });
  }
  const variants = [(_: boolean) => true, (batch: boolean) => batch, (batch: boolean) => !batch];
  const shapes = variants.map(
    (varies): Shapes =>
      Object.fromEntries(
        inputs.map(({ name, dims: declared }) => [
          name,
          dims[name]!.map((size, axis) => {
            const dim = declared?.[axis];
            const symbol = typeof dim === 'string' ? symbols.get(keyOf(name, axis, dim)) : undefined;
            return symbol && varies(symbol.batch) ? otherSize(symbol) : size;
          }),
        ]),
      ),
  );
  const base = JSON.stringify(dims);
  const texts = shapes.map((one) => JSON.stringify(one));
  return shapes.filter((_, i) => texts[i] !== base && texts.indexOf(texts[i]!) === i);
}

/** Networks halve images up to five times: another multiple of 32 where there is one. */
function otherSize({ batch, size }: { batch: boolean; size: number }): number {
  if (batch) return size + 1;
  return size >= 64 ? size - 32 : 2 * size;
}
