import { createRandom } from '@onnx-pruning/onnx';
import { batchNormValues, foldBatchNorm, kaimingValues, normalValues, uniformValues } from '../src/weights.ts';

const mean = (values: Float32Array): number => values.reduce((sum, x) => sum + x, 0) / values.length;
const deviation = (values: Float32Array): number => {
  const m = mean(values);
  return Math.sqrt(values.reduce((sum, x) => sum + (x - m) ** 2, 0) / values.length);
};

describe('random weights', () => {
  it('normal values have the deviation asked for, and the tails of a normal distribution', () => {
    const values = normalValues(createRandom(1), 100_000, 0.5);
    // Four standard errors of each estimate.
    expect(Math.abs(mean(values))).toBeLessThan((4 * 0.5) / Math.sqrt(100_000));
    expect(Math.abs(deviation(values) - 0.5)).toBeLessThan((4 * 0.5) / Math.sqrt(200_000));
    const beyondTwo = values.filter((x) => Math.abs(x) > 2 * 0.5).length / values.length;
    expect(Math.abs(beyondTwo - 0.0455)).toBeLessThan(4 * Math.sqrt((0.0455 * 0.9545) / 100_000));
  });

  it('an odd number of normal values is the start of the even one', () => {
    expect([...normalValues(createRandom(1), 5, 1)]).toEqual([...normalValues(createRandom(1), 6, 1).slice(0, 5)]);
  });

  it('uniform values fill their interval', () => {
    const values = uniformValues(createRandom(1), 10_000, -1, 3);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...values)).toBeLessThan(3);
    expect(Math.abs(mean(values) - 1)).toBeLessThan((4 * 4) / Math.sqrt(12 * 10_000));
  });

  it('Kaiming weights have variance 2 / fan-in', () => {
    expect(deviation(kaimingValues(createRandom(1), 50_000, 50)) ** 2).toBeCloseTo(0.04, 3);
  });

  it('statistics of batch normalization are those of a trained network: variance positive, nothing constant', () => {
    const values = batchNormValues(createRandom(1), 200);
    for (const tensor of Object.values(values)) expect(new Set(tensor).size).toBeGreaterThan(150);
    expect(Math.min(...values.variance)).toBeGreaterThanOrEqual(0.5);
  });
});

describe('foldBatchNorm', () => {
  it('scales each output channel and moves the mean into the bias', () => {
    // Two output channels of two weights. Scales: 3 / sqrt(3 + 1) = 1.5 and 4 / sqrt(15 + 1) = 1.
    const weight = Float32Array.of(2, 4, 6, 8);
    const bias = foldBatchNorm(
      weight,
      {
        weight: Float32Array.of(3, 4),
        bias: Float32Array.of(10, 20),
        mean: Float32Array.of(2, -5),
        variance: Float32Array.of(3, 15),
      },
      1,
    );
    expect([...weight]).toEqual([3, 6, 6, 8]);
    expect([...bias]).toEqual([10 - 2 * 1.5, 20 + 5]);
  });
});
