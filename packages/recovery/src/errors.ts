/** The error of this package. */
import { OnnxPruningError } from '@onnx-pruning/onnx';

/** Weights that cannot be refitted with what was given. `details.node` is the layer, `details.value` the value. */
export class RecoveryError extends OnnxPruningError {}
