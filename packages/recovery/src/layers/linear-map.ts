/**
 * Operators that are linear in a weight: which numbers of their input every weight is multiplied with, and how the weight
 * is laid out as matrices. Everything that reconstruction knows of an operator is in here.
 */
import { attrInt, DataType, type GraphEditor, makeTensor, type NodeProto } from '@onnx-pruning/onnx';
import { type Matrix, matrix } from '../solve/matrix.ts';

/** How a weight enters an operator: in each of `groups` groups, outputs = rows x matrix. */
export interface LinearMap {
  /** Which input of the node is multiplied with the weight. */
  readonly input: number;
  /** Which input of the node is the weight. */
  readonly weight: number;
  /** Which input of the node is added to every position, where the operator has one. */
  readonly bias: number | undefined;
  /** The axis of the output's channels. */
  readonly outputAxis: number;
  readonly groups: number;
  /** Rows of each group's matrix. */
  readonly inputs: number;
  /** Columns of each group's matrix. */
  readonly outputs: number;
  /** What the product, and what the bias, is multiplied with. */
  readonly scale: { readonly product: number; readonly bias: number };
  /** Emits the rows: [groups, positions, inputs]. */
  emitRows(editor: GraphEditor, value: string, elemType: number): string;
  /** Emits values of the output's shape as [groups, positions, outputs]. */
  emitOutputs(editor: GraphEditor, value: string): string;
  /** The weight's numbers as one inputs x outputs matrix for each group. */
  matrices(weight: ArrayLike<number>): Matrix[];
  /** The inverse of `matrices`. */
  weightOf(matrices: readonly Matrix[]): Float64Array;
}

type Dims = readonly number[];
type MapOf = (node: NodeProto, weight: Dims) => LinearMap | undefined;

const product = (sizes: Dims): number => sizes.reduce((n, size) => n * size, 1);

const MAPS: Readonly<Record<string, MapOf>> = {
  Conv: (node, weight) => convolution(node, weight),
  ConvTranspose: (node, weight) => transposedConvolution(node, weight),
  Gemm: (node, weight) => gemm(node, weight),
  MatMul: (_, weight) => (weight.length === 2 ? linear(weight, 'inputs first') : undefined),
};

/**
 * How a node is linear in its weight.
 * @param weight the weight's dimensions
 * @returns undefined for another operator, and for a form of it that is not known here
 */
export function linearMapOf(node: NodeProto, weight: Dims): LinearMap | undefined {
  const isStandard = (node.domain ?? '') === '' || node.domain === 'ai.onnx';
  return isStandard ? MAPS[node.opType ?? '']?.(node, weight) : undefined;
}

/** Which input of a node may be such a weight; undefined for other operators. */
export const weightInputOf = (node: NodeProto): number | undefined =>
  node.opType !== undefined && node.opType in MAPS ? 1 : undefined;

function convolution(node: NodeProto, [channels = 0, inputs = 0, ...kernel]: Dims): LinearMap {
  const groups = attrInt(node, 'group', 1);
  const taps = product(kernel);
  const outputs = channels / groups;
  return {
    ...SPATIAL,
    groups,
    inputs: inputs * taps,
    outputs,
    emitRows: (editor, value, elemType) =>
      rowsOf(
        editor,
        emitTaps(editor, node, value, elemType, { channels: groups * inputs, kernel }),
        groups,
        inputs * taps,
      ),
    emitOutputs: (editor, value) => rowsOf(editor, value, groups, outputs),
    // [groups, outputs, inputs x taps]
    matrices: (weight) =>
      permuted(weight, groups, (g, i, o) => (g * outputs + o) * inputs * taps + i, inputs * taps, outputs),
    weightOf: (found) => unpermuted(found, (g, i, o) => (g * outputs + o) * inputs * taps + i),
  };
}

function transposedConvolution(node: NodeProto, [channels = 0, outputs = 0, ...kernel]: Dims): LinearMap {
  const groups = attrInt(node, 'group', 1);
  const taps = product(kernel);
  const inputs = channels / groups;
  // [groups, inputs, outputs, taps]
  const at = (g: number, i: number, o: number): number =>
    ((g * inputs + Math.floor(i / taps)) * outputs + o) * taps + (i % taps);
  return {
    ...SPATIAL,
    groups,
    inputs: inputs * taps,
    outputs,
    emitRows: (editor, value, elemType) =>
      rowsOf(editor, emitTaps(editor, node, value, elemType, { channels, kernel }), groups, inputs * taps),
    emitOutputs: (editor, value) => rowsOf(editor, value, groups, outputs),
    matrices: (weight) => permuted(weight, groups, at, inputs * taps, outputs),
    weightOf: (found) => unpermuted(found, at),
  };
}

