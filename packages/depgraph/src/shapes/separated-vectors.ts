/**
 * Exporters store equal vectors once: two batch normalizations that happen to have the same bias then share an
 * initializer although their channels have nothing to do with each other. Here every use gets a copy before the
 * equations are solved, and the copies that turn out to hold the same channels are merged again. Matrices and kernels
 * that are shared on purpose stay shared; tensors that hold one number throughout are not. Looking at a model must not
 * change it, so the copies are written into it only when channels are removed.
 */
import {
  DataType,
  GraphEditor,
  type GraphProto,
  type Model,
  type NameScheme,
  NameTable,
  type NodeProto,
  readNumbers,
  shallowCloneProto,
  type TensorProto,
  tensorDims,
  tensorSize,
  withContentOf,
} from '@onnx-pruning/onnx';

/** One use of a shared vector that has a copy of its own. */
export interface VectorCopy {
  readonly node: NodeProto;
  readonly input: number;
  readonly original: string;
  readonly copy: TensorProto;
}

const FLOATS: ReadonlySet<number | undefined> = new Set([
  DataType.FLOAT,
  DataType.DOUBLE,
  DataType.FLOAT16,
  DataType.BFLOAT16,
]);

/** Whether a float tensor has exactly one axis of more than one element. */
export function isVector(tensor: TensorProto): boolean {
  return FLOATS.has(tensor.dataType) && tensorDims(tensor).filter((size) => size !== 1).length === 1;
}

/** Elements of a tensor that are looked at: initial states are small. */
const FILLED_LIMIT = 1 << 16;

/** Whether a float tensor holds one number throughout, as the zeros do that several recurrent layers start from. */
function isFilled(tensor: TensorProto): boolean {
  const size = tensorSize(tensor);
  if (!FLOATS.has(tensor.dataType) || size < 2 || size > FILLED_LIMIT) return false;
  const values = readNumbers(tensor);
  return values.every((element) => element === values[0]);
}

/** Names that more than one node input has. */
function sharedNames(nodes: readonly NodeProto[]): Set<string> {
  const once = new Set<string>();
  const more = new Set<string>();
  for (const name of nodes.flatMap((node) => node.input)) (once.has(name) ? more : once).add(name);
  return more;
}

/**
 * The copies of a model's shared vectors. The model is left as it is until they are part of it; until then `node` shows the
 * nodes as they would be.
 */
export class SeparatedVectors {
  #copies: readonly VectorCopy[];
  #nodes = new Map<NodeProto, NodeProto>();

  /** A copy (of the tensor, not of its content) for every use of a shared vector or filled tensor but the first. */
  static of(graph: GraphProto): SeparatedVectors {
    return new SeparatedVectors(copiesOf(graph));
  }

  /** No copies: a graph as it is. */
  static none(): SeparatedVectors {
    return new SeparatedVectors([]);
  }

  private constructor(copies: readonly VectorCopy[]) {
    this.#copies = copies;
    this.#showCopies();
  }

  get copies(): readonly VectorCopy[] {
    return this.#copies;
  }

  /** A node of the graph, with inputs of its own where it shares vectors. */
  node(node: NodeProto): NodeProto {
    return this.#nodes.get(node) ?? node;
  }

  /** Lets uses share again that turned out to hold the same channels. */
  merge(unneeded: readonly VectorCopy[]): void {
    const gone = new Set(unneeded);
    this.#copies = this.#copies.filter((copy) => !gone.has(copy));
    this.#showCopies();
  }

  /** Gives the copies of a vector other content; returns them as they are then. */
  replace(original: string, tensor: TensorProto): TensorProto[] {
    const replaced: TensorProto[] = [];
    this.#copies = this.#copies.map((one) => {
      if (one.original !== original) return one;
      const copy = withContentOf(one.copy, tensor);
      replaced.push(copy);
      return { ...one, copy };
    });
    return replaced;
  }

  /** Writes the copies into the model. */
  materialise(model: Model): void {
    if (this.#copies.length === 0) return;
    const editor = new GraphEditor(model);
    this.stage(editor);
    editor.commit();
    this.settle();
  }

  /** Stages the copies: each becomes an initializer that one node uses. */
  stage(editor: GraphEditor): void {
    for (const { node, input, copy } of this.#copies) {
      editor.edit(node).input[input] = copy.name ?? '';
      editor.insertInitializer(copy);
    }
  }

  /** The copies are part of the graph now: there is nothing to show any more. */
  settle(): void {
    this.#copies = [];
    this.#nodes.clear();
  }

  #showCopies(): void {
    this.#nodes = new Map();
    for (const { node, input, copy } of this.#copies) {
      const shown = this.#nodes.get(node) ?? shallowCloneProto(node);
      shown.input = shown.input.with(input, copy.name ?? '');
      this.#nodes.set(node, shown);
    }
  }
}

/** `x_copy_1`, `x_copy_2`, ... */
const copyName: NameScheme = (like, n) => `${like}_copy_${n + 1}`;

function copiesOf(graph: GraphProto): VectorCopy[] {
  const overridable = new Set(graph.input.map((input) => input.name));
  const shared = sharedNames(graph.node);
  const separable = graph.initializer.filter((t) => shared.has(t.name ?? '') && (isVector(t) || isFilled(t)));
  const vectors = new Map(separable.filter((t) => !overridable.has(t.name)).map((t) => [t.name, t]));
  if (vectors.size === 0) return [];
  const names = new NameTable();
  names.claimGraph(graph);
  const used = new Set<string>();
  const copies: VectorCopy[] = [];
  for (const node of graph.node) {
    node.input.forEach((name, input) => {
      const tensor = vectors.get(name);
      if (!tensor) return;
      if (used.has(name)) {
        const copy = shallowCloneProto(tensor);
        copy.name = names.fresh(name, copyName);
        copies.push({ node, input, original: name, copy });
      }
      used.add(name);
    });
  }
  return copies;
}
