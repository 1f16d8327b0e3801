/**
 * Lets the records rewrite the sizes that nodes state (attributes, Reshape targets, Split sizes, Gather indices) on
 * staged copies. A size that already follows at run time is left alone; a constant is replaced; anything else is
 * recomposed from new constants and the run-time elements of the old value.
 */
import {
  cloneProto,
  DataType,
  getAttribute,
  makeTensor,
  type NodeProto,
  saturated,
  setAttribute,
  type TensorData,
  type TensorProto,
  tensorView,
  toNumber,
  withContentOf,
} from '@onnx-pruning/onnx';
import { type Dim, type OperatorRecord, type ResizeContext, sameDim, type ValueInfo } from '@onnx-pruning/ops';
import type { Analysis } from '../analysis/analysis.ts';
import type { Staged } from '../analysis/staged.ts';
import { LayerError } from '../layers/layers.ts';
import { GraphNodeView, nodeLabel } from '../shapes/node-view.ts';
import { askRecord, constantInfo, inferNode, opsetOf, type SymbolSource } from '../shapes/shapes.ts';
import type { KeptIndices } from '../terms/kept.ts';
import type { SizesAfter } from '../terms/sizes-after.ts';
import { type DimTerm, originalDim } from '../terms/term.ts';

/** Runs the resize rules of nodes against staged copies. */
export class ResizeEdits {
  readonly analysis: Analysis;
  readonly kept: KeptIndices;
  readonly sizes: SizesAfter;
  readonly staged: Staged;
  readonly symbols: SymbolSource;
  /** Constants before any of them is edited. */
  readonly constants: ReadonlyMap<string, TensorProto>;
  #nextName = 0;

  constructor(analysis: Analysis, kept: KeptIndices, sizes: SizesAfter, staged: Staged, symbols: SymbolSource) {
    this.analysis = analysis;
    this.kept = kept;
    this.sizes = sizes;
    this.staged = staged;
    this.symbols = symbols;
    this.constants = new Map(staged.constants);
  }

  /** Whether an axis of the node's inputs or outputs loses channels, or a size that it is given has changed. */
  touches(node: NodeProto): boolean {
    const { input, output } = this.analysis.original.node(node);
    const shrinks = (name: string): boolean =>
      this.axes(name).some((term) => !sameDim(this.sizes.of(term), originalDim(term)));
    return [...input, ...output].some(shrinks) || input.some((name) => this.#changed(name));
  }

  #changed(name: string): boolean {
    const before = this.analysis.original.values.get(name);
    const now = this.staged.values.get(name);
    if (!before || !now || before === now || this.staged.constants.has(name)) return false;
    return before.value?.some((element, i) => now.value?.[i] !== element) ?? false;
  }

  resize(node: NodeProto, record: OperatorRecord): void {
    askRecord(node, () => record.resize(new Resize(this, node)));
  }

  axes(name: string | undefined): readonly DimTerm[] {
    return this.analysis.terms.axes.get(name ?? '') ?? [];
  }

  /** The staged copy of a node, made when it is first edited. */
  edit(node: NodeProto): NodeProto {
    let copy = this.staged.nodes.get(node);
    if (!copy) {
      copy = cloneProto(this.analysis.original.node(node));
      this.staged.nodes.set(node, copy);
    }
    return copy;
  }

  /** Replaces a constant where this node alone uses it, else gives the node a constant of its own. */
  replaceConstant(node: NodeProto, i: number, tensor: TensorProto): void {
    const name = this.edit(node).input[i];
    const existing = this.staged.constants.get(name);
    if (existing && this.analysis.original.hasOneUse(name)) {
      const copy = withContentOf(existing, tensor);
      this.staged.replaced.add(name);
      this.#stage(name, copy);
    } else {
      this.edit(node).input[i] = this.addConstant(name || `${node.output[0]}_size`, tensor);
    }
  }

  addConstant(like: string, tensor: TensorProto): string {
    const name = this.freshName(like);
    const named = cloneProto(tensor);
    named.name = name;
    this.staged.added.push(named);
    this.#stage(name, named);
    return name;
  }

  #stage(name: string, tensor: TensorProto): void {
    this.staged.constants.set(name, tensor);
    this.staged.values.set(name, constantInfo(tensor));
  }

  /** A free name. Earlier rewritings count as withdrawn, so names do not depend on the steps of pruning. */
  freshName(like: string): string {
    for (;;) {
      const name = `${like}_pruned_${this.#nextName++}`;
      if (!this.analysis.original.names.has(name)) return name;
    }
  }

  /** Adds a node in front of `node` and infers its outputs. */
  insertBefore(node: NodeProto, added: NodeProto): void {
    this.staged.before.set(node, [...(this.staged.before.get(node) ?? []), added]);
    const { model, registry, shapes } = this.analysis;
    const opset = opsetOf(model, added);
    const record = registry.find('', added.opType ?? '', opset);
    shapes.records.set(added, record);
    const { values, constants } = this.staged;
    inferNode({ node: added, record, opset, values, constants, symbols: this.symbols });
  }
}

class Resize extends GraphNodeView implements ResizeContext {
  readonly #edits: ResizeEdits;
  readonly #live: NodeProto;

  constructor(edits: ResizeEdits, node: NodeProto) {
    const { model, original } = edits.analysis;
    const before = original.node(node);
    const inputs = before.input.map((name) => original.values.get(name));
    super(before, opsetOf(model, node), inputs, edits.constants);
    this.#edits = edits;
    this.#live = node;
  }

