/**
 * One operator in a small graph: the specification by example that every record has beside it.
 * The cases are data; one test runs them all against onnxruntime (shapes), the expected groups, and prune-then-verify.
 */
import type { GraphBuilder } from '@onnx-pruning/onnx';

export interface OperatorCase {
  /** `Operator: what is shown`, e.g. `Concat: channels of two branches, one after the other`. */
  readonly name: string;
  readonly opset: number;
  /** Builds inputs, nodes and outputs. Parameters are named `<layer>.weight`, `<layer>.bias` so that layers have names. */
  build(b: GraphBuilder): void;
  /**
   * The free dimensions, worked out by hand: one entry per group, members in graph order as `layer side channels`,
   * e.g. `'conv1 out 8, bn out 8, conv2 in 8'`. Empty when nothing may be pruned.
   */
  readonly groups: readonly string[];
  /** Where something is refused: a part of the reason that must be given. */
  readonly because?: RegExp;
  /** Whether what a softmax is taken over may go although a constant reads it by number. */
  readonly pruneDistributions?: boolean;
  /** Integers `[low, high)` for inputs that may not hold any number. */
  readonly ranges?: Readonly<Record<string, readonly [number, number]>>;
}
