/** Draws integers that a model allows: in their ranges, and without the repetitions that some operators forbid. */
import type { Random } from '@onnx-pruning/onnx';
import type { IntegerReading } from '@onnx-pruning/ops';
import { elementCount } from './values.ts';

/** Numbers for a tensor of these dimensions. */
export function drawIntegers(reading: IntegerReading, dims: readonly number[], random: Random): Float64Array {
  const { ranges, distinct } = reading;
  const numbers = new Float64Array(elementCount(dims));
  const at = (i: number): number => {
    const [low, high] = ranges[i % ranges.length]!;
    return low + random.int(high - low);
  };
  const spans = ranges.map(([low, high]) => high - low);
  const tuples = spans.reduce((product, span) => product * span, 1);
  if (distinct === 'tuples') drawTuples(numbers, dims.at(-1) ?? 1, tuples, at);
  else if (distinct !== undefined && dims.length > 0) drawLines(numbers, dims, distinct, Math.min(...spans), at);
  else for (let i = 0; i < numbers.length; i++) numbers[i] = at(i);
  return numbers;
}

/** Draws until what was drawn is new, as long as there is anything new. @param all how many there are */
function drawNew<T>(taken: Set<string>, all: number, draw: () => T): T {
  let drawn = draw();
  while (taken.size < all && taken.has(String(drawn))) drawn = draw();
  taken.add(String(drawn));
  return drawn;
}

function drawTuples(numbers: Float64Array, length: number, all: number, at: (i: number) => number): void {
  const taken = new Set<string>();
  for (let start = 0; start < numbers.length; start += length) {
    numbers.set(
      drawNew(taken, all, () => Array.from({ length }, (_, k) => at(start + k))),
      start,
    );
  }
}

/** Nothing twice along one axis. */
function drawLines(
  numbers: Float64Array,
  dims: readonly number[],
  axis: number,
  all: number,
  at: (i: number) => number,
): void {
  const from = axis < 0 ? axis + dims.length : axis;
  const stride = elementCount(dims.slice(from + 1));
  const lines = new Map<number, Set<string>>();
  for (let i = 0; i < numbers.length; i++) {
    const line = Math.floor(i / (stride * dims[from]!)) * stride + (i % stride);
    const taken = lines.get(line) ?? new Set();
    lines.set(line, taken);
    numbers[i] = drawNew(taken, all, () => at(i));
  }
}
