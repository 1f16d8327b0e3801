/** The opsets of the ai.onnx domain that the records are written against. Nothing else belongs here. */

/** onnxruntime runs no model below this opset. */
export const OLDEST_OPSET = 7;

/** The newest opset that the onnxruntime-node release in package.json runs. Newer models have no records: fail closed. */
export const NEWEST_OPSET = 26;
