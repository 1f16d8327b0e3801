/** Criteria on data, on networks whose scores arithmetic gives, and against covariances that are computed here. */
import { DependencyGraph, type Group, pruneConvOutChannels, pruneLinearOutChannels } from '@onnx-pruning/depgraph';
import { DataType, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { BasePruner } from '@onnx-pruning/pruning';
import { makeValue, randomInputs, runWithIntermediates, type TensorValues, valueNumbers } from '@onnx-pruning/runtime';
import { PredictionImportance, ReconstructionImportance, WandaImportance } from '../src/index.ts';
import { random } from './planted.ts';

type Rows = readonly (readonly number[])[];
type Criterion = { score(group: Group): ArrayLike<number> | undefined };

/** x of several columns -> a, the identity -> each of the consumers, by its columns of weights. */
function network(width: number, ...consumers: readonly Rows[]): Model {
  const b = new GraphBuilder({ opset: 17 });
  const x = b.input('x', ['batch', width]);
  const eye = Float32Array.from({ length: width ** 2 }, (_, i) => (i % (width + 1) === 0 ? 1 : 0));
  const a = b.node('MatMul', [x, b.initializer('a.weight', [width, width], eye)], {}, { name: 'a' });
  consumers.forEach((rows, i) => {
    const weight = b.initializer(`c${i}.weight`, [width, rows[0]!.length], rows.flat());
    b.output(b.node('MatMul', [a, weight], {}, { name: `c${i}` }));
  });
  return b.build();
}

const feed = (rows: Rows): TensorValues => ({
  x: makeValue(DataType.FLOAT, [rows.length, rows[0]!.length], rows.flat()),
});

const groupOf = (model: Model, layer = 'a', prune = pruneLinearOutChannels): Group =>
  new DependencyGraph().buildDependency(model).getFullGroup(layer, prune);

const scoresOf = (importance: Criterion, group: Group): number[] => Array.from(importance.score(group) ?? []);

function expectClose(found: readonly number[], expected: readonly number[], digits = 5): void {
  expect(found).toHaveLength(expected.length);
  found.forEach((x, i) => {
    expect(x).toBeCloseTo(expected[i]!, digits);
  });
}

/** Indices by ascending score. */
const order = (scores: readonly number[]): number[] => [...scores.keys()].sort((a, b) => scores[a]! - scores[b]!);

const EXACT = { ridge: 1e-9 } as const;

/** Columns without covariance, of mean 0, and variances 1, 4 and 9. */
const ORTHOGONAL: Rows = [
  [1, 2, 3],
  [1, -2, -3],
  [-1, 2, -3],
  [-1, -2, 3],
];

describe('WandaImportance', () => {
  test('is the size of a channel times the absolute weights that read it, summed over consumers', async () => {
    const model = network(
      3,
      [
        [1, -1],
        [0.5, 0],
        [2, 1],
      ],
      [[3], [0], [-1]],
    );
    const batches = [
      feed([
        [3, 1, 0],
        [4, -1, 2],
      ]),
    ];
    const importance = await WandaImportance.measure(model, batches, { normalizer: 'none' });
    const sizes = [Math.sqrt(25 / 2), 1, Math.sqrt(2)];
    expectClose(scoresOf(importance, groupOf(model)), [sizes[0]! * 5, sizes[1]! * 0.5, sizes[2]! * 4]);
  });

  test('counts every position of a kernel, and every pixel behind a Flatten', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.input('x', ['batch', 1, 1, 2]);
    const a = b.node('Conv', [x, b.initializer('a.weight', [2, 1, 1, 1], [1, 2])], {}, { name: 'a' });
    const kernel = b.initializer('c.weight', [1, 2, 1, 2], [1, -2, 3, 4]);
    b.output(b.node('Conv', [a, kernel], {}, { name: 'c' }));
    const flat = b.node('Flatten', [a]);
    const fc = b.initializer('fc.weight', [4, 1], [5, 6, 7, -8]);
    b.output(b.node('Gemm', [flat, fc], {}, { name: 'fc' }));
    const model = b.build();
    const batches = [{ x: makeValue(DataType.FLOAT, [1, 1, 1, 2], [3, 4]) }];
    const importance = await WandaImportance.measure(model, batches, { normalizer: 'none' });
    const size = Math.sqrt(25 / 2);
    expectClose(scoresOf(importance, groupOf(model, 'a', pruneConvOutChannels)), [
      size * (3 + 11),
      2 * size * (7 + 15),
    ]);
  });

  test.each(['same', 'independent'] as const)(
    'knows who reads what in groups that keep %s channels',
    async (groupSelection) => {
      const b = new GraphBuilder({ opset: 17 });
      const x = b.input('x', ['batch', 4, 1, 1]);
      const eye = Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 1 : 0));
      const a = b.node('Conv', [x, b.initializer('a.weight', [4, 4, 1, 1], eye)], {}, { name: 'a' });
      const weight = b.initializer('c.weight', [2, 2, 1, 1], [1, -2, 3, 4]);
      b.output(b.node('Conv', [a, weight], { group: 2 }, { name: 'c' }));
      const model = b.build();
      const batches = [{ x: makeValue(DataType.FLOAT, [1, 4, 1, 1], [2, 3, -6, 5]) }];
      const importance = await WandaImportance.measure(model, batches, { normalizer: 'none', groupSelection });
      const graph = new DependencyGraph().buildDependency(model, { groupSelection });
      const scores = scoresOf(importance, graph.getFullGroup('a', pruneConvOutChannels));
      if (groupSelection === 'independent') expectClose(scores, [2 * 1, 3 * 2, 6 * 3, 5 * 4]);
      else {
        // The same local channel of both groups is one channel: the square mean of 2 and 6, of 3 and 5.
        const [first, second] = [Math.sqrt(20) * (1 + 3), Math.sqrt(17) * (2 + 4)];
        expectClose(scores, [first, second, first, second]);
      }
    },
  );

  test('takes a weight of 1 where the consumer has none', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.input('x', ['batch', 2]);
    const a = b.node('MatMul', [x, b.initializer('a.weight', [2, 2], [1, 0, 0, 1])], {}, { name: 'a' });
    b.output(b.node('ReduceSum', [a, b.initializer('axes', [1], [1], DataType.INT64)], {}, { name: 'sum' }));
    const model = b.build();
    const importance = await WandaImportance.measure(
      model,
      [
        feed([
          [3, 1],
          [3, -1],
        ]),
      ],
      { normalizer: 'none' },
    );
    expectClose(scoresOf(importance, groupOf(model)), [3, 1]);
  });
});

