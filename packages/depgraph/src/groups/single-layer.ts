/**
 * Pruning one layer alone, and saying which neighbours that breaks. The layer is analysed as a graph of its own, with
 * nothing around it that would couple or fix its channels; tensors and the node are the model's own.
 */
import {
  checkArguments,
  constantTensor,
  DataType,
  GraphEditor,
  type GraphProto,
  type Kind,
  kinds,
  type Layer,
  listOf,
  Model,
  type NodeProto,
  replaceConstants,
  toNumber,
  type ValueInfoProto,
} from '@onnx-pruning/onnx';
import { OperatorRegistry, standardOperators, type ValueInfo } from '@onnx-pruning/ops';
import { analyse } from '../analysis/analysis.ts';
import { axisOf, notALayer, type PruningTarget } from '../layers/layers.ts';
import { removeChannels } from '../rewrite/rewrite.ts';
import { nodeLabel } from '../shapes/node-view.ts';
import { inferNode, inferShapes, opsetOf, ShapeError, SymbolSource } from '../shapes/shapes.ts';
import { cellsAt, emptiedAxis, removalOf } from './selection.ts';

/** A node that no longer fits its neighbours. */
const LAYER: Kind = {
  expected: 'a layer, as model.layer(name) gives it',
  accepts: (value) => kinds.object.accepts(value) && ['model', 'node'].every((part) => part in (value as object)),
};

/** A node whose parameters no longer fit what it is given. */
export interface BrokenNode {
  /** Name of the layer, else of the node. */
  readonly layer: string;
  /** ONNX name of the operator, such as `Conv`. */
  readonly operator: string;
  /** What does not fit. */
  readonly problem: string;
  /** What would make it fit. */
  readonly mend: string;
}

/**
 * Prunes channels of one layer and nothing else: the model around it does not fit afterwards (see `findBrokenNodes`).
 * Use `DependencyGraph.getPruningGroup` to prune everything that is coupled.
 * @throws LayerError for a layer of another kind, or indices out of range, twice, or all
 */
export function pruneLayerAlone(layer: Layer, fn: PruningTarget, idxs: readonly number[]): Layer {
  checkArguments(fn.name, { layer: [layer, LAYER], idxs: [idxs, listOf(kinds.anyNumber)] });
  const { model } = layer;
  const alone = isolate(layer);
  const analysis = analyse(alone, new OperatorRegistry(standardOperators), {}, { open: true });
  const target = analysis.layers.find(({ node }) => node === layer.node);
  if (!target) throw notALayer(layer);
  const removal = removalOf([cellsAt(axisOf(target, fn), idxs)]);
  const emptied = emptiedAxis(analysis, removal);
  if (emptied) throw emptied;
  removeChannels(analysis, removal);
  const known = new Set(model.graph.initializer.map(({ name }) => name));
  const [changed, added] = [true, false].map((is) =>
    alone.graph.initializer.filter(({ name }) => known.has(name) === is),
  );
  replaceConstants(model.graph, new Map(changed.map((tensor) => [tensor.name ?? '', tensor])));
  const editor = new GraphEditor(model);
  for (const tensor of added) editor.insertInitializer(tensor);
  editor.commit();
  return layer;
}

/** A model of one node: the node and its tensors are shared with the layer's model. */
function isolate(layer: Layer): Model {
  const { model, node } = layer;
  const used = new Set(node.input);
  const initializer = model.graph.initializer.filter((tensor) => used.has(tensor.name ?? ''));
  const constants = new Set(initializer.map((tensor) => tensor.name));
  const { values } = walk(model);
  const alone = (sizes: ReadonlyMap<string, ValueInfo>): Model => {
    const declare = (name: string): ValueInfoProto => declaration(name, sizes.get(name));
    const graph: GraphProto = {
      node: [node],
      initializer,
      sparseInitializer: [],
      input: [...used].filter((name) => name !== '' && !constants.has(name)).map(declare),
      output: node.output.filter((name) => name !== '').map((name) => declaration(name, undefined)),
      valueInfo: [],
      quantizationAnnotation: [],
    };
    return new Model({ ...model.proto, graph });
  };
  const fitting = fittingSizes(node, values, constants).find((sizes) => isValid(alone(sizes)));
  return alone(fitting ?? values);
}

