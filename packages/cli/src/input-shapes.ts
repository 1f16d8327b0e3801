/**
 * Gives every input of a model concrete sizes, because counting, checking and timing need them. The batch alone has a
 * default. Says what is missing as the option that would give it.
 */
import { type Model, OnnxPruningError } from '@onnx-pruning/onnx';
import { modelInputs } from '@onnx-pruning/runtime';

/** `--input-shape` as it was given: sizes of an input, or one size of a symbol. */
export interface GivenShape {
  readonly name: string;
  readonly sizes: readonly number[];
}

/** An `--input-shape` that is missing or does not fit the model. */
export class InputShapeError extends OnnxPruningError {}

type Input = ReturnType<typeof modelInputs>[number];

/**
 * Every size of every input, by name: what one run of the model takes.
 * @throws InputShapeError for a name that the model does not have, a shape that contradicts the model, or a size beyond
 * the batch that is symbolic and not given
 */
export function resolveInputShapes(model: Model, given: readonly GivenShape[]): Record<string, readonly number[]> {
  const inputs = modelInputs(model);
  const symbols = symbolSizes(inputs, given);
  for (const { dims } of inputs) {
    const batch = dims?.[0];
    if (typeof batch === 'string' && batch !== '' && !symbols.has(batch)) symbols.set(batch, 1);
  }
  const shapes = inputs.map((input) => {
    const dims = declaredDims(input, given);
    const sizes = dims.map((dim, axis) => sizeOf(input, dim, axis, symbols, given));
    return [input.name, sizes.map((size, axis) => size ?? (axis === 0 ? 1 : missing(inputs, input, axis)))] as const;
  });
  return Object.fromEntries(shapes);
}

/** Dimensions that the file declares; where it declares none, those that were given. */
function declaredDims(input: Input, given: readonly GivenShape[]): readonly (number | string)[] {
  const shape = given.find(({ name }) => name === input.name)?.sizes;
  if (input.dims === undefined) {
    if (shape) return shape;
    throw new InputShapeError('INPUT_SHAPE_MISSING', 'the model does not say what shape an input has', {
      value: input.name,
      repair: `Give it: --input-shape ${input.name}=1x3x224x224, with the sizes of your model.`,
    });
  }
  const fits =
    !shape ||
    (shape.length === input.dims.length &&
      input.dims.every((dim, axis) => typeof dim === 'string' || dim === shape[axis]));
  if (fits) return input.dims;
  throw new InputShapeError('INPUT_SHAPE_CONTRADICTS', 'the shape given for an input contradicts the model', {
    value: input.name,
    expected: show(input.dims),
    actual: shape.join('x'),
    repair: 'Give a size for every dimension; numbers in the model stay as they are.',
  });
}

function sizeOf(
  input: Input,
  dim: number | string,
  axis: number,
  symbols: ReadonlyMap<string, number>,
  given: readonly GivenShape[],
): number | undefined {
  if (typeof dim === 'number') return dim;
  return symbols.get(dim) ?? given.find(({ name }) => name === input.name)?.sizes[axis];
}

/** Sizes of named symbols: given by themselves, or through the shape of an input. */
function symbolSizes(inputs: readonly Input[], given: readonly GivenShape[]): Map<string, number> {
  const symbols = new Map<string, number>();
  const set = (symbol: string, size: number, value: string): void => {
    const before = symbols.get(symbol);
    if (before !== undefined && before !== size) throw twoSizes(symbol, before, size, value);
    symbols.set(symbol, size);
  };
  const names = inputs.flatMap((input) => (input.dims ?? []).filter((dim) => typeof dim === 'string' && dim !== ''));
  for (const { name, sizes } of given) {
    const input = inputs.find((candidate) => candidate.name === name);
    if (input) {
      input.dims?.forEach((dim, axis) => {
        if (typeof dim === 'string' && dim !== '' && sizes[axis] !== undefined) set(dim, sizes[axis], name);
      });
    } else if (names.includes(name) && sizes.length === 1) set(name, sizes[0], name);
    else throw unknownName(inputs, name);
  }
  return symbols;
}

function twoSizes(symbol: string, expected: number, actual: number, value: string): InputShapeError {
  return new InputShapeError('INPUT_SHAPE_CONTRADICTS', `two sizes are given for the symbol '${symbol}'`, {
    value,
    expected,
    actual,
    repair: 'Give each symbol one size.',
  });
}

function unknownName(inputs: readonly Input[], name: string): InputShapeError {
  const known = inputs.map((input) => `${input.name}=${show(input.dims ?? ['?'])}`).join(', ');
  return new InputShapeError('INPUT_SHAPE_UNKNOWN', `the model has no input or symbol '${name}' with such a shape`, {
    expected: known || 'a model with inputs',
    repair: 'Use the name of an input with all its sizes, or the name of a symbol with one size.',
  });
}

function missing(inputs: readonly Input[], input: Input, axis: number): never {
  const open = inputs.filter(({ dims }) => dims?.some((dim, i) => i > 0 && typeof dim === 'string'));
  const example = open.map(({ name, dims }) => `--input-shape ${name}=${exampleShape(dims ?? [])}`).join(' ');
  throw new InputShapeError('INPUT_SHAPE_MISSING', 'the shape of an input is only known at run time', {
    value: input.name,
    axis,
    actual: show(input.dims ?? []),
    repair: `Say for which sizes to count, check and time, for example: ${example}. The pruned model stays dynamic.`,
  });
}

/** Sizes as far as the model gives them; images are often 224 on a side. */
function exampleShape(dims: readonly (number | string)[]): string {
  return dims.map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? 1 : 224)).join('x');
}

function show(dims: readonly (number | string)[]): string {
  return dims.map((dim) => (dim === '' ? '?' : dim)).join('x');
}
