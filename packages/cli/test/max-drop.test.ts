/** `--data`, `--labels` and `--max-drop`: what pruning has cost is measured, bounded, and said; wrong samples change nothing. */
import { writeFileSync } from 'node:fs';
import { createRandom, type Model } from '@onnx-pruning/onnx';
import { createSession, makeValue } from '@onnx-pruning/runtime';
import { npy, type Ran, run, saved, smallNet, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
const at = folder.at;
const SAMPLES = 300;

/** IDX of one byte for each sample. */
function labelsFile(name: string, labels: readonly number[]): void {
  const header = Buffer.from([0, 0, 8, 1, 0, 0, 0, 0]);
  header.writeUInt32BE(labels.length, 4);
  writeFileSync(at(name), Buffer.concat([header, Buffer.from(labels)]));
}

/** What the model itself says, so that it is always right. */
async function classesOf(model: Model, samples: Float32Array): Promise<number[]> {
  const session = await createSession(model);
  const { y } = await session.run({ x: makeValue(1, [SAMPLES, 3, 8, 8], samples) });
  await session.dispose();
  const rows = Array.from({ length: SAMPLES }, (_, i) => [...(y!.data as Float32Array).subarray(10 * i, 10 * i + 10)]);
  return rows.map((row) => row.indexOf(Math.max(...row)));
}

beforeAll(async () => {
  const random = createRandom(7);
  const normal = (): Float32Array => Float32Array.from({ length: SAMPLES * 192 }, () => random.normal());
  const test = normal();
  await saved(smallNet(), at('net.onnx'));
  writeFileSync(at('train.npy'), npy([SAMPLES, 3, 8, 8], normal()));
  writeFileSync(at('test.npy'), npy([SAMPLES, 3, 8, 8], test));
  const classes = await classesOf(smallNet(), test);
  labelsFile('classes-idx1-ubyte', classes);
  labelsFile(
    'shuffled-idx1-ubyte',
    classes.map((_, i) => classes[(i * 7 + 1) % SAMPLES]!).map((c) => (c + 3) % 10),
  );
});

const prune = (name: string, ...more: string[]): Promise<Ran> =>
  run(['prune', at('net.onnx'), '-o', at(name), '-i', 'fc', '--no-bench', ...more]);
const CALIB = ['--calib', at('train.npy'), '--calib-size', '100'];
const DATA = ['--data', at('test.npy')];
const LABELS = ['--labels', at('classes-idx1-ubyte')];

describe('--max-drop', () => {
  it('chooses the largest ratio within the bound, and says what others cost', async () => {
    const { code, stdout, stderr } = await prune(
      'bounded.onnx',
      ...CALIB,
      ...DATA,
      ...LABELS,
      '--max-drop',
      '20',
      '--json',
    );
    expect([code, stderr]).toEqual([0, '']);
    const { choice, accuracy, options, verdict } = JSON.parse(stdout);
    expect(verdict).toBe('holds');
    expect(accuracy).toMatchObject({ metric: 'top1', samples: SAMPLES, original: 1 });
    expect(accuracy.drop).toBeLessThanOrEqual(0.2);
    expect(options.ratio).toBe(choice.ratio);
    for (const { ratio, drop, isWithin } of choice.curve) {
      expect(isWithin).toBe(drop <= 0.2);
      expect(ratio <= choice.ratio).toBe(isWithin);
    }
    expect(choice.curve.find(({ ratio }: { ratio: number }) => ratio === choice.ratio).drop).toBeCloseTo(
      accuracy.drop,
      12,
    );
  });

  it('says what the written model is really right in, as evaluate finds it', async () => {
    const { stdout } = await prune('true.onnx', ...CALIB, ...DATA, ...LABELS, '--max-drop', '20', '--json');
    const measured = await run([
      'evaluate',
      at('true.onnx'),
      ...DATA,
      ...LABELS,
      '--against',
      at('net.onnx'),
      '--json',
    ]);
    const { value, comparison } = JSON.parse(measured.stdout);
    const { accuracy } = JSON.parse(stdout);
    expect(accuracy.value).toBe(value);
    expect(accuracy.drop).toBe(-comparison.difference);
    expect(accuracy.dropInterval).toEqual([-comparison.interval[1], -comparison.interval[0]]);
  });

  it('goes by agreement without labels, and without refitting where there is nothing to refit to', async () => {
    const { stdout, stderr } = await prune('agreed.onnx', ...DATA, '--max-drop', '40');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/Accuracy +says what the original says: \d+\.\d\d % \(95 % interval .*\) of 300 samples\n/);
    expect(stdout).toMatch(/Ratio +0\.\d+ is the largest one tried that keeps a drop within 40.00 points/);
    expect(stdout).toMatch(/ 0\.5: \d+\.\d\d points \(\d+\.\d\d to \d+\.\d\d\), \d\.\d\d times fewer MACs/);
    expect(stdout).not.toContain('Recovery');
  });

  it('bounds the upper end of the interval with a confidence', async () => {
    const options = [...CALIB, ...DATA, ...LABELS, '--max-drop', '20', '--max-drop-confidence', '0.999'];
    const { choice } = JSON.parse((await prune('careful.onnx', ...options, '--json')).stdout);
    expect(choice).toMatchObject({ maxDrop: 0.2, confidence: 0.999 });
    for (const { interval, isWithin } of choice.curve) expect(isWithin).toBe(interval[1] <= 0.2);
    const chosen = choice.curve.find(({ ratio }: { ratio: number }) => ratio === choice.ratio);
    expect(chosen).toMatchObject({ isWithin: true });
  });
});

