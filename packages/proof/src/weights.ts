/**
 * Weights that are no numbers: a model with NaN among them computes NaN, pruned or not, and nothing can be proven of it.
 * Said of the input before any work, by initializer. It must not judge what the values are used for, but one case: an
 * infinity is a legitimate mask, and no legitimate parameter of a layer.
 */
import type { DependencyGraph } from '@onnx-pruning/depgraph';
import { DataType, NumberBlocks, OnnxPruningError, type TensorProto, tensorDims } from '@onnx-pruning/onnx';

/** A model whose own weights are not finite numbers. */
export class WeightError extends OnnxPruningError {}

const FLOATS: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE, DataType.BFLOAT16]);

/** Elements that are read at once. */
const BLOCK = 2 ** 16;

// Looking up a global in every step of a loop is slow where tests run it in a context of their own.
const { isNaN: isNotANumber } = Number;

/** @throws WeightError that names the first initializer that holds NaN, or an infinity among the parameters of a layer */
export function checkWeights(graph: DependencyGraph): void {
  const parameters = new Set(
    graph.analysis.layers.flatMap(({ node, spec }) => spec.parameters.map(({ input }) => node.input[input] ?? '')),
  );
  const blocks = new NumberBlocks();
  for (const [name, tensor] of graph.analysis.shapes.constants) {
    if (!FLOATS.has(tensor.dataType ?? 0)) continue;
    const bad = firstNotFinite(tensor, blocks, parameters.has(name));
    if (bad === undefined) continue;
    throw new WeightError('WEIGHT_NOT_FINITE', `the initializer '${name}' of the model holds ${bad.number}`, {
      value: name,
      expected: 'finite numbers',
      actual: `${bad.number} at element ${bad.at} of [${tensorDims(tensor).join(', ')}]`,
      repair: 'Export the model again from weights that are finite; training may have diverged.',
    });
  }
}

interface BadNumber {
  readonly at: number;
  readonly number: number;
}

/** @param infinitiesToo whether an infinity is as bad as NaN */
function firstNotFinite(tensor: TensorProto, blocks: NumberBlocks, infinitiesToo: boolean): BadNumber | undefined {
  let bad: BadNumber | undefined;
  blocks.forEach(tensor, BLOCK, (block, from) => {
    for (let i = 0; i < block.length && bad === undefined; i++) {
      const x = block[i]!;
      // Only of what is finite does nothing remain.
      if (x - x !== 0 && (infinitiesToo || isNotANumber(x))) bad = { at: from + i, number: x };
    }
  });
  return bad;
}