describe.each([
  ['PredictionImportance', PredictionImportance],
  ['ReconstructionImportance', ReconstructionImportance],
] as const)('%s', (_, Importance) => {
  test('is variance times squared weight where no channel says anything of another', async () => {
    const model = network(3, [
      [3, 1],
      [1, 0],
      [0, 1],
    ]);
    const importance = await Importance.measure(model, [feed(ORTHOGONAL)], EXACT);
    // Variances 1, 4, 9 times squares 10, 1, 1, as shares of their sum.
    expectClose(scoresOf(importance, groupOf(model)), [10 / 23, 4 / 23, 9 / 23]);
  });

  test('does not depend on how samples are cut into batches, nor on what is added to a channel', async () => {
    const model = network(3, [[1], [1], [1]]);
    const shifted = ORTHOGONAL.map((row) => row.map((x, i) => x + 100 * i));
    const batches = [feed(shifted.slice(0, 1)), feed(shifted.slice(1))];
    const importance = await Importance.measure(model, batches, EXACT);
    expectClose(scoresOf(importance, groupOf(model)), [1 / 14, 4 / 14, 9 / 14], 4);
  });

  test('adds up consumers, each a share of what it computes', async () => {
    const model = network(3, [[10], [0], [0]], [[1], [1], [0]]);
    const importance = await Importance.measure(model, [feed(ORTHOGONAL)], EXACT);
    expectClose(scoresOf(importance, groupOf(model)), [1 + 1 / 5, 4 / 5, 0]);
  });

  test('gives nothing for channels that do not vary', async () => {
    const model = network(2, [[1], [1]]);
    const importance = await Importance.measure(model, [
      feed([
        [5, 7],
        [5, 7],
      ]),
    ]);
    expect(scoresOf(importance, groupOf(model))).toEqual([0, 0]);
  });

  test('refuses covariances beyond the memory that is allowed', async () => {
    const measure = Importance.measure(network(3, [[1], [1], [1]]), [feed(ORTHOGONAL)], { memoryLimit: 100 });
    await expect(measure).rejects.toMatchObject({ name: 'CriterionError', code: 'CRITERION_MEMORY' });
  });

  test('does not score another model', async () => {
    const importance = await Importance.measure(network(3, [[1], [1], [1]]), [feed(ORTHOGONAL)]);
    expect(() => importance.score(groupOf(network(3, [[1], [1], [2]])))).toThrow(/another model\. Measure again/);
  });

  test('names activations that are not finite', async () => {
    const measure = Importance.measure(network(2, [[1], [1]]), [feed([[1, Number.NaN]])]);
    await expect(measure).rejects.toMatchObject({ code: 'OBSERVE_NOT_FINITE' });
  });
});

