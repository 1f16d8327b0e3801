/** In which form onnxruntime is given a model, and that every form computes the same. */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DataType, encodeModel, GraphBuilder, loadModel, type Model, makeTensor, saveModel } from '@onnx-pruning/onnx';
import { makeValue, withSession } from '../src/index.ts';
import { prepareModel } from '../src/model-source.ts';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'model-source-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const WIDTH = 512;
const numbers = (size: number, factor: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => (((i * 7919) % 31) - 15) * factor);

/** Two weights of 1 MiB and what may follow them in the file; the last weights of odd lengths end at odd addresses. */
function network(dataType: number = DataType.FLOAT): Model {
  const b = new GraphBuilder({ opset: 21 });
  const x = b.input('x', [1, WIDTH]);
  b.tensor(makeTensor('odd', DataType.INT8, [8193], new Int8Array(8193).fill(1)));
  const weights = ['w1', 'w2'].map((name, i) =>
    b.tensor(makeTensor(name, dataType, [WIDTH, WIDTH], numbers(WIDTH * WIDTH, (i + 1) / 64))),
  );
  const cast = (value: string, to: number): string => b.node('Cast', [value], { to });
  let value = cast(x, dataType);
  for (const weight of weights)
    value = b.node('Mul', [
      b.node('MatMul', [value, weight]),
      cast(b.initializer(`${weight}.scale`, [], [1 / 64]), dataType),
    ]);
  const shift = b.node('ReduceSum', [cast('odd', DataType.FLOAT)], { keepdims: 0 });
  b.output(b.node('Add', [cast(value, DataType.FLOAT), shift]), [1, WIDTH]);
  return b.build();
}

async function outputOf(model: Model | Uint8Array | string): Promise<readonly number[]> {
  const x = makeValue(DataType.FLOAT, [1, WIDTH], numbers(WIDTH, 1));
  const result = await withSession(model, { graphOptimization: 'disabled' }, (session) => session.run({ x }));
  return Array.from(Object.values(result)[0]!.data as Float32Array);
}

/** The model with one small initializer more, which nothing uses. */
function edited(model: Model): Model {
  const copy = model.clone();
  copy.graph.initializer.push(makeTensor('more', DataType.FLOAT, [1], [1]));
  return copy;
}

const LARGE = { externalData: { threshold: 1024 } };

it.each([{}, LARGE])(
  'a model that is still the file it was loaded from is handed over by its path (%j)',
  async (options) => {
    await saveModel(network(), at('m.onnx'), options);
    const model = await loadModel(at('m.onnx'));
    const prepared = await prepareModel(model);
    expect(prepared.source).toBe(at('m.onnx'));
    await prepared.dispose();
    expect(existsSync(at('m.onnx'))).toBe(true);
    expect(await outputOf(model)).toEqual(await outputOf(encodeModel(network())));
  },
);

it.each([
  ['float32', DataType.FLOAT],
  ['float64', DataType.DOUBLE],
  ['float16', DataType.FLOAT16],
])('an edited model refers to its weights of %s where they lie', async (_, dataType) => {
  await saveModel(network(dataType), at('m.onnx'), LARGE);
  const model = edited(await loadModel(at('m.onnx')));
  const { source, config } = await prepareModel(model);
  expect((source as Uint8Array).length).toBeLessThan(5000);
  expect(Object.values(config)).toEqual([folder]);
  expect(await outputOf(model)).toEqual(await outputOf(encodeModel(network(dataType))));
});

it('weights that the model file itself holds are referred to where they begin at a whole element', async () => {
  // Names of different lengths in front of the weights put them at every place within an element.
  const places = ['m', 'mm', 'mmm', 'mmmm'].map(async (producerName, i) => {
    const changed = network();
    changed.proto.producerName = producerName;
    await saveModel(changed, at(`m${i}.onnx`));
    const model = edited(await loadModel(at(`m${i}.onnx`)));
    const { source } = await prepareModel(model);
    expect(await outputOf(model)).toEqual(await outputOf(encodeModel(network())));
    return (source as Uint8Array).length > WIDTH * WIDTH * 4 ? 'included' : 'referred';
  });
  expect(new Set(await Promise.all(places))).toEqual(new Set(['included', 'referred']));
});

it('what was replaced since is included; what was changed in place is an error', async () => {
  await saveModel(network(), at('m.onnx'), LARGE);
  const model = await loadModel(at('m.onnx'));
  await saveModel(network(), at('n.onnx'), LARGE);
  renameSync(at('n.onnx.data'), at('m.onnx.data'));
  const { source, config } = await prepareModel(model);
  expect([(source as Uint8Array).length > 2 * 4 * WIDTH * WIDTH, config]).toEqual([true, {}]);
  const again = await loadModel(at('m.onnx'));
  truncateSync(at('m.onnx.data'), 5000);
  await expect(prepareModel(again)).rejects.toThrow(expect.objectContaining({ code: 'MODEL_FILE_CHANGED' }));
});

it('what is too much for bytes goes through a temporary file that is removed', async () => {
  const prepared = await prepareModel(network(), { largest: 10_000 });
  const path = prepared.source as string;
  expect(await outputOf(path)).toEqual(await outputOf(encodeModel(network())));
  expect(readFileSync(path).length).toBeLessThan(10_000);
  await prepared.dispose();
  expect(existsSync(dirname(path))).toBe(false);
});

it('a file is made where only a file will do', async () => {
  const prepared = await prepareModel(network(), { asFile: true });
  expect(existsSync(prepared.source as string)).toBe(true);
  await prepared.dispose();
  expect(existsSync(prepared.source as string)).toBe(false);
});
