/** Which ONNX versions this package reads, and how IR and opset versions belong together. */

/** Newest IR version that onnxruntime-node 1.30 loads. */
export const NEWEST_IR_VERSION = 13;
/** Newest opset of ai.onnx that onnxruntime-node 1.30 runs. */
export const NEWEST_OPSET = 26;

/** IR versions by the last opset of ai.onnx that was released with them (ONNX Versioning.md, table of released versions). */
const IR_OF_OPSETS: readonly (readonly [lastOpset: number, irVersion: number])[] = [
  [9, 4],
  [10, 5],
  [11, 6],
  [14, 7],
  [18, 8],
  [20, 9],
  [22, 10],
  [23, 11],
  [24, 12],
];

/** The IR version that was released with an opset; 4 for the oldest (3 wants every initializer among the inputs). */
export function irVersionOf(opset: number): number {
  return IR_OF_OPSETS.find(([lastOpset]) => opset <= lastOpset)?.[1] ?? NEWEST_IR_VERSION;
}