/** Columns: u, v, u again, and w; all independent, of variance 1. */
const TWINS: Rows = Array.from({ length: 8 }, (_, i) => {
  const [u, v, w] = [i & 1, i & 2, i & 4].map((bit) => (bit ? 1 : -1)) as [number, number, number];
  return [u, v, u, w];
});

describe('two channels that are the same', () => {
  const model = network(4, [[2], [1], [2], [3]]);

  test('predict each other: neither costs anything alone', async () => {
    const importance = await PredictionImportance.measure(model, [feed(TWINS)], EXACT);
    // What they compute has the variance (2 + 2)^2 + 1 + 9.
    expectClose(scoresOf(importance, groupOf(model)), [0, 1 / 26, 0, 9 / 26]);
  });

  test('go one at a time: the one that stays does the work of both', async () => {
    const importance = await ReconstructionImportance.measure(model, [feed(TWINS)], EXACT);
    const scores = scoresOf(importance, groupOf(model));
    expectClose(scores, [0, 1 / 26, 16 / 26, 9 / 26]);
    expect(order(scores)).toEqual([0, 1, 3, 2]);
  });

  test('lose one of them in a pruner', async () => {
    const pruned = model.clone();
    const importance = await ReconstructionImportance.measure(pruned, [feed(TWINS)]);
    const pruner = new BasePruner(pruned, { importance, pruningRatio: 0.25 });
    pruner.step();
    expect(pruner.pruningHistory()).toEqual([['a', true, [0]]]);
  });
});

test('channels that are left keep their scores when a group was pruned', async () => {
  const model = network(4, [[2], [1], [2], [3]]);
  const importance = await ReconstructionImportance.measure(model, [feed(TWINS)], EXACT);
  const graph = new DependencyGraph().buildDependency(model);
  graph.getPruningGroup('a', pruneLinearOutChannels, [0]).prune();
  expectClose(scoresOf(importance, graph.getFullGroup('a', pruneLinearOutChannels)), [1 / 26, 16 / 26, 9 / 26]);
});

