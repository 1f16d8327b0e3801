/**
 * Exporters store equal vectors once: two batch normalizations that happen to have the same bias then share an
 * initializer although their channels have nothing to do with each other. Here every use gets a copy before the
 * equations are solved, and the copies that turn out to hold the same channels are merged again. Matrices and kernels
 * that are shared on purpose stay shared; tensors that hold one number throughout are not.
 */
import {
  cloneProto,
  DataType,
  type Model,
  type NodeProto,
  readNumbers,
  type TensorProto,
  tensorDims,
  tensorSize,
} from '@onnx-pruning/onnx';

/** One use of a shared vector that was given a copy. */
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

/** Gives every use of a shared vector or filled tensor but the first a copy (its bytes are not copied). */
export function unshareVectors(model: Model): VectorCopy[] {
  const { graph } = model;
  const overridable = new Set(graph.input.map((input) => input.name));
  const shared = sharedNames(graph.node);
  const separable = graph.initializer.filter((t) => shared.has(t.name ?? '') && (isVector(t) || isFilled(t)));
  const vectors = new Map(separable.filter((t) => !overridable.has(t.name)).map((t) => [t.name, t]));
  const names = new Set([...graph.initializer.map((t) => t.name), ...graph.node.flatMap((node) => node.output)]);
  const used = new Set<string>();
  const copies: VectorCopy[] = [];
  for (const node of graph.node) {
    node.input.forEach((name, input) => {
      const tensor = vectors.get(name);
      if (!tensor) return;
      if (!used.has(name)) {
        used.add(name);
        return;
      }
      const copy = cloneProto(tensor);
      copy.name = freshName(name, names);
      graph.initializer.push(copy);
      node.input[input] = copy.name;
      copies.push({ node, input, original: name, copy });
    });
  }
  return copies;
}

/** Undoes the copies that are not needed. */
export function mergeCopies(model: Model, unneeded: readonly VectorCopy[]): void {
  const gone = new Set(unneeded.map(({ copy }) => copy));
  for (const { node, input, original } of unneeded) node.input[input] = original;
  if (gone.size > 0) model.graph.initializer = model.graph.initializer.filter((tensor) => !gone.has(tensor));
}

function freshName(like: string, names: Set<string | undefined>): string {
  for (let i = 1; ; i++) {
    const name = `${like}_copy_${i}`;
    if (names.has(name)) continue;
    names.add(name);
    return name;
  }
}
