/** What `sensitivity` says, by arithmetic: which channels go, what that does to the metric, and what is refused. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dataset } from '@onnx-pruning/data';
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { makeValue } from '@onnx-pruning/runtime';
import { RecoveryError, type Sensitivity, type SensitivityOptions, sensitivity } from '../src/index.ts';
import { samplesFor } from './samples.ts';

/**
 * y = W2 W1 x with x of two numbers: hidden channels are x0, 3 x0, 2 x1 and 4 x1; the first output sums up the first
 * two, the second one the others.
 */
function twoClasses(factor = 1): Model {
  const b = new GraphBuilder({ opset: 17 });
  const hidden = b.node(
    'Gemm',
    [b.input('x', ['batch', 2]), b.initializer('hidden.weight', [4, 2], [1, 0, 3, 0, 0, 2, 0, 4])],
    { transB: 1 },
    { name: 'hidden' },
  );
  const weight = b.initializer(
    'last.weight',
    [2, 4],
    [1, 1, 0, 0, 0, 0, 1, 1].map((w) => w * factor),
  );
  b.output(b.node('Gemm', [hidden, weight], { transB: 1 }, { name: 'last', outputs: ['y'] }), ['batch', 2]);
  return b.build();
}

function dataset(rows: readonly (readonly [number, number])[], labels?: readonly number[]): Dataset {
  return Dataset.of(
    {
      name: 'rows',
      length: rows.length,
      hasLabels: labels !== undefined,
      read: async (indices) => ({
        feeds: {
          x: makeValue(
            1,
            [indices.length, 2],
            indices.flatMap((i) => [...rows[i]!]),
          ),
        },
        ...(labels && { labels: Int32Array.from(indices, (i) => labels[i]!) }),
      }),
    },
    { batchSize: 2 },
  );
}

// Outputs are 4 x0 and 6 x1. Magnitudes put channel x0 first, then 2 x1, then 3 x0.
const ROWS = [
  [1, 0.6],
  [1, 0.7],
  [1, 1],
  [5, 1],
] as const;
const QUARTERS: SensitivityOptions = { ratios: [0.25, 0.5, 0.75] };

describe('the metric without the least important channels is', () => {
  test('the accuracy, where there are labels', async () => {
    const found = await sensitivity(twoClasses(), dataset(ROWS, [0, 0, 1, 0]), QUARTERS);
    // As it is: 4 > 3.6; 4 < 4.2, wrong; 4 < 6; 20 > 6. Three of four.
    expect(found).toMatchObject({ metric: 'top1', isShare: true, lowerIsBetter: false, samples: 4, left: [] });
    expect(found.unpruned.value).toBe(0.75);
    const [group, ...others] = found.groups;
    expect(others).toEqual([]);
    expect(group).toMatchObject({
      root: 'hidden',
      channels: 4,
      layers: ['hidden'],
      method: 'masked',
      prunedBecause: [],
    });
    // Without x0: 3 x0 and 6 x1, so 3 < 3.6 is wrong as well. Without 2 x1 too: 3 > 2.4, 3 > 2.8, 3 < 4, all right.
    // With 4 x1 alone: only the third is right.
    expect(group!.points.map(({ removed, value, drop }) => [removed, value, drop])).toEqual([
      [1, 0.5, 0.25],
      [2, 1, -0.25],
      [3, 0.25, 0.5],
    ]);
    expect(group!.meanDrop).toBeCloseTo(0.5 / 3);
  });

  test('the agreement with the model itself, where there are none', async () => {
    const found = await sensitivity(twoClasses(), dataset(ROWS), QUARTERS);
    expect(found).toMatchObject({ metric: 'agreement', unpruned: { value: 1 } });
    // The classes are 0, 1, 1, 0; then 1, 1, 1, 0; then 0, 0, 1, 0; then always 1.
    expect(found.groups[0]!.points.map(({ value }) => value)).toEqual([0.75, 0.75, 0.5]);
  });

  test('the error of the outputs, which is worse where it is larger', async () => {
    const found = await sensitivity(twoClasses(), dataset([[1, 1]]), { ...QUARTERS, metric: 'meanSquaredError' });
    expect(found).toMatchObject({ lowerIsBetter: true, unpruned: { value: 0, interval: [0, 0] } });
    // What is missing: x0; x0 and 2 x1; 4 x0 and 2 x1. Squared, over two outputs.
    expect(found.groups[0]!.points.map(({ value, difference, drop }) => [value, difference, drop])).toEqual([
      [0.5, 0.5, 0.5],
      [2.5, 2.5, 2.5],
      [10, 10, 10],
    ]);
  });
});