const SPATIAL = { input: 0, weight: 1, bias: 2, outputAxis: 1, scale: { product: 1, bias: 1 } } as const;

/**
 * Every number that a kernel is multiplied with, on channels of their own: the same operator, with a kernel for each of
 * its taps that is one there and zero elsewhere. Padding, strides and dilations need no code of their own.
 */
function emitTaps(
  editor: GraphEditor,
  node: NodeProto,
  value: string,
  elemType: number,
  { channels, kernel }: { channels: number; kernel: Dims },
): string {
  const taps = product(kernel);
  const ones = new Float32Array(channels * taps * taps);
  for (let row = 0; row < channels * taps; row++) ones[row * taps + (row % taps)] = 1;
  const isTransposed = node.opType === 'ConvTranspose';
  const dims = isTransposed ? [channels, taps, ...kernel] : [channels * taps, 1, ...kernel];
  const weight = editor.initializer(makeTensor('taps', elemType, dims, ones));
  const unfolded = editor.node(node.opType ?? '', [value, weight], { group: channels });
  const added = editor.producer(unfolded)!;
  const attributes = node.attribute.filter(({ name }) => name !== 'group');
  editor.edit(added).attribute.push(...attributes);
  return unfolded;
}

/** [N, groups x size, ...] as [groups, N x positions, size]. */
function rowsOf(editor: GraphEditor, value: string, groups: number, size: number): string {
  const ints = (...elements: number[]): string =>
    editor.initializer(makeTensor('sizes', DataType.INT64, [elements.length], elements));
  const split = editor.node('Reshape', [value, ints(0, groups, size, -1)]);
  const last = editor.node('Transpose', [split], { perm: [1, 0, 3, 2] });
  return editor.node('Reshape', [last, ints(groups, -1, size)]);
}

function gemm(node: NodeProto, weight: Dims): LinearMap | undefined {
  const [transA, transB] = [attrInt(node, 'transA', 0), attrInt(node, 'transB', 0)];
  if (transA !== 0) return undefined;
  const value = (name: string): number => node.attribute.find((one) => one.name === name)?.f ?? 1;
  const [alpha, beta] = [value('alpha'), value('beta')];
  if (alpha === 0 || beta === 0) return undefined;
  return {
    ...linear(weight, transB === 0 ? 'inputs first' : 'outputs first'),
    bias: 2,
    scale: { product: alpha, bias: beta },
  };
}

function linear(weight: Dims, layout: 'inputs first' | 'outputs first'): LinearMap {
  const [inputs = 0, outputs = 0] = layout === 'inputs first' ? weight : weight.toReversed();
  const at = (_: number, i: number, o: number): number =>
    layout === 'inputs first' ? i * outputs + o : o * inputs + i;
  const flat = (editor: GraphEditor, value: string, size: number): string =>
    editor.node('Reshape', [value, editor.initializer(makeTensor('sizes', DataType.INT64, [3], [1, -1, size]))]);
  return {
    input: 0,
    weight: 1,
    bias: undefined,
    outputAxis: -1,
    groups: 1,
    inputs,
    outputs,
    scale: { product: 1, bias: 1 },
    emitRows: (editor, value) => flat(editor, value, inputs),
    emitOutputs: (editor, value) => flat(editor, value, outputs),
    matrices: (numbers) => permuted(numbers, 1, at, inputs, outputs),
    weightOf: (found) => unpermuted(found, at),
  };
}

type Place = (group: number, input: number, output: number) => number;

function permuted(numbers: ArrayLike<number>, groups: number, at: Place, inputs: number, outputs: number): Matrix[] {
  return Array.from({ length: groups }, (_, g) => {
    const found = matrix(inputs, outputs);
    for (let i = 0; i < inputs; i++)
      for (let o = 0; o < outputs; o++) found.data[i * outputs + o] = numbers[at(g, i, o)]!;
    return found;
  });
}

function unpermuted(matrices: readonly Matrix[], at: Place): Float64Array {
  const found = new Float64Array(matrices.reduce((n, { data }) => n + data.length, 0));
  for (const [g, { rows, columns, data }] of matrices.entries()) {
    for (let i = 0; i < rows; i++) for (let o = 0; o < columns; o++) found[at(g, i, o)] = data[i * columns + o]!;
  }
  return found;
}
