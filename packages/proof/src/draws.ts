/**
 * The inputs that both models are run on: real ones where the caller has them, else two draws of random ones and a third
 * at another batch and other spatial or sequence sizes where the model leaves those open. Next to real ones
 * that are alone in their sizes there is a random draw, where the model takes it. It must not run models.
 */
import { DataType, type Model } from '@onnx-pruning/onnx';
import type { Plan } from '@onnx-pruning/pruning';
import { modelInputs, type RandomInputOptions, randomInputs, type TensorValues } from '@onnx-pruning/runtime';

export interface DrawOptions extends RandomInputOptions {
  /** Input values to use in place of random ones: one set, or several. */
  readonly feeds?: TensorValues | readonly TensorValues[];
}

export interface Draw {
  readonly feeds: TensorValues;
}

const isList = (feeds: TensorValues | readonly TensorValues[]): feeds is readonly TensorValues[] =>
  Array.isArray(feeds);

/** Draws that must run, then random ones of which the first that runs counts: at other sizes, or beside real inputs. */
export function drawsOf(model: Model, plan: Plan, options: DrawOptions): { draws: Draw[]; optional: Draw[] } {
  const { feeds, seed = 0, ...random } = options;
  const given = feeds === undefined ? [] : isList(feeds) ? feeds : [feeds];
  if (given.length > 0) {
    const pair = given.slice(1).some((one) => JSON.stringify(dimsOf(one)) === JSON.stringify(dimsOf(given[0]!)));
    const draws = given.map((one) => ({ feeds: one }));
    return { draws, optional: pair ? [] : beside(model, given[0]!, { ...random, seed: seed + 1 }) };
  }
  const drawn = [seed, seed + 1].map((s) => randomInputs(model, { ...random, seed: s }));
  const draws = drawn.map((one) => ({ feeds: one }));
  if (modelInputs(model).length === 0) return { draws: draws.slice(0, 1), optional: [] };
  return {
    draws,
    optional: otherShapes(model, plan, dimsOf(drawn[0]!)).map((dims) => ({
      feeds: randomInputs(model, { ...random, batch: undefined, dims, seed: seed + 2 }),
    })),
  };
}

/** A random draw of the same sizes: inputs without others of their sizes show no variation. Text cannot be drawn. */
function beside(model: Model, given: TensorValues, random: RandomInputOptions): Draw[] {
  const inputs = modelInputs(model);
  if (inputs.length === 0 || inputs.some(({ dataType }) => dataType === DataType.STRING)) return [];
  return [{ feeds: randomInputs(model, { ...random, dims: dimsOf(given), batch: undefined }) }];
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
