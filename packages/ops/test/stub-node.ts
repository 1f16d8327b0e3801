/**
 * One node without a model or an engine, for testing records directly: it infers shapes, and writes down the equations
 * that a record states as lines of text. Inputs are called by the names that a test gives them, outputs Y, Y1, Y2.
 */
import {
  type AttributeValue,
  DataType,
  GraphBuilder,
  makeTensor,
  type NodeProto,
  type TensorProto,
} from '@onnx-pruning/onnx';
import { mulDims } from '../src/dims.ts';
import type {
  Axes,
  CostContext,
  Dim,
  EquationContext,
  InferContext,
  LayerSpec,
  NodeView,
  OperatorRecord,
  ResizeContext,
  Term,
  TermRole,
  ValueInfo,
} from '../src/record.ts';

/** An input: its dimensions alone (float, computed), or more. `constant` makes it an initializer. */
export type StubInput =
  | readonly Dim[]
  | null
  | {
      readonly dims?: readonly Dim[];
      readonly value?: readonly (Dim | undefined)[];
      readonly constant?: boolean;
      readonly elemType?: number;
    };

export interface StubNode {
  readonly opset?: number;
  /** In order, by the names that the recorded equations use. */
  readonly inputs: Readonly<Record<string, StubInput>>;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly outputs?: number;
}

/** The record for an operator at an opset; a test that asks for one that is not there is wrong. */
export function recordOf(records: readonly OperatorRecord[], opType: string, opset = 17): OperatorRecord {
  const found = records.find((r) => r.opType === opType && r.opsets[0] <= opset && opset <= r.opsets[1]);
  if (!found) throw new Error(`no record for ${opType} at opset ${opset}`);
  return found;
}

/** An initializer of these dimensions. */
export function weight(...dims: number[]): StubInput {
  return { dims, constant: true };
}

/** A constant 1-D input with these elements. */
export function values(...elements: (Dim | undefined)[]): StubInput {
  return { dims: [elements.length], value: elements, constant: true };
}

function describe(input: StubInput): ValueInfo | undefined {
  if (input === null) return undefined;
  const spec = 'map' in input ? { dims: input } : input;
  return { elemType: DataType.FLOAT, ...spec };
}

class StubView implements NodeView {
  readonly node: NodeProto;
  readonly opset: number;
  readonly inputs: readonly (ValueInfo | undefined)[];
  readonly #constants: readonly (TensorProto | undefined)[];

  constructor(opType: string, spec: StubNode) {
    const builder = new GraphBuilder();
    const names = Object.entries(spec.inputs).map(([name, input]) => (input === null ? '' : name));
    const outputs = Array.from({ length: spec.outputs ?? 1 }, (_, i) => `Y${i || ''}`);
    builder.nodeOutputs(opType, names, spec.attributes ?? {}, { name: 'n', outputs });
    this.node = builder.graph().node[0];
    this.opset = spec.opset ?? 17;
    this.inputs = Object.values(spec.inputs).map(describe);
    this.#constants = Object.values(spec.inputs).map((input) =>
      input !== null && 'constant' in input && input.constant ? makeTensor('c', DataType.FLOAT, [0], []) : undefined,
    );
  }

  constant(i: number): TensorProto | undefined {
    return this.#constants[i];
  }

  int(name: string, fallback: number): number {
    return Number(this.#attribute(name)?.i ?? fallback);
  }

  ints(name: string): number[] | undefined {
    return this.#attribute(name)?.ints?.map(Number);
  }

  float(name: string, fallback: number): number {
    return this.#attribute(name)?.f ?? fallback;
  }

  string(name: string, fallback: string): string {
    const bytes = this.#attribute(name)?.s;
    return bytes ? new TextDecoder().decode(bytes) : fallback;
  }

  has(name: string): boolean {
    return this.#attribute(name) !== undefined;
  }

  #attribute(name: string) {
    return this.node.attribute.find((attribute) => attribute.name === name);
  }
}

class StubInference extends StubView implements InferContext {
  #symbols = 0;

  dims(i: number): readonly Dim[] | undefined {
    return this.inputs[i]?.dims;
  }

  symbol(): string {
    return `s${this.#symbols++}`;
  }

  fail(expected: string, found: string): never {
    throw new Error(`expected ${expected}, found ${found}`);
  }
}

/** What the record infers. Throws `expected ..., found ...` where it refuses. New symbols are s0, s1, ... */
export function inferAll(record: OperatorRecord, spec: StubNode): readonly ValueInfo[] {
  return record.infer(new StubInference(record.opType, spec));
}

/** Dimensions of the first output. */
export function inferDims(record: OperatorRecord, spec: StubNode): readonly Dim[] | undefined {
  return inferAll(record, spec)[0]?.dims;
}

interface NamedTerm extends Term {
  readonly name: string;
}

const nameOf = (term: Term): string => (term as NamedTerm).name;

class StubEquations extends StubView implements EquationContext {
  readonly lines: string[] = [];
  readonly outputs: readonly (ValueInfo | undefined)[];
  readonly #names: readonly string[];

