import { DataType } from '@onnx-pruning/onnx';
import { compareModels } from '@onnx-pruning/proof';
import { makeValue, runBoth, runModel, runWithIntermediates, type TensorValue } from '../src/index.ts';
import { chainModel, identityModel, pairModel, scaleModel } from './models.ts';

const x = makeValue(DataType.FLOAT, [1, 3], [1, -2, 4]);
const numbers = (value: TensorValue | undefined): number[] =>
  Array.from(value!.data as ArrayLike<number | bigint>, Number);

describe('runBoth', () => {
  it('runs two models on the same inputs', async () => {
    const results = await runBoth(scaleModel(2), scaleModel(3), { feeds: { x } });
    expect(numbers(results.reference.y)).toEqual([2, -4, 8]);
    expect(numbers(results.candidate.y)).toEqual([3, -6, 12]);
    expect(results.feeds).toEqual({ x });
  });

  it('makes up inputs from a seed', async () => {
    const run = (seed: number) => runBoth(scaleModel(2), scaleModel(2), { seed, batch: 4 });
    const [first, again, other] = [await run(1), await run(1), await run(2)];
    expect(first.feeds.x!.dims).toEqual([4, 3]);
    expect(first).toEqual(again);
    expect(first.feeds).not.toEqual(other.feeds);
  });

  it('refuses a candidate with other inputs', async () => {
    await expect(runBoth(scaleModel(2), pairModel([1, 3], [1, 3]))).rejects.toMatchObject({ code: 'FEED_UNKNOWN' });
  });
});

describe('compareModels', () => {
  it('tells equal models from unequal ones', async () => {
    expect(await compareModels(scaleModel(2), scaleModel(2))).toMatchObject({ ok: true });
    // The results differ by a part in a thousand: ten times the tolerance of float32.
    const close = await compareModels(scaleModel(1000), scaleModel(1001));
    expect(close.ok).toBe(false);
    expect(close.outputs[0]!.maxRel).toBeCloseTo(0.001, 5);
    expect(await compareModels(scaleModel(1000), scaleModel(1001), { tolerance: 0.01 })).toMatchObject({ ok: true });
  });
});

describe('runModel', () => {
  it('runs on made-up inputs, or on given ones', async () => {
    expect((await runModel(scaleModel(2), { batch: 5 })).y!.dims).toEqual([5, 3]);
    expect(numbers((await runModel(scaleModel(2), { feeds: { x } })).y)).toEqual([2, -4, 8]);
  });
});

describe('runWithIntermediates', () => {
  it('returns every value of the graph', async () => {
    const values = await runWithIntermediates(chainModel(), { x });
    expect(Object.keys(values).sort()).toEqual(['doubled', 'shape', 'x', 'y']);
    expect(numbers(values.doubled)).toEqual([2, -4, 8]);
    expect(values.shape!.dataType).toBe(DataType.INT64);
    expect(numbers(values.shape)).toEqual([1, 3]);
    expect(numbers(values.y)).toEqual([3, -3, 9]);
  });

  it('leaves the model as it was', async () => {
    const model = chainModel();
    await runWithIntermediates(model, { x });
    expect(model.graph.output.map((output) => output.name)).toEqual(['y']);
  });

  it('leaves out what cannot be returned', async () => {
    const model = chainModel();
    const attribute = [{ name: 'to', type: 2, i: DataType.BFLOAT16 }];
    model.graph.node.push({ input: ['y'], output: ['brief'], name: 'cast', opType: 'Cast', attribute });
    model.graph.node.push({ input: ['y', 'y'], output: ['sequence'], opType: 'SequenceConstruct', attribute: [] });
    const values = await runWithIntermediates(model, { x });
    expect(Object.keys(values).sort()).toEqual(['doubled', 'shape', 'x', 'y']);
  });

  it('returns the feeds of a graph that computes nothing else', async () => {
    const values = await runWithIntermediates(identityModel([1, 3]), { x });
    expect(values).toEqual({ x, y: x });
  });
});
