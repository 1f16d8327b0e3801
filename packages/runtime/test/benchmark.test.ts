import { DataType, encodeModel } from '@onnx-pruning/onnx';
import { type BenchmarkProgress, benchmark, makeValue, median } from '../src/index.ts';
import { identityModel, scaleModel } from './models.ts';

const pair = [
  { name: 'original', model: scaleModel(2) },
  { name: 'pruned', model: encodeModel(scaleModel(3)) },
];

describe('benchmark', () => {
  it('reports every model and the conditions', async () => {
    const result = await benchmark(pair, { warmup: 2, runs: 7, threads: 1, batch: 4 });
    expect(result).toMatchObject({ executionProvider: 'cpu', threads: 1, batch: 4, warmup: 2, runs: 7 });
    expect(result.device).toMatch(/\w/);
    expect(result.models.map((model) => model.name)).toEqual(['original', 'pruned']);
    for (const { samplesMs, latencyMs, throughput } of result.models) {
      expect(samplesMs).toHaveLength(7);
      expect(latencyMs).toMatchObject({ count: 7, median: median(samplesMs), min: Math.min(...samplesMs) });
      expect(throughput).toBeCloseTo(4000 / median(samplesMs), 6);
    }
  });

  it('gives the speed-up over the first model as the median of paired ratios', async () => {
    const [original, pruned] = (await benchmark(pair, { runs: 5 })).models;
    expect(original!.speedUp).toEqual({ q1: 1, median: 1, q3: 1 });
    const ratios = original!.samplesMs.map((ms, run) => ms / pruned!.samplesMs[run]!);
    expect(pruned!.speedUp.median).toBe(median(ratios));
  });

  it('times on the inputs that are given', async () => {
    const x = makeValue(DataType.FLOAT, [5, 2], new Float32Array(10));
    const open = [{ name: 'open', model: identityModel(['batch', 'n']) }];
    expect(await benchmark(open, { runs: 1, feeds: { x } })).toMatchObject({ batch: 5 });
    await expect(benchmark(open, { runs: 1, feeds: { y: x } })).rejects.toMatchObject({ code: 'FEED_UNKNOWN' });
  });

  it('says how far it is', async () => {
    const seen: BenchmarkProgress[] = [];
    await benchmark(pair, { warmup: 1, runs: 2, onProgress: (progress) => seen.push(progress) });
    expect(seen.map(({ phase, done, total }) => `${phase} ${done}/${total}`)).toEqual([
      'load 0/2',
      'load 1/2',
      'warmup 0/1',
      'run 0/2',
      'run 1/2',
    ]);
  });

  it('refuses to measure nothing, and what it cannot feed', async () => {
    await expect(benchmark([])).rejects.toMatchObject({ name: 'ArgumentError' });
    await expect(benchmark(pair, { runs: 0 })).rejects.toMatchObject({ name: 'ArgumentError' });
    await expect(benchmark([{ name: 'open', model: identityModel(['batch', 'n']) }])).rejects.toMatchObject({
      name: 'FeedError',
      details: { value: 'x', axis: 1 },
    });
  });
});