  constructor(opType: string, spec: StubNode, outputs: readonly ValueInfo[]) {
    super(opType, spec);
    this.outputs = outputs;
    this.#names = Object.keys(spec.inputs);
  }

  in(i: number): Axes {
    return this.#axes(this.#names[i], this.inputs[i]);
  }

  out(i: number): Axes {
    return this.#axes(`Y${i || ''}`, this.node.output[i] ? this.outputs[i] : undefined);
  }

  equal(a: Term, b: Term): void {
    this.lines.push(`${nameOf(a)} = ${nameOf(b)}`);
  }

  sum(parts: readonly Term[]): Term {
    const size = parts.reduce((n, part) => n + Number(part.size), 0);
    return { size, name: `(${parts.map(nameOf).join(' + ')})` } as NamedTerm;
  }

  product(factors: readonly Term[]): Term {
    const size = factors.map((factor) => factor.size).reduce<Dim>(mulDims, 1);
    return { size, name: `(${factors.map(nameOf).join(' x ')})` } as NamedTerm;
  }

  leaf(size: Dim, role?: TermRole): Term {
    return { size, name: `${role ?? 'leaf'}:${size}` } as NamedTerm;
  }

  fixed(size: Dim, reason: string): Term {
    return { size, name: `fixed:${size} (${reason})` } as NamedTerm;
  }

  freeze(term: Term, reason: string): void {
    this.lines.push(`freeze ${nameOf(term)}: ${reason}`);
  }

  consumes(input: number, axis: number): void {
    this.lines.push(`sums over ${this.#names[input]}[${axis}]`);
  }

  mixes(input: number, axis: number, statistic: string): void {
    this.lines.push(`mixes ${this.#names[input]}[${axis}]: ${statistic}`);
  }

  distributes(input: number, axis: number, statistic: string): void {
    this.lines.push(`distributes ${this.#names[input]}[${axis}]: ${statistic}`);
  }

  #axes(name: string, info: ValueInfo | undefined): Axes {
    return (info?.dims ?? []).map((size, axis): NamedTerm => ({ size, name: `${name}[${axis}]` }));
  }
}

/** The equations that the record states, one line each, in order; those that match `only` where it is given. */
export function equationsOf(record: OperatorRecord, spec: StubNode, only?: RegExp): string[] {
  const ctx = new StubEquations(record.opType, spec, inferAll(record, spec));
  record.equations(ctx);
  return ctx.lines.filter((line) => !only || only.test(line));
}

/** The layer that the record says the node is. */
export function layerOf(record: OperatorRecord, spec: StubNode): LayerSpec | null {
  return record.layer(new StubView(record.opType, spec));
}

/** Sizes before and after pruning, by input or output name; those not named stay as inferred. */
export interface StubResize {
  readonly after: Readonly<Record<string, readonly Dim[]>>;
  readonly kept?: Readonly<Record<string, readonly number[]>>;
}

/** What the record rewrites, one line each: `group = 4`, `input 3 = [?, 8, ?, ?]`. */
export function resizesOf(record: OperatorRecord, spec: StubNode, change: StubResize): string[] {
  const lines: string[] = [];
  const view = new StubView(record.opType, spec);
  const outputs = inferAll(record, spec);
  const names = Object.keys(spec.inputs);
  const oldIn = (i: number) => view.inputs[i]?.dims ?? [];
  const oldOut = (i: number) => outputs[i]?.dims ?? [];
  const show = (list: readonly unknown[]) => `[${list.map((x) => x ?? '?').join(', ')}]`;
  const kept = (name: string, axis: number) => {
    const list = change.kept?.[`${name}[${axis}]`];
    return list && Int32Array.from(list);
  };
  const extra = {
    oldIn,
    oldOut,
    newIn: (i: number) => change.after[names[i]] ?? oldIn(i),
    newOut: (i: number) => change.after[view.node.output[i]] ?? oldOut(i),
    keptIn: (i: number, axis: number) => kept(names[i], axis),
    keptOut: (i: number, axis: number) => kept(view.node.output[i], axis),
    setInt: (name: string, value: number) => void lines.push(`${name} = ${value}`),
    setFloat: (name: string, value: number) => void lines.push(`${name} = ${value}`),
    setInts: (name: string, list: readonly number[]) => void lines.push(`${name} = ${show(list)}`),
    setInput: (i: number, list: readonly (Dim | undefined)[]) => void lines.push(`input ${i} = ${show(list)}`),
    replaceConstant: (i: number, list: readonly number[]) => void lines.push(`constant ${i} = ${show(list)}`),
    removeAttribute: (name: string) => void lines.push(`no ${name}`),
  };
  record.resize(Object.assign(view, extra) satisfies ResizeContext);
  return lines;
}

/** Multiply-accumulates of a node whose dimensions are all numbers. */
export function macsOf(record: OperatorRecord, spec: StubNode): number {
  const view = new StubView(record.opType, spec);
  const outputs = inferAll(record, spec);
  const numbers = (info: ValueInfo | undefined) => (info?.dims ?? []).map(Number);
  const extra = { inDims: (i: number) => numbers(view.inputs[i]), outDims: (i: number) => numbers(outputs[i]) };
  return record.macs(Object.assign(view, extra) satisfies CostContext);
}
