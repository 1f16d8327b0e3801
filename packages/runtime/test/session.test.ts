import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DataType, encodeModel, GraphBuilder, parseModel } from '@onnx-pruning/onnx';
import { createSession, FeedError, makeValue, SessionError, withSession } from '../src/index.ts';
import { LARGEST_IN_BYTES, prepareModel } from '../src/model-source.ts';
import { REFUSED_FALLBACK } from '../src/session.ts';
import { chainModel, identityModel, scaleModel } from './models.ts';

const x = makeValue(DataType.FLOAT, [2, 3], [1, 2, 3, 4, 5, 6]);
const doubled = [2, 4, 6, 8, 10, 12];

describe('createSession', () => {
  it('runs a model in memory, its bytes, and its file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'onnx-pruning-test-'));
    try {
      const path = join(folder, 'scale.onnx');
      const bytes = encodeModel(scaleModel(2));
      await writeFile(path, bytes);
      for (const source of [scaleModel(2), bytes, path]) {
        const { y } = await withSession(source, {}, (session) => session.run({ x }));
        expect(y).toMatchObject({ dataType: DataType.FLOAT, dims: [2, 3] });
        expect(Array.from(y!.data as Float32Array)).toEqual(doubled);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('says what goes in and what comes out', async () => {
    await withSession(scaleModel(2), {}, async (session) => {
      const info = { dataType: DataType.FLOAT, dims: ['batch', 3] };
      expect(session).toMatchObject({ executionProvider: 'cpu', inputs: [{ name: 'x', ...info }] });
      expect(session.outputs).toEqual([{ name: 'y', ...info }]);
    });
  });

  it('names a file that is not there and content that is no model', async () => {
    await expect(createSession('/missing/model.onnx')).rejects.toMatchObject({
      name: 'ModelFileError',
      code: 'MODEL_NOT_FOUND',
      details: { path: '/missing/model.onnx' },
    });
    await expect(createSession(Uint8Array.of(1, 2, 3))).rejects.toThrow(SessionError);
  });

  it('refuses a model that onnxruntime refuses', async () => {
    const builder = new GraphBuilder();
    builder.input('x', [1]);
    builder.node('NoSuchOperator', ['x'], {}, { outputs: ['y'] });
    builder.output('y', [1]);
    await expect(createSession(builder.build())).rejects.toThrow('NoSuchOperator');
  });

  it('can have onnxruntime refuse nodes on the CPU, in the words that are looked for on other providers', async () => {
    const config = { 'session.disable_cpu_ep_fallback': '1' };
    await expect(createSession(scaleModel(2), { config })).rejects.toThrow(REFUSED_FALLBACK);
  });

  it('loads nothing that it cannot return', async () => {
    await expect(createSession(identityModel([1], DataType.BFLOAT16))).rejects.toThrow(SessionError);
  });
});

describe('Session.run', () => {
  it('returns only the outputs that were asked for', async () => {
    const model = chainModel();
    model.graph.output.push({ name: 'shape' });
    const results = await withSession(model, {}, (session) => session.run({ x }, ['shape']));
    expect(Object.keys(results)).toEqual(['shape']);
    expect(Array.from(results.shape!.data as BigInt64Array)).toEqual([2n, 3n]);
  });

  it('carries every data type through unchanged', async () => {
    const types = [
      [DataType.FLOAT, [1.5, -2]],
      [DataType.DOUBLE, [1.1, -2]],
      [DataType.FLOAT16, [1.5, -2]],
      [DataType.INT8, [-128, 127]],
      [DataType.UINT8, [0, 255]],
      [DataType.INT16, [-32768, 32767]],
      [DataType.UINT16, [0, 65535]],
      [DataType.INT32, [-(2 ** 31), 2 ** 31 - 1]],
      [DataType.UINT32, [0, 2 ** 32 - 1]],
      [DataType.INT64, [-(2 ** 53), 2 ** 53]],
      [DataType.UINT64, [0, 2 ** 53]],
      [DataType.BOOL, [0, 1]],
      [DataType.STRING, ['a', 'é']],
    ] as const;
    for (const [dataType, elements] of types) {
      const value = makeValue(dataType, [2], elements as readonly string[]);
      const { y } = await withSession(identityModel([2], dataType), {}, (session) => session.run({ x: value }));
      expect(y).toEqual(value);
    }
  });

  it('names an input that is missing, unknown, or does not fit', async () => {
    await withSession(scaleModel(2), {}, async (session) => {
      const run = (feeds: Parameters<typeof session.run>[0]) => expect(session.run(feeds)).rejects;
      await run({}).toMatchObject({ name: 'FeedError', code: 'FEED_MISSING', details: { value: 'x' } });
      await run({ x, z: x }).toMatchObject({ code: 'FEED_UNKNOWN', details: { value: 'z', expected: "'x'" } });
      const ints = makeValue(DataType.INT64, [2, 3], [1, 2, 3, 4, 5, 6]);
      await run({ x: ints }).toMatchObject({ code: 'FEED_TYPE', details: { expected: 'FLOAT', actual: 'INT64' } });
      const wide = makeValue(DataType.FLOAT, [1, 4], [1, 2, 3, 4]);
      await run({ x: wide }).toMatchObject({
        code: 'FEED_DIMS',
        details: { value: 'x', expected: '[batch, 3]', actual: '[1, 4]' },
      });
    });
  });

  it('refuses an output that the model has not', async () => {
    const run = withSession(scaleModel(2), {}, (session) => session.run({ x }, ['z']));
    await expect(run).rejects.toMatchObject({ code: 'SESSION_OUTPUT', details: { value: 'z', expected: "'y'" } });
  });

  it('does not overlook an output that is not a tensor', async () => {
    const builder = new GraphBuilder({ opset: 13 });
    builder.input('x', ['batch', 3]);
    builder.node('SequenceConstruct', ['x', 'x'], {}, { outputs: ['sequence'] });
    builder.node('Neg', ['x'], {}, { outputs: ['y'] });
    const model = builder.build();
    model.graph.output.push({ name: 'sequence' }, { name: 'y' });
    await withSession(model, {}, async (session) => {
      await expect(session.run({ x })).rejects.toMatchObject({
        code: 'SESSION_OUTPUT',
        details: { value: 'sequence' },
      });
      expect(Object.keys(await session.run({ x }, ['y']))).toEqual(['y']);
    });
  });

  it('reports what onnxruntime says of a run that fails', async () => {
    const builder = new GraphBuilder({ opset: 13 });
    builder.input('x', ['batch', 3]);
    builder.ints('shape', [7]);
    builder.node('Reshape', ['x', 'shape'], {}, { outputs: ['y'] });
    builder.output('y');
    const run = withSession(builder.build(), {}, (session) => session.run({ x }));
    await expect(run).rejects.toMatchObject({ name: 'SessionError', code: 'SESSION_RUN' });
  });

  it('does not run once disposed, and is disposed twice without harm', async () => {
    const session = await createSession(scaleModel(2));
    await session.dispose();
    await session.dispose();
    await expect(session.run({ x })).rejects.toMatchObject({ code: 'SESSION_DISPOSED' });
  });
});

describe('makeValue', () => {
  it('wants as many elements as the dimensions say', () => {
    expect(() => makeValue(DataType.FLOAT, [2, 2], [1, 2, 3])).toThrow(FeedError);
  });
});

describe('a model too large for bytes', () => {
  it('goes through a temporary folder that disappears with the session', async () => {
    const small = 3;
    const prepared = await prepareModel(scaleModel(2), { largest: small });
    const path = prepared.source as string;
    expect(existsSync(path)).toBe(true);
    const { y } = await withSession(path, {}, (session) => session.run({ x }));
    expect(Array.from(y!.data as Float32Array)).toEqual(doubled);
    await prepared.dispose();
    expect(existsSync(dirname(path))).toBe(false);
    expect(LARGEST_IN_BYTES).toBeLessThan(2 ** 31);
  });

  it('is handed over as bytes while it is small', async () => {
    const { source } = await prepareModel(scaleModel(2));
    expect(parseModel(source as Uint8Array).graph.node).toHaveLength(1);
  });
});
