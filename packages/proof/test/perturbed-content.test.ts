/** Weights that are off by the last bits: by how much, and that they are the same however they are read. */
import { createRandom, DataType, makeTensor, readNumbers, type StoredBytes, tensorBytes } from '@onnx-pruning/onnx';
import { perturbedTensor } from '../src/perturbed-content.ts';

const COUNT = 40_000;
const random = createRandom(1);
// Powers of two: a unit in the last place is the same share of all of them.
const powers = Float64Array.from({ length: COUNT }, () => 2 ** (random.int(9) - 4));

it.each([
  ['float32', DataType.FLOAT, 2 ** -23],
  ['float64', DataType.DOUBLE, 2 ** -52],
  ['float16', DataType.FLOAT16, 2 ** -10],
])('every %s is off by one or two units in the last place, up or down', (_, type, unit) => {
  const found = readNumbers(perturbedTensor(makeTensor('w', type, [COUNT], powers), 7)!);
  const steps = new Set(Array.from(powers, (x, i) => (found[i]! - x) / (x * unit)));
  expect(Math.max(...steps)).toBe(2);
  // Below a power of two, units are half as large.
  expect(Math.min(...steps)).toBe(-2);
  expect([...steps].every((step) => Math.abs(step) >= 1 && Number.isInteger(2 * step))).toBe(true);
});

it('a range is what it is in the whole, wherever it begins', () => {
  const tensor = perturbedTensor(makeTensor('w', DataType.FLOAT, [COUNT], powers), 7)!;
  const whole = tensorBytes(tensor);
  const content = tensor.rawData as StoredBytes;
  for (const [from, to] of [
    [0, 5],
    [3, 4 * COUNT],
    [65_530, 65_543],
    [4 * COUNT - 1, 4 * COUNT],
    [65_536, 131_072],
  ] as const) {
    expect(Buffer.compare(content.read(from, to), whole.slice(from, to))).toBe(0);
  }
});

it('another seed gives other steps, and integers have none', () => {
  const of = (seed: number) => tensorBytes(perturbedTensor(makeTensor('w', DataType.FLOAT, [COUNT], powers), seed)!);
  expect(Buffer.compare(of(1).slice(), of(1).slice())).toBe(0);
  expect(Buffer.compare(of(1).slice(), of(2).slice())).not.toBe(0);
  expect(perturbedTensor(makeTensor('n', DataType.INT64, [1], [1]), 1)).toBeUndefined();
});
