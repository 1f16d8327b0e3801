/**
 * How operators read integers that count something: positions along an axis of another input, lengths of sequences,
 * bounds of a range (ONNX specification, onnxruntime's contributed operators). What a model allows its integer inputs to be follows from it. Sizes and values
 * are asked of the caller; it must not infer any.
 */
import { attrInt, attrString, greatest, least, type NodeProto } from '@onnx-pruning/onnx';
import type { Dim } from './record.ts';

/** Integers from `low` to below `high`; an infinite `high` says that the operator names no limit. */
export type IntegerRange = readonly [low: number, high: number];

/** What a node allows the integers in one of its inputs to be. */
export interface IntegerReading {
  /** One range for all of them, or one for each place along the last axis of the input. */
  readonly ranges: readonly IntegerRange[];
  /**
   * What must not occur twice, since the result would depend on the order of writing: a position along this axis of the
   * input, or a tuple (all numbers along the last axis).
   */
  readonly distinct?: number | 'tuples';
  /** Other integers are legal, too, and say less. */
  readonly isHint?: boolean;
}

/** A node and what is known of its inputs. */
export interface IntegerContext {
  readonly node: NodeProto;
  dims(input: number): readonly Dim[] | undefined;
  /** The numbers of an input, where they are known before the run and not too many. */
  value(input: number): readonly number[] | undefined;
}

type Rule = (input: number, ctx: IntegerContext) => IntegerReading | undefined;

function sizeOf({ dims }: IntegerContext, input: number, axis: number): number | undefined {
  const size = dims(input)?.at(axis);
  return typeof size === 'number' && size > 0 ? size : undefined;
}

const all = (low: number, high: number | undefined): IntegerReading | undefined =>
  high === undefined || high <= low ? undefined : { ranges: [[low, high]] };

/** Rows of the first input, in the second one. */
const positions: Rule = (input, ctx) =>
  input === 1 ? all(0, sizeOf(ctx, 0, attrInt(ctx.node, 'axis', 0))) : undefined;

const scattered: Rule = (input, ctx) => {
  const found = positions(input, ctx);
  const distinct = attrInt(ctx.node, 'axis', 0);
  return found && (adds(ctx.node) ? found : { ...found, distinct });
};

/** Tuples of positions along the axes of the first input, from `first` on. */
const tuples =
  (first: (node: NodeProto) => number): Rule =>
  (input, ctx) => {
    const length = input === 1 ? sizeOf(ctx, 1, -1) : undefined;
    // More numbers than axes: no such positions.
    if (length === undefined || length > (ctx.dims(0)?.length ?? 0)) return undefined;
    const sizes = Array.from({ length }, (_, i) => sizeOf(ctx, 0, first(ctx.node) + i));
    const ranges = sizes.flatMap((size): IntegerRange[] => (size === undefined ? [] : [[0, size]]));
    return ranges.length === length ? { ranges } : undefined;
  };

const scatteredTuples: Rule = (input, ctx) => {
  const found = tuples(() => 0)(input, ctx);
  return found && (adds(ctx.node) ? found : { ...found, distinct: 'tuples' });
};

/** Whether what is written to the same place twice is combined rather than overwritten. */
const adds = (node: NodeProto): boolean => attrString(node, 'reduction', 'none') !== 'none';

/** From one to all steps along an axis of the first input. */
const lengths =
  (at: number, axis: (node: NodeProto) => number): Rule =>
  (input, ctx) => {
    const size = input === at ? sizeOf(ctx, 0, axis(ctx.node)) : undefined;
    return size === undefined ? undefined : all(1, size + 1);
  };

const ofRecurrent = lengths(4, (node) => (attrInt(node, 'layout', 0) === 1 ? 1 : 0));

const oneHot: Rule = (input, ctx) => (input === 0 ? all(0, ctx.value(1)?.[0]) : undefined);

/** Bounds that leave something: where both are open, one lies in the first half and the other in the second. */
const slice: Rule = (input, ctx) => {
  if (input !== 1 && input !== 2) return undefined;
  const count = sizeOf(ctx, input, 0);
  if (count === undefined || count > (ctx.dims(0)?.length ?? 0)) return undefined;
  const given = (i: number): boolean => (ctx.node.input[i] ?? '') !== '';
  const axes = given(3) ? ctx.value(3) : Array.from({ length: count }, (_, i) => i);
  const steps = given(4) ? ctx.value(4) : [];
  if (axes?.length !== count || !steps?.every((step) => step > 0)) return undefined;
  const other = ctx.value(3 - input);
  const ranges = axes.map((axis, i): IntegerRange | undefined => {
    const size = sizeOf(ctx, 0, axis);
    if (size === undefined) return undefined;
    const half = Math.ceil(size / 2);
    const bound = other?.[i] === undefined ? undefined : Math.min(size, other[i] < 0 ? other[i] + size : other[i]);
    return input === 1 ? [0, bound ?? half] : [bound === undefined ? half : bound + 1, size + 1];
  });
  const known = ranges.filter((range) => range !== undefined);
  return known.length === count && known.every(([low, high]) => low < high) ? { ranges: known } : undefined;
};

