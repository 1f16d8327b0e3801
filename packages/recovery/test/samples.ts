/** Data sets in memory, for tests. */
import { Dataset, type Metric } from '@onnx-pruning/data';
import type { Model } from '@onnx-pruning/onnx';
import { elementCount, randomInputs, type TensorValue } from '@onnx-pruning/runtime';

/** Some of the samples that a value holds along its first axis. */
function rows(value: TensorValue, indices: readonly number[]): TensorValue {
  const width = elementCount(value.dims.slice(1));
  const all = value.data as Float32Array;
  const data = new Float32Array(indices.length * width);
  indices.forEach((index, i) => {
    data.set(all.subarray(index * width, (index + 1) * width), i * width);
  });
  return { dataType: value.dataType, dims: [indices.length, ...value.dims.slice(1)], data };
}

/** Random samples for a model of floating-point inputs, in batches of two. */
export function samplesFor(model: Model, count: number, labels?: readonly number[], seed = 1): Dataset {
  const inputs = randomInputs(model, { batch: count, seed });
  return Dataset.of(
    {
      name: 'samples',
      length: count,
      hasLabels: labels !== undefined,
      read: async (indices) => ({
        feeds: Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, rows(value, indices)])),
        ...(labels && { labels: Int32Array.from(indices, (i) => labels[i]!) }),
      }),
    },
    { batchSize: 2 },
  );
}

/** A metric that keeps every output that it is asked to score, in that order. */
export function recorder(): { readonly metric: Metric; readonly outputs: number[][] } {
  const outputs: number[][] = [];
  const score = (output: ArrayLike<number>): number => outputs.push(Array.from(output));
  return { metric: { name: 'recorder', isShare: false, needs: 'nothing', score }, outputs };
}
