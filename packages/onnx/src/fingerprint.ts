/**
 * The fingerprint of a model: a digest of what it computes and how its parts are called. How it is stored (raw or typed
 * tensor fields, inside or in a data file, the order of initializers) and what is only said about it (documentation,
 * metadata, declared shapes of intermediate values, producer) do not count.
 */
import { checkArguments, kinds } from './arguments.ts';
import { attributeType } from './attributes.ts';
import { encodeMessage } from './codec.ts';
import type { Bytes } from './content/bytes.ts';
import { forEachPiece } from './content/stored-bytes.ts';
import { DataType } from './data-type.ts';
import { toBigInt } from './int64.ts';
import { canonicalDomain } from './model.ts';
import { checkNesting } from './nesting.ts';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  SparseTensorProto,
  TensorProto,
  ValueInfoProto,
} from './proto.ts';
import { type Digest, sha256 } from './sha256.ts';
import { tensorContent } from './tensor.ts';

/** The parts of a model that count. */
export type FingerprintedModel = Pick<ModelProto, 'opsetImport' | 'functions' | 'graph'>;

/**
 * SHA-256 over graph and weights, as `sha256:` and 64 hexadecimal digits. Reads every tensor once.
 * @throws TensorError when the content of a tensor is in a file that was not loaded; InvalidModelError when graphs or
 * types are nested more deeply than a file can hold
 */
export function fingerprint(model: FingerprintedModel): string {
  checkArguments('fingerprint', { model: [model, kinds.modelMessage] });
  checkNesting('ModelProto', model);
  const hasher = new ModelHasher(sha256());
  hasher.model(model);
  return `sha256:${hasher.hex()}`;
}

/**
 * The same of one tensor: name, type, dimensions and numbers, however they are stored.
 * @throws TensorError when its content is in a file that was not loaded
 */
export function tensorFingerprint(tensor: TensorProto): string {
  checkArguments('tensorFingerprint', { tensor: [tensor, kinds.tensor] });
  const hasher = new ModelHasher(sha256());
  hasher.tensor(tensor);
  return `sha256:${hasher.hex()}`;
}

const UTF8 = new TextEncoder();

const byName = <T extends { name?: string }>(a: T, b: T): number =>
  (a.name ?? '') < (b.name ?? '') ? -1 : (a.name ?? '') > (b.name ?? '') ? 1 : 0;

/** Every part is written with its length in front, so that no two models can run together into the same bytes. */
class ModelHasher {
  readonly #digest: Digest;

  constructor(digest: Digest) {
    this.#digest = digest;
  }

  hex(): string {
    return this.#digest.hex();
  }

  model({ opsetImport, functions, graph }: FingerprintedModel): void {
    this.#opsets(opsetImport);
    this.#count(functions.length);
    for (const f of functions) this.#function(f);
    if (graph !== undefined) this.#graph(graph);
  }

  #opsets(imports: readonly OperatorSetIdProto[]): void {
    const entries = imports.map(({ domain, version }) => `${canonicalDomain(domain)} ${toBigInt(version)}`);
    this.#texts(entries.sort());
  }

  #function(f: FunctionProto): void {
    this.#texts([f.name ?? '', f.domain ?? '', f.overload ?? '']);
    this.#texts(f.input);
    this.#texts(f.output);
    this.#texts(f.attribute);
    this.#attributes(f.attributeProto ?? []);
    this.#opsets(f.opsetImport);
    this.#nodes(f.node);
  }

  #graph(graph: GraphProto): void {
    this.#values(graph.input);
    this.#values(graph.output);
    this.#count(graph.initializer.length);
    for (const tensor of [...graph.initializer].sort(byName)) this.tensor(tensor);
    this.#count(graph.sparseInitializer.length);
    for (const sparse of graph.sparseInitializer) this.#sparse(sparse);
    this.#nodes(graph.node);
  }

  /** Names and types of inputs or outputs. */
  #values(values: readonly ValueInfoProto[]): void {
    this.#count(values.length);
    for (const { name, type } of values) {
      this.#text(name ?? '');
      this.#bytes(type === undefined ? new Uint8Array() : encodeMessage('TypeProto', type));
    }
  }

  #nodes(nodes: readonly NodeProto[]): void {
    this.#count(nodes.length);
    for (const node of nodes) {
      this.#texts([node.name ?? '', canonicalDomain(node.domain), node.opType ?? '', node.overload ?? '']);
      this.#texts(node.input);
      this.#texts(node.output);
      this.#attributes(node.attribute);
    }
  }

  #attributes(attributes: readonly AttributeProto[]): void {
    this.#count(attributes.length);
    for (const attribute of [...attributes].sort(byName)) this.#attribute(attribute);
  }

  #attribute(attribute: AttributeProto): void {
    // Tensors and graphs may be stored in several ways; what is left is numbers and text.
    const { t, g, tensors, graphs, sparseTensor, sparseTensors, docString: _, ...rest } = attribute;
    this.#bytes(encodeMessage('AttributeProto', { ...rest, type: attributeType(attribute) }));
    const allTensors = [...(t ? [t] : []), ...(tensors ?? [])];
    this.#count(allTensors.length);
    for (const tensor of allTensors) this.tensor(tensor);
    const allGraphs = [...(g ? [g] : []), ...(graphs ?? [])];
    this.#count(allGraphs.length);
    for (const graph of allGraphs) this.#graph(graph);
    const allSparse = [...(sparseTensor ? [sparseTensor] : []), ...(sparseTensors ?? [])];
    this.#count(allSparse.length);
    for (const sparse of allSparse) this.#sparse(sparse);
  }

  #sparse({ values, indices, dims }: SparseTensorProto): void {
    this.#texts(dims.map((size) => String(toBigInt(size))));
    for (const tensor of [values, indices]) if (tensor !== undefined) this.tensor(tensor);
  }

  tensor(tensor: TensorProto): void {
    this.#texts([
      tensor.name ?? '',
      String(tensor.dataType ?? 0),
      ...tensor.dims.map((size) => String(toBigInt(size))),
    ]);
    if (tensor.dataType !== DataType.STRING) {
      const content = tensorContent(tensor);
      this.#count(content.length);
      forEachPiece(content, (piece) => this.#digest.update(piece));
      return;
    }
    const strings = tensor.stringData ?? [];
    this.#count(strings.length);
    for (const text of strings) this.#bytes(text);
  }

  #texts(texts: readonly string[]): void {
    this.#count(texts.length);
    for (const text of texts) this.#text(text);
  }

  #text(text: string): void {
    this.#bytes(UTF8.encode(text));
  }

  #bytes(bytes: Bytes): void {
    this.#count(bytes.length);
    this.#digest.update(bytes);
  }

  #count(count: number): void {
    this.#digest.update(UTF8.encode(`${count};`));
  }
}
