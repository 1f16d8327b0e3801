/** What every recovery is given: a pruned model and samples, checked before any work. */
import { constantTensors, type Model, tensorDims } from '@onnx-pruning/onnx';
import type { Plan } from '@onnx-pruning/pruning';
import { type Batches, elementCount, type TensorValues, valueNumbers } from '@onnx-pruning/runtime';
import { DataDigest } from '../data-digest.ts';
import { RecoveryError } from '../errors.ts';

/** @throws RecoveryError unless initializers have the sizes that the plan gives them */
export function checkPruned({ graph }: Model, plan: Plan): void {
  const constants = constantTensors(graph);
  for (const [name, { newShape }] of Object.entries(plan.initializers)) {
    const tensor = constants.get(name);
    const dims = tensor && tensorDims(tensor).join(', ');
    if (dims === newShape.join(', ')) continue;
    throw new RecoveryError('RECOVERY_MODEL', 'the pruned model is not what the plan makes of the original', {
      value: name,
      expected: `an initializer of [${newShape.join(', ')}]`,
      actual: dims === undefined ? 'none' : `[${dims}]`,
      repair: 'Give the original, what was pruned of it, and the plan of that, in this order.',
    });
  }
}

/**
 * Reads all batches.
 * @param least how many there must be
 * @throws RecoveryError for fewer, for samples that are all the same, and for numbers that are not finite
 */
export async function collectBatches(
  data: Batches,
  least: number,
  signal: AbortSignal | undefined,
): Promise<TensorValues[]> {
  const batches: TensorValues[] = [];
  for await (const feeds of data) {
    signal?.throwIfAborted();
    checkFinite(feeds, batches.length);
    batches.push(feeds);
  }
  if (batches.length >= least) {
    checkVariation(batches);
    return batches;
  }
  throw new RecoveryError('RECOVERY_DATA', 'there is too little data', {
    expected: least === 1 ? 'at least one batch' : 'at least two batches: some are fitted to, others measured on',
    actual: batches.length,
    repair: 'Give more samples, or smaller batches.',
  });
}

function checkFinite(feeds: TensorValues, batch: number): void {
  for (const [name, value] of Object.entries(feeds)) {
    if (!ArrayBuffer.isView(value.data)) continue;
    const numbers = valueNumbers(value);
    for (let i = 0; i < numbers.length; i++) {
      // Masks of attention hold minus infinity.
      if (Number.isFinite(numbers[i]) || numbers[i] === Number.NEGATIVE_INFINITY) continue;
      throw new RecoveryError('RECOVERY_DATA', `batch ${batch} holds a number that is not finite`, {
        value: name,
        expected: 'finite numbers',
        actual: numbers[i],
        repair: 'Check the data and its preprocessing.',
      });
    }
  }
}

/** @throws RecoveryError where every sample is the same: an empty file, or wrong preprocessing */
function checkVariation(batches: readonly TensorValues[]): void {
  const varies = (name: string): boolean => {
    const first = batches[0]![name]!;
    const width = elementCount(first.dims.slice(1));
    return batches.some((feeds) => {
      const { data } = feeds[name]!;
      for (let i = 0; i < data.length; i++) if (data[i] !== first.data[i % width]) return true;
      return false;
    });
  };
  const names = Object.keys(batches[0]!);
  if (names.length === 0 || names.some(varies)) return;
  throw new RecoveryError('RECOVERY_DATA', 'all samples are the same', {
    value: names[0],
    expected: 'samples of the kind that the model is used on',
    repair: 'Check the data and its preprocessing.',
  });
}

/** A digest of all batches, in order. */
export function digestOf(batches: readonly TensorValues[]): string {
  const digest = new DataDigest();
  for (const batch of batches) digest.add(batch);
  return digest.text();
}
