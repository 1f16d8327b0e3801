/**
 * How many values are held at once: what is fetched in one run, and what is kept of one model until the other has computed
 * the same. Sizes are estimates, from shape inference. It must not run models.
 */
import { inferShapes, registryWith, ShapeError } from '@onnx-pruning/depgraph';
import { greatest } from '@onnx-pruning/onnx';
import type { ValueInfo } from '@onnx-pruning/ops';
import { elementCount, modelInputs, type TensorValues } from '@onnx-pruning/runtime';
import type { PlannedRemoval } from './planned-removal.ts';

/** Bytes of values that one run hands out. */
const FETCH_BYTES = 2 ** 26;
/** Bytes that are held of the reference: more than one run hands out, so that models seldom take turns. */
const HELD_BYTES = 3 * FETCH_BYTES;

/** Elements of a value at some sizes of the inputs. */
export type Scale = (name: string) => number;

/** Values that are fetched in one run. */
export interface Part {
  /** Number of the draw that is fed. */
  readonly draw: number;
  readonly names: readonly string[];
  readonly scale: Scale;
}

/** The elements of each value on these feeds; sizes that only the run knows count as the largest of the inputs. */
export function scaleOf(planned: PlannedRemoval, feeds: TensorValues): Scale {
  const largest = greatest([1, ...Object.values(feeds).flatMap(({ dims }) => dims)]);
  const values = valuesAt(planned, feeds);
  const { values: symbolic } = planned.graph.analysis.shapes;
  return (name) => {
    const dims = values.get(name)?.dims ?? symbolic.get(name)?.dims ?? [];
    return elementCount(dims.map((size) => (typeof size === 'number' ? size : largest)));
  };
}

function valuesAt({ original, options }: PlannedRemoval, feeds: TensorValues): ReadonlyMap<string, ValueInfo> {
  const known = new Set(modelInputs(original).map(({ name }) => name));
  const fed = Object.entries(feeds).filter(([name]) => known.has(name));
  const dims = Object.fromEntries(fed.map(([name, value]) => [name, value.dims]));
  try {
    return inferShapes(original, registryWith(options.customizedOperators), dims).values;
  } catch (error) {
    // These are estimates: whoever needs shapes says what is wrong with them.
    if (error instanceof ShapeError) return new Map();
    throw error;
  }
}

/** Names in order, as many in each list as one run may hand out; at least one. */
export function fetchesOf(names: readonly string[], scale: Scale): string[][] {
  return inPortions(names, FETCH_BYTES, (name) => bytesOf(scale, name));
}

/** Names in order, as many in each list as may be held at once; at least one. */
export function heldTogether(names: readonly string[], scale: Scale): string[][] {
  return inPortions(names, HELD_BYTES, (name) => bytesOf(scale, name));
}

/** Parts in order, as many in each list as may be held at once; at least one. */
export function batchesOf(parts: readonly Part[]): Part[][] {
  return inPortions(parts, HELD_BYTES, ({ names, scale }) =>
    names.reduce((sum, name) => sum + bytesOf(scale, name), 0),
  );
}

const bytesOf = (scale: Scale, name: string): number => Float32Array.BYTES_PER_ELEMENT * scale(name);

function inPortions<T>(all: readonly T[], most: number, bytesOfOne: (one: T) => number): T[][] {
  const portions: T[][] = [];
  let held = Infinity;
  for (const one of all) {
    const bytes = bytesOfOne(one);
    if (held + bytes > most) {
      portions.push([]);
      held = 0;
    }
    portions.at(-1)!.push(one);
    held += bytes;
  }
  return portions;
}
