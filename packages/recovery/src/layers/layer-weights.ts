/** Weights and bias of a layer as matrices, and back into the constants of the model. It chooses no numbers. */
import {
  constantTensors,
  GraphEditor,
  type Model,
  makeTensor,
  readNumbers,
  type TensorProto,
  tensorDims,
} from '@onnx-pruning/onnx';
import { matrix } from '../solve/matrix.ts';
import type { Refittable } from './refittable.ts';
import type { Fit } from './ridge.ts';

/** What a layer computes of its rows now, group by group. */
export function fitsOf({ graph }: Model, { map, weight, bias }: Refittable): Fit[] {
  const constants = constantTensors(graph);
  const { product, bias: added } = map.scale;
  // A mean that is subtracted later is no part of the layer's output.
  const shift = bias?.how === 'added' ? readNumbers(constants.get(bias.constant)!) : undefined;
  return map.matrices(readNumbers(constants.get(weight)!)).map((numbers, g) => ({
    weights: matrix(
      map.inputs,
      map.outputs,
      numbers.map((x) => x * product),
    ),
    bias: Float64Array.from({ length: map.outputs }, (_, j) => (shift?.[g * map.outputs + j] ?? 0) * added),
  }));
}

/** Puts a fit into the model's constants, which are exchanged, not written to. @returns the names of those that changed */
export function writeFits(model: Model, { map, weight, bias }: Refittable, fits: readonly Fit[]): string[] {
  const constants = constantTensors(model.graph);
  const editor = new GraphEditor(model);
  const replace = (name: string, numbers: (before: TensorProto) => Float64Array): string => {
    const before = constants.get(name)!;
    editor.replaceConstant(name, makeTensor(name, before.dataType!, tensorDims(before), numbers(before)));
    return name;
  };
  const { product, bias: added } = map.scale;
  const scaled = fits.map(({ weights }) => weights.data.map((x) => x / product));
  const changed = [replace(weight, () => map.weightOf(scaled))];
  if (bias !== undefined) {
    const shift = Float64Array.from(fits.flatMap((fit) => [...fit.bias]));
    const numbers = (before: TensorProto): Float64Array =>
      bias.how === 'added' ? shift.map((x) => x / added) : shift.map((x, c) => readNumbers(before)[c]! - x);
    changed.push(replace(bias.constant, numbers));
  }
  editor.commit();
  return changed;
}