test('what is saved is counted: of 16 weights, two on either side of every channel', async () => {
  const { groups } = await sensitivity(twoClasses(), dataset(ROWS), QUARTERS);
  expect(groups[0]!.points.map(({ macsSaved, paramsSaved }) => [macsSaved, paramsSaved])).toEqual([
    [0.25, 0.25],
    [0.5, 0.5],
    [0.75, 0.75],
  ]);
});

test('intervals are those of paired samples', async () => {
  const rows = Array.from({ length: 40 }, (_, i) => ROWS[i % 4]!);
  const { groups } = await sensitivity(twoClasses(), dataset(rows), { ratios: [0.25] });
  const [{ difference, differenceInterval, interval }] = groups[0]!.points as [Sensitivity['groups'][0]['points'][0]];
  // 10 of 40 lost, none gained (Agresti and Min): (0.5 - 10.5) / 42, and 1.96 sqrt(11 - 100 / 42) / 42 around it.
  const [centre, half] = [-10 / 42, (1.959964 * Math.sqrt(11 - 100 / 42)) / 42];
  expect(difference).toBeCloseTo(-0.25);
  expect(differenceInterval[0]).toBeCloseTo(centre - half, 5);
  expect(differenceInterval[1]).toBeCloseTo(centre + half, 5);
  expect(interval[0]).toBeLessThan(0.75);
  expect(interval[1]).toBeGreaterThan(0.75);
});

test('all ratios of all groups share one session; equal choices of channels are evaluated once', async () => {
  // Of four channels, 0.26 and 0.5 both remove two.
  const found = await sensitivity(twoClasses(), dataset(ROWS), { ratios: [0.5, 0.26, 0.1] });
  expect(found.ratios).toEqual([0.1, 0.26, 0.5]);
  expect(found.groups[0]!.points.map(({ removed }) => removed)).toEqual([1, 2, 2]);
  expect(found.groups[0]!.points[1]).toEqual({ ...found.groups[0]!.points[2], ratio: 0.26 });
  expect(found).toMatchObject({ sessions: 1, evaluations: 3 });
});

test('the models stay as they are, and options of the pruner choose groups and channels', async () => {
  const model = twoClasses();
  const before = JSON.stringify(model.graph.node.map(({ input }) => input));
  const importance = (): number[] => [4, 3, 2, 1];
  const found = await sensitivity(model, dataset([[1, 1]]), {
    ratios: [0.25],
    metric: 'meanSquaredError',
    pruner: { importance },
  });
  // 4 x1 goes first now.
  expect(found.groups[0]!.points[0]!.value).toBe(8);
  expect(JSON.stringify(model.graph.node.map(({ input }) => input))).toBe(before);
  await expect(sensitivity(model, dataset(ROWS), { pruner: { ignoredLayers: ['hidden'] } })).rejects.toMatchObject({
    code: 'SENSITIVITY_NO_GROUPS',
  });
});