/** The inverse of a small matrix, by elimination. */
function inverse(rows: Rows): number[][] {
  const n = rows.length;
  const work = rows.map((row, i) => [...row, ...Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < n; i++) {
    const pivot = work[i]![i]!;
    work[i] = work[i]!.map((x) => x / pivot);
    for (let k = 0; k < n; k++) {
      const factor = work[k]![i]!;
      if (k !== i) work[k] = work[k]!.map((x, j) => x - factor * work[i]![j]!);
    }
  }
  return work.map((row) => row.slice(n));
}

/** Covariance of columns. */
function covarianceOf(rows: Rows): number[][] {
  const n = rows[0]!.length;
  const means = Array.from({ length: n }, (_, i) => rows.reduce((sum, row) => sum + row[i]! / rows.length, 0));
  return means.map((_, i) =>
    means.map((__, j) =>
      rows.reduce((sum, row) => sum + ((row[i]! - means[i]!) * (row[j]! - means[j]!)) / rows.length, 0),
    ),
  );
}

describe('a stream of channels in a network', () => {
  const CHANNELS = 4;

  /** Conv `a`, and `b` of its Relu added to it; one consumer of the Relu, one grouped consumer of the sum. */
  function stream(): Model {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.input('x', ['batch', 2, 4, 4]);
    const a = b.node('Conv', [x, b.initializer('a.weight', [CHANNELS, 2, 1, 1], random(1))], {}, { name: 'a' });
    const relu = b.node('Relu', [a], {}, { name: 'relu', outputs: ['read'] });
    const w = b.initializer('b.weight', [CHANNELS, CHANNELS, 3, 3], random(2));
    const inner = b.node('Conv', [relu, w], { pads: [1, 1, 1, 1] }, { name: 'b' });
    const sum = b.node('Add', [relu, inner], {}, { name: 'add', outputs: ['sum'] });
    b.output(b.node('Conv', [sum, b.initializer('c.weight', [3, CHANNELS, 1, 1], random(3))], {}, { name: 'c' }));
    return b.build();
  }

  /** A value as rows of channels. */
  function rowsOf(values: TensorValues, name: string): number[][] {
    const [batch = 0, channels = 0, height = 0, width = 0] = values[name]!.dims;
    const data = valueNumbers(values[name]!);
    const pixels = height * width;
    return Array.from({ length: batch * pixels }, (_, p) => {
      const [n, at] = [Math.floor(p / pixels), p % pixels];
      return Array.from({ length: channels }, (__, c) => Number(data[(n * channels + c) * pixels + at]));
    });
  }

  /** The errors of refitting a consumer to each set of channels, as a share of its variance: no updates, all anew. */
  function errorWithout(covariance: Rows, weights: Rows, gone: readonly number[]): number {
    const all = [...covariance.keys()];
    const kept = all.filter((c) => !gone.includes(c));
    const inner = inverse(kept.map((i) => kept.map((j) => covariance[i]![j]!)));
    let [error, spread] = [0, 0];
    for (const output of weights[0]!.keys()) {
      const w = weights.map((row) => row[output]!);
      const cross = all.map((i) => w.reduce((sum, x, j) => sum + covariance[i]![j]! * x, 0));
      const total = w.reduce((sum, x, i) => sum + x * cross[i]!, 0);
      const explained = kept.reduce(
        (sum, i, a) => sum + kept.reduce((s, j, c) => s + cross[i]! * inner[a]![c]! * cross[j]!, 0),
        0,
      );
      error += total - explained;
      spread += total;
    }
    return error / spread;
  }

  async function setting() {
    const model = stream();
    const feeds = randomInputs(model, { batch: 6, seed: 3 });
    const values = await runWithIntermediates(model, feeds);
    const [w2, w3] = [random(2)(CHANNELS * CHANNELS * 9), random(3)(3 * CHANNELS)];
    const channels = Array.from({ length: CHANNELS }, (_, c) => c);
    const ofB = channels.map((c) =>
      channels.flatMap((o) => Array.from(w2.subarray((o * CHANNELS + c) * 9, (o * CHANNELS + c + 1) * 9))),
    );
    const ofC = channels.map((c) => [0, 1, 2].map((o) => w3[o * CHANNELS + c]!));
    const consumers = [
      { covariance: covarianceOf(rowsOf(values, 'read')), weights: ofB },
      { covariance: covarianceOf(rowsOf(values, 'sum')), weights: ofC },
    ];
    const error = (gone: readonly number[]): number =>
      consumers.reduce((sum, { covariance, weights }) => sum + errorWithout(covariance, weights, gone), 0);
    return { model, feeds, error, channels };
  }

  test('costs its consumers together what refitting each of them without a channel leaves', async () => {
    const { model, feeds, error, channels } = await setting();
    const importance = await PredictionImportance.measure(model, [feeds], { ridge: 1e-7 });
    const scores = scoresOf(importance, groupOf(model, 'a', pruneConvOutChannels));
    expectClose(
      scores,
      channels.map((c) => error([c])),
      4,
    );
  });

  test('loses first, step by step, what refitting all consumers anew finds cheapest', async () => {
    const { model, feeds, error, channels } = await setting();
    const importance = await ReconstructionImportance.measure(model, [feeds], { ridge: 1e-7 });
    const scores = scoresOf(importance, groupOf(model, 'a', pruneConvOutChannels));
    const gone: number[] = [];
    let last = 0;
    for (const next of order(scores).slice(0, 3)) {
      const costs = channels.map((c) =>
        gone.includes(c) ? Number.POSITIVE_INFINITY : error([...gone, c]) - error(gone),
      );
      const least = Math.min(...costs);
      expect(costs[next]).toBe(least);
      last = Math.max(last, least);
      expect(scores[next]).toBeCloseTo(last, 4);
      gone.push(next);
    }
  });
});
