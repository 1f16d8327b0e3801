/** Only regular files are read: a named pipe would wait for ever for somebody to write into it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeMessage, GraphBuilder, loadModel } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'pipes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function modelWithData(location: string, dims: readonly number[] = [2], length?: string): string {
  const b = new GraphBuilder();
  b.output(b.node('Add', [b.input('x', [2]), b.initializer('w', [2], [1, 2])]));
  const model = b.build();
  const { name, dataType } = model.graph.initializer[0]!;
  const externalData = [{ key: 'location', value: location }, ...(length ? [{ key: 'length', value: length }] : [])];
  model.graph.initializer = [{ name, dataType, dims: [...dims], dataLocation: 1, externalData }];
  const path = join(folder, `${location}-${dims}.onnx`);
  writeFileSync(path, encodeMessage('ModelProto', model.proto));
  return path;
}

describe('a named pipe', () => {
  const pipe = join(folder, 'pipe');
  beforeAll(() => void execFileSync('mkfifo', [pipe]));

  it('is no model', async () => {
    await expect(loadModel(pipe)).rejects.toMatchObject({ code: 'MODEL_NOT_A_FILE', details: { path: pipe } });
  });

  it('is no external data', async () => {
    await expect(loadModel(modelWithData('pipe'))).rejects.toMatchObject({ code: 'EXTERNAL_DATA_UNREADABLE' });
  });
});

it('a folder is no external data', async () => {
  mkdirSync(join(folder, 'sub'));
  await expect(loadModel(modelWithData('sub'))).rejects.toMatchObject({ code: 'EXTERNAL_DATA_UNREADABLE' });
});

it.each([
  [[-2], 'EXTERNAL_DATA_SIZE'],
  [[2 ** 40, 2 ** 40], 'EXTERNAL_DATA_SIZE'],
  [[2 ** 40], 'EXTERNAL_DATA_SHORT'],
])('external data of dims %j is refused', async (dims, code) => {
  writeFileSync(join(folder, 'data.bin'), new Uint8Array(64));
  await expect(loadModel(modelWithData('data.bin', dims))).rejects.toMatchObject({ code });
});
