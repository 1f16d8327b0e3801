/**
 * Shape inference: one walk over the nodes in graph order that asks every operator's record for its outputs and folds
 * small integer tensors, so that computed shapes are known. It never guesses: what no record states stays unknown,
 * unless the file itself declares it.
 */
import {
  constantTensors,
  type GraphProto,
  type Model,
  type NodeProto,
  OnnxPruningError,
  readNumbers,
  type TensorProto,
  tensorDims,
  tensorSize,
  toNumber,
  type ValueInfoProto,
} from '@onnx-pruning/onnx';
import {
  arityOf,
  arityProblem,
  type Dim,
  type InferContext,
  type OperatorRecord,
  type OperatorRegistry,
  type ValueInfo,
} from '@onnx-pruning/ops';
import { GraphNodeView, nodeLabel } from './node-view.ts';
import { SeparatedVectors } from './separated-vectors.ts';

/** A model that contradicts an operator's specification. */
export class ShapeError extends OnnxPruningError {}

/** Sizes for graph inputs: whole shapes by input name, or numbers for symbols such as `batch`. */
export type InputShapes = Readonly<Record<string, readonly Dim[] | number>>;

/** Largest constant whose elements take part in shape arithmetic. */
const FOLD_LIMIT = 4096;

/** What is known of every value of a graph. */
export interface ShapeTable {
  readonly values: Map<string, ValueInfo>;
  /** The record of each node; undefined where there is no rule. */
  readonly records: Map<NodeProto, OperatorRecord | undefined>;
  readonly constants: Map<string, TensorProto>;
  /** Copies of shared vectors that take part as constants of their own. */
  readonly vectors: SeparatedVectors;
}

/** Opset of each imported domain, as records are selected by it. */
export function opsetOf(model: Model, node: NodeProto): number {
  return model.opset(node.domain ?? '');
}

/** An operator as reports name it, with its domain where that is not ai.onnx. */
export function operatorName({ domain, opType }: NodeProto): string {
  return `${domain ? `${domain}::` : ''}${opType}`;
}

/** Said of a node whose operator has no record. */
export function whyNoRule(model: Model, node: NodeProto): string {
  return `there is no rule for ${operatorName(node)} in opset ${opsetOf(model, node)}`;
}

/**
 * Infers the shapes of all values of the main graph.
 * @param inputShapes concrete sizes for symbolic dimensions
 * @param vectors copies of shared vectors that count as constants of their own; none by default
 * @throws ShapeError where the model contradicts an operator's specification
 */
export function inferShapes(
  model: Model,
  registry: OperatorRegistry,
  inputShapes: InputShapes = {},
  vectors: SeparatedVectors = SeparatedVectors.none(),
): ShapeTable {
  const constants = constantTensors(model.graph);
  for (const { copy } of vectors.copies) constants.set(copy.name ?? '', copy);
  const values = seedValues(model.graph, constants, inputShapes);
  const declared = declaredShapes(model.graph, inputShapes);
  const records = new Map<NodeProto, OperatorRecord | undefined>();
  const symbols = new SymbolSource();
  for (const node of model.graph.node) {
    const record = registry.find(node.domain ?? '', node.opType ?? '', opsetOf(model, node));
    records.set(node, record);
    const shown = vectors.node(node);
    inferNode({ node: shown, record, opset: opsetOf(model, node), values, constants, symbols, declared });
  }
  return { values, records, constants, vectors };
}

/** Makes symbols that no other value shares. */
export class SymbolSource {
  #next = 0;

  make(hint: string): string {
    return `${hint.replaceAll('*', '_')}'${this.#next++}`;
  }
}

export interface NodeInference {
  readonly node: NodeProto;
  readonly record: OperatorRecord | undefined;
  readonly opset: number;
  readonly values: Map<string, ValueInfo>;
  readonly constants: ReadonlyMap<string, TensorProto>;
  readonly symbols: SymbolSource;
  readonly declared?: ReadonlyMap<string, ValueInfo>;
}

/** Infers one node and writes its outputs into `values`. */
export function inferNode(step: NodeInference): void {
  const { node, record, values, declared } = step;
  if (record) checkArity(node, step.opset);
  const inputs = node.input.map((name) => (name === '' ? undefined : values.get(name)));
  const outputs = record ? askRecord(node, () => record.infer(new Inference(step, inputs))) : [];
  node.output.forEach((name, i) => {
    if (name === '') return;
    const inferred = outputs[i];
    const impossible = inferred?.dims?.findIndex((size) => !isSize(size)) ?? -1;
    if (impossible >= 0) throw noSize(step, inferred!.dims!, impossible);
    const known = inferred?.dims ? inferred : (declared?.get(name) ?? inferred);
    if (known) values.set(name, known);
  });
}

/**
 * Asks a record about a node. What a record does not foresee is said with the node that it happened at: records of users
 * may have mistakes, and so may ours.
 */
