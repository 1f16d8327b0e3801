/**
 * How operators read integers that are positions: which input holds them, and which axis of which other input they
 * count along (ONNX specification). What a model allows its integer inputs to be follows from it.
 */
import { attrInt, type NodeProto } from '@onnx-pruning/onnx';

/** Positions along an axis of a table. */
export interface IndexReading {
  /** The input that holds positions. */
  readonly indices: number;
  /** The input that they are looked up in. */
  readonly table: number;
  /** Axis of the table; may be negative. */
  readonly axis: number;
}

const GATHERING: ReadonlySet<string> = new Set(['Gather', 'GatherElements', 'ScatterElements', 'Scatter']);
/** Operators that hand integers on as they are, in other places or types. */
const PASSING: ReadonlySet<string> = new Set([
  'Cast',
  'Clip',
  'Concat',
  'Expand',
  'Flatten',
  'Gather',
  'Identity',
  'Max',
  'Min',
  'Reshape',
  'Slice',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
  'Where',
]);

const isStandard = ({ domain }: NodeProto): boolean => (domain ?? '') === '' || domain === 'ai.onnx';

/** Which input of the node holds positions, and along what; undefined where none does. */
export function indexReading(node: NodeProto): IndexReading | undefined {
  if (!isStandard(node) || !GATHERING.has(node.opType ?? '')) return undefined;
  return { indices: 1, table: 0, axis: attrInt(node, 'axis', 0) };
}

/**
 * What becomes of integers in input `input`: `same` where the outputs hold them, `plus` where another input is added to
 * them, undefined where the outputs are something else.
 */
export function integersPass(node: NodeProto, input: number): 'same' | 'plus' | undefined {
  if (!isStandard(node)) return undefined;
  if (node.opType === 'Add') return 'plus';
  if (node.opType === 'Where' || node.opType === 'Gather')
    return (node.opType === 'Where') === input > 0 ? 'same' : undefined;
  const everyInput = node.opType === 'Concat' || node.opType === 'Max' || node.opType === 'Min';
  return PASSING.has(node.opType ?? '') && (input === 0 || everyInput) ? 'same' : undefined;
}