/**
 * Sizes to try for the layer's data: those of the model, then, since the layer before it may have been pruned alone,
 * one axis changed to a size that the layer's own parameters have.
 */
function fittingSizes(
  node: NodeProto,
  values: ReadonlyMap<string, ValueInfo>,
  constants: ReadonlySet<string | undefined>,
): ReadonlyMap<string, ValueInfo>[] {
  const own = node.input.filter((name) => constants.has(name)).flatMap((name) => values.get(name)?.dims ?? []);
  const numbers = own.filter((size) => typeof size === 'number');
  // Weights may hold the channels of one group only; how many groups there are is an attribute of the node.
  const factors = [1, ...node.attribute.filter(({ i }) => i !== undefined).map(({ i }) => toNumber(i))];
  const candidates = new Set(numbers.flatMap((size) => factors.map((factor) => size * factor)));
  const data = node.input.find((name) => name !== '' && !constants.has(name)) ?? '';
  const info = values.get(data);
  const dims = info?.dims ?? [];
  const changed = dims.flatMap((_, axis) =>
    [...candidates].map((size) => new Map([...values, [data, { ...info!, dims: dims.with(axis, size) }]])),
  );
  return [values, ...changed];
}

function isValid(model: Model): boolean {
  try {
    inferShapes(model, new OperatorRegistry(standardOperators));
    return true;
  } catch (error) {
    if (error instanceof ShapeError) return false;
    throw error;
  }
}

function declaration(name: string, info: ValueInfo | undefined): ValueInfoProto {
  const dim = info?.dims?.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: info?.elemType ?? DataType.FLOAT, ...(dim && { shape: { dim } }) } } };
}

/**
 * Infers a model that may not fit together, node by node. The outputs of a node that does not fit are what they would
 * be for inputs of unknown sizes, so that one mistake is reported once.
 */
function walk(
  model: Model,
  onError?: (node: NodeProto, error: ShapeError) => void,
): { values: Map<string, ValueInfo> } {
  const registry = new OperatorRegistry(standardOperators);
  const { values, constants } = inferShapes(withoutNodes(model), registry);
  const symbols = new SymbolSource();
  for (const node of model.graph.node) {
    const record = registry.find(node.domain ?? '', node.opType ?? '', opsetOf(model, node));
    const step = { node, record, opset: opsetOf(model, node), constants, symbols };
    try {
      inferNode({ ...step, values });
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      onError?.(node, error);
      const unknown = new Map(
        node.input.map((name) => [name, constants.has(name) ? values.get(name) : ranked(values, name)]),
      );
      const known = new Map([...unknown].flatMap(([name, info]) => (info ? [[name, info] as const] : [])));
      inferNode({ ...step, values: known });
      for (const name of node.output) if (known.has(name)) values.set(name, known.get(name)!);
    }
  }
  return { values };
}

/** What is known of a value but its sizes. */
function ranked(values: ReadonlyMap<string, ValueInfo>, name: string): ValueInfo | undefined {
  const info = values.get(name);
  return info && { elemType: info.elemType, dims: info.dims?.map((_, axis) => `${name}.${axis}?`) };
}

/**
 * Nodes that contradict their operator's specification, in graph order: after pruning layers alone, the neighbours that
 * no longer fit. Empty when everything fits.
 */
export function findBrokenNodes(model: Model): BrokenNode[] {
  checkArguments('findBrokenNodes', { model: [model, kinds.model] });
  const names = new Map(model.layers().map((layer) => [layer.node, layer.name]));
  const broken: BrokenNode[] = [];
  walk(model, (node, error) => {
    broken.push(describe(names.get(node) ?? nodeLabel(node), node, error));
  });
  return broken;
}

/** The model without its nodes: what can be known before any of them is looked at. */
function withoutNodes(model: Model): Model {
  const constants = model.graph.node.filter((node) => constantTensor(node) !== undefined);
  return new Model({ ...model.proto, graph: { ...model.graph, node: constants } });
}

function describe(layer: string, node: NodeProto, error: ShapeError): BrokenNode {
  const { expected, actual } = error.details;
  return {
    layer,
    operator: node.opType ?? '',
    problem: `expected ${expected}, found ${actual}`,
    mend: `Prune '${layer}' alone by the same channels, or prune the whole group with DependencyGraph.getPruningGroup.`,
  };
}