/** The end of a range that counts by one: at least one number. */
const rangeLimit: Rule = (input, ctx) => {
  const start = ctx.value(0)?.[0];
  return input === 1 && start !== undefined && ctx.value(2)?.[0] === 1 ? all(start + 1, Infinity) : undefined;
};

/** Compared with 0, 1, 2, ...: lengths, of which a mask is made. */
const compared: Rule = (input, ctx) => {
  const row = ctx.value(1 - input);
  if (row === undefined || row.length < 2 || row.some((x, i) => x !== i)) return undefined;
  return { ranges: [[1, row.length + 1]], isHint: true };
};

/** Keys that count of every sequence, where the masks have one number for each. */
const keyLengths =
  (at: number, keys: number): Rule =>
  (input, ctx) =>
    input === at && ctx.dims(at)?.length === 1 && ctx.dims(keys)?.length === 3
      ? all(1, 1 + (sizeOf(ctx, keys, 1) ?? 0))
      : undefined;

/** The last key of every sequence, and how many keys there are: those of the past and the new ones, no others. */
const cachedLengths: Rule = (input, ctx) => {
  const [past, fresh] = [ctx.node.input[3] ? ctx.dims(3)?.at(2) : 0, sizeOf(ctx, 0, 1)];
  if ((input !== 5 && input !== 6) || typeof past !== 'number' || fresh === undefined) return undefined;
  const length = past + fresh - (input === 5 ? 1 : 0);
  return all(length, length + 1);
};

const RULES: ReadonlyMap<string, Rule> = new Map([
  ['Gather', positions],
  ['GatherElements', positions],
  ['GatherND', tuples((node) => attrInt(node, 'batch_dims', 0))],
  ['Scatter', scattered],
  ['ScatterElements', scattered],
  ['ScatterND', scatteredTuples],
  ['OneHot', oneHot],
  ['LSTM', ofRecurrent],
  ['GRU', ofRecurrent],
  ['RNN', ofRecurrent],
  ['ReverseSequence', lengths(1, (node) => attrInt(node, 'time_axis', 0))],
  ['TopK', lengths(1, (node) => attrInt(node, 'axis', -1))],
  ['Slice', slice],
  ['Range', rangeLimit],
  ['Less', compared],
  ['LessOrEqual', compared],
  ['Greater', compared],
  ['GreaterOrEqual', compared],
  ['com.microsoft::Attention', keyLengths(3, 0)],
  ['com.microsoft::MultiHeadAttention', keyLengths(4, 1)],
  ['com.microsoft::GroupQueryAttention', cachedLengths],
]);

const isStandard = ({ domain }: NodeProto): boolean => (domain ?? '') === '' || domain === 'ai.onnx';
const keyOf = (node: NodeProto): string => (isStandard(node) ? '' : `${node.domain}::`) + (node.opType ?? '');

/** What the node allows the integers in its input `input` to be; undefined where it reads none, or sizes are not known. */
export function integerReading(input: number, ctx: IntegerContext): IntegerReading | undefined {
  return RULES.get(keyOf(ctx.node))?.(input, ctx);
}

/** Operators that hand integers on as they are, in other places or types; those in the first input. */
const PASSING: ReadonlySet<string> = new Set([
  'Cast',
  'Clip',
  'Expand',
  'Flatten',
  'Identity',
  'Reshape',
  'Slice',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
]);
/** The same for every input. */
const JOINING: ReadonlySet<string> = new Set(['Concat', 'Max', 'Min']);
/** Of those, operators that leave every integer in its place. */
const IN_PLACE: ReadonlySet<string> = new Set(['Cast', 'Identity']);

/** How the integers of an output follow from those of an input. */
export interface IntegerPass {
  /** By how much they are larger, at least and at most. */
  readonly least: number;
  readonly most: number;
  /** Whether they lie where they did, in a tensor of the same shape. */
  readonly inPlace: boolean;
}

/** What becomes of integers in input `input`; undefined where the outputs hold something else. */
export function integersPass(input: number, ctx: IntegerContext): IntegerPass | undefined {
  const { node } = ctx;
  const { opType = '' } = node;
  if (!isStandard(node)) return undefined;
  if (opType === 'Add' || (opType === 'Sub' && input === 0)) {
    const added = ctx.value(1 - input)?.map((x) => (opType === 'Add' ? x : -x));
    return added?.length ? { least: least(added), most: greatest(added), inPlace: false } : undefined;
  }
  // What counts up to the input is below it.
  if (opType === 'Range') return rangeLimit(input, ctx) && { least: 0, most: -1, inPlace: false };
  const passes =
    (input === 0 && (PASSING.has(opType) || opType === 'Gather')) ||
    (input > 0 && opType === 'Where') ||
    JOINING.has(opType);
  return passes ? { least: 0, most: 0, inPlace: IN_PLACE.has(opType) } : undefined;
}
