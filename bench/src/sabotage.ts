/**
 * Changes made on purpose to a pruned model that was right: one number of one rewritten weight, one kept index, one
 * size. What the proof is worth is how many of them it catches. It must not judge.
 */
import { gatherAxes } from '@onnx-pruning/depgraph';
import {
  asArray,
  bitsPerElement,
  constantTensors,
  DataType,
  type Model,
  makeTensor,
  type NodeProto,
  type Random,
  readNumbers,
  replaceConstant,
  type TensorProto,
  tensorBytes,
  tensorDims,
  toNumber,
  withContent,
} from '@onnx-pruning/onnx';
import type { InitializerChange, Plan } from '@onnx-pruning/pruning';

export interface Sabotaged {
  readonly original: Model;
  /** A copy of the pruned model, which is changed in place. */
  readonly model: Model;
  readonly plan: Plan;
}

/** Changes one thing and says what; undefined where the model has no such thing. */
export type Change = (at: Sabotaged, random: Random) => string | undefined;

const FLOATS: ReadonlySet<number | undefined> = new Set([DataType.FLOAT, DataType.DOUBLE, DataType.FLOAT16]);

const pick = <T>(list: readonly T[], random: Random): T | undefined => list[random.int(list.length)];

/** Floating-point weights that the plan rewrote. */
function rewritten({ model, plan }: Sabotaged): [string, InitializerChange, TensorProto][] {
  const constants = constantTensors(model.graph);
  return Object.entries(plan.initializers).flatMap(([name, change]) => {
    const tensor = constants.get(name);
    return tensor && FLOATS.has(tensor.dataType) && readNumbers(tensor).length > 0 ? [[name, change, tensor]] : [];
  });
}

function write(model: Model, name: string, tensor: TensorProto, numbers: Float64Array): void {
  replaceConstant(model.graph, name, makeTensor(name, tensor.dataType!, tensorDims(tensor), numbers));
}

const sameBytes = (a: TensorProto, b: TensorProto): boolean =>
  Buffer.compare(asArray(tensorBytes(a)), asArray(tensorBytes(b))) === 0;

/** Half as much again for one number of one weight, and a little, so that a zero changes as well. */
export const changeNumber: Change = (at, random) => {
  const found = pick(rewritten(at), random);
  if (!found) return undefined;
  const [name, , tensor] = found;
  const numbers = Float64Array.from(readNumbers(tensor));
  const element = random.int(numbers.length);
  numbers[element] = numbers[element]! * 1.5 + 0.05;
  write(at.model, name, tensor, numbers);
  return `${name}: element ${element}`;
};

/** A channel that was to go in the place of one that was to stay, in one weight alone. */
export const changeIndex: Change = (at, random) => {
  // Weights whose groups keep channels of their own are left to the other kinds of changes.
  const found = pick(
    rewritten(at).filter(([, change]) => Object.keys(change.keptPerGroup ?? {}).length === 0),
    random,
  );
  if (!found) return undefined;
  const [name, { shape, newShape, kept }, tensor] = found;
  const axis = Number(pick(Object.keys(kept), random));
  const gone = Array.from({ length: shape[axis]! }, (_, i) => i).filter((i) => !kept[axis]!.includes(i));
  const position = random.int(kept[axis]!.length);
  const wrong = pick(gone, random);
  const original = constantTensors(at.original.graph).get(name);
  if (wrong === undefined || original === undefined) return undefined;
  const lists = shape.map((_, i) => kept[i] && Int32Array.from(i === axis ? kept[i].with(position, wrong) : kept[i]));
  const raw = { bytes: tensorBytes(original), dims: shape, bits: bitsPerElement(original.dataType) };
  const changed = withContent(tensor, newShape, gatherAxes(raw, lists).bytes);
  if (sameBytes(changed, tensor)) return undefined;
  replaceConstant(at.model.graph, name, changed);
  return `${name}: channel ${wrong} in the place of ${kept[axis]![position]} along axis ${axis}`;
};

/** One more for a size that pruning rewrote; where it rewrote none, a weight that lacks its last channel. */
export const changeSize: Change = (at, random) => {
  const sizes = rewrittenSizes(at);
  const chosen = pick(sizes, random);
  if (chosen) return chosen(random);
  const found = pick(rewritten(at), random);
  if (!found) return undefined;
  const [name, { kept, newShape }, tensor] = found;
  const axis = Number(pick(Object.keys(kept), random));
  if (newShape[axis]! < 2) return undefined;
  const lists = newShape.map((size, i) =>
    i === axis ? Int32Array.from({ length: size - 1 }, (_, k) => k) : undefined,
  );
  const raw = { bytes: tensorBytes(tensor), dims: newShape, bits: bitsPerElement(tensor.dataType) };
  const less = gatherAxes(raw, lists);
  replaceConstant(at.model.graph, name, withContent(tensor, less.dims, less.bytes));
  return `${name}: the last channel along axis ${axis} is missing`;
};

/** Integers of attributes and constants that differ between the original and the pruned model. */
function rewrittenSizes({ original, model }: Sabotaged): ((random: Random) => string)[] {
  const before = new Map(original.graph.node.map((node) => [node.output[0], node]));
  const attributes = model.graph.node.flatMap((node) => changedAttributes(before.get(node.output[0]), node));
  const [from, to] = [constantTensors(original.graph), constantTensors(model.graph)];
  const constants = [...to].flatMap(([name, tensor]) => {
    const old = from.get(name);
    const isSize = tensor.dataType === DataType.INT64 && old && tensorDims(tensor).length < 2;
    if (!isSize || sameBytes(old, tensor)) return [];
    return [
      (random: Random): string => {
        const numbers = Float64Array.from(readNumbers(tensor));
        const element = random.int(numbers.length);
        numbers[element] = numbers[element]! + 1;
        write(model, name, tensor, numbers);
        return `${name}: element ${element} is one more`;
      },
    ];
  });
  return [...attributes, ...constants];
}

function changedAttributes(before: NodeProto | undefined, node: NodeProto): ((random: Random) => string)[] {
  return node.attribute.flatMap((attribute) => {
    const old = before?.attribute.find(({ name }) => name === attribute.name);
    const what = `attribute ${attribute.name} of '${node.name || node.output[0]}'`;
    if (old?.i !== undefined && attribute.i !== undefined && toNumber(old.i) !== toNumber(attribute.i)) {
      return [
        () => {
          attribute.i = toNumber(attribute.i!) + 1;
          return `${what} is one more`;
        },
      ];
    }
    const [was, is] = [old?.ints ?? [], attribute.ints ?? []].map((ints) => ints.map(toNumber));
    if (is!.length === 0 || was!.join() === is!.join()) return [];
    return [
      (random: Random) => {
        const element = random.int(is!.length);
        attribute.ints = is!.with(element, is![element]! + 1);
        return `${what}: element ${element} is one more`;
      },
    ];
  });
}
