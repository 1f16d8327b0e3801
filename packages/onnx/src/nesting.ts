/**
 * How deeply messages may lie in one another, and the check of it. A reader of protobuf follows messages to a depth of
 * 100 and refuses what is deeper (protobuf's own readers do, so onnxruntime and Python do, too). What could not be read
 * back is refused here as well, also when it was built in code: whatever walks a model may then call itself for each
 * graph in a graph. The walk that measures must not do so: it goes level by level.
 */
import { InvalidModelError } from './errors.ts';
import type { NodeProto } from './proto.ts';
import { SCHEMA } from './schema.ts';

/** Messages inside one another, the outermost not counted. */
export const DEEPEST_MESSAGE = 100;

/** From a graph to a graph in it: its node, the node's attribute, and the graph there. */
const PER_BODY = 3;

/** Of an expectation: the limit, in terms of models. */
export const ALLOWED_NESTING = `at most ${DEEPEST_MESSAGE} messages in one another, of which each graph inside a graph takes ${PER_BODY}`;
export const NESTING_REPAIR =
  'Other readers of ONNX files, onnxruntime among them, read no more. Build the model with fewer If, Loop or Scan nodes, or types, inside one another.';

/** A field that holds a message, or a list of them. */
interface Field {
  readonly name: string;
  readonly type: string;
}

const FIELDS: ReadonlyMap<string, readonly Field[]> = new Map(
  Object.entries(SCHEMA).map(([message, fields]) => {
    const nested = Object.entries(fields).filter(([, [, type]]) => type in SCHEMA);
    return [message, nested.map(([name, [, type]]) => ({ name, type }))];
  }),
);

/** The greatest depth of messages below one of a type; Infinity where such messages may hold their own kind. */
const HEIGHTS: ReadonlyMap<string, number> = new Map([...FIELDS.keys()].map((type) => [type, heightOf(type, [])]));

function heightOf(type: string, around: readonly string[]): number {
  if (around.includes(type)) return Number.POSITIVE_INFINITY;
  const inner = FIELDS.get(type) ?? [];
  return Math.max(0, ...inner.map((field) => 1 + heightOf(field.type, [...around, type])));
}

/** What is found at one depth: its type, and the outermost node around it. */
interface Place {
  readonly type: string;
  readonly node: NodeProto | undefined;
}

/** Messages that are visited beyond the limit, to say how deep it goes; a model that contains itself never ends. */
const VISITED_BEYOND = 100_000;

/**
 * Checks how deeply the messages in a message lie in one another.
 * @param type of the outermost message
 * @throws InvalidModelError (`NESTED_TOO_DEEPLY`) beyond what can be read back from a file
 */
export function checkNesting(type: string, message: object): void {
  let level: ReadonlyMap<object, Place> = new Map([[message, { type, node: undefined }]]);
  let depth = 0;
  let beyond = 0;
  let deepest: Place | undefined;
  while (beyond < VISITED_BEYOND) {
    const next = messagesBelow(level, depth);
    if (next.size === 0) break;
    level = next;
    depth++;
    if (depth > DEEPEST_MESSAGE) {
      beyond += level.size;
      deepest = level.values().next().value;
    }
  }
  if (deepest === undefined) return;
  throw tooDeep(deepest.node, beyond < VISITED_BEYOND ? `${depth}` : `at least ${depth}`);
}

/** The messages one level deeper, without those below which the limit cannot be reached. */
function messagesBelow(level: ReadonlyMap<object, Place>, depth: number): Map<object, Place> {
  const below = new Map<object, Place>();
  for (const [message, { type, node }] of level) {
    for (const field of FIELDS.get(type) ?? []) {
      if (depth + 1 + (HEIGHTS.get(field.type) ?? 0) <= DEEPEST_MESSAGE) continue;
      const found: unknown = Reflect.get(message, field.name);
      for (const one of Array.isArray(found) ? found : [found]) {
        if (typeof one !== 'object' || one === null) continue;
        below.set(one, {
          type: field.type,
          node: node ?? (field.type === 'NodeProto' ? (one as NodeProto) : undefined),
        });
      }
    }
  }
  return below;
}

/**
 * The depth of a graph in the attribute of a node of a graph at this depth, for a walk that calls itself.
 * @throws InvalidModelError (`NESTED_TOO_DEEPLY`) when it is beyond the limit
 */
export function bodyDepth(depth: number): number {
  return deeper(depth, PER_BODY);
}

/** A depth and so many levels more. @throws InvalidModelError (`NESTED_TOO_DEEPLY`) beyond the limit */
export function deeper(depth: number, levels = 1): number {
  if (depth + levels > DEEPEST_MESSAGE) throw tooDeep(undefined, 'more');
  return depth + levels;
}

function tooDeep(node: NodeProto | undefined, actual: string): InvalidModelError {
  const name = node?.name || node?.output[0];
  return new InvalidModelError('NESTED_TOO_DEEPLY', 'The model is nested too deeply', {
    ...(name && { node: name }),
    ...(node?.opType && { operator: node.opType }),
    expected: ALLOWED_NESTING,
    actual,
    repair: NESTING_REPAIR,
  });
}

/** Whether protobufjs refused to read or write something for its depth. */
export function isDepthError(error: unknown): boolean {
  return error instanceof Error && error.message === 'max depth exceeded';
}
