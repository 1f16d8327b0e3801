/**
 * Operators that are linear in a weight: which numbers of their input every weight is multiplied with, and how the weight is
 * laid out as matrices. Records state it by these.
 */
import { DataType, type GraphEditor, makeTensor, type NodeProto, tensorDims } from '@onnx-pruning/onnx';
import type { Algebra, LinearMap } from './algebra.ts';
import type { NodeView } from './record.ts';

type Dims = readonly number[];

const product = (sizes: Dims): number => sizes.reduce((n, size) => n * size, 1);

/** For operators that multiply input 0 with input 1. */
export const linearInWeight =
  (mapOf: (view: NodeView, weight: Dims) => LinearMap | undefined) =>
  (view: NodeView): Algebra => {
    const weight = view.constant(1);
    return { kind: 'linear', value: 0, weight: 1, map: weight && mapOf(view, tensorDims(weight)) };
  };

/** Conv. */
export function convolutionMap(view: NodeView, [channels = 0, inputs = 0, ...kernel]: Dims): LinearMap {
  const groups = view.int('group', 1);
  const taps = product(kernel);
  const outputs = channels / groups;
  return {
    ...SPATIAL,
    groups,
    inputs: inputs * taps,
    taps,
    outputs,
    emitRows: (editor, value, elemType) =>
      rowsOf(
        editor,
        emitTaps(editor, view.node, value, {
          elemType,
          dims: [groups * inputs * taps, 1, ...kernel],
          channels: groups * inputs,
          taps,
        }),
        groups,
        inputs * taps,
      ),
    emitOutputs: (editor, value) => rowsOf(editor, value, groups, outputs),
    // [groups, outputs, inputs x taps]
    matrices: (weight) =>
      permuted(weight, groups, (g, i, o) => (g * outputs + o) * inputs * taps + i, inputs * taps, outputs),
    weightOf: (found) => unpermuted(found, (g, i, o) => (g * outputs + o) * inputs * taps + i, outputs),
  };
}

/** ConvTranspose. */
export function transposedConvolutionMap(view: NodeView, [channels = 0, outputs = 0, ...kernel]: Dims): LinearMap {
  const groups = view.int('group', 1);
  const taps = product(kernel);
  const inputs = channels / groups;
  // [groups, inputs, outputs, taps]
  const at = (g: number, i: number, o: number): number =>
    ((g * inputs + Math.floor(i / taps)) * outputs + o) * taps + (i % taps);
  return {
    ...SPATIAL,
    groups,
    inputs: inputs * taps,
    taps,
    outputs,
    emitRows: (editor, value, elemType) =>
      rowsOf(
        editor,
        emitTaps(editor, view.node, value, { elemType, dims: [channels, taps, ...kernel], channels, taps }),
        groups,
        inputs * taps,
      ),
    emitOutputs: (editor, value) => rowsOf(editor, value, groups, outputs),
    matrices: (weight) => permuted(weight, groups, at, inputs * taps, outputs),
    weightOf: (found) => unpermuted(found, at, outputs),
  };
}

const SPATIAL = { bias: 2, outputAxis: 1, scale: { product: 1, bias: 1 } } as const;

/**
 * Every number that a kernel is multiplied with, on channels of their own: the same operator, with a kernel for each of
 * its taps that is one there and zero elsewhere. Padding, strides and dilations need no code of their own.
 */
function emitTaps(
  editor: GraphEditor,
  node: NodeProto,
  value: string,
  { elemType, dims, channels, taps }: { elemType: number; dims: Dims; channels: number; taps: number },
): string {
  const ones = new Float32Array(channels * taps * taps);
  for (let row = 0; row < channels * taps; row++) ones[row * taps + (row % taps)] = 1;
  const weight = editor.initializer(makeTensor('taps', elemType, dims, ones));
  const unfolded = editor.node(node.opType ?? '', [value, weight], { group: channels });
  const attributes = node.attribute.filter(({ name }) => name !== 'group');
  editor.edit(editor.producer(unfolded)!).attribute.push(...attributes);
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

/** Gemm, with its second input as the weight. */
export function gemmMap(view: NodeView, weight: Dims): LinearMap | undefined {
  const [product, bias] = [view.float('alpha', 1), view.float('beta', 1)];
  if (view.int('transA', 0) !== 0 || product === 0 || bias === 0) return undefined;
  const layout = view.int('transB', 0) === 0 ? 'inputs first' : 'outputs first';
  return { ...flatMap(weight, layout), bias: 2, scale: { product, bias } };
}

/** MatMul, with its second input as the weight. */
export function matMulMap(_: NodeView, weight: Dims): LinearMap | undefined {
  return weight.length === 2 ? flatMap(weight, 'inputs first') : undefined;
}

/** A matrix that the last axis is multiplied with. */
function flatMap(weight: Dims, layout: 'inputs first' | 'outputs first'): LinearMap {
  const [inputs = 0, outputs = 0] = layout === 'inputs first' ? weight : weight.toReversed();
  const at = (_: number, i: number, o: number): number =>
    layout === 'inputs first' ? i * outputs + o : o * inputs + i;
  const flat = (editor: GraphEditor, value: string, size: number): string =>
    editor.node('Reshape', [value, editor.initializer(makeTensor('sizes', DataType.INT64, [3], [1, -1, size]))]);
  return {
    bias: undefined,
    outputAxis: -1,
    groups: 1,
    inputs,
    taps: 1,
    outputs,
    scale: { product: 1, bias: 1 },
    emitRows: (editor, value) => flat(editor, value, inputs),
    emitOutputs: (editor, value) => flat(editor, value, outputs),
    matrices: (numbers) => permuted(numbers, 1, at, inputs, outputs),
    weightOf: (found) => unpermuted(found, at, outputs),
  };
}

type Place = (group: number, input: number, output: number) => number;

function permuted(
  numbers: ArrayLike<number>,
  groups: number,
  at: Place,
  inputs: number,
  outputs: number,
): Float64Array[] {
  return Array.from({ length: groups }, (_, g) => {
    const found = new Float64Array(inputs * outputs);
    for (let k = 0; k < found.length; k++) found[k] = numbers[at(g, Math.floor(k / outputs), k % outputs)]!;
    return found;
  });
}

function unpermuted(matrices: readonly Float64Array[], at: Place, outputs: number): Float64Array {
  const found = new Float64Array(matrices.reduce((n, { length }) => n + length, 0));
  for (const [g, numbers] of matrices.entries()) {
    for (let k = 0; k < numbers.length; k++) found[at(g, Math.floor(k / outputs), k % outputs)] = numbers[k]!;
  }
  return found;
}
