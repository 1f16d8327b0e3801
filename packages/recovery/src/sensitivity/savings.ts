/** What a model would cost less without some channels. It must not remove any. */
import { CostModel } from '@onnx-pruning/cost';
import { type DependencyGraph, type LeafRemoval, ShapeError } from '@onnx-pruning/depgraph';

/** Shares of the whole model. */
export interface Savings {
  readonly macsSaved: number | undefined;
  readonly paramsSaved: number | undefined;
}

/**
 * Savings by what stays.
 * @param inputShapes sizes of the inputs, for models that leave them open
 */
export function savingsOf(
  graph: DependencyGraph,
  inputShapes: Readonly<Record<string, readonly number[]>>,
): (removal: LeafRemoval) => Savings {
  try {
    const model = new CostModel(graph.analysis, { inputShapes });
    const whole = model.after(new Map());
    const saved = (before: number, after: number): number => (before === 0 ? 0 : 1 - after / before);
    return (removal) => {
      const { macs, params } = model.after(removal);
      return { macsSaved: saved(whole.macs, macs), paramsSaved: saved(whole.params, params) };
    };
  } catch (error) {
    // A size that only a run decides: there is nothing to say then.
    if (error instanceof ShapeError) return () => ({ macsSaved: undefined, paramsSaved: undefined });
    throw error;
  }
}
