/**
 * Masking: the full-size model with the removed channels zeroed in its parameters. Removing the channels instead gives
 * the same function, which is what soft pruning relies on.
 */
import { DependencyGraph } from '@onnx-pruning/depgraph';
import {
  bitsPerElement,
  constantTensors,
  type Model,
  setTensorBytes,
  tensorBytes,
  tensorDims,
} from '@onnx-pruning/onnx';
import { type InitializerChange, type Plan, PlanError } from './plan.ts';

/**
 * A copy of the plan's original model in which every parameter slice that the plan removes is zero. Shapes stay.
 * @param keep names of parameters that are left alone, such as running statistics
 * @throws PlanError when an initializer of the plan is missing or has another shape
 */
export function maskModel(original: Model, plan: Plan, keep: ReadonlySet<string> = new Set()): Model {
  const model = original.clone();
  // Gives layers of different groups vectors of their own, under the names that the plan knows.
  new DependencyGraph().buildDependency(model);
  const constants = constantTensors(model.graph);
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
    setTensorBytes(tensor, dims, zeroRemoved(tensorBytes(tensor), dims, bitsPerElement(tensor.dataType ?? 0), change));
  }
  return model;
}

function zeroRemoved(source: Uint8Array, dims: readonly number[], bits: number, change: InitializerChange): Uint8Array {
  const bytes = source.slice();
  for (const [axis, kept] of Object.entries(change.kept)) {
    const stays = new Set(kept);
    const size = dims[Number(axis)];
    const inner = dims.slice(Number(axis) + 1).reduce((a, b) => a * b, 1);
    const outer = dims.slice(0, Number(axis)).reduce((a, b) => a * b, 1);
    for (let o = 0; o < outer; o++) {
      for (let c = 0; c < size; c++) if (!stays.has(c)) zeroElements(bytes, bits, (o * size + c) * inner, inner);
    }
  }
  return bytes;
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
