/**
 * Removes channels from a model: gathers every constant along its axes, lets the records rewrite the sizes that nodes
 * state, and checks by inference that every value has the shape its terms promise. All edits are staged; the model
 * changes only when everything fits, so a refused request leaves it as it was.
 */
import {
  type NodeProto,
  OnnxPruningError,
  type TensorProto,
  tensorDims,
  type ValueInfoProto,
  withContent,
} from '@onnx-pruning/onnx';
import { type Dim, divDims, sameDim } from '@onnx-pruning/ops';
import type { Analysis } from '../analysis/analysis.ts';
import type { Staged } from '../analysis/staged.ts';
import { nodeLabel } from '../shapes/node-view.ts';
import { constantInfo, inferNode, opsetOf, SymbolSource } from '../shapes/shapes.ts';
import { KeptIndices } from '../terms/kept.ts';
import { type LeafRemoval, SizesAfter } from '../terms/sizes-after.ts';
import { type DimTerm, type Leaf, numericSize, originalSize } from '../terms/term.ts';
import { type GatheredContent, TensorGatherer } from './gather-tensor.ts';
import { ResizeEdits } from './resize.ts';

/** A request to remove channels that the graph cannot carry out. The model is unchanged. */
export class RewriteError extends OnnxPruningError {}

/**
 * Removes channels from the analysed model, in place.
 * @throws RewriteError where a size that a node states cannot follow; nothing is changed then
 */
export function removeChannels(analysis: Analysis, removal: LeafRemoval): void {
  const { original, terms } = analysis;
  const staged: Staged = {
    constants: original.constants(),
    added: [],
    replaced: new Set(),
    nodes: new Map(),
    before: new Map(),
    values: new Map(),
  };
  const sliced = sliceConstants(analysis, removal, staged);
  for (const [name, tensor] of staged.constants) {
    const info = sliced.has(name) ? constantInfo(tensor) : original.constantInfo(name);
    if (info) staged.values.set(name, info);
  }
  const sizes = new SizesAfter(removal);
  for (const { name = '' } of analysis.model.graph.input) {
    const info = original.values.get(name);
    const dims = terms.axes.get(name)?.map((term) => sizes.of(term)) ?? info?.dims;
    if (info && !staged.values.has(name)) staged.values.set(name, { elemType: info.elemType, dims });
  }
  rewriteNodes(analysis, removal, sizes, staged);
  original.commit(staged);
  for (const [leaf, kept] of removal) settleLeaf(leaf, kept);
  terms.layouts.forget();
  const { graph } = analysis.model;
  for (const entry of [...graph.valueInfo, ...graph.input]) updateDeclaredShape(entry, analysis);
}

function settleLeaf(leaf: Leaf, kept: Int32Array): void {
  leaf.originalCount ??= numericSize(leaf);
  leaf.survivors = survivorsOf(leaf, kept);
  leaf.count = kept.length;
}

/** What is left of the channels that a leaf had first, when `kept` of those that it has now stay. */
function survivorsOf(leaf: Leaf, kept: Int32Array | undefined): Int32Array | undefined {
  const { survivors } = leaf;
  return survivors && kept ? kept.map((channel) => survivors[channel]) : (kept ?? survivors);
}

function sliceConstants(analysis: Analysis, removal: LeafRemoval, staged: Staged): Set<string> {
  const kept = new KeptIndices({ size: numericSize, kept: (leaf) => removal.get(leaf) });
  const gatherer = new TensorGatherer();
  const sliced = new Set<string>();
  for (const [name, tensor] of staged.constants) {
    const axes = analysis.terms.axes.get(name);
    if (!axes) continue;
    if (!axes.some((term) => kept.changes(term))) continue;
    const { dims, bytes } = gatherKept(gatherer, tensor, axes, kept);
    staged.constants.set(name, withContent(tensor, dims, bytes));
    sliced.add(name);
  }
  return sliced;
}

