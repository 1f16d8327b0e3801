/**
 * What a check takes: large models are loaded one at a time and leave nothing behind, and what memory or disk cannot hold is
 * said before anything is run. Small models stand for large ones by limits that are smaller still.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DependencyGraph, pruneConvOutChannels, pruneLinearOutChannels } from '@onnx-pruning/depgraph';
import {
  createRandom,
  DataType,
  encodeModel,
  GraphBuilder,
  loadModel,
  type Model,
  makeTensor,
  saveModel,
} from '@onnx-pruning/onnx';
import { createPlan, type Plan } from '@onnx-pruning/pruning';
import { InferenceSession } from 'onnxruntime-node';
import { assertVerified, verify } from '../src/index.ts';

/** x [1, 3, 4, 4] -> Conv c1 (8) -> Relu -> Conv c2 (4) -> y; and what `more` adds. */
function network(more: (b: GraphBuilder) => void = () => {}): Model {
  const b = new GraphBuilder({ opset: 17 });
  const random = createRandom(3);
  const conv = (name: string, x: string, from: number, to: number): string => {
    const weight = b.initializer(`${name}.w`, [to, from, 1, 1], (n) =>
      Float32Array.from({ length: n }, () => random.normal()),
    );
    return b.node('Conv', [x, weight], {}, { name });
  };
  const c1 = conv('c1', b.input('x', [1, 3, 4, 4]), 3, 8);
  b.output(conv('c2', b.node('Relu', [c1]), 8, 4), [1, 4, 4, 4]);
  more(b);
  return b.build();
}

/** x [1, from] -> MatMul fc1 (width) -> MatMul fc2 (2) -> y. */
function perceptron(from: number, width: number): Model {
  const b = new GraphBuilder({ opset: 17 });
  const random = createRandom(5);
  const weights = (name: string, dims: number[]): string =>
    b.initializer(name, dims, (n) => Float32Array.from({ length: n }, () => random.next() - 0.5));
  const fc1 = b.node('MatMul', [b.input('x', [1, from]), weights('w1', [from, width])], {}, { name: 'fc1' });
  b.output(b.node('MatMul', [fc1, weights('w2', [width, 2])], {}, { name: 'fc2' }), [1, 2], DataType.FLOAT);
  return b.build();
}

function pruned(original: Model, layer = 'c1', prune = pruneConvOutChannels): { model: Model; plan: Plan } {
  const model = original.clone();
  const graph = new DependencyGraph().buildDependency(model);
  graph.getPruningGroup(layer, prune, [1, 6]).prune();
  return { model, plan: createPlan(graph) };
}

/** Counts the sessions of onnxruntime: all that were created, and the most that were open at once. */
function countSessions(): { created: number; most: number; open: number } {
  const count = { created: 0, most: 0, open: 0 };
  const create = InferenceSession.create.bind(InferenceSession) as (...args: unknown[]) => Promise<InferenceSession>;
  jest.spyOn(InferenceSession, 'create').mockImplementation(async (...args: unknown[]) => {
    const session = await create(...args);
    count.created++;
    count.open++;
    count.most = Math.max(count.most, count.open);
    const release = session.release.bind(session);
    session.release = async () => {
      count.open--;
      await release();
    };
    return session;
  });
  return count;
}
afterEach(() => jest.restoreAllMocks());

const temporaries = (): string[] =>
  readdirSync(tmpdir()).filter((name) => new RegExp(`^onnx-pruning-[0-9a-f]{8}-${process.pid}-`).test(name));

describe('sessions', () => {
  it('of small models are open together', async () => {
    const count = countSessions();
    const { model, plan } = pruned(network());
    expect(await verify(network(), model, plan)).toMatchObject({ verdict: 'holds' });
    expect(count).toEqual({ created: 2, most: 2, open: 0 });
  });

  it('take turns where memory holds one of them', async () => {
    const count = countSessions();
    const { model, plan } = pruned(network());
    // Twice the model: its weights, and the message that is handed over.
    const memoryLimit = 2 * encodeModel(network()).length;
    expect(await verify(network(), model, plan, { memoryLimit })).toMatchObject({ verdict: 'holds' });
    expect(count).toEqual({ created: 2, most: 1, open: 0 });
  });

  it('with perturbed weights, which rounding is measured by, take turns as well', async () => {
    const count = countSessions();
    const original = perceptron(16, 1024);
    const { model, plan } = pruned(original, 'fc1', pruneLinearOutChannels);
    // Masks make the reference a little larger than the original.
    const memoryLimit = 3 * encodeModel(original).length;
    // No difference is accepted, but rounding: 1,022 terms are added up in another order than 1,024 of which two are zero.
    const result = await verify(original, model, plan, { memoryLimit, tolerance: 0 });
    expect(result.verdict).toBe('holds');
    expect(count.created).toBeGreaterThanOrEqual(4);
    expect(count).toMatchObject({ most: 1, open: 0 });
  });

  it('are closed when a model does not run', async () => {
    const count = countSessions();
    const { model, plan } = pruned(network());
    model.graph.node[0]!.opType = 'NoSuchOperator';
    await expect(verify(network(), model, plan, { parts: 'runs' })).rejects.toThrow('NoSuchOperator');
    expect(count).toMatchObject({ open: 0 });
  });
});

