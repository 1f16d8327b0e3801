/**
 * Models as text for people and for inline snapshots: one line per node, shapes beside the weights. Same model, same
 * text. It is not a file format: there is no way back.
 */
import { anyOf, checkArguments, checkOptions, kinds, type OptionKinds, oneOf } from './arguments.ts';
import { attributeType } from './attributes.ts';
import { AttributeType, DataType, dataTypeName } from './data-type.ts';
import { toBigInt, toNumber } from './int64.ts';
import { Model } from './model.ts';
import { checkNesting } from './nesting.ts';
import type { AttributeProto, FunctionProto, GraphProto, NodeProto, TensorProto, ValueInfoProto } from './proto.ts';
import { sha256 } from './sha256.ts';
import { forEachTensorBytes, isExternal, tensorDims, tensorSize } from './tensor.ts';
import { readInts, readNumbers, tensorView } from './tensor-view.ts';

export interface PrintOptions {
  /**
   * What is shown of tensor content. `ints` (default): integer tensors of up to 8 elements, which are shapes and the
   * like. `none`: nothing. A number: the first so many values of every tensor. `hash`: a short digest of every tensor.
   */
  weights?: 'ints' | 'none' | 'hash' | number;
  /** Node names at the ends of the lines. Default false. */
  nodeNames?: boolean;
}

/** What printing a node needs to know around it. */
const PRINT_OPTIONS: OptionKinds<PrintOptions> = {
  weights: anyOf(oneOf('ints', 'none', 'hash'), kinds.count),
  nodeNames: kinds.boolean,
};

interface Context {
  readonly options: PrintOptions;
  readonly tensors: ReadonlyMap<string, TensorProto>;
  readonly indent: string;
}

const SMALL_INTS = 8;
const HASH_LENGTH = 8;

/**
 * The model (with its versions and functions) or one graph as text:
 *
 *     graph main (x: float[batch,3,8,8]) -> (y: float[batch,4,6,6]) {
 *       y = Conv(x, conv1.weight: float[4,3,3,3]) {kernel_shape=[3,3]}
 *     }
 *
 * An initializer is written at each use, with its type; attributes are in alphabetical order; `_` is an absent input.
 * @throws InvalidModelError when graphs are nested more deeply than a file can hold
 */
export function printModel(model: Model | GraphProto, options: PrintOptions = {}): string {
  checkArguments('printModel', { model: [model, anyOf(kinds.model, kinds.graph)] });
  checkOptions('printModel', options, PRINT_OPTIONS);
  if (model instanceof Model) checkNesting('ModelProto', model.proto);
  else checkNesting('GraphProto', model);
  if (!(model instanceof Model)) return printGraph(model, { options, tensors: new Map(), indent: '' });
  const header = `ir ${toNumber(model.proto.irVersion)}, ${opsets(model)}`;
  const functions = model.proto.functions.map((f) => printFunction(f, options));
  return [header, printGraph(model.graph, { options, tensors: new Map(), indent: '' }), ...functions].join('\n');
}

function opsets(model: Model): string {
  return model.proto.opsetImport.map((o) => `${o.domain || 'ai.onnx'} ${toNumber(o.version)}`).join(', ');
}

function printGraph(graph: GraphProto, around: Context): string {
  const tensors = new Map(around.tensors);
  for (const tensor of graph.initializer) tensors.set(tensor.name ?? '', tensor);
  const { indent, options } = around;
  const inner: Context = { options, tensors, indent: `${indent}  ` };
  const head = `graph ${graph.name ?? ''} (${values(graph.input)}) -> (${values(graph.output)}) {`;
  const lines = [...looseTensors(graph, inner), ...graph.node.map((node) => printNode(node, inner))];
  return [head, ...lines.map((line) => inner.indent + line), `${indent}}`].join('\n');
}

/** Tensors that no node line shows: initializers that nothing in this very graph uses, and sparse ones. */
function looseTensors(graph: GraphProto, context: Context): string[] {
  const used = new Set(graph.node.flatMap((node) => node.input));
  const loose = graph.initializer.filter((tensor) => !used.has(tensor.name ?? ''));
  return [
    ...loose.map((tensor) => `initializer ${tensor.name}: ${printTensor(tensor, context.options)}`),
    ...graph.sparseInitializer.map(
      ({ values: v, dims }) => `sparse ${v?.name}: ${typeName(v?.dataType)}[${dims.map(toNumber).join(',')}]`,
    ),
  ];
}

function printFunction(f: FunctionProto, options: PrintOptions): string {
  const context: Context = { options, tensors: new Map(), indent: '  ' };
  const attributes = [...f.attribute, ...(f.attributeProto ?? []).map((a) => printAttribute(a, context))];
  const list = attributes.length === 0 ? '' : ` {${attributes.join(', ')}}`;
  const head = `function ${f.domain}::${f.name} (${f.input.join(', ')}) -> (${f.output.join(', ')})${list} {`;
  return [head, ...f.node.map((node) => `  ${printNode(node, context)}`), '}'].join('\n');
}

