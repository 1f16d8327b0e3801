/** Compares graphs node for node. Not a test: what the tests of the builders share. */
import { type AttributeProto, type GraphProto, type Model, readInts, tensorDims, toNumber } from '@onnx-pruning/onnx';

interface PlainNode {
  readonly name: string;
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly string[];
}

/** A graph as plain text and numbers: everything but weights, in order. */
export interface Structure {
  readonly opset: number;
  readonly nodes: readonly PlainNode[];
  readonly initializers: readonly string[];
}

function attributeText(a: AttributeProto): string {
  // Attributes hold float32 in a file; a model built in code still has the number that was given.
  const numbers = [...(a.ints ?? []).map(toNumber), ...(a.floats ?? []).map(Math.fround)];
  const single = a.i !== undefined ? toNumber(a.i) : a.f === undefined ? undefined : Math.fround(a.f);
  const tensor = a.t === undefined ? '' : `${a.t.dataType}[${tensorDims(a.t)}]{${readInts(a.t)}}`;
  const text = a.s === undefined ? '' : new TextDecoder().decode(a.s);
  return `${a.name} type ${a.type} = ${single ?? ''}${text}${tensor}${numbers.length > 0 ? `[${numbers}]` : ''}`;
}

/** @param rename other names for initializers. */
export function structureOf(model: Model, rename: ReadonlyMap<string, string> = new Map()): Structure {
  const known = (name: string): string => rename.get(name) ?? name;
  return {
    opset: model.opset(),
    nodes: model.graph.node.map((node) => ({
      name: node.name ?? '',
      opType: node.opType ?? '',
      inputs: node.input.map(known),
      outputs: node.output,
      attributes: node.attribute.map(attributeText),
    })),
    initializers: model.graph.initializer.map((t) => `${known(t.name ?? '')} [${tensorDims(t)}] type ${t.dataType}`),
  };
}

/**
 * torch.onnx names folded tensors `onnx::Conv_123`. Gives each the name at the same place of the other graph's list of
 * initializers; every other name stays, and so must agree.
 */
export function foldedNames(exported: GraphProto, built: GraphProto): Map<string, string> {
  const names = new Map<string, string>();
  exported.initializer.forEach(({ name = '' }, i) => {
    if (name.startsWith('onnx::')) names.set(name, built.initializer[i]?.name ?? '');
  });
  return names;
}

/** Elements of weights and biases; running statistics are not parameters. */
export function countParameters(model: Model): number {
  return model.graph.initializer
    .filter(({ name = '' }) => !name.includes('.running_'))
    .reduce((sum, tensor) => sum + tensorDims(tensor).reduce((size, dim) => size * dim, 1), 0);
}
