/**
 * Removes channels from a model: gathers every constant along its axes, lets the records rewrite the sizes that nodes
 * state, and checks by inference that every value has the shape its terms promise. All edits are staged; the model
 * changes only when everything fits, so a refused request leaves it as it was.
 */
import {
  bitsPerElement,
  cloneProto,
  constantTensors,
  type NodeProto,
  OnnxPruningError,
  replaceConstant,
  setTensorBytes,
  type TensorProto,
  tensorBytes,
  tensorDims,
  type ValueInfoProto,
} from '@onnx-pruning/onnx';
import type { Dim, ValueInfo } from '@onnx-pruning/ops';
import type { Analysis } from './analysis.ts';
import { gatherAxes, type RawTensor } from './gather.ts';
import { KeptIndices } from './kept.ts';
import { nodeLabel } from './node-view.ts';
import { ResizeEdits } from './resize.ts';
import { constantInfo, inferNode, opsetOf, SymbolSource } from './shapes.ts';
import { type DimTerm, find, numericSize } from './term.ts';

/** A request to remove channels that the graph cannot carry out. The model is unchanged. */
export class RewriteError extends OnnxPruningError {}

/** Channels of each leaf that stay: ascending indices into its channels now. */
export type LeafRemoval = ReadonlyMap<DimTerm, Int32Array>;

/** What is edited, until it is committed. */
export interface Staged {
  /** Constants by name; new ones are appended to the initializers. */
  readonly constants: Map<string, TensorProto>;
  readonly added: TensorProto[];
  /** Edited copies of nodes. */
  readonly nodes: Map<NodeProto, NodeProto>;
  /** Nodes to insert in front of a node. */
  readonly before: Map<NodeProto, NodeProto[]>;
  readonly values: Map<string, ValueInfo>;
}

/**
 * Removes channels from the analysed model, in place.
 * @throws RewriteError where a size that a node states cannot follow; nothing is changed then
 */
export function removeChannels(analysis: Analysis, removal: LeafRemoval): void {
  const kept = new KeptIndices({ size: numericSize, kept: (leaf) => removal.get(leaf) });
  const staged: Staged = {
    constants: new Map(analysis.shapes.constants),
    added: [],
    nodes: new Map(),
    before: new Map(),
    values: new Map(),
  };
  const sliced = sliceConstants(analysis, kept, staged);
  for (const [name, tensor] of staged.constants) {
    const info = sliced.has(name) ? constantInfo(tensor) : analysis.shapes.values.get(name);
    if (info) staged.values.set(name, info);
  }
  const sizes = new SizesAfter(removal);
  for (const { name = '' } of analysis.model.graph.input) {
    const info = analysis.shapes.values.get(name);
    const dims = analysis.terms.axes.get(name)?.map((term) => sizes.of(term)) ?? info?.dims;
    if (info && !staged.values.has(name)) staged.values.set(name, { elemType: info.elemType, dims });
  }
  rewriteNodes(analysis, kept, sizes, staged);
  commit(analysis, staged, removal);
}

/** Sizes of terms once the removal is done; only how many channels of each leaf stay matters. */
export class SizesAfter {
  readonly #removal: ReadonlyMap<DimTerm, { readonly length: number }>;
  readonly #known = new Map<DimTerm, Dim>();

  constructor(removal: ReadonlyMap<DimTerm, { readonly length: number }>) {
    this.#removal = removal;
  }

  of(t: DimTerm): Dim {
    const root = find(t);
    if (root.kind === 'leaf') return this.#removal.get(root)?.length ?? root.count;
    if (root.kind === 'fixed') return root.count;
    if (root.kind === 'family') return this.of(root.children[0]);
    let size = this.#known.get(root);
    if (size === undefined) {
      size = this.#combine(root);
      this.#known.set(root, size);
    }
    return size;
  }

  #combine(root: DimTerm): Dim {
    const sizes = root.children.map((child) => this.of(child));
    if (sizes.some((size) => typeof size === 'string')) return root.size;
    const numbers = sizes as number[];
    return root.kind === 'sum' ? numbers.reduce((a, b) => a + b, 0) : numbers.reduce((a, b) => a * b, 1);
  }
}

function sliceConstants(analysis: Analysis, kept: KeptIndices, staged: Staged): Set<string> {
  const sliced = new Set<string>();
  for (const [name, tensor] of analysis.shapes.constants) {
    const axes = analysis.terms.axes.get(name);
    if (!axes) continue;
    if (!axes.some((term) => kept.changes(term))) continue;
    const raw = { bytes: tensorBytes(tensor), dims: tensorDims(tensor), bits: bitsPerElement(tensor.dataType ?? 0) };
    const gathered = gatherKept(raw, axes, kept);
    const copy = cloneProto(tensor);
    setTensorBytes(copy, [...gathered.dims], gathered.bytes);
    staged.constants.set(name, copy);
    sliced.add(name);
  }
  return sliced;
}

