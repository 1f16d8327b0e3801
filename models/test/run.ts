/** Runs models in onnxruntime. Not a test: what the tests of this package share. */
import { createRandom, encodeModel, type Model } from '@onnx-pruning/onnx';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** The first output for each image batch of normal random values; one batch per seed. */
export async function runModel(
  model: Model,
  dims: readonly number[],
  seeds: readonly number[],
): Promise<Float32Array[]> {
  const session = await InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 });
  const size = dims.reduce((product, dim) => product * dim, 1);
  const outputs: Float32Array[] = [];
  for (const seed of seeds) {
    const random = createRandom(seed);
    const image = new Tensor('float32', Float32Array.from({ length: size }, random.normal), dims);
    const result = await session.run({ [session.inputNames[0]!]: image });
    outputs.push(Float32Array.from(result[session.outputNames[0]!]!.data as Float32Array));
  }
  await session.release();
  return outputs;
}

/** Largest difference of two vectors, relative to the largest value of the first. */
export function relativeDifference(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let largest = 0;
  a.forEach((value, i) => {
    difference = Math.max(difference, Math.abs(value - b[i]!));
    largest = Math.max(largest, Math.abs(value));
  });
  return difference / largest;
}
