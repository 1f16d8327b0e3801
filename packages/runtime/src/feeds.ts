/** Checks input values against what a model declares, so that a mistake is named before onnxruntime sees it. */
import { dataTypeName } from '@onnx-pruning/onnx';
import { FeedError } from './errors.ts';
import type { TensorValue, TensorValues } from './values.ts';

/** What a model declares of an input or output. */
export interface ValueInfo {
  readonly name: string;
  /** An ONNX data type number; 0 (UNDEFINED) where the value is not a tensor. */
  readonly dataType: number;
  /** Sizes and names of symbolic sizes ('' where unnamed); undefined where even the rank is not declared. */
  readonly dims: readonly (number | string)[] | undefined;
}

/** `[batch, 3, 224, 224]`. */
export function showDims(dims: readonly (number | string)[] | undefined): string {
  return dims === undefined ? 'any dimensions' : `[${dims.map((dim) => (dim === '' ? '?' : dim)).join(', ')}]`;
}

/** Whether sizes are of the rank and the numbers that are declared; symbols may be any size. */
export function fitsDims(declared: ValueInfo['dims'], dims: readonly number[]): boolean {
  return (
    declared === undefined ||
    (declared.length === dims.length && declared.every((dim, i) => typeof dim === 'string' || dim === dims[i]))
  );
}

/**
 * @throws FeedError that names the first input that is missing, unknown, or of another type or shape than declared
 */
export function checkFeeds(inputs: readonly ValueInfo[], feeds: TensorValues): void {
  const declared = inputs.map((input) => `'${input.name}'`).join(', ') || 'no inputs';
  for (const name of Object.keys(feeds)) {
    if (inputs.some((input) => input.name === name)) continue;
    const repair = 'Feed the inputs of the model and nothing else.';
    throw new FeedError('FEED_UNKNOWN', 'the model has no such input', { value: name, expected: declared, repair });
  }
  for (const input of inputs) {
    const value = feeds[input.name];
    if (value !== undefined) checkFeed(input, value);
    else throw new FeedError('FEED_MISSING', 'an input has no value', { value: input.name, expected: declared });
  }
}

function checkFeed(input: ValueInfo, value: TensorValue): void {
  if (value.dataType !== input.dataType) {
    throw new FeedError('FEED_TYPE', 'an input has the wrong data type', {
      value: input.name,
      expected: dataTypeName(input.dataType),
      actual: dataTypeName(value.dataType),
    });
  }
  const { dims } = input;
  if (fitsDims(dims, value.dims)) return;
  throw new FeedError('FEED_DIMS', 'an input has the wrong dimensions', {
    value: input.name,
    expected: showDims(dims),
    actual: showDims(value.dims),
  });
}
