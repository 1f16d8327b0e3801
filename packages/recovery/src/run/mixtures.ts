/**
 * More samples out of those there are: weighted means of two of them. It must not know what they are used for.
 */
import type { Random } from '@onnx-pruning/onnx';
import { elementCount, type TensorValue, type TensorValues } from '@onnx-pruning/runtime';

type Floats = Float32Array | Float64Array;

/** One batch's input of real numbers. */
interface RealValue extends TensorValue {
  readonly data: Floats;
}

/**
 * Whether every input is finite real numbers with one sample in each entry of its first axis, and otherwise of one size in all
 * batches. Masks with minus infinity have no mean.
 */
export function canMix(batches: readonly TensorValues[]): boolean {
  const first = batches[0] ?? {};
  return batches.every((feeds) => {
    const values = Object.entries(feeds);
    const samples = samplesOf(feeds);
    return values.every(
      ([name, value]) =>
        isReal(value) &&
        samples > 0 &&
        value.dims[0] === samples &&
        value.dims.slice(1).join() === first[name]?.dims.slice(1).join(),
    );
  });
}

/**
 * A batch of mixtures for every batch: each of its samples with a share from a half to all, and any other sample with
 * the rest (without labels, after Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018).
 * @param batches for which `canMix` holds
 */
export function mixturesOf(batches: readonly TensorValues[], random: Random): TensorValues[] {
  const places = batches.flatMap((feeds, batch) =>
    Array.from({ length: samplesOf(feeds) }, (_, sample) => ({ batch, sample })),
  );
  return batches.map((feeds) => {
    const partners = Array.from({ length: samplesOf(feeds) }, () => ({
      ...places[Math.floor(random.next() * places.length)]!,
      share: (1 + random.next()) / 2,
    }));
    const mix = ([name, value]: [string, TensorValue]): [string, TensorValue] => {
      const { data } = value as RealValue;
      const width = elementCount(value.dims.slice(1));
      const mixed = data.slice();
      for (const [row, { batch, sample, share }] of partners.entries()) {
        const other = (batches[batch]![name] as RealValue).data;
        for (let i = 0; i < width; i++) {
          const at = row * width + i;
          mixed[at] = share * data[at]! + (1 - share) * other[sample * width + i]!;
        }
      }
      return [name, { ...value, data: mixed }];
    };
    return Object.fromEntries(Object.entries(feeds).map(mix));
  });
}

function isReal({ data }: TensorValue): boolean {
  return (data instanceof Float32Array || data instanceof Float64Array) && data.every(Number.isFinite);
}

const samplesOf = (feeds: TensorValues): number => Object.values(feeds)[0]?.dims[0] ?? 0;
