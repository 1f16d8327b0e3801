/**
 * What `prune` says of latency. The clock is replaced: a machine is as fast, as slow, as busy as the test wants it. The
 * models, the check and the files are real.
 */
import type { BenchmarkResult } from '@onnx-pruning/runtime';
import { SessionError } from '@onnx-pruning/runtime';
import { run, saved, smallNet, temporaryFolder } from './harness.ts';

const measured = jest.fn<Promise<BenchmarkResult>, []>();
jest.mock('@onnx-pruning/runtime', () => ({
  ...jest.requireActual<object>('@onnx-pruning/runtime'),
  benchmark: () => measured(),
}));

const folder = temporaryFolder();
let model: string;
beforeAll(async () => {
  model = await saved(smallNet(), folder.at('model.onnx'));
});

/** A benchmark of two models: medians in milliseconds, and how much faster the pruned one was, in quartiles. */
function benchmarked(from: number, to: number, q1: number, median: number, q3: number): BenchmarkResult {
  const timing = (name: string, ms: number, speedUp: { q1: number; median: number; q3: number }, steady: boolean) => ({
    name,
    latencyMs: { count: 30, min: ms, mean: ms, median: ms, p95: ms },
    throughput: 1000 / ms,
    speedUp,
    steady,
    samplesMs: [],
  });
  return {
    executionProvider: 'cpu',
    device: 'a processor',
    threads: 'default',
    batch: 1,
    warmup: 5,
    runs: 30,
    models: [
      timing('original', from, { q1: 1, median: 1, q3: 1 }, true),
      timing('pruned', to, { q1, median, q3 }, q3 / q1 <= 1.5),
    ],
  };
}

async function latencyOf(result: BenchmarkResult, ...more: string[]): Promise<string> {
  measured.mockResolvedValueOnce(result);
  const output = folder.at('out.onnx');
  const { code, stdout } = await run(['prune', model, '-o', output, '--force', '--ignore', 'fc', ...more]);
  expect(code).toBe(0);
  expect(folder.files()).toContain('out.onnx');
  return stdout;
}

describe('the latency that prune reports', () => {
  it('is the median of paired runs', async () => {
    expect(await latencyOf(benchmarked(17.43, 5.01, 3.4, 3.49, 3.6))).toMatch(
      /^Latency {6}17\.43 ms → 5\.01 ms, 3\.49 times faster; 3\.45 times fewer MACs\n {13}median of 30 paired runs on cpu, a processor, batch 1$/m,
    );
  });

  it('says slower where it is slower', async () => {
    expect(await latencyOf(benchmarked(4, 5, 0.79, 0.8, 0.81))).toMatch(
      /^Latency {6}4\.00 ms → 5\.00 ms, 1\.25 times slower; /m,
    );
  });

  it('is no number where paired runs do not agree', async () => {
    const busy = benchmarked(17, 9, 0.8, 2, 4);
    const stdout = await latencyOf(busy);
    expect(stdout).toMatch(
      /^Latency {6}not known: the machine was too busy for a fair timing; 3\.45 times fewer MACs\n {13}half of 30 paired runs on cpu, a processor, batch 1 were between 1\.25 times slower and 4\.00 times faster; /m,
    );
    expect(stdout).not.toContain('2.00');
    expect(JSON.parse(await latencyOf(busy, '--json'))).toMatchObject({ latency: { steady: false }, notTimed: null });
  });

  it('costs no result where it cannot be measured: the reason is said, and the file is written', async () => {
    const failure = new SessionError('RUN_FAILED', 'onnxruntime could not run the model', { actual: 'out of memory' });
    for (const format of [[], ['--json']]) {
      const output = folder.at(`unmeasured${format.length}.onnx`);
      measured.mockRejectedValueOnce(failure);
      const { code, stdout } = await run(['prune', model, '-o', output, '--ignore', 'fc', ...format]);
      expect(code).toBe(0);
      expect(folder.files()).toContain(`unmeasured${format.length}.onnx`);
      if (format.length === 0) {
        expect(stdout).toMatch(/^Latency {6}not measured: onnxruntime could not run the model.*out of memory/m);
      } else {
        const { latency, notTimed } = JSON.parse(stdout) as { latency: unknown; notTimed: string };
        expect(latency).toBeNull();
        expect(notTimed).toContain('out of memory');
      }
    }
  });
});
