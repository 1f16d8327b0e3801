/** What `evaluate` says of models whose scores are known by arithmetic, and of intervals that were published. */
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { makeValue } from '@onnx-pruning/runtime';
import { comparePaired, DataError, Dataset, evaluate, type SampleSource } from '../src/index.ts';
import {
  bootstrapInterval,
  mcnemarMidP,
  normalQuantile,
  pairedShareInterval,
  wilsonInterval,
} from '../src/statistics.ts';

/** y = x (one row of outputs for each sample), times a factor for each of three classes. */
function scaled(factors: readonly number[] = [1, 1, 1]): Model {
  const b = new GraphBuilder();
  b.output(b.node('Mul', [b.input('x', ['batch', 3]), b.initializer('f', [3], factors)], {}, { outputs: ['y'] }), [
    'batch',
    3,
  ]);
  return b.build();
}

/** Rows of outputs that the model is fed, with a class each. */
function samples(rows: readonly (readonly number[])[], labels?: readonly number[]): Dataset {
  const source: SampleSource = {
    name: 'rows',
    length: rows.length,
    hasLabels: labels !== undefined,
    read: async (indices) => ({
      feeds: {
        x: makeValue(
          1,
          [indices.length, 3],
          indices.flatMap((i) => [...rows[i]!]),
        ),
      },
      ...(labels && { labels: Int32Array.from(indices, (i) => labels[i]!) }),
    }),
  };
  return Dataset.of(source, { batchSize: 2 });
}

const ROWS = [
  [3, 1, 2],
  [1, 3, 2],
  [1, 2, 3],
  [2, 3, 1],
];

describe('what guessing gives is', () => {
  test('the share of the most frequent class, or of the five most frequent', async () => {
    expect((await evaluate(scaled(), samples(ROWS, [0, 1, 1, 2]), 'top1')).chance).toBe(0.5);
    expect((await evaluate(scaled(), samples(ROWS, [0, 1, 1, 2]), 'top5')).chance).toBe(1);
  });

  test('not known without labels', async () => {
    expect((await evaluate(scaled(), samples(ROWS), 'agreement', { against: scaled() })).chance).toBeUndefined();
  });
});

describe('the confidence of intervals', () => {
  test.each([
    [0.5, 0.674489750196082],
    [0.9, 1.644853626951473],
    [0.95, 1.959963984540054],
    [0.99, 2.575829303548901],
    [0.999, 3.290526731491926],
  ])('of %d is %d standard deviations (tables of the normal distribution)', (confidence, z) => {
    expect(normalQuantile(confidence)).toBeCloseTo(z, 12);
  });

  test('is that of measurements and of comparisons', async () => {
    const data = samples(ROWS, [0, 1, 1, 1]);
    const first = await evaluate(scaled(), data, 'top1', { confidence: 0.8 });
    expect(first.interval).toEqual(wilsonInterval(3, 4, 0.8));
    const second = await evaluate(scaled([1, 1, 2]), data, 'top1');
    const { interval } = comparePaired(first, second, { confidence: 0.8 });
    const lost = first.scores.filter((score, i) => score > second.scores[i]!).length;
    expect(interval).toEqual(pairedShareInterval(0, lost, 4, 0.8));
    expect(() => comparePaired(first, second, { confidence: 95 })).toThrow(/confidence above 0 and below 1/);
  });
});

describe('a model is scored by', () => {
  test('the share of samples whose largest output is their class', async () => {
    const {
      value,
      samples: n,
      scores,
      interval,
      metric,
    } = await evaluate(scaled(), samples(ROWS, [0, 1, 1, 1]), 'top1');
    expect({ value, n, metric }).toEqual({ value: 0.75, n: 4, metric: 'top1' });
    expect([...scores]).toEqual([1, 1, 0, 1]);
    expect(interval).toEqual(wilsonInterval(3, 4));
  });

  test('the share whose class is among the five largest: of three classes, all; ties count for the first', async () => {
    expect((await evaluate(scaled(), samples(ROWS, [2, 2, 2, 2]), 'top5')).value).toBe(1);
    expect([
      ...(
        await evaluate(
          scaled(),
          samples(
            [
              [1, 1, 1],
              [1, 1, 1],
            ],
            [0, 1],
          ),
          'top1',
        )
      ).scores,
    ]).toEqual([1, 0]);
  });

  test('agreement with another model, without labels', async () => {
    // Doubling the last class changes the second row (3 against 4) and leaves the others.
    const { value } = await evaluate(scaled([1, 1, 2]), samples(ROWS), 'agreement', { against: scaled() });
    expect(value).toBe(0.5);
  });

  test('squared error and cosine against another model', async () => {
    const data = samples([
      [1, 0, 0],
      [0, 2, 0],
    ]);
    const halved = { against: scaled([2, 2, 2]) };
    expect([...(await evaluate(scaled(), data, 'meanSquaredError', halved)).scores]).toEqual([1 / 3, 4 / 3]);
    expect((await evaluate(scaled(), data, 'cosineSimilarity', halved)).value).toBeCloseTo(1, 12);
    const turned = await evaluate(scaled([1, 0, 0]), samples([[1, 1, 0]]), 'cosineSimilarity', { against: scaled() });
    expect(turned.value).toBeCloseTo(Math.SQRT1_2, 7);
  });

  test('a function of the caller', async () => {
    const first = { name: 'first', isShare: false, needs: 'nothing', score: (y: ArrayLike<number>) => y[0]! } as const;
    const { value, interval } = await evaluate(scaled(), samples(ROWS), first);
    expect(value).toBe((3 + 1 + 1 + 2) / 4);
    expect(interval[0]).toBeLessThan(value);
    expect(interval[1]).toBeGreaterThan(value);
  });

  test('saying how far it is, until it is stopped', async () => {
    const seen: number[] = [];
    await evaluate(scaled(), samples(ROWS, [0, 0, 0, 0]), 'top1', { onProgress: ({ done }) => seen.push(done) });
    expect(seen).toEqual([2, 4]);
    const stop = AbortSignal.abort(new Error('enough'));
    await expect(evaluate(scaled(), samples(ROWS, [0, 0, 0, 0]), 'top1', { signal: stop })).rejects.toThrow('enough');
  });
});