export function askRecord<T>(node: NodeProto, ask: () => T): T {
  try {
    return ask();
  } catch (cause) {
    if (cause instanceof OnnxPruningError) throw cause;
    throw new ShapeError(
      'RECORD',
      'the rule for an operator failed',
      {
        node: nodeLabel(node),
        operator: operatorName(node),
        actual: cause instanceof Error ? cause.message : String(cause),
        repair:
          'Where the rule is your own (customizedOperators), mend it; else report the model: this is our mistake.',
      },
      { cause },
    );
  }
}

/** Records may rely on the inputs and outputs that their operators always have. */
function checkArity(node: NodeProto, opset: number): void {
  const arity = arityOf(node.domain ?? '', node.opType ?? '', opset);
  const problem = arity && arityProblem(arity, node);
  if (problem) throw contradiction(node, opset, problem.expected, problem.actual);
}

/** The error for a node that its operator does not allow. */
export function contradiction(node: NodeProto, opset: number, expected: string, actual: string): ShapeError {
  return new ShapeError('SHAPE', 'a node contradicts the specification of its operator', {
    node: nodeLabel(node),
    operator: node.opType,
    opset,
    expected,
    actual,
    repair: 'Export the model again, or run it in onnxruntime to see whether it is valid.',
  });
}

function noSize({ node, opset }: NodeInference, dims: readonly Dim[], axis: number): ShapeError {
  return contradiction(node, opset, 'outputs of possible sizes', `${dims[axis]} along axis ${axis}`);
}

/** Whether an axis can have this size: a symbol, or a number that can be counted to. */
export function isSize(size: Dim): boolean {
  return typeof size === 'string' || (Number.isSafeInteger(size) && size >= 0);
}

class Inference extends GraphNodeView implements InferContext {
  readonly #symbols: SymbolSource;

  constructor(step: NodeInference, inputs: readonly (ValueInfo | undefined)[]) {
    super(step.node, step.opset, inputs, step.constants);
    this.#symbols = step.symbols;
  }

  dims(i: number): readonly Dim[] | undefined {
    return this.inputs[i]?.dims;
  }

  symbol(hint: string): string {
    return this.#symbols.make(hint);
  }

  fail(expected: string, found: string): never {
    throw contradiction(this.node, this.opset, expected, found);
  }
}

/** ValueInfo of a constant; its elements are read when shape arithmetic asks for them. */
export function constantInfo(tensor: TensorProto): ValueInfo {
  const dims = tensorDims(tensor);
  const elemType = tensor.dataType ?? 0;
  if (tensorSize(tensor) > FOLD_LIMIT) return { elemType, dims };
  let elements: number[] | undefined;
  return {
    elemType,
    dims,
    get value() {
      elements ??= isNumeric(elemType) ? Array.from(readNumbers(tensor)) : undefined;
      return elements;
    },
  };
}

const STRING = 8;

function isNumeric(elemType: number): boolean {
  return elemType !== STRING;
}

function seedValues(
  graph: GraphProto,
  constants: ReadonlyMap<string, TensorProto>,
  given: InputShapes,
): Map<string, ValueInfo> {
  const values = new Map<string, ValueInfo>();
  for (const [name, tensor] of constants) values.set(name, constantInfo(tensor));
  for (const input of graph.input) {
    const name = input.name ?? '';
    const info = values.has(name) ? undefined : declaredInfo(input, given);
    if (info) values.set(name, info);
  }
  return values;
}

function declaredShapes(graph: GraphProto, given: InputShapes): Map<string, ValueInfo> {
  const declared = new Map<string, ValueInfo>();
  for (const entry of [...graph.valueInfo, ...graph.output]) {
    const info = declaredInfo(entry, given);
    if (info?.dims) declared.set(entry.name ?? '', info);
  }
  return declared;
}

/** A size that is stated; a negative one, as some exporters write it, states none. */
function declaredSize({ name }: ValueInfoProto, axis: number, size: number): number {
  if (Number.isSafeInteger(size)) return size;
  throw new ShapeError('SHAPE', 'the declared shape of a value has a size that no tensor has', {
    value: name ?? '',
    axis,
    expected: `at most ${Number.MAX_SAFE_INTEGER}`,
    actual: size,
    repair: 'Export the model again; the declared shape is damaged.',
  });
}

/** Type and shape that the file declares for a value; unnamed unknown dimensions get a symbol of their own. */
function declaredInfo(entry: ValueInfoProto, given: InputShapes): ValueInfo | undefined {
  const type = entry.type?.tensorType;
  if (!type) return undefined;
  const elemType = type.elemType ?? 0;
  const whole = given[entry.name ?? ''];
  if (Array.isArray(whole)) return { elemType, dims: whole as readonly Dim[] };
  const dims = type.shape?.dim.map((d, axis): Dim => {
    const stated = d.dimValue === undefined || d.dimValue === null ? undefined : toNumber(d.dimValue);
    if (stated !== undefined && stated >= 0) return declaredSize(entry, axis, stated);
    const symbol = d.dimParam ? d.dimParam.replaceAll('*', '_') : `${entry.name}.${axis}`;
    const size = given[d.dimParam || symbol];
    return typeof size === 'number' ? size : symbol;
  });
  return dims ? { elemType, dims } : { elemType };
}
