/**
 * Masking: the full-size model with the removed channels zeroed in its parameters. Removing the channels instead gives
 * the same function, which is what soft pruning relies on.
 */
import {
  type Bytes,
  bitsPerElement,
  checkArguments,
  constantTensors,
  kinds,
  type Model,
  replaceConstants,
  type TensorProto,
  tensorBytes,
  tensorDims,
  withContent,
} from '@onnx-pruning/onnx';
import { graphOfPlan, type InitializerChange, type Plan, PlanError, type PlanOptions } from './plan.ts';

/**
 * A copy of the plan's original model in which every parameter slice that the plan removes is zero. Shapes stay.
 * @param keep names of parameters that are left alone, such as running statistics
 * @throws PlanError when an initializer of the plan is missing or has another shape
 */
export function maskModel(
  original: Model,
  plan: Plan,
  keep: ReadonlySet<string> = new Set(),
  options: PlanOptions = {},
): Model {
  checkArguments('maskModel', { original: [original, kinds.model] });
  const model = original.clone();
  // Layers of different groups get vectors of their own, under the names that the plan knows.
  graphOfPlan(model, plan, options).analysis.shapes.vectors.materialise(model);
  const constants = constantTensors(model.graph);
  const masked = new Map<string, TensorProto>();
  for (const [name, change] of Object.entries(plan.initializers)) {
    if (keep.has(name)) continue;
    const tensor = constants.get(name);
    const dims = tensor ? tensorDims(tensor) : [];
    if (!tensor || dims.join() !== change.shape.join()) {
      throw new PlanError('PLAN_INITIALIZER', 'the plan was made for another model', {
        value: name,
        expected: `shape [${change.shape.join(', ')}]`,
        actual: tensor ? `[${dims.join(', ')}]` : 'no such initializer',
        repair: 'Use the plan with the original model that it was made from.',
      });
    }
    masked.set(name, maskTensor(tensor, change));
  }
  replaceConstants(model.graph, masked);
  return model;
}

/** The tensor with zeros for what a change would remove. */
export function maskTensor(tensor: TensorProto, change: InitializerChange): TensorProto {
  const dims = tensorDims(tensor);
  return withContent(tensor, dims, zeroRemoved(tensorBytes(tensor), dims, bitsPerElement(tensor.dataType), change));
}

/** A copy of a tensor's content in which what a change would remove is zero. */
function zeroRemoved(source: Bytes, dims: readonly number[], bits: number, change: InitializerChange): Uint8Array {
  const bytes = source.slice();
  for (const [axis, kept] of Object.entries(change.kept)) zeroAlong(bytes, dims, bits, Number(axis), () => kept);
  for (const [axis, groups] of Object.entries(change.keptPerGroup ?? {})) {
    const rows = dims[0] / groups.length;
    zeroAlong(bytes, dims, bits, Number(axis), (row) => groups[Math.floor(row / rows)]);
  }
  return bytes;
}

/** Zeroes what is not kept along an axis; what is kept may depend on the index along the first axis. */
function zeroAlong(
  bytes: Uint8Array,
  dims: readonly number[],
  bits: number,
  axis: number,
  keptIn: (row: number) => readonly number[],
): void {
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = dims.slice(0, axis).reduce((a, b) => a * b, 1);
  for (let o = 0; o < outer; o++) {
    const stays = new Set(keptIn(Math.floor((o * dims[0]) / outer)));
    for (let c = 0; c < dims[axis]; c++) {
      if (!stays.has(c)) zeroElements(bytes, bits, (o * dims[axis] + c) * inner, inner);
    }
  }
}

function zeroElements(bytes: Uint8Array, bits: number, from: number, count: number): void {
  if (bits >= 8) {
    bytes.fill(0, (from * bits) / 8, ((from + count) * bits) / 8);
    return;
  }
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  for (let i = from; i < from + count; i++) bytes[Math.floor(i / perByte)] &= ~(mask << ((i % perByte) * bits));
}