describe('a ratio that was given', () => {
  it('is measured on --data as well', async () => {
    const { stdout } = await prune('given.onnx', ...CALIB, ...DATA, ...LABELS, '--ratio', '0.5');
    expect(stdout).toMatch(
      /Accuracy +top-1 accuracy \d+\.\d\d % \(.*\) of 300 samples; before weights were refitted \d+\.\d\d %/,
    );
    expect(stdout).toMatch(/original 100\.00 %: -?\d+\.\d\d points lost \(95 % interval -?\d+\.\d\d to \d+\.\d\d\)/);
  });

  it('is measured on samples of --calib that nothing was fitted to, where there are enough', async () => {
    expect((await prune('others.onnx', ...CALIB)).stdout).toMatch(/says what the original says: .* of 200 samples/);
    const all = await prune('all.onnx', '--calib', at('train.npy'), '--calib-size', '201');
    expect(all.stdout).not.toContain('Accuracy');
  });
});

describe('nothing is written, and a word says why, for', () => {
  it.each<[string, string[], RegExp]>([
    ['a bound without samples', ['--max-drop', '1'], /--max-drop is about samples to measure on.*--data or --calib/],
    [
      'a bound and a ratio',
      [...DATA, '--max-drop', '1', '--ratio', '0.5'],
      /'--max-drop <points>' cannot be used with/,
    ],
    ['a bound that is none', [...DATA, '--max-drop', '0'], /percentage points above 0 and below 100/],
    [
      'a confidence without a bound',
      [...DATA, '--max-drop-confidence', '0.9'],
      /--max-drop-confidence is about --max-drop/,
    ],
    ['a confidence in percent', [...DATA, '--max-drop', '9', '--max-drop-confidence', '95'], /such as 0\.95/],
    ['labels of nothing', LABELS, /--labels is about samples to measure on/],
    ['a size of nothing', ['--data-size', '8'], /--data-size is about samples to measure on/],
    [
      'a bound finer than the samples',
      [...DATA, '--max-drop', '1'],
      /too few samples.*at least 385 samples.*found 300/,
    ],
    ['a bound that nothing meets', [...DATA, '--max-drop', '2'], /no ratio stays within the drop.*2 points at most/],
    [
      'labels of something else',
      [...DATA, '--labels', at('shuffled-idx1-ubyte'), '--max-drop', '9'],
      /cannot be told from guessing/,
    ],
    ['a file that is not there', ['--data', at('nowhere.npy'), '--max-drop', '9'], /no such file/],
  ])('%s', async (_, options, message) => {
    const before = folder.files();
    const { code, stderr } = await prune('never.onnx', ...options);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(folder.files()).toEqual(before);
  });
});
