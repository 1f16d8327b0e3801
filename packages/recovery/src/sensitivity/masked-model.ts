/**
 * A model in which channels can be masked without loading it again: whoever reads channels reads them multiplied by a
 * mask, and masks are inputs of the graph. What it computes is the reference of the proof: the original in which removed
 * channels contribute nothing to their consumers. It must not choose channels.
 */

import type { Consumption } from '@onnx-pruning/depgraph';
import {
  type DependencyGraph,
  type DimTerm,
  find,
  type Group,
  KeptIndices,
  type Leaf,
  type LeafRemoval,
  leavesOf,
  nodeLabel,
  numericSize,
  termOf,
} from '@onnx-pruning/depgraph';
import { DataType, dataTypeName, GraphEditor, type Model } from '@onnx-pruning/onnx';
import { channelMask, groupAxis } from '@onnx-pruning/proof';
import { makeValue, type TensorValues } from '@onnx-pruning/runtime';

/** Types that onnxruntime multiplies in, and in which zero is zero. */
const MASKED_TYPES: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE]);

/** A place where channels are read, and summed up. */
interface Reader {
  readonly at: Consumption;
  readonly axes: readonly DimTerm[];
  readonly elemType: number;
  readonly leaves: ReadonlySet<Leaf>;
}

/** An input of the masked model. */
interface MaskInput {
  readonly name: string;
  readonly reader: Reader;
}

/** Says where channels are read, and makes the model in which they are masked there. */
export class MaskedModel {
  /** The model with masks as further inputs. */
  readonly model: Model;
  readonly #inputs: readonly MaskInput[];

  /**
   * @param model a copy of the graph's model, which is changed
   * @param groups those that `reasonsAgainst` has nothing to say of
   */
  constructor(model: Model, graph: DependencyGraph, groups: readonly Group[]) {
    this.model = model;
    const masked = new Set(groups.flatMap(({ cells }) => [...cells.keys()]));
    const readers = readersOf(graph).filter(({ leaves }) => [...leaves].some((leaf) => masked.has(leaf)));
    this.#inputs = insertMasks(model, graph, readers);
  }

  /** Masks that let through what stays. */
  masks(removal: LeafRemoval = new Map()): TensorValues {
    const kept = new KeptIndices({ size: numericSize, kept: (leaf) => removal.get(leaf) });
    return Object.fromEntries(
      this.#inputs.map(({ name, reader: { axes, at, elemType } }) => {
        const { dims, ones } = channelMask(axes, at.axis, kept);
        return [name, makeValue(elemType, dims, ones)];
      }),
    );
  }
}

/** Why a model with masked channels of a group would not compute what the pruned model does, by group. */
export function reasonsAgainst(graph: DependencyGraph, groups: readonly Group[]): Map<Group, string[]> {
  const unmaskable = readersOf(graph).flatMap((reader) => {
    const reason = reasonAgainst(reader);
    return reason === undefined ? [] : [{ reason, leaves: reader.leaves }];
  });
  return new Map(
    groups.map((group) => {
      const statistics = group.inexactBecause.map((m) => `${m.statistic} in ${m.node.opType} '${nodeLabel(m.node)}'`);
      const own = [...group.cells.keys()];
      const readers = unmaskable.filter(({ leaves }) => own.some((leaf) => leaves.has(leaf)));
      return [group, [...new Set([...statistics, ...readers.map(({ reason }) => reason)])]];
    }),
  );
}

function reasonAgainst({ at, axes, elemType }: Reader): string | undefined {
  const where = `the input '${at.value}' of ${at.node.opType} '${nodeLabel(at.node)}'`;
  if (!MASKED_TYPES.has(elemType)) return `${where} is of type ${dataTypeName(elemType)}`;
  const isFamily = find(axes[at.axis]!).kind === 'family';
  return isFamily && groupAxis(axes, at.axis) < 0 ? `${where} has no axis that tells its groups apart` : undefined;
}

function readersOf(graph: DependencyGraph): Reader[] {
  const { terms, shapes } = graph.analysis;
  return terms.consumptions.flatMap((at) => {
    const term = termOf(graph.analysis, at);
    if (term === undefined) return [];
    const elemType = shapes.values.get(at.value)?.elemType ?? DataType.UNDEFINED;
    return [{ at, axes: graph.axesOf(at.value), elemType, leaves: new Set(leavesOf(term)) }];
  });
}

/** Lets every reader read through a mask. Readers of the same channels share it. */
function insertMasks(model: Model, graph: DependencyGraph, readers: readonly Reader[]): MaskInput[] {
  const editor = new GraphEditor(model);
  const numbers = new Map(graph.model.graph.node.map((node, i) => [node, i]));
  const inputs = new Map<string, MaskInput>();
  const products = new Map<string, string>();
  const keyOf = maskKeys();
  for (const reader of readers) {
    const { at, axes, elemType } = reader;
    const key = keyOf(reader);
    const mask = inputs.get(key) ?? { name: editor.addInput('mask', elemType, maskDims(axes, at.axis)), reader };
    inputs.set(key, mask);
    const edited = editor.edit(model.graph.node[numbers.get(at.node)!]!);
    const from = edited.input[at.input]!;
    const product = products.get(`${from} ${mask.name}`) ?? editor.node('Mul', [from, mask.name]);
    products.set(`${from} ${mask.name}`, product);
    edited.input[at.input] = product;
  }
  editor.commit();
  return [...inputs.values()];
}

function maskDims(axes: readonly DimTerm[], axis: number): readonly number[] {
  return channelMask(axes, axis, new KeptIndices({ size: numericSize, kept: () => undefined })).dims;
}

/** The same text for readers whose masks are the same whatever goes. */
function maskKeys(): (reader: Reader) => string {
  const numbers = new Map<DimTerm, number>();
  return ({ at: { axis }, axes, elemType }) => {
    const term = find(axes[axis]!);
    const number = numbers.get(term) ?? numbers.size;
    numbers.set(term, number);
    return [number, axis, axes.length, groupAxis(axes, axis), elemType].join(' ');
  };
}
