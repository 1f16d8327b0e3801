/**
 * What was measured of a model is true of that model alone: the check that criteria on data share. It must not know what
 * was measured.
 */
import type { DependencyGraph, GroupOwner } from '@onnx-pruning/depgraph';
import { CriterionError } from '@onnx-pruning/pruning';

/** What a user does about it. */
export function measureAgain(criterion: string): string {
  return `Measure again: await ${criterion}.measure(model, inputs), with the options of the pruner.`;
}

/**
 * What weights that are gone have made says nothing of those that are there.
 * @param graph of the model that is scored; it may have been pruned through this graph since it was measured
 * @param measured the graph of the model as it was when it was measured
 * @throws CriterionError where activations were measured on another model, or before other pruning
 */
export function assertMeasured(graph: GroupOwner, measured: DependencyGraph, criterion: string): void {
  const isReplaced = graph.weightsReplaced();
  if (!isReplaced && graph.fingerprint() === measured.fingerprint()) return;
  throw new CriterionError('ACTIVATION_STATE', 'the activations were not measured on this model as it is now', {
    expected: 'the weights that the model had when its activations were measured',
    actual: isReplaced ? 'weights that were replaced since' : 'another model',
    repair: measureAgain(criterion),
  });
}