function printNode(node: NodeProto, context: Context): string {
  const outputs = node.output.map((name) => name || '_').join(', ');
  const operator = node.domain ? `${node.domain}::${node.opType}` : node.opType;
  const inputs = node.input.map((name) => printInput(name, context)).join(', ');
  const attributes = [...node.attribute]
    .sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1))
    .map((a) => printAttribute(a, context))
    .join(', ');
  const name = context.options.nodeNames && node.name ? ` # ${node.name}` : '';
  return `${outputs} = ${operator}(${inputs})${attributes === '' ? '' : ` {${attributes}}`}${name}`;
}

function printInput(name: string, context: Context): string {
  const tensor = context.tensors.get(name);
  return tensor === undefined ? name || '_' : `${name}: ${printTensor(tensor, context.options)}`;
}

const typeName = (dataType: number | undefined): string => dataTypeName(dataType).toLowerCase();

function printTensor(t: TensorProto, options: PrintOptions): string {
  const type = `${typeName(t.dataType)}[${tensorDims(t).join(',')}]`;
  const content = printContent(t, options.weights ?? 'ints');
  return content === '' ? type : `${type} ${content}`;
}

const isInteger = (t: TensorProto): boolean => t.dataType === DataType.INT64 || t.dataType === DataType.INT32;

function printContent(t: TensorProto, weights: 'ints' | 'none' | 'hash' | number): string {
  if (weights === 'none' || isExternal(t)) return '';
  if (t.dataType === DataType.STRING) return '';
  if (weights === 'hash') return `#${hashOf(t)}`;
  if (weights === 'ints' && !isInteger(t)) return '';
  if (weights === 'ints') return tensorSize(t) > SMALL_INTS ? '' : `= [${exactInts(t).join(',')}]`;
  const numbers = readNumbers(t);
  const shown = Array.from(numbers.subarray(0, weights), (x) => Number(x.toPrecision(6)));
  return `= [${shown.join(',')}${numbers.length > weights ? ',...' : ''}]`;
}

function hashOf(t: TensorProto): string {
  const digest = sha256();
  forEachTensorBytes(t, (piece) => digest.update(piece));
  return digest.hex().slice(0, HASH_LENGTH);
}

/** The elements of an int32 or int64 tensor. */
function exactInts(t: TensorProto): readonly (number | bigint)[] {
  const view = tensorView(t);
  return view instanceof BigInt64Array ? [...view] : readInts(t);
}

function values(infos: readonly ValueInfoProto[]): string {
  return infos.map((info) => `${info.name}: ${printType(info)}`).join(', ');
}

function printType({ type }: ValueInfoProto): string {
  if (type?.tensorType === undefined) {
    const kind = Object.keys(type ?? {}).find((key) => key.endsWith('Type'));
    return kind === undefined ? '?' : kind.replace('Type', '');
  }
  const { elemType, shape } = type.tensorType;
  if (shape === undefined) return typeName(elemType);
  const dims = shape.dim.map((d) => (d.dimValue === undefined ? d.dimParam || '?' : toNumber(d.dimValue)));
  return `${typeName(elemType)}[${dims.join(',')}]`;
}

function printAttribute(a: AttributeProto, context: Context): string {
  if (a.refAttrName) return `${a.name}=@${a.refAttrName}`;
  return `${a.name}=${printAttributeValue(a, context)}`;
}

const text = (bytes: Uint8Array | undefined): string => JSON.stringify(new TextDecoder().decode(bytes));
/** Floats are stored in 32 bits; this shows 0.1 as 0.1. */
const float = (x: number): string => String(Number(x.toPrecision(7)));

function printAttributeValue(a: AttributeProto, context: Context): string {
  switch (attributeType(a)) {
    case AttributeType.FLOAT:
      return float(a.f ?? 0);
    case AttributeType.INT:
      return String(toBigInt(a.i));
    case AttributeType.STRING:
      return text(a.s);
    case AttributeType.FLOATS:
      return `[${(a.floats ?? []).map(float).join(',')}]`;
    case AttributeType.INTS:
      return `[${(a.ints ?? []).map(toBigInt).join(',')}]`;
    case AttributeType.STRINGS:
      return `[${(a.strings ?? []).map(text).join(',')}]`;
    case AttributeType.TENSOR:
      return a.t === undefined ? '?' : printTensor(a.t, context.options);
    case AttributeType.GRAPH:
      return a.g === undefined ? '?' : printGraph(a.g, context);
    case AttributeType.GRAPHS:
      return `[${(a.graphs ?? []).map((graph) => printGraph(graph, context)).join(', ')}]`;
    default:
      return '...';
  }
}
