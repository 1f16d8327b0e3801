/**
 * Gives every symbolic size of a model's inputs a number: one that was asked for, one that follows from another input,
 * or, for the batch alone, 1. It must not make values.
 */
import { FeedError } from './errors.ts';
import { showDims, type ValueInfo } from './feeds.ts';

export interface DimOptions {
  /** Sizes by the name of a symbolic dimension (a number), or by the name of an input (all its dimensions). */
  readonly dims?: Readonly<Record<string, number | readonly number[]>>;
  /** Size of the first dimension of every input that declares it symbolic; 1 by default. */
  readonly batch?: number;
}

/**
 * The dimensions of every input, by name.
 *
 * @throws FeedError for a size that is unknown, contradicts the model, or names nothing in it
 */
export function resolveDims(inputs: readonly ValueInfo[], options: DimOptions): Map<string, readonly number[]> {
  checkNames(inputs, options);
  const symbols = bindSymbols(inputs, options);
  const resolved = new Map(inputs.map((input) => [input.name, resolveInput(input, symbols, options)]));
  checkBatch(inputs, resolved, options);
  return resolved;
}

/** Sizes of the named symbols: given directly, then through an input's dimensions, then as the batch. */
function bindSymbols(inputs: readonly ValueInfo[], options: DimOptions): ReadonlyMap<string, number> {
  const symbols = new Map<string, number>();
  for (const [name, size] of Object.entries(options.dims ?? {})) if (typeof size === 'number') symbols.set(name, size);
  for (const input of inputs) {
    const given = givenDims(input, options);
    given?.forEach((size, axis) => {
      const symbol = input.dims?.[axis];
      if (typeof symbol === 'string' && symbol !== '' && !symbols.has(symbol)) symbols.set(symbol, size);
    });
  }
  for (const { dims } of inputs) {
    const first = dims?.[0];
    if (typeof first === 'string' && first !== '' && !symbols.has(first)) symbols.set(first, options.batch ?? 1);
  }
  return symbols;
}

function givenDims(input: ValueInfo, options: DimOptions): readonly number[] | undefined {
  const given = options.dims?.[input.name];
  return typeof given === 'object' ? given : undefined;
}

function resolveInput(input: ValueInfo, symbols: ReadonlyMap<string, number>, options: DimOptions): readonly number[] {
  const given = givenDims(input, options);
  if (input.dims === undefined) return given ?? undeclared(input);
  const dims = input.dims.map((dim, axis) => {
    const known = typeof dim === 'number' ? dim : (symbols.get(dim) ?? given?.[axis]);
    return known ?? (axis === 0 ? (options.batch ?? 1) : unknown(input, axis));
  });
  if (given === undefined || (given.length === dims.length && given.every((size, axis) => size === dims[axis])))
    return dims;
  throw new FeedError('FEED_DIMS', 'the dimensions given for an input contradict the model or each other', {
    value: input.name,
    expected: showDims(dims),
    actual: showDims(given),
  });
}

function checkNames(inputs: readonly ValueInfo[], options: DimOptions): void {
  const symbols = inputs.flatMap((input) => (input.dims ?? []).filter((dim) => typeof dim === 'string' && dim !== ''));
  for (const [name, size] of Object.entries(options.dims ?? {})) {
    const known = typeof size === 'number' ? symbols : inputs.map((input) => input.name);
    if (!known.includes(name)) {
      throw new FeedError(
        'FEED_DIMS',
        `no ${typeof size === 'number' ? 'symbolic dimension' : 'input'} has this name`,
        {
          value: name,
          expected: [...new Set(known)].map((one) => `'${one}'`).join(', ') || 'none',
        },
      );
    }
    for (const one of typeof size === 'number' ? [size] : size) checkSize(name, one);
  }
  if (options.batch !== undefined) checkSize('batch', options.batch);
}

function checkSize(name: string, size: number): void {
  if (Number.isInteger(size) && size >= 0) return;
  throw new FeedError('FEED_DIMS', 'a size must be a whole number', {
    value: name,
    expected: 'at least 0',
    actual: size,
  });
}

/** A batch that was asked for and that no input takes would silently measure something else. */
function checkBatch(
  inputs: readonly ValueInfo[],
  resolved: ReadonlyMap<string, readonly number[]>,
  { batch }: DimOptions,
): void {
  if (batch === undefined || inputs.length === 0) return;
  if (inputs.some((input) => resolved.get(input.name)?.[0] === batch)) return;
  const input = inputs[0]!;
  throw new FeedError('FEED_BATCH', 'the model does not take this batch', {
    value: input.name,
    axis: 0,
    expected: showDims(input.dims),
    actual: `a batch of ${batch}`,
    repair: 'Leave the batch out, or use a model whose first dimension is symbolic.',
  });
}

function unknown(input: ValueInfo, axis: number): never {
  const symbol = input.dims?.[axis];
  const key = symbol === '' ? `'${input.name}': [...]` : `'${symbol}': size`;
  throw new FeedError('FEED_DIMS', 'the size of a symbolic dimension is not known', {
    value: input.name,
    axis,
    expected: showDims(input.dims),
    repair: `Give it: dims: { ${key} }.`,
  });
}

function undeclared(input: ValueInfo): never {
  throw new FeedError('FEED_DIMS', 'the model does not declare the dimensions of an input', {
    value: input.name,
    repair: `Give them: dims: { '${input.name}': [...] }.`,
  });
}
