/** Builds models in code: for tests, examples and model definitions. Checks names, not operators. */
import {
  anyOf,
  checkArguments,
  checkOptions,
  kinds,
  listOf,
  type OptionKinds,
  optional,
  recordOf,
} from './arguments.ts';
import { type AttributeValue, attributeOf } from './attribute-value.ts';
import { DataType } from './data-type.ts';
import { NameTable, numbered } from './edit/names.ts';
import { InvalidModelError } from './errors.ts';
import { makeTensor } from './make-tensor.ts';
import { Model } from './model.ts';
import type { GraphProto, NodeProto, TensorProto } from './proto.ts';
import { tensorType } from './tensor-type.ts';
import { irVersionOf } from './versions.ts';

export interface GraphBuilderOptions {
  name?: string;
  /** Opset of ai.onnx. Default 17. */
  opset?: number;
  /** Default: the IR version that was released with the opset. */
  irVersion?: number;
  producerName?: string;
  /** Opsets of further domains. */
  opsets?: Readonly<Record<string, number>>;
}

export interface NodeOptions {
  /** Default: operator and a running number, e.g. `Conv_0`. */
  name?: string;
  /** Names of the outputs, or how many. Default 1. */
  outputs?: number | readonly string[];
  domain?: string;
}

const BUILDER_OPTIONS: OptionKinds<GraphBuilderOptions> = {
  name: kinds.text,
  opset: kinds.count,
  irVersion: kinds.count,
  producerName: kinds.text,
  opsets: recordOf(kinds.count),
};

const NODE_OPTIONS: OptionKinds<NodeOptions> = {
  name: kinds.text,
  outputs: anyOf(kinds.count, listOf(kinds.text)),
  domain: kinds.text,
};

const SIZES = listOf(anyOf(kinds.integer, kinds.text));

const DEFAULT_OPSET = 17;

/** Builds a model in code: inputs, initializers, nodes, outputs. */
export class GraphBuilder {
  readonly #options: GraphBuilderOptions;
  readonly #graph: GraphProto;
  readonly #values = new Set<string>();
  readonly #nodes = new NameTable();

  constructor(options: GraphBuilderOptions = {}) {
    checkOptions('new GraphBuilder', options, BUILDER_OPTIONS);
    this.#options = options;
    this.#graph = {
      node: [],
      name: options.name ?? 'main',
      initializer: [],
      sparseInitializer: [],
      input: [],
      output: [],
      valueInfo: [],
      quantizationAnnotation: [],
    };
  }

  /** Declares a graph input. A string is a symbolic size. Returns the name. */
  input(name: string, dims: readonly (number | string)[], elemType: number = DataType.FLOAT): string {
    checkArguments('input', { name: [name, kinds.text], dims: [dims, SIZES], elemType: [elemType, kinds.count] });
    this.#claim(name);
    this.#graph.input.push({ name, type: tensorType(elemType, dims) });
    return name;
  }

  /** Adds an initializer from numbers, or from a function that is given their count. Returns the name. */
  initializer(
    name: string,
    dims: readonly number[],
    data: ArrayLike<number> | ((size: number) => ArrayLike<number>),
    elemType: number = DataType.FLOAT,
  ): string {
    checkArguments('initializer', {
      name: [name, kinds.text],
      dims: [dims, listOf(kinds.count)],
      data: [data, anyOf(kinds.callback, listOf(kinds.anything))],
      elemType: [elemType, kinds.count],
    });
    const size = dims.reduce((product, dim) => product * dim, 1);
    return this.tensor(makeTensor(name, elemType, dims, typeof data === 'function' ? data(size) : data));
  }

  /** Adds an int64 initializer; one-dimensional unless `dims` say otherwise. Returns the name. */
  ints(name: string, values: readonly number[], dims?: readonly number[]): string {
    checkArguments('ints', { name: [name, kinds.text], values: [values, listOf(kinds.anything)] });
    return this.tensor(makeTensor(name, DataType.INT64, dims ?? [values.length], values));
  }

  /** Adds a ready-made tensor as an initializer. Returns its name. */
  tensor(tensor: TensorProto): string {
    checkArguments('tensor', { tensor: [tensor, kinds.tensor] });
    this.#claim(tensor.name ?? '');
    this.#graph.initializer.push(tensor);
    return tensor.name ?? '';
  }

  /** Adds a node; an empty input name is an absent optional input. Returns the name of its first output. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: NodeOptions = {},
  ): string {
    return this.nodeOutputs(opType, inputs, attributes, options)[0] ?? '';
  }

  /** As `node`, returning the names of all outputs. */
  nodeOutputs(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: NodeOptions = {},
  ): string[] {
    checkArguments('node', {
      opType: [opType, kinds.text],
      inputs: [inputs, listOf(kinds.text)],
      attributes: [attributes, kinds.object],
    });
    checkOptions('node', options, NODE_OPTIONS);
    const name = options.name ?? this.#nodes.fresh(opType, numbered);
    this.#nodes.claim(name);
    const output = outputNames(name, options.outputs ?? 1);
    for (const value of output) if (value !== '') this.#claim(value);
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
    const node: NodeProto = { input: [...inputs], output: [...output], name, opType, attribute };
    if (options.domain !== undefined) node.domain = options.domain;
    this.#graph.node.push(node);
    return output;
  }

  /** Declares a value as graph output; without dims its shape is left open. */
  output(name: string, dims?: readonly (number | string)[], elemType: number = DataType.FLOAT): void {
    checkArguments('output', { name: [name, kinds.text], dims: [dims, optional(SIZES)] });
    this.#graph.output.push({ name, type: tensorType(elemType, dims) });
  }

  /** The graph alone, e.g. as body of an If, Loop or Scan. */
  graph(): GraphProto {
    return this.#graph;
  }

  /** The model. The builder must not be used afterwards. */
  build(): Model {
    const opset = this.#options.opset ?? DEFAULT_OPSET;
    const further = Object.entries(this.#options.opsets ?? {});
    return new Model({
      irVersion: this.#options.irVersion ?? irVersionOf(opset),
      producerName: this.#options.producerName ?? 'onnx-pruning',
      graph: this.#graph,
      opsetImport: [{ domain: '', version: opset }, ...further.map(([domain, version]) => ({ domain, version }))],
      metadataProps: [],
      trainingInfo: [],
      functions: [],
    });
  }

  #claim(value: string): void {
    if (value !== '' && !this.#values.has(value)) {
      this.#values.add(value);
      return;
    }
    throw new InvalidModelError('DUPLICATE_VALUE', 'Every value of a graph needs a name of its own', { value });
  }
}

function outputNames(node: string, outputs: number | readonly string[]): string[] {
  if (typeof outputs !== 'number') return [...outputs];
  if (outputs === 1) return [`${node}_out`];
  return Array.from({ length: outputs }, (_, i) => `${node}_out${i}`);
}
