/**
 * Who reads the channels of each free dimension, where, and with which weights. It must not run models or score.
 */
import {
  type DependencyGraph,
  find,
  indexOfChannel,
  type Leaf,
  type LeafPlaces,
  leavesOf,
} from '@onnx-pruning/depgraph';
import { type NodeProto, readNumbers, tensorDims } from '@onnx-pruning/onnx';
import { type MeasuringPoint, MeasuringPoints, pointKey } from '@onnx-pruning/runtime';
import { type Matrix, matrix } from '../solve/matrix.ts';

/** One axis of one value, as the channels of one free dimension lie there. */
export interface Reading {
  /** Unlike that of any other reading. */
  readonly key: string;
  readonly point: MeasuringPoint;
  readonly channels: number;
  /** Where each channel lies along the axis, as often as it occurs: `repeats` indices for every channel. */
  readonly indices: Int32Array;
  readonly repeats: number;
  /** Whether the axis holds these channels alone, in their order. */
  readonly isWholeAxis: boolean;
}

/** Everything that reads the channels of one free dimension. */
export interface ReadChannels {
  /** The same in every graph that is built of the same model. */
  readonly key: string;
  readonly leaf: Leaf;
  readonly readings: readonly Reading[];
}

/** The dimensions whose channels are seen anywhere. */
export function readChannels(graph: DependencyGraph, points = new MeasuringPoints(graph)): ReadChannels[] {
  return [...points.byLeaf()].map(([leaf, seen]) => ({
    key: leafKey(graph, leaf, seen[0]!),
    leaf,
    readings: seen.map((point) => readingAt(graph, leaf, point)),
  }));
}

/** The name of a dimension by a place where its channels are seen: its number among those that lie there. */
export function leafKey(
  graph: Pick<DependencyGraph, 'termOf'>,
  leaf: Leaf,
  point: Pick<MeasuringPoint, 'value' | 'axis'>,
): string {
  return `${leavesOf(graph.termOf(point.value, point.axis)!).indexOf(leaf)} of ${pointKey(point)}`;
}

function readingAt(graph: DependencyGraph, leaf: Leaf, point: MeasuringPoint): Reading {
  const term = graph.termOf(point.value, point.axis)!;
  const channels = Number(leaf.size);
  const places = graph.analysis.terms.layouts.of(term).get(leaf)!;
  const indices = indicesOf(places, channels);
  const isWholeAxis = indices.length === Number(term.size) && indices.every((index, i) => index === i);
  return { key: leafKey(graph, leaf, point), point, channels, indices, repeats: places.repeats, isWholeAxis };
}

function indicesOf(places: LeafPlaces, channels: number): Int32Array {
  const { repeats } = places;
  return Int32Array.from({ length: channels * repeats }, (_, i) =>
    indexOfChannel(places, Math.floor(i / repeats), i % repeats),
  );
}

/**
 * What every reader at a point multiplies each channel with: one matrix for each reader, a row for each channel, in which
 * all its weights stand: those of every output and position of a kernel, and of every index that the channel has along the
 * axis. Whoever multiplies channels with something that is computed, or does not multiply them, is given as the identity:
 * no channel counts more there than what it holds.
 */
export function readerWeights(graph: DependencyGraph, leaf: Leaf, { point, channels }: Reading): Matrix[] {
  return [...new Set(point.nodes)].map((node) => weightRows(graph, node, leaf, channels) ?? identity(channels));
}

function identity(size: number): Matrix {
  const found = matrix(size, size);
  for (let i = 0; i < size; i++) found.data[i * size + i] = 1;
  return found;
}

function weightRows(graph: DependencyGraph, node: NodeProto, leaf: Leaf, channels: number): Matrix | undefined {
  const layer = graph.layers.find((candidate) => candidate.node === node);
  const { layouts } = graph.analysis.terms;
  const axis = layer?.axes.find(({ side, term }) => side === 'in' && layouts.of(term).has(leaf));
  const parameter = axis?.parameters.find(({ role }) => role === 'weight');
  const tensor = parameter && graph.tensorOf(parameter.tensor);
  if (axis === undefined || tensor === undefined) return undefined;
  const dims = tensorDims(tensor);
  const indices = indicesOf(layouts.of(axis.term).get(leaf)!, channels);
  const all = new AlongAxis(readNumbers(tensor), dims, parameter!.axis);
  // Of a family, each member is read by the outputs of its own group, which follow each other.
  const term = find(axis.term);
  const members = term.kind === 'family' && parameter!.axis > 0 ? term.members : [leaf];
  return all.rows(indices, indices.length / channels, members.indexOf(leaf) / members.length, members.length);
}

/** A tensor seen as numbers at each index of one axis. */
class AlongAxis {
  readonly #numbers: ArrayLike<number>;
  readonly #outer: number;
  readonly #size: number;
  readonly #inner: number;

  constructor(numbers: ArrayLike<number>, dims: readonly number[], axis: number) {
    const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
    this.#numbers = numbers;
    this.#outer = product(dims.slice(0, axis));
    this.#size = dims[axis] ?? 1;
    this.#inner = product(dims.slice(axis + 1));
  }

  /**
   * @param perRow how many of the indices belong to one row
   * @param from the share of what stands in front of the axis at which the numbers begin
   * @param parts how many parts of that size there are
   */
  rows(indices: Int32Array, perRow: number, from: number, parts: number): Matrix {
    const outer = this.#outer / parts;
    const first = this.#outer * from;
    const found = matrix(indices.length / perRow, perRow * outer * this.#inner);
    let at = 0;
    for (const index of indices) {
      for (let o = first; o < first + outer; o++) {
        const start = (o * this.#size + index) * this.#inner;
        for (let k = start; k < start + this.#inner; k++) found.data[at++] = this.#numbers[k]!;
      }
    }
    return found;
  }
}