describe('intervals and tests', () => {
  // Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 1998, table I, method 3.
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('Wilson, %i of %i: %f to %f', (successes, n, low, high) => {
    const [from, to] = wilsonInterval(successes, n);
    expect(from).toBeCloseTo(low, 4);
    expect(to).toBeCloseTo(high, 4);
  });

  // Fagerland, Lydersen and Laake, BMC Medical Research Methodology 2013, table 5: 1 and 7 discordant pairs, mid-p 0.039.
  test('McNemar: 1 against 7 is 0.039; none against none says nothing; symmetric', () => {
    expect(mcnemarMidP(1, 7)).toBeCloseTo(0.0391, 4);
    expect(mcnemarMidP(7, 1)).toBe(mcnemarMidP(1, 7));
    expect(mcnemarMidP(0, 0)).toBe(1);
    // 2 (1/2)^n / 2 for n losses and no gain.
    expect(mcnemarMidP(0, 10)).toBeCloseTo(2 ** -10, 12);
    expect(mcnemarMidP(3000, 3000)).toBeLessThanOrEqual(1);
  });

  test('the difference of paired shares by hand: 5 gained and 15 lost of 100', () => {
    const [low, high] = pairedShareInterval(5, 15, 100);
    // (5.5 - 15.5) / 102, plus or minus 1.96 sqrt(21 - 100 / 102) / 102.
    const half = (1.959964 * Math.sqrt(21 - 100 / 102)) / 102;
    expect(low).toBeCloseTo(-10 / 102 - half, 6);
    expect(high).toBeCloseTo(-10 / 102 + half, 6);
  });

  test('the bootstrap covers the mean, is seeded, and is as wide as the normal approximation says', () => {
    const scores = Float64Array.from({ length: 400 }, (_, i) => i % 4);
    const [low, high] = bootstrapInterval(scores, 1);
    expect(bootstrapInterval(scores, 1)).toEqual([low, high]);
    // Mean 1.5, standard deviation sqrt(1.25), standard error sqrt(1.25 / 400).
    const half = 1.96 * Math.sqrt(1.25 / 400);
    expect(low).toBeGreaterThan(1.5 - 1.2 * half);
    expect(high).toBeLessThan(1.5 + 1.2 * half);
    expect(high - low).toBeGreaterThan(1.6 * half);
  });

  test('two models are compared on the same samples', async () => {
    const data = samples(ROWS, [0, 1, 2, 1]);
    const [good, bad] = [await evaluate(scaled(), data, 'top1'), await evaluate(scaled([1, 1, 2]), data, 'top1')];
    expect(comparePaired(good, bad)).toEqual({
      difference: bad.value - good.value,
      interval: pairedShareInterval(0, 2, 4),
      pValue: mcnemarMidP(0, 2),
    });
    const other = await evaluate(scaled(), data.take(2), 'top1');
    expect(() => comparePaired(good, other)).toThrow(/not of the same samples/);
  });
});

describe('is refused, with a word:', () => {
  const data = samples(ROWS, [0, 1, 2, 3]);
  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['a metric of labels without labels', () => evaluate(scaled(), samples(ROWS), 'top1'), /top1 needs labels/],
    ['a comparison with nothing', () => evaluate(scaled(), data, 'agreement'), /needs a model to compare with/],
    ['a label that is no class', () => evaluate(scaled(), data, 'top1'), /from 0 to 2, found 3/],
    ['NaN', () => evaluate(scaled(), samples([[Number.NaN, 1, 2]], [0]), 'top1'), /not a number for sample 0/],
    ['an unknown metric', () => evaluate(scaled(), data, 'top2' as never), /one of .*top1/],
    ['feeds that are no data set', () => evaluate(scaled(), [] as never, 'top1'), /a data set/],
  ])('%s', async (_, measure, message) => {
    await expect(measure()).rejects.toThrow(message);
  });

  test('an output without a row for each sample', async () => {
    const b = new GraphBuilder();
    b.output(b.node('ReduceSum', [b.input('x', ['batch', 3])], { keepdims: 0 }), []);
    await expect(evaluate(b.build(), samples(ROWS, [0, 1, 2, 0]), 'top1')).rejects.toThrow(DataError);
  });
});
