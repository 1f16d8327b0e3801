/**
 * Parts of a graph as models of their own. It must not change the model, and copies no weights.
 */
import { checkArguments, kinds, listOf } from './arguments.ts';
import { cloneProto, shallowCloneProto } from './clone.ts';
import { InvalidModelError } from './errors.ts';
import { Model } from './model.ts';
import type { NodeProto, ValueInfoProto } from './proto.ts';
import { usedNames } from './walk.ts';

/**
 * The part of the main graph between some values and others, as a model: what its outputs need, up to its inputs.
 *
 * @param inputs values that the part is fed, with their types; of those that it does not need none becomes an input
 * @param outputs names of the values that it computes; their types are what the graph declares, else left to runtimes
 * @throws InvalidModelError for a value that the graph does not compute, or one that needs an input of the graph that is
 * not among `inputs`
 * @example extractModel(model, [{ name: 'relu1_out', type: tensorType(DataType.FLOAT) }], ['relu3_out'])
 */
export function extractModel(model: Model, inputs: readonly ValueInfoProto[], outputs: readonly string[]): Model {
  checkArguments('extractModel', {
    model: [model, kinds.model],
    inputs: [inputs, listOf(kinds.object)],
    outputs: [outputs, listOf(kinds.text)],
  });
  const { graph } = model;
  const fed = new Map(inputs.map((input) => [input.name ?? '', input]));
  const producers = new Map<string, NodeProto>();
  for (const node of graph.node) for (const name of node.output) producers.set(name, node);
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const sparse = new Map(graph.sparseInitializer.map((tensor) => [tensor.values?.name ?? '', tensor]));
  const used = new Set(outputs);
  const nodes = new Set<NodeProto>();
  // A set visits what is added while it is walked.
  for (const name of used) {
    if (fed.has(name) || initializers.has(name) || sparse.has(name)) continue;
    const node = producers.get(name);
    if (node === undefined) throw notComputed(model, name, outputs.includes(name));
    if (nodes.has(node)) continue;
    nodes.add(node);
    for (const input of usedNames(node)) if (input !== '') used.add(input);
  }
  const declared = new Map([...graph.valueInfo, ...graph.output].map((value) => [value.name, value]));
  const proto = shallowCloneProto(model.proto);
  proto.graph = {
    ...shallowCloneProto(graph),
    node: graph.node.filter((node) => nodes.has(node)).map(cloneProto),
    initializer: graph.initializer.filter(({ name = '' }) => used.has(name) && !fed.has(name)),
    sparseInitializer: graph.sparseInitializer.filter(({ values }) => used.has(values?.name ?? '')),
    input: [...fed].filter(([name]) => used.has(name)).map(([, input]) => cloneProto(input)),
    output: outputs.map((name) => cloneProto(declared.get(name) ?? { name })),
    valueInfo: [],
  };
  return new Model(proto, model.path, model.dataFiles);
}

function notComputed({ graph, path }: Model, value: string, isOutput: boolean): InvalidModelError {
  const isInput = graph.input.some(({ name }) => name === value);
  const what = isInput ? 'the part needs an input of the graph that it is not fed' : 'the graph has no such value';
  return new InvalidModelError('NO_VALUE', what, {
    value,
    ...(path !== undefined && { path }),
    repair:
      isInput && !isOutput ? 'Give it among the inputs.' : 'Use names of values that nodes of the main graph compute.',
  });
}