test('a group that the criterion has nothing to say of, or that rounding leaves whole, is listed with the reason', async () => {
  const b = new GraphBuilder({ opset: 17 });
  const first = b.node(
    'Gemm',
    [b.input('x', ['batch', 2]), b.initializer('a', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])],
    {},
    { name: 'first' },
  );
  const second = b.node(
    'Gemm',
    [
      b.node('Relu', [first]),
      b.initializer(
        'b',
        [4, 8],
        Array.from({ length: 32 }, (_, i) => i - 9),
      ),
    ],
    {},
    { name: 'second' },
  );
  b.output(
    b.node('Gemm', [
      b.node('Relu', [second]),
      b.initializer(
        'c',
        [8, 2],
        Array.from({ length: 16 }, (_, i) => i),
      ),
    ]),
  );
  const model = b.build();
  const rounded = await sensitivity(model, samplesFor(model, 2), { ratios: [0.5], pruner: { roundTo: 4 } });
  expect(rounded.groups.map(({ root, points }) => [root, points[0]!.removed])).toEqual([['second', 4]]);
  expect(rounded.left).toEqual([{ root: 'first', reason: 'no multiple of 4 fits below its 4 channels' }]);
  const silent = await sensitivity(model, samplesFor(model, 2), {
    ratios: [0.5],
    pruner: { importance: (group) => (group.root.layer.name === 'first' ? undefined : group.idxs) },
  });
  expect(silent.groups.map(({ root }) => root)).toEqual(['second']);
  expect(silent.left).toEqual([{ root: 'first', reason: 'the criterion has nothing to say of it' }]);
});

test('a group without which the metric is no number is listed with the reason, and the others are measured', async () => {
  // One over the sum of the hidden channels of `first`; and a group beside it.
  const b = new GraphBuilder({ opset: 17 });
  const x = b.input('x', ['batch', 2]);
  const gemm = (value: string, name: string, weights: number[]): string =>
    b.node('Gemm', [value, b.initializer(`${name}.weight`, [2, 2], weights)], {}, { name });
  const sum = gemm(gemm(x, 'first', [1, 0, 0, 0]), 'second', [1, 0, 0, 0]);
  const other = gemm(gemm(x, 'third', [2, 0, 0, 3]), 'fourth', [1, 0, 0, 1]);
  b.output(b.node('Add', [b.node('Div', [b.initializer('one', [1], [1]), sum]), other]));
  const importance = (group: { readonly root: { readonly layer: { readonly name: string } } }): number[] =>
    group.root.layer.name === 'first' ? [1, 2] : [2, 1];
  const metric = {
    name: 'first output',
    isShare: false,
    needs: 'nothing' as const,
    score: (y: ArrayLike<number>) => y[0]!,
  };
  const found = await sensitivity(b.build(), dataset([[1, 1]]), { ratios: [0.5], metric, pruner: { importance } });
  expect(found.left).toEqual([{ root: 'first', reason: 'at ratio 0.5, the metric is Infinity' }]);
  expect(found.groups.map(({ root }) => root)).toEqual(['third']);
});

