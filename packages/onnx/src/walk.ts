/** Visits parts of a model wherever they are nested: subgraphs in attributes, functions, training graphs. */
import { checkArgument, kinds } from './arguments.ts';
import { bodyDepth } from './nesting.ts';
import type { AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto } from './proto.ts';

/** Graphs directly in the attributes of a node (bodies of If, Loop, Scan). */
export function subgraphs(node: NodeProto): GraphProto[] {
  checkArgument('subgraphs', 'node', node, kinds.node);
  return node.attribute.flatMap((a) => (a.g === undefined ? (a.graphs ?? []) : [a.g, ...(a.graphs ?? [])]));
}

/** Names that a graph defines itself, not in its bodies: inputs, initializers, sparse initializers, node outputs. */
export function definedNames(graph: GraphProto): string[] {
  const names = [
    ...graph.input.map((value) => value.name),
    ...graph.initializer.map((tensor) => tensor.name),
    ...graph.sparseInitializer.map((sparse) => sparse.values?.name),
  ];
  for (const node of graph.node) for (const output of node.output) names.push(output);
  return names.filter((name): name is string => name !== undefined && name !== '');
}

/** Values that a node uses: its inputs, and what its bodies take from the graphs around them. */
export function usedNames(node: NodeProto): string[] {
  return usedAt(node, 0);
}

function usedAt(node: NodeProto, depth: number): string[] {
  const bodies = node.attribute.length === 0 ? [] : subgraphs(node);
  if (bodies.length === 0) return node.input;
  return [...node.input, ...bodies.flatMap((body) => referencesAt(body, bodyDepth(depth)))];
}

/** Values that a graph uses, at any depth, and does not define itself. */
export function outerReferences(graph: GraphProto): string[] {
  checkArgument('outerReferences', 'graph', graph, kinds.graph);
  return referencesAt(graph, 0);
}

function referencesAt(graph: GraphProto, depth: number): string[] {
  const own = new Set(definedNames(graph));
  const used = [...graph.node.flatMap((node) => usedAt(node, depth)), ...graph.output.map((value) => value.name ?? '')];
  return used.filter((name) => name !== '' && !own.has(name));
}

/** Where a tensor stands: among the initializers of a graph, or elsewhere (in an attribute, or as a part of a sparse tensor). */
export type TensorPlace = 'initializer' | 'other';
type Visit = (tensor: TensorProto, place: TensorPlace) => void;

/** Calls `visit` for every tensor of the model, at any depth, in file order. */
export function visitTensors(model: ModelProto, visit: Visit): void {
  checkArgument('visitTensors', 'model', model, kinds.modelMessage);
  if (model.graph !== undefined) visitGraph(model.graph, visit, 1);
  for (const training of model.trainingInfo) {
    if (training.initialization !== undefined) visitGraph(training.initialization, visit, 2);
    if (training.algorithm !== undefined) visitGraph(training.algorithm, visit, 2);
  }
  for (const f of model.functions) {
    for (const node of f.node) visitAttributes(node.attribute, visit, 1);
    visitAttributes(f.attributeProto ?? [], visit, 1);
  }
}

function visitGraph(graph: GraphProto, visit: Visit, depth: number): void {
  for (const node of graph.node) visitAttributes(node.attribute, visit, depth);
  for (const tensor of graph.initializer) visit(tensor, 'initializer');
  for (const sparse of graph.sparseInitializer) visitSparse(sparse, visit);
}

/** @param depth of the graph or function that holds them */
function visitAttributes(attributes: readonly AttributeProto[], visit: Visit, depth: number): void {
  for (const a of attributes) {
    if (a.t !== undefined) visit(a.t, 'other');
    if (a.g !== undefined) visitGraph(a.g, visit, bodyDepth(depth));
    if (a.sparseTensor !== undefined) visitSparse(a.sparseTensor, visit);
    for (const tensor of a.tensors ?? []) visit(tensor, 'other');
    for (const graph of a.graphs ?? []) visitGraph(graph, visit, bodyDepth(depth));
    for (const sparse of a.sparseTensors ?? []) visitSparse(sparse, visit);
  }
}

function visitSparse(sparse: SparseTensorProto, visit: Visit): void {
  if (sparse.values !== undefined) visit(sparse.values, 'other');
  if (sparse.indices !== undefined) visit(sparse.indices, 'other');
}
