/** Which nodes bring the channels of an axis together. */
import type { NodeProto } from '@onnx-pruning/onnx';

/** A node that sums over an axis of one of its inputs: zero channels contribute nothing. */
export interface Consumption {
  readonly node: NodeProto;
  readonly input: number;
  readonly axis: number;
  /** The value at that input. */
  readonly value: string;
}

/** A node that computes a statistic over an axis of one of its inputs. */
export interface Mixing extends Consumption {
  readonly statistic: string;
  /** Whether the result says what share of a whole every channel has. */
  readonly isDistribution: boolean;
}
