/**
 * Weights that are no numbers: a model with NaN among them computes NaN, pruned or not, and nothing can be proven of it.
 * Said of the input before any work, by initializer. It must not judge what the values are used for, but one case: an
 * infinity is a legitimate mask, and no legitimate parameter of a layer.
 */
import type { DependencyGraph } from '@onnx-pruning/depgraph';
import { DataType, OnnxPruningError, readNumbers, tensorDims } from '@onnx-pruning/onnx';

/** A model whose own weights are not finite numbers. */
export class WeightError extends OnnxPruningError {}

const FLOATS: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE, DataType.BFLOAT16]);

// Looking up a global in every step of a loop is slow where tests run it in a context of their own.
const { isFinite: isNumber, isNaN: isNotANumber } = Number;
const isNotFinite = (x: number): boolean => !isNumber(x);

/** @throws WeightError that names the first initializer that holds NaN, or an infinity among the parameters of a layer */
export function checkWeights(graph: DependencyGraph): void {
  const parameters = new Set(
    graph.analysis.layers.flatMap(({ node, spec }) => spec.parameters.map(({ input }) => node.input[input] ?? '')),
  );
  for (const [name, tensor] of graph.analysis.shapes.constants) {
    if (!FLOATS.has(tensor.dataType ?? 0)) continue;
    const numbers = readNumbers(tensor);
    const isBad = parameters.has(name) ? isNotFinite : isNotANumber;
    const at = numbers.findIndex(isBad);
    if (at < 0) continue;
    throw new WeightError('WEIGHT_NOT_FINITE', `the initializer '${name}' of the model holds ${numbers[at]}`, {
      value: name,
      expected: 'finite numbers',
      actual: `${numbers[at]} at element ${at} of [${tensorDims(tensor).join(', ')}]`,
      repair: 'Export the model again from weights that are finite; training may have diverged.',
    });
  }
}