/** Gathers a tensor along all its axes; behind groups that keep different channels, group by group. */
function gatherKept(
  gatherer: TensorGatherer,
  tensor: TensorProto,
  axes: readonly DimTerm[],
  kept: KeptIndices,
): GatheredContent {
  // Families of one constant have their groups in common: those that its first axis begins with.
  const apart = axes.map((term) => kept.perGroup(term));
  const groups = apart.find((lists) => lists !== undefined)?.length;
  const lists = axes.map((term, axis) => (apart[axis] ? undefined : kept.of(term)));
  if (groups === undefined) return gatherer.gather(tensor, lists);
  const rows = lists[0] ?? Int32Array.from({ length: tensorDims(tensor)[0] }, (_, row) => row);
  const perGroup = tensorDims(tensor)[0] / groups;
  const pieces = Array.from({ length: groups }, (_, g) => {
    const own = rows.filter((row) => Math.floor(row / perGroup) === g);
    const ofGroup = lists.map((list, axis) => apart[axis]?.[g] ?? list);
    return gatherer.gather(tensor, ofGroup.with(0, own));
  });
  const dims = pieces[0].dims.with(0, rows.length);
  return { dims, bytes: concatenated(pieces) };
}

function concatenated(pieces: readonly GatheredContent[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((length, { bytes }) => length + bytes.length, 0));
  let at = 0;
  for (const { bytes } of pieces) {
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}

function rewriteNodes(analysis: Analysis, removal: LeafRemoval, sizes: SizesAfter, staged: Staged): void {
  const { model, shapes, original } = analysis;
  const symbols = new SymbolSource();
  const kept = new KeptIndices({ size: originalSize, kept: (leaf) => survivorsOf(leaf, removal.get(leaf)) });
  const edits = new ResizeEdits(analysis, kept, sizes, staged, symbols);
  for (const node of original.nodes) {
    // The content of Constant nodes is staged like that of initializers; their attributes are still the old ones.
    if (node.output.every((name) => staged.constants.has(name))) continue;
    const record = shapes.records.get(node);
    if (record && edits.touches(node)) edits.resize(node, record);
    const now = staged.nodes.get(node) ?? original.node(node);
    const step = { node: now, record, opset: opsetOf(model, node), constants: staged.constants, symbols };
    if (record) inferNode({ ...step, values: staged.values });
    for (const name of node.output) settleValue(analysis, sizes, staged, node, name);
  }
}

/** Takes the old symbols for sizes that only the run knows, and checks that inference agrees with the terms. */
function settleValue(analysis: Analysis, sizes: SizesAfter, staged: Staged, node: NodeProto, name: string): void {
  const before = analysis.original.values.get(name);
  if (!before) return;
  const inferred = staged.values.get(name) ?? before;
  const axes = analysis.terms.axes.get(name);
  const promised = before.dims?.map((size, axis): Dim => (axes ? sizes.of(axes[axis]) : size));
  const broken = promised && inferred.dims && brokenPromise(promised, inferred.dims);
  if (broken) {
    throw new RewriteError('REWRITE_SHAPE', 'the pruned model would not keep the shapes that its channels need', {
      node: nodeLabel(node),
      operator: node.opType,
      value: name,
      ...broken,
      repair: 'Ignore the layers of this group: a size that this node uses cannot follow the removed channels.',
    });
  }
  const value = inferred.value ?? undefined;
  staged.values.set(name, { elemType: inferred.elemType, dims: promised ?? inferred.dims, value });
}

function brokenPromise(
  promised: readonly Dim[],
  found: readonly Dim[],
): { axis?: number; expected: string | number; actual: string | number } | undefined {
  if (promised.length !== found.length) return { expected: `rank ${promised.length}`, actual: `rank ${found.length}` };
  const axis = promised.findIndex((size, i) => contradicts(found[i], size));
  return axis < 0 ? undefined : { axis, expected: promised[axis], actual: found[axis] };
}

/** Whether two sizes cannot be the same: another number, or another multiple of the same symbols. */
function contradicts(found: Dim, promised: Dim): boolean {
  if (typeof promised === 'number') return found !== promised;
  const times = divDims(promised, found) ?? divDims(found, promised);
  return typeof times === 'number' && times !== 1;
}

/** Declared shapes of intermediate values follow the terms: a stale one would be refused by runtimes. */
function updateDeclaredShape(entry: ValueInfoProto, { shapes, original }: Analysis): void {
  const dims = shapes.values.get(entry.name ?? '')?.dims;
  const before = original.values.get(entry.name ?? '')?.dims;
  const declared = entry.type?.tensorType?.shape?.dim;
  if (!dims || declared?.length !== dims.length) return;
  dims.forEach((size, axis) => {
    const dim = declared[axis];
    if (typeof size === 'number') {
      if (dim.dimValue !== undefined) dim.dimValue = size;
    } else if (dim.dimParam && before?.[axis] !== undefined && !sameDim(size, before[axis])) {
      // Runtimes take equal symbols for equal sizes.
      dim.dimParam = size;
    }
  });
}