describe('too little memory', () => {
  it('is said before anything is run, with what is needed and what is there', async () => {
    const count = countSessions();
    const { model, plan } = pruned(network());
    const needed = 2 * encodeModel(network()).length;
    const result = await verify(network(), model, plan, { memoryLimit: needed - 1 });
    expect(result).toMatchObject({ verdict: 'inconclusive', ok: false, runs: [], outputs: [] });
    expect(result.reasons).toEqual([
      `the original model is not run: at least ${needed} bytes of memory are needed to load it, and ${needed - 1} bytes are available; check on a machine with more, or where the disk has room`,
    ]);
    expect(() => assertVerified(result)).toThrow('the check is inconclusive: nothing was run');
    expect(count.created).toBe(0);
  });

  it('hides no difference of the files', async () => {
    const { model, plan } = pruned(network());
    model.graph.initializer.pop();
    expect(await verify(network(), model, plan, { memoryLimit: 1 })).toMatchObject({ verdict: 'differs' });
  });

  it.each([
    [
      'Range',
      (b: GraphBuilder, count: number) => {
        const scalars = [0, count, 1].map((n) => b.tensor(makeTensor(`n${n}`, DataType.INT64, [], [n])));
        return b.node('Cast', [b.node('Range', scalars)], { to: DataType.FLOAT });
      },
    ],
    [
      'ConstantOfShape',
      (b: GraphBuilder, count: number) => b.node('ConstantOfShape', [b.ints('shape', [count])], {}, { name: 'large' }),
    ],
  ])('%s of 10^8 elements is not begun', async (_, large) => {
    const count = countSessions();
    const original = network((b) => b.output(b.node('ReduceMax', [large(b, 1e8)], { keepdims: 0 }), []));
    const { model, plan } = pruned(original);
    const { verdict, reasons } = await verify(original, model, plan);
    expect([verdict, reasons]).toEqual(['inconclusive', [expect.stringContaining('100000000 elements')]]);
    expect(count.created).toBe(0);
  });

  it('counts the values of a run, too', async () => {
    const { model, plan } = pruned(network());
    // [1, 8, 4, 4] of float32 are 512 bytes, and the largest value.
    const memoryLimit = 2 * encodeModel(network()).length;
    expect(memoryLimit).toBeGreaterThan(512);
    const { reasons } = await verify(network(), model, plan, { memoryLimit: 511 });
    expect(reasons).toEqual([expect.stringContaining('expected up to 511 bytes, found 128 elements, [1, 8, 4, 4]')]);
  });
});

describe('a model of 64 MiB and more', () => {
  const WIDTH = 4096;
  let folder: string;
  let original: Model;
  let half: { model: Model; plan: Plan };
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'proof-resources-'));
    original = perceptron(WIDTH, WIDTH);
    half = pruned(original, 'fc1', pruneLinearOutChannels);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('goes through a temporary copy, which is removed', async () => {
    const count = countSessions();
    expect(await verify(original, half.model, half.plan)).toMatchObject({ verdict: 'holds' });
    expect(count).toMatchObject({ open: 0 });
    expect(temporaries()).toEqual([]);
  });

  it('needs memory for the copy where the disk has no room', async () => {
    const { model, plan } = half;
    const { verdict, reasons } = await verify(original, model, plan, { diskLimit: 1000, memoryLimit: 100e6 });
    // 4096 x 4096 and 4096 x 2 numbers of 4 bytes are 67.1 MB.
    expect([verdict, reasons]).toEqual([
      'inconclusive',
      [
        expect.stringMatching(
          /^the original model is not run: at least 134\.3 MB of memory are needed to load it, and 100\.0 MB are available; with less memory, 67\.1 MB of disk are needed for a temporary copy of it, and 1000 bytes are available/,
        ),
      ],
    ]);
    expect(temporaries()).toEqual([]);
  });

  it('is loaded from its own file where that can be', async () => {
    await saveModel(original, join(folder, 'original.onnx'), { externalData: true });
    await saveModel(half.model, join(folder, 'pruned.onnx'), { externalData: true });
    const [from, to] = [await loadModel(join(folder, 'original.onnx')), await loadModel(join(folder, 'pruned.onnx'))];
    const limits = { diskLimit: 0, memoryLimit: 100e6 };
    expect(await verify(from, to, half.plan, limits)).toMatchObject({ verdict: 'holds' });
    expect(readdirSync(folder).sort()).toEqual([
      'original.onnx',
      'original.onnx.data',
      'pruned.onnx',
      'pruned.onnx.data',
    ]);
  });

  it('leaves open whether a difference is rounding where no copy can be made to measure it', async () => {
    const [from, to] = [await loadModel(join(folder, 'original.onnx')), await loadModel(join(folder, 'pruned.onnx'))];
    const limits = { diskLimit: 0, memoryLimit: 100e6, tolerance: 0 };
    const { verdict, reasons } = await verify(from, to, half.plan, limits);
    expect(verdict).toBe('inconclusive');
    expect(reasons[0]).toMatch(
      /^value '.*' is off by .*; whether that is rounding takes a copy of the model to measure: /,
    );
  });
});