  oldIn(i: number): readonly Dim[] {
    return this.#edits.axes(this.node.input[i]).map(originalDim);
  }

  newIn(i: number): readonly Dim[] {
    return this.#edits.axes(this.node.input[i]).map((term) => this.#edits.sizes.of(term));
  }

  oldOut(i: number): readonly Dim[] {
    return this.#edits.axes(this.node.output[i]).map(originalDim);
  }

  newOut(i: number): readonly Dim[] {
    return this.#edits.axes(this.node.output[i]).map((term) => this.#edits.sizes.of(term));
  }

  keptIn(i: number, axis: number): Int32Array | undefined {
    return this.#keptAlong(this.#edits.axes(this.node.input[i])[axis]);
  }

  keptOut(i: number, axis: number): Int32Array | undefined {
    return this.#keptAlong(this.#edits.axes(this.node.output[i])[axis]);
  }

  #keptAlong(term: DimTerm | undefined): Int32Array | undefined {
    if (!term || typeof term.size !== 'number') return undefined;
    if (!this.#edits.kept.perGroup(term)) return this.#edits.kept.of(term);
    throw new LayerError('GROUPS_APART', 'a node selects channels alike in groups that keep different ones', {
      node: nodeLabel(this.node),
      operator: this.node.opType,
      repair: 'Build the graph with groupSelection: same.',
    });
  }

  setInt(name: string, value: number): void {
    setAttribute(this.#edits.edit(this.#live), name, value, 'int');
  }

  setFloat(name: string, value: number): void {
    setAttribute(this.#edits.edit(this.#live), name, value, 'float');
  }

  setInts(name: string, values: readonly number[]): void {
    const node = this.#edits.edit(this.#live);
    const now = getAttribute(node, name)?.ints ?? [];
    // What does not change keeps its 64 bits: a number holds 53 of them.
    const exact = values.map((value, j) => (now[j] !== undefined && toNumber(now[j]) === value ? now[j] : value));
    setAttribute(node, name, exact, 'ints');
  }

  removeAttribute(name: string): void {
    const node = this.#edits.edit(this.#live);
    node.attribute = node.attribute.filter((attribute) => attribute.name !== name);
  }

  setInput(i: number, values: readonly (Dim | undefined)[]): void {
    const name = this.#edits.edit(this.#live).input[i] ?? '';
    const now = name ? this.#edits.staged.values.get(name) : undefined;
    const follows = (value: Dim | undefined, j: number): boolean =>
      value === undefined || (now?.value?.[j] !== undefined && sameDim(now.value[j], value));
    if (now && values.every(follows)) return;
    const known = values.map((value, j) => value ?? now?.value?.[j]);
    const isConstant = !now?.dims?.length || this.#edits.staged.constants.has(name);
    if (isConstant && known.every((value) => typeof value === 'number')) {
      const dims = now?.dims?.every((n) => typeof n === 'number') ? (now.dims as number[]) : [values.length];
      this.#setConstant(i, known as number[], dims, now);
      return;
    }
    // Sizes that still follow at run time stay run-time sizes, also where example inputs gave them a number.
    const replaced = values.map((value, j) => (follows(value, j) ? undefined : value));
    this.#recompose(i, replaced, name, now?.elemType ?? DataType.INT64);
  }

  replaceConstant(i: number, values: readonly number[], dims: readonly number[]): void {
    this.#setConstant(i, values, dims, this.inputs[i]);
  }

  addInput(i: number, values: readonly number[]): void {
    this.#setConstant(i, values, [values.length], undefined);
  }

  #setConstant(i: number, values: readonly number[], dims: readonly number[], now: ValueInfo | undefined): void {
    const elemType = now?.elemType ?? DataType.INT64;
    const input = this.#edits.edit(this.#live).input;
    while (input.length <= i) input.push('');
    const before = this.#edits.staged.constants.get(input[i]);
    this.#edits.replaceConstant(
      this.#live,
      i,
      makeTensor('', elemType, [...dims], withExact(values, elemType, before)),
    );
  }

  /** Concat of constants for the sizes that are known and Gathers of the old value for those that are not. */
  #recompose(i: number, wanted: readonly (Dim | undefined)[], name: string, elemType: number): void {
    const edits = this.#edits;
    const pieces = wanted.map((value, j): string => {
      const known = typeof value === 'number';
      const type = known ? elemType : DataType.INT64;
      const constant = edits.addConstant(name, makeTensor('', type, [1], [known ? value : j]));
      if (known) return constant;
      const output = edits.freshName(name);
      edits.insertBefore(this.#live, plainNode('Gather', [name, constant], output));
      return output;
    });
    const output = edits.freshName(name);
    const concat = plainNode('Concat', pieces, output);
    setAttribute(concat, 'axis', 0, 'int');
    edits.insertBefore(this.#live, concat);
    edits.edit(this.#live).input[i] = output;
  }
}

/** Elements of a constant that takes the place of another: those that do not change keep all 64 bits. */
function withExact(values: readonly number[], elemType: number, before: TensorProto | undefined): TensorData {
  const old = before?.dataType === elemType && elemType === DataType.INT64 ? tensorView(before) : undefined;
  if (!(old instanceof BigInt64Array) || old.length !== values.length) return [...values];
  return BigInt64Array.from(values, (value, j) => (Number(old[j]) === value ? old[j] : saturated(value)));
}

function plainNode(opType: string, input: string[], output: string): NodeProto {
  return { input, output: [output], name: output, opType, attribute: [] };
}
