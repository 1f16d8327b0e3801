/**
 * What callers without a type checker hand over: arguments of another kind, options that do not exist. Every public
 * function states here what it takes, so that a mistake is said where it was made, not where something breaks later.
 */
import { ArgumentError } from './errors.ts';
import { nearestNames } from './layer-names.ts';

/** What an argument may be. */
export interface Kind {
  /** Completes "expected ...". */
  readonly expected: string;
  accepts(value: unknown): boolean;
}

const isObject = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

/** Kinds of arguments, and what makes further kinds of them. */
export const kinds = {
  text: { expected: 'a string', accepts: (value) => typeof value === 'string' },
  boolean: { expected: 'true or false', accepts: (value) => typeof value === 'boolean' },
  number: { expected: 'a number', accepts: (value) => typeof value === 'number' && !Number.isNaN(value) },
  /** NaN, too: for numbers whose range is looked at later, with more to say. */
  anyNumber: { expected: 'a number', accepts: (value) => typeof value === 'number' },
  integer: { expected: 'an integer', accepts: (value) => Number.isSafeInteger(value) },
  count: {
    expected: 'an integer of at least 0',
    accepts: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  },
  positive: { expected: 'a positive integer', accepts: (value) => Number.isSafeInteger(value) && Number(value) > 0 },
  bytes: { expected: 'bytes (a Uint8Array)', accepts: (value) => value instanceof Uint8Array },
  callback: { expected: 'a function', accepts: (value) => typeof value === 'function' },
  object: { expected: 'an object', accepts: (value) => isObject(value) && !Array.isArray(value) },
  /** Anything: another place says what is wrong with it. */
  anything: { expected: 'anything', accepts: () => true },
  model: {
    expected: 'a model, as loadModel and GraphBuilder give it',
    accepts: (value) => isObject(value) && 'proto' in value && isObject(value.proto),
  },
  modelMessage: {
    expected: 'the message of a model (model.proto)',
    accepts: (value) => isObject(value) && 'opsetImport' in value && Array.isArray(value.opsetImport),
  },
  tensor: {
    expected: 'a tensor (a TensorProto)',
    accepts: (value) => isObject(value) && 'dims' in value && Array.isArray(value.dims),
  },
  node: {
    expected: 'a node (a NodeProto)',
    accepts: (value) => isObject(value) && 'input' in value && 'attribute' in value && Array.isArray(value.attribute),
  },
  graph: {
    expected: 'a graph (a GraphProto)',
    accepts: (value) => isObject(value) && 'node' in value && Array.isArray(value.node),
  },
} as const satisfies Readonly<Record<string, Kind>>;

/** One of several kinds. */
export function anyOf(...options: readonly Kind[]): Kind {
  return {
    expected: options.map(({ expected }) => expected).join(' or '),
    accepts: (value) => options.some((kind) => kind.accepts(value)),
  };
}

/** Left out, or of that kind. */
export function optional(kind: Kind): Kind {
  return { expected: kind.expected, accepts: (value) => value === undefined || kind.accepts(value) };
}

/** An array (of numbers: also a typed one) of such elements. */
export function listOf(element: Kind): Kind {
  const isList = (value: unknown): value is ArrayLike<unknown> =>
    Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  return {
    expected: `a list: for each element ${element.expected}`,
    // Asking every element of a large array whether it is anything takes longer than what is done with it.
    accepts: (value) =>
      isList(value) &&
      (element === kinds.anything || Array.prototype.every.call(value, (one: unknown) => element.accepts(one))),
  };
}

/** An object whose values are of that kind. */
export function recordOf(element: Kind): Kind {
  return {
    expected: `an object: for each name ${element.expected}`,
    accepts: (value) =>
      kinds.object.accepts(value) && Object.values(value as object).every((one) => element.accepts(one)),
  };
}

/** One of these values. */
export function oneOf(...values: readonly unknown[]): Kind {
  return { expected: `one of ${values.map(show).join(', ')}`, accepts: (value) => values.includes(value) };
}

/** An instance of a class. */
export function instanceOf(type: abstract new (...args: never[]) => object, expected: string): Kind {
  return { expected, accepts: (value) => value instanceof type };
}

/** Options by their names. */
export type OptionKinds<T> = { readonly [K in keyof Required<T>]: Kind };

/**
 * Checks arguments by their names.
 * @param what the function, as callers write it
 * @throws ArgumentError for the first that is of another kind
 */
export function checkArguments(
  what: string,
  given: Readonly<Record<string, readonly [value: unknown, kind: Kind]>>,
): void {
  for (const name in given) {
    const [value, kind] = given[name]!;
    if (!kind.accepts(value)) throw wrongArgument(what, `the argument ${name}`, value, kind);
  }
}

/** Checks one argument, where a function is called so often that a list of them would take longer than its work. */
export function checkArgument(what: string, name: string, value: unknown, kind: Kind): void {
  if (!kind.accepts(value)) throw wrongArgument(what, `the argument ${name}`, value, kind);
}

/**
 * Checks an object of options: that it is one, that every option exists, and that every value is of its kind.
 * @throws ArgumentError, with the nearest name for an option that does not exist
 */
export function checkOptions<T extends object>(what: string, options: T, known: OptionKinds<T>): void {
  const all = known as Readonly<Record<string, Kind>>;
  if (!kinds.object.accepts(options)) throw wrongArgument(what, 'options', options, kinds.object);
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(all, name) ? all[name] : undefined;
    if (kind === undefined) throw unknownOption(what, name, Object.keys(all));
    if (value !== undefined && !kind.accepts(value)) throw wrongArgument(what, `the option ${name}`, value, kind);
  }
}

function wrongArgument(what: string, which: string, value: unknown, kind: Kind): ArgumentError {
  return new ArgumentError('ARGUMENT', `${what}: ${which} is of the wrong kind`, {
    expected: kind.expected,
    actual: show(value),
  });
}

function unknownOption(what: string, name: string, known: readonly string[]): ArgumentError {
  // The names of other languages: pruning_ratio.
  const camelCase = name.replace(/_+([a-z])/gi, (_, letter: string) => letter.toUpperCase());
  const [near] = known.includes(camelCase) ? [camelCase] : nearestNames(name, known, 1);
  return new ArgumentError('UNKNOWN_OPTION', `${what} has no option ${name}`, {
    expected: known.length > 0 ? `one of ${known.join(', ')}` : 'no options',
    ...(near !== undefined && { repair: `Did you mean ${near}?` }),
  });
}

/** A value in an error, short. */
function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 60)}'`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'function') return value.name ? `the function ${value.name}` : 'a function';
  if (typeof value === 'object' && value !== null) {
    const { name } = value.constructor ?? {};
    return name && name !== 'Object'
      ? `an object of ${name}`
      : `an object with ${Object.keys(value).slice(0, 5).join(', ') || 'nothing'}`;
  }
  return String(value);
}
