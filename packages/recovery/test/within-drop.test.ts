/** `pruneWithinDrop`: which ratio it chooses, by what it measures, and what it refuses before any work. */
import { Dataset, normalQuantile } from '@onnx-pruning/data';
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { makeValue } from '@onnx-pruning/runtime';
import { pruneWithinDrop, RecoveryError } from '../src/index.ts';

/** x [batch, 1] -> scores of two classes: the first wins where x is above the threshold. */
function classifier(threshold: number): Model {
  const b = new GraphBuilder();
  const [weights, bias] = [b.initializer('w', [2, 1], [1, 0]), b.initializer('b', [2], [0, threshold])];
  b.output(b.node('Gemm', [b.input('x', ['batch', 1]), weights, bias], { transB: 1 }));
  return b.build();
}

/** Samples 0.5, 1.5, ...; those of the upper half are of class 0. */
function samples(
  count: number,
  { hasLabels = true, label = (x: number): number => (x > count / 2 ? 0 : 1) } = {},
): Dataset {
  return Dataset.of({
    name: 'samples',
    length: count,
    hasLabels,
    read: async (indices) => ({
      feeds: {
        x: makeValue(
          1,
          [indices.length, 1],
          indices.map((i) => i + 0.5),
        ),
      },
      ...(hasLabels && { labels: Int32Array.from(indices, (i) => label(i + 0.5)) }),
    }),
  });
}

const original = classifier(500);
/** Says another class of every tenth of `ratio` of the samples. */
const loses = async (ratio: number): Promise<{ model: Model; ratio: number }> => ({
  model: classifier(500 + 100 * ratio),
  ratio,
});

describe('the largest ratio within the bound', () => {
  test('is chosen by accuracy, where there are labels', async () => {
    const found = await pruneWithinDrop(original, loses, samples(1000), { maxDrop: 0.05 });
    expect(found).toMatchObject({ ratio: 0.5, metric: 'top1', result: { ratio: 0.5 }, original: { value: 1 } });
    expect(found.cost.drop).toBeCloseTo(0.05, 12);
    // Wrong are those that are exactly as many as the bound allows; the next ratio was seen to be too much.
    expect(found.curve.find(({ ratio }) => ratio === 0.525)).toMatchObject({ isWithin: false });
  });

  test('is chosen by agreement, where there are none', async () => {
    const found = await pruneWithinDrop(original, loses, samples(1000, { hasLabels: false }), { maxDrop: 0.02 });
    expect(found).toMatchObject({ ratio: 0.2, metric: 'agreement', original: undefined });
    expect(found.cost.drop).toBeCloseTo(0.02, 12);
  });

  test('leaves room for chance, where the upper end of the interval is bounded', async () => {
    const found = await pruneWithinDrop(original, loses, samples(1000), { maxDrop: 0.05, confidence: 0.9 });
    const [lower, upper] = found.cost.interval;
    expect(found.ratio).toBeLessThan(0.5);
    expect(upper).toBeLessThanOrEqual(0.05);
    // Agresti and Min by hand: lost samples and half a one, of 1002.
    const lost = 1000 * found.cost.drop + 0.5;
    const centre = (lost - 0.5) / 1002;
    const half = (normalQuantile(0.9) * Math.sqrt(lost + 0.5 - (lost - 0.5) ** 2 / 1002)) / 1002;
    expect(lower).toBeCloseTo(centre - half, 12);
    expect(upper).toBeCloseTo(centre + half, 12);
    expect(found.curve.find(({ ratio }) => ratio > found.ratio)!.interval[1]).toBeGreaterThan(0.05);
  });

  test('is looked for among the ratios that are given, each tried once, and says how far it is', async () => {
    const seen: [number, number, number][] = [];
    const tried: number[] = [];
    const ratios = [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.9];
    const prune = (ratio: number): ReturnType<typeof loses> => {
      tried.push(ratio);
      return loses(ratio);
    };
    const found = await pruneWithinDrop(original, prune, samples(1000), {
      maxDrop: 0.07,
      ratios,
      onProgress: ({ done, total, curve }) => seen.push([done, total, curve.length]),
    });
    expect(tried).toEqual([0.4, 0.8, 0.6]);
    expect(seen).toEqual([
      [0, 3, 0],
      [1, 3, 1],
      [2, 3, 2],
    ]);
    expect(found.curve.map(({ ratio, isWithin }) => [ratio, isWithin])).toEqual([
      [0.4, true],
      [0.6, true],
      [0.8, false],
    ]);
  });

  test('removes something: ratios that leave every channel in place are passed over', async () => {
    const prune = async (ratio: number) => (ratio < 0.4 ? { model: undefined } : loses(ratio));
    const found = await pruneWithinDrop(original, prune, samples(1000), {
      maxDrop: 0.045,
      ratios: [0.1, 0.2, 0.3, 0.45],
    });
    expect(found.ratio).toBe(0.45);
    const never = pruneWithinDrop(original, prune, samples(1000), { maxDrop: 0.01, ratios: [0.1, 0.2, 0.3, 0.45] });
    await expect(never).rejects.toThrow(/no ratio stays within.*1 points at most.*4.5 points at ratio 0.45/s);
  });
});

describe('before anything is pruned, it is said', () => {
  const never = jest.fn(loses);
  afterEach(() => expect(never).not.toHaveBeenCalled());

  test('how many samples the bound needs', async () => {
    // 1.96^2 / 0.005; and for the upper end 1.96^2 * 0.995 / 0.005.
    const few = pruneWithinDrop(original, never, samples(768), { maxDrop: 0.005 });
    await expect(few).rejects.toThrow(RecoveryError);
    await expect(few).rejects.toThrow(/too few samples.*at least 769 samples for 0.5 points.*768/s);
    const upper = pruneWithinDrop(original, never, samples(764), { maxDrop: 0.005, confidence: 0.95 });
    await expect(upper).rejects.toThrow(/at least 765 samples/);
  });

  test('that the original is no better than guessing: labels of something else', async () => {
    const wrong = samples(1000, { label: (x) => Math.floor(x) % 2 });
    await expect(pruneWithinDrop(original, never, wrong, { maxDrop: 0.05 })).rejects.toThrow(
      /cannot be told from guessing.*above 50.00 %.*50.00 %.*Check the labels/s,
    );
  });

  test.each([
    [{ maxDrop: 0 }, 'maxDrop'],
    [{ maxDrop: 1.5 }, 'maxDrop'],
    [{ maxDrop: 0.1, confidence: 95 }, 'confidence'],
    [{ maxDrop: 0.1, ratios: [0.5, 0.4] }, 'ratios'],
  ])('that %p is no option', async (options, name) => {
    await expect(pruneWithinDrop(original, never, samples(1000), options)).rejects.toThrow(name);
  });

  test('that it was stopped', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(pruneWithinDrop(original, never, samples(1000), { maxDrop: 0.1, signal })).rejects.toThrow('enough');
  });
});
