/** The error of this package. */
import { type ErrorDetails, OnnxPruningError } from '@onnx-pruning/onnx';

/**
 * A file that holds no tensor as it should, or none that fits the model. `details.path` is the file, `details.value` the
 * input of the model.
 */
export class DataError extends OnnxPruningError {}

/** Where a tensor is read from, for errors. */
export type Place = Pick<ErrorDetails, 'path' | 'value'>;