describe('a run', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'onnx-pruning-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);

  test('says how far it is', async () => {
    const seen: string[] = [];
    await sensitivity(twoClasses(), dataset(ROWS), {
      ...QUARTERS,
      onProgress: ({ done, total, secondsLeft, group }) => {
        expect(secondsLeft).toBeGreaterThanOrEqual(0);
        seen.push(`${group ?? 'model'} ${done}/${total}`);
      },
    });
    // Two batches for each evaluation.
    expect(seen).toEqual([
      'model 0/4',
      'model 1/4',
      'hidden 1/4',
      'hidden 2/4',
      'hidden 2/4',
      'hidden 3/4',
      'hidden 3/4',
      'hidden 4/4',
    ]);
  });

  test('that is aborted rejects with the reason, and goes on where it was', async () => {
    const whole = await sensitivity(twoClasses(), dataset(ROWS), QUARTERS);
    const stop = new AbortController();
    const stateFile = at('state.json');
    const aborted = sensitivity(twoClasses(), dataset(ROWS), {
      ...QUARTERS,
      stateFile,
      signal: stop.signal,
      onProgress: ({ done }) => {
        if (done === 3) stop.abort(new Error('enough'));
      },
    });
    await expect(aborted).rejects.toThrow('enough');
    const seen: number[] = [];
    const resumed = await sensitivity(twoClasses(), dataset(ROWS), {
      ...QUARTERS,
      stateFile,
      onProgress: ({ done }) => seen.push(done),
    });
    // The model itself, and the one evaluation that was missing.
    expect(resumed).toEqual({ ...whole, evaluations: 2 });
    expect(seen).toEqual([0, 1, 3, 4]);
    // Once more: only the model itself is run. Nothing else lies in the folder.
    const again = await sensitivity(twoClasses(), dataset(ROWS), { ...QUARTERS, stateFile });
    expect(again).toEqual({ ...whole, evaluations: 1 });
    expect(readdirSync(folder)).toEqual(['state.json']);
  });

  test.each<[string, () => Promise<Sensitivity>, string]>([
    [
      'another model',
      () => sensitivity(twoClasses(2), dataset(ROWS), { ...QUARTERS, stateFile: at('state.json') }),
      'the model',
    ],
    [
      'other data',
      () => sensitivity(twoClasses(), dataset([...ROWS].reverse()), { ...QUARTERS, stateFile: at('state.json') }),
      'the data',
    ],
    [
      'other labels',
      () =>
        sensitivity(twoClasses(), dataset(ROWS, [0, 0, 0, 0]), {
          ...QUARTERS,
          metric: 'agreement',
          stateFile: at('state.json'),
        }),
      'the data',
    ],
    [
      'other ratios',
      () => sensitivity(twoClasses(), dataset(ROWS), { ratios: [0.25], stateFile: at('state.json') }),
      'ratios',
    ],
    [
      'another metric',
      () =>
        sensitivity(twoClasses(), dataset(ROWS), {
          ...QUARTERS,
          metric: 'meanSquaredError',
          stateFile: at('state.json'),
        }),
      'metric',
    ],
    [
      'another criterion',
      () =>
        sensitivity(twoClasses(), dataset(ROWS), {
          ...QUARTERS,
          pruner: { importance: () => [4, 3, 2, 1] },
          stateFile: at('state.json'),
        }),
      'the choice of channels',
    ],
  ])('does not go on with results of %s', async (_, other, value) => {
    await sensitivity(twoClasses(), dataset(ROWS), { ...QUARTERS, stateFile: at('state.json') });
    const before = readFileSync(at('state.json'), 'utf8');
    const error = await other().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RecoveryError);
    expect(error).toMatchObject({ code: 'SENSITIVITY_STATE_OTHER', details: { value, path: at('state.json') } });
    expect(readFileSync(at('state.json'), 'utf8')).toBe(before);
  });

  test.each([
    ['no JSON', '{"format": "onnx-pru'],
    ['something else', '{"weights": [1, 2]}'],
    ['a list', '[]'],
  ])('does not write over a file that holds %s', async (_, content) => {
    writeFileSync(at('other.json'), content);
    const begun = sensitivity(twoClasses(), dataset(ROWS), { stateFile: at('other.json') });
    await expect(begun).rejects.toMatchObject({ code: 'SENSITIVITY_STATE' });
    expect(readFileSync(at('other.json'), 'utf8')).toBe(content);
  });

  test('refuses a metric of labels without labels, and ratios that are none, before it begins', async () => {
    const stateFile = at('state.json');
    await expect(sensitivity(twoClasses(), dataset(ROWS), { metric: 'top1', stateFile })).rejects.toMatchObject({
      code: 'EVALUATE_NEEDS',
    });
    await expect(sensitivity(twoClasses(), dataset([]), { stateFile })).rejects.toMatchObject({
      code: 'RECOVERY_DATA',
    });
    for (const ratios of [[], [0], [1], [0.5, Number.NaN]]) {
      await expect(sensitivity(twoClasses(), dataset(ROWS), { ratios, stateFile })).rejects.toMatchObject({
        code: 'ARGUMENT',
      });
    }
    const misspelt = { pruner: { ignoreLayers: ['hidden'] } } as SensitivityOptions;
    await expect(sensitivity(twoClasses(), dataset(ROWS), { ...misspelt, stateFile })).rejects.toThrow(
      /Did you mean ignoredLayers/,
    );
    expect(existsSync(stateFile)).toBe(false);
  });
});
