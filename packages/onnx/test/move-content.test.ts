/** Content that is moved from memory into a file: the model says the same, and is saved as it would have been. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bytesInMemory,
  DataType,
  encodeModel,
  encodeReferring,
  GraphBuilder,
  isInFile,
  loadModel,
  type Model,
  makeTensor,
  moveContentToFile,
  saveModel,
  tensorBytes,
} from '../src/index.ts';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'move-content-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Weights of 4,000, 1,001 and 40 bytes; the second ends at no multiple of anything, and a third tensor shares its content. */
function network(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const w = b.initializer('w', [10, 100], (n) => Float32Array.from({ length: n }, (_, i) => i));
  b.tensor(makeTensor('odd', DataType.INT8, [1001], new Int8Array(1001).fill(3)));
  b.initializer('small', [10], (n) => new Float32Array(n));
  b.output(b.node('MatMul', [b.input('x', [1, 10]), w]), [1, 100]);
  const model = b.build();
  const [, odd] = model.graph.initializer;
  model.graph.initializer.push({ ...odd!, name: 'twin' });
  return model;
}

it('frees all but small content, and keeps every byte', async () => {
  const model = network();
  const before = encodeModel(model);
  expect(bytesInMemory(model)).toBe(4000 + 2 * 1001);
  await moveContentToFile(model, folder);
  expect(bytesInMemory(model)).toBe(0);
  expect(model.graph.initializer.map(isInFile)).toEqual([true, true, false, true]);
  expect(readFileSync(at('content')).length).toBe(4032 + 1001);
  expect([...tensorBytes(model.graph.initializer[1]!)].every((byte) => byte === 3)).toBe(true);
  expect(Buffer.compare(encodeModel(model), before)).toBe(0);
});

it('is saved into one file, as it would have been', async () => {
  const model = network();
  await saveModel(model, at('before.onnx'));
  await moveContentToFile(model, folder);
  await saveModel(model, at('after.onnx'));
  expect(Buffer.compare(readFileSync(at('after.onnx')), readFileSync(at('before.onnx')))).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(['after.onnx', 'before.onnx', 'content']);
});

it('a runtime is referred to the folder in which most of the content lies', async () => {
  await saveModel(network(), at('m.onnx'), { externalData: { threshold: 500 } });
  const model = await loadModel(at('m.onnx'));
  const place = mkdtempSync(join(tmpdir(), 'move-content-'));
  const w = makeTensor('w', DataType.FLOAT, [10, 50], new Float32Array(500));
  model.graph.initializer[0] = w;
  await moveContentToFile(model, place);
  // 2,000 bytes were moved; 2 x 1,001 have stayed where they were.
  expect(encodeReferring(model)).toMatchObject({ folder });
  const wider = makeTensor('w', DataType.FLOAT, [10, 60], new Float32Array(600));
  model.graph.initializer[0] = wider;
  rmSync(join(place, 'content'));
  await moveContentToFile(model, place);
  expect(encodeReferring(model)).toMatchObject({ folder: place });
  rmSync(place, { recursive: true });
});
