/** Constant tensors of a graph, whichever way they are stored: as initializers or as Constant nodes. */
import { checkArgument, kinds } from './arguments.ts';
import { getAttribute, makeAttribute } from './attributes.ts';
import { DataType } from './data-type.ts';
import { InvalidModelError } from './errors.ts';
import { toBigInt } from './int64.ts';
import { makeTensor } from './make-tensor.ts';
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from './proto.ts';

/** Attributes of Constant that hold its value (ONNX operator Constant, opsets 1 to 25). */
const VALUE_ATTRIBUTES: readonly string[] = [
  'value',
  'value_int',
  'value_ints',
  'value_float',
  'value_floats',
  'value_string',
  'value_strings',
  'sparse_value',
];

const isConstant = (node: NodeProto): boolean =>
  node.opType === 'Constant' && (node.domain === undefined || node.domain === '' || node.domain === 'ai.onnx');

/**
 * The tensor of a Constant node: a live reference for `value`, a new tensor for `value_int(s)` and `value_float(s)`.
 * Undefined for strings, sparse values, references to a function's attribute, and other operators.
 */
export function constantTensor(node: NodeProto): TensorProto | undefined {
  checkArgument('constantTensor', 'node', node, kinds.node);
  if (!isConstant(node)) return undefined;
  for (const attribute of node.attribute) {
    const tensor = tensorOfAttribute(node.output[0] ?? '', attribute);
    if (tensor !== undefined) return tensor;
  }
  return undefined;
}

function tensorOfAttribute(name: string, a: AttributeProto): TensorProto | undefined {
  if (a.refAttrName !== undefined && a.refAttrName !== '') return undefined;
  switch (a.name) {
    case 'value':
      return a.t;
    case 'value_int':
      return makeTensor(name, DataType.INT64, [], BigInt64Array.of(toBigInt(a.i)));
    case 'value_ints':
      return makeTensor(name, DataType.INT64, [a.ints?.length ?? 0], BigInt64Array.from(a.ints ?? [], toBigInt));
    case 'value_float':
      return makeTensor(name, DataType.FLOAT, [], [a.f ?? 0]);
    case 'value_floats':
      return makeTensor(name, DataType.FLOAT, [a.floats?.length ?? 0], a.floats ?? []);
    default:
      return undefined;
  }
}

/**
 * Initializers and the tensors of Constant nodes of this graph (not of its subgraphs), by value name.
 * Those of `value_int(s)` and `value_float(s)` are made from the attribute. `replaceConstant` puts another tensor in the
 * place of any of them.
 */
export function constantTensors(graph: GraphProto): Map<string, TensorProto> {
  checkArgument('constantTensors', 'graph', graph, kinds.graph);
  const constants = new Map<string, TensorProto>();
  for (const tensor of graph.initializer) if (tensor.name !== undefined) constants.set(tensor.name, tensor);
  for (const node of graph.node) {
    const tensor = constantTensor(node);
    const name = node.output[0];
    if (tensor !== undefined && name !== undefined) constants.set(name, tensor);
  }
  return constants;
}

/**
 * Makes constants hold other tensors, as `replaceConstant` does, in one pass over the graph.
 * @throws InvalidModelError when the graph has no constant of one of the names
 */
export function replaceConstants(graph: GraphProto, tensors: ReadonlyMap<string, TensorProto>): void {
  const rest = new Map(tensors);
  graph.initializer.forEach((before, i) => {
    const tensor = rest.get(before.name ?? '');
    if (tensor === undefined) return;
    rest.delete(before.name ?? '');
    tensor.name = before.name ?? '';
    graph.initializer[i] = tensor;
  });
  for (const [name, tensor] of rest) replaceConstant(graph, name, tensor);
}

/**
 * Makes constant `name` hold `tensor`, wherever it is stored. An initializer keeps its place in the list.
 * @throws InvalidModelError when the graph has no such constant.
 */
export function replaceConstant(graph: GraphProto, name: string, tensor: TensorProto): void {
  checkArgument('replaceConstant', 'graph', graph, kinds.graph);
  const at = graph.initializer.findIndex((candidate) => candidate.name === name);
  if (at >= 0) {
    tensor.name = name;
    graph.initializer[at] = tensor;
    return;
  }
  const node = graph.node.find((candidate) => isConstant(candidate) && candidate.output[0] === name);
  if (node === undefined) {
    throw new InvalidModelError('NO_CONSTANT', 'The graph has no initializer and no Constant node of that name', {
      value: name,
    });
  }
  const value = getAttribute(node, 'value');
  if (value !== undefined) value.t = tensor;
  else {
    node.attribute = node.attribute.filter((a) => !VALUE_ATTRIBUTES.includes(a.name ?? ''));
    node.attribute.push(makeAttribute('value', tensor, 'tensor'));
  }
}
