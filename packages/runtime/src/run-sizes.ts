/**
 * Sizes of values that are known before a model is run: a damaged file, or wrong input sizes, can ask for values of
 * gigabytes, which onnxruntime would begin to make. Said before any session is created. It must not run models, and says
 * nothing of values whose sizes only a run decides.
 */
import { inferShapes, registryWith, ShapeError } from '@onnx-pruning/depgraph';
import { bitsPerElement, Model, outerReferences, subgraphs, tensorSize } from '@onnx-pruning/onnx';
import type { OperatorRecord, ValueInfo } from '@onnx-pruning/ops';
import { SessionError } from './errors.ts';
import { MOST_ELEMENTS, type RandomInputOptions, randomInputs } from './inputs.ts';
import type { ModelSource } from './model-source.ts';
import { elementCount, type TensorValues } from './values.ts';

/**
 * What is computed from constants alone is a mask, a table of positions or a weight that is rearranged: more elements than
 * this (masks of 8192 x 8192), and than so many times those of the largest weight, are a mistake of the file.
 */
const MOST_FROM_CONSTANTS = 2 ** 26;
const TIMES_WEIGHT = 8;

export interface RunSizeOptions {
  /** Bytes that one value may take; by default only the number of elements is looked at. */
  readonly memoryLimit?: number;
  readonly customizedOperators?: readonly OperatorRecord[];
}

/**
 * Checks that no value of a run is known to be so large that the run should not begin: more than 2^28 elements, more than
 * 2^26 that come from constants alone, or more bytes than allowed.
 *
 * @param dims sizes of the inputs
 * @throws SessionError (`RUN_TOO_LARGE`) that names the first such value
 */
export function checkRunSizes(
  model: Model,
  dims: Readonly<Record<string, readonly number[]>>,
  { memoryLimit = Infinity, customizedOperators }: RunSizeOptions = {},
): void {
  const values = valuesAt(model, dims, customizedOperators);
  const weights = model.graph.initializer.map(tensorSize);
  const fromConstants = Math.max(MOST_FROM_CONSTANTS, TIMES_WEIGHT * weights.reduce((most, n) => Math.max(most, n), 0));
  const dependent = new Set(Object.keys(dims));
  for (const node of model.graph.node) {
    const inputs = [...node.input, ...subgraphs(node).flatMap(outerReferences)];
    const isDependent = inputs.some((name) => dependent.has(name));
    for (const name of node.output.filter((output) => output !== '')) {
      if (isDependent) dependent.add(name);
      const info = values.get(name);
      const size = info && sizeOf(info);
      if (size === undefined) continue;
      const most = isDependent ? MOST_ELEMENTS : fromConstants;
      if (size.elements > most) throw tooLarge(name, node, info!, `up to ${most} elements`, size.elements);
      if (size.bytes > memoryLimit) throw tooLarge(name, node, info!, `up to ${memoryLimit} bytes`, size.elements);
    }
  }
}

/** Feeds of a model that is in memory, once its sizes are known to be sane; undefined of files, which are not looked into. */
export function checkedFeeds(
  source: ModelSource,
  options: RandomInputOptions & { readonly feeds?: TensorValues },
): TensorValues | undefined {
  if (!(source instanceof Model)) return options.feeds;
  const feeds = options.feeds ?? randomInputs(source, options);
  checkRunSizes(source, Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, value.dims])));
  return feeds;
}

function valuesAt(
  model: Model,
  dims: Readonly<Record<string, readonly number[]>>,
  customized: readonly OperatorRecord[] | undefined,
): ReadonlyMap<string, ValueInfo> {
  try {
    return inferShapes(model, registryWith(customized), dims).values;
  } catch (error) {
    // Whoever needs shapes says what is wrong with them; onnxruntime may yet run the model.
    if (error instanceof ShapeError) return new Map();
    throw error;
  }
}

function sizeOf({ dims, elemType }: ValueInfo): { readonly elements: number; readonly bytes: number } | undefined {
  const sizes = dims?.filter((size) => typeof size === 'number');
  if (sizes === undefined || sizes.length < dims!.length) return undefined;
  const elements = elementCount(sizes);
  return { elements, bytes: (elements * bitsPerElement(elemType)) / 8 };
}

function tooLarge(
  value: string,
  node: { readonly name?: string; readonly opType?: string },
  { dims = [] }: ValueInfo,
  expected: string,
  elements: number,
): SessionError {
  return new SessionError('RUN_TOO_LARGE', 'the model is not run: a value is too large', {
    node: node.name ?? '',
    operator: node.opType ?? '',
    value,
    expected,
    actual: `${elements} elements, ${shown(dims)}`,
    repair: 'Give smaller sizes where inputs are dynamic; where they are not, the file asks for this by itself.',
  });
}

const shown = (dims: readonly unknown[]): string => `[${dims.slice(0, 8).join(', ')}${dims.length > 8 ? ', ...' : ''}]`;