/** Gathers a tensor along all its axes; behind groups that keep different channels, group by group. */
function gatherKept(raw: RawTensor, axes: readonly DimTerm[], kept: KeptIndices): RawTensor {
  const apart = axes.findIndex((term) => kept.perGroup(term));
  const lists = axes.map((term) => (kept.perGroup(term) ? undefined : kept.of(term)));
  if (apart < 0) return gatherAxes(raw, lists);
  const groups = kept.perGroup(axes[apart])!;
  const rows = lists[0] ?? Int32Array.from({ length: raw.dims[0] }, (_, row) => row);
  const perGroup = raw.dims[0] / groups.length;
  const pieces = groups.map((channels, g) => {
    const own = rows.filter((row) => Math.floor(row / perGroup) === g);
    return gatherAxes(raw, lists.with(0, own).with(apart, channels));
  });
  const dims = pieces[0].dims.with(0, rows.length);
  return { bits: raw.bits, dims, bytes: Buffer.concat(pieces.map((piece) => piece.bytes)) };
}

function rewriteNodes(analysis: Analysis, kept: KeptIndices, sizes: SizesAfter, staged: Staged): void {
  const { model, shapes } = analysis;
  const symbols = new SymbolSource();
  const edits = new ResizeEdits(analysis, kept, sizes, staged, symbols);
  for (const node of model.graph.node) {
    // The content of Constant nodes is staged like that of initializers; their attributes are still the old ones.
    if (node.output.every((name) => staged.constants.has(name))) continue;
    const record = shapes.records.get(node);
    if (record && edits.touches(node)) edits.resize(node, record);
    const now = staged.nodes.get(node) ?? node;
    const step = { node: now, record, opset: opsetOf(model, node), constants: staged.constants, symbols };
    if (record) inferNode({ ...step, values: staged.values });
    for (const name of node.output) settleValue(analysis, sizes, staged, node, name);
  }
}

/** Takes the old symbols for sizes that only the run knows, and checks that inference agrees with the terms. */
function settleValue(analysis: Analysis, sizes: SizesAfter, staged: Staged, node: NodeProto, name: string): void {
  const before = analysis.shapes.values.get(name);
  if (!before) return;
  const inferred = staged.values.get(name) ?? before;
  const axes = analysis.terms.axes.get(name);
  const promised = before.dims?.map((size, axis): Dim => (axes ? sizes.of(axes[axis]) : size));
  promised?.forEach((size, axis) => {
    const found = inferred.dims?.[axis];
    if (typeof size === 'number' && found !== undefined && found !== size) {
      throw new RewriteError('REWRITE_SHAPE', 'the pruned model would not keep the shapes that its channels need', {
        node: nodeLabel(node),
        operator: node.opType,
        value: name,
        axis,
        expected: size,
        actual: found,
        repair: 'Ignore the layers of this group: a size that this node uses cannot follow the removed channels.',
      });
    }
  });
  const value = inferred.value ?? undefined;
  staged.values.set(name, { elemType: inferred.elemType, dims: promised ?? inferred.dims, value });
}

function commit(analysis: Analysis, staged: Staged, removal: LeafRemoval): void {
  const { model, shapes } = analysis;
  commitConstants(analysis, staged);
  model.graph.initializer.push(...staged.added);
  for (const tensor of staged.added) shapes.constants.set(tensor.name ?? '', tensor);
  for (const [node, edited] of staged.nodes) {
    node.input = edited.input;
    node.attribute = edited.attribute;
  }
  if (staged.before.size > 0) {
    model.graph.node = model.graph.node.flatMap((node) => [...(staged.before.get(node) ?? []), node]);
  }
  for (const [name, info] of staged.values) shapes.values.set(name, info);
  for (const [leaf, kept] of removal) {
    leaf.originalCount ??= numericSize(leaf);
    const survivors = leaf.survivors;
    leaf.survivors = survivors ? kept.map((i) => survivors[i]) : kept;
    leaf.count = kept.length;
  }
  for (const entry of [...model.graph.valueInfo, ...model.graph.input]) updateDeclaredShape(entry, shapes.values);
}

function commitConstants(analysis: Analysis, staged: Staged): void {
  const live = constantTensors(analysis.model.graph);
  for (const [name, tensor] of staged.constants) {
    const original = analysis.shapes.constants.get(name);
    if (!original || original === tensor) continue;
    setTensorBytes(original, tensorDims(tensor), tensorBytes(tensor));
    // Constant nodes may hold numbers in attributes instead of a tensor: what we edited was a copy then.
    if (live.get(name) !== original) replaceConstant(analysis.model.graph, name, original);
  }
}

/** Declared shapes of intermediate values follow the terms: a stale one would be refused by runtimes. */
function updateDeclaredShape(entry: ValueInfoProto, values: ReadonlyMap<string, ValueInfo>): void {
  const dims = values.get(entry.name ?? '')?.dims;
  const declared = entry.type?.tensorType?.shape?.dim;
  if (!dims || declared?.length !== dims.length) return;
  dims.forEach((size, axis) => {
    if (typeof size === 'number' && declared[axis].dimValue !== undefined) declared[axis].dimValue = size;
  });
}
