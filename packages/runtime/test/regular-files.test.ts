/**
 * Paths of what is no regular file, handed to everything that takes the path of a model: an error at once. onnxruntime
 * itself would wait for ever for somebody to write into a pipe.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeMessage, encodeModel, GraphBuilder, type TensorProto } from '@onnx-pruning/onnx';
import { benchmark, createSession, measureMemory, runBoth, runModel, withSession } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'regular-files-'));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function network(): GraphBuilder {
  const b = new GraphBuilder();
  b.output(b.node('Add', [b.input('x', [2]), b.initializer('w', [2], [1, 2])], {}, { outputs: ['y'] }));
  return b;
}

/** A model whose weight lies in another file. */
function withData(name: string, location: string): void {
  const model = network().build();
  const externalData = [
    { key: 'location', value: location },
    { key: 'offset', value: '0' },
    { key: 'length', value: '8' },
  ];
  const weight: TensorProto = { name: 'w', dataType: 1, dims: [2], dataLocation: 1, externalData };
  model.graph.initializer = [weight];
  writeFileSync(at(name), encodeMessage('ModelProto', model.proto));
}

beforeAll(() => {
  writeFileSync(at('model.onnx'), encodeModel(network().build()));
  execFileSync('mkfifo', [at('pipe')]);
  mkdirSync(at('folder'));
  symlinkSync(at('pipe'), at('link-to-pipe'));
  symlinkSync(at('gone'), at('broken-link'));
  symlinkSync('/dev/zero', at('link-to-device'));
  for (const name of ['pipe', 'folder', 'link-to-pipe', 'link-to-device', 'nothing'])
    withData(`data-${name}.onnx`, name);
  writeFileSync(at('weights'), Float32Array.of(10, 20));
  withData('data.onnx', 'weights');
});

const takesPaths: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  createSession,
  withSession: (path) => withSession(path, {}, async () => undefined),
  benchmark: (path) => benchmark([{ name: 'model', model: path }], { runs: 1 }),
  measureMemory,
  runModel,
  'runBoth, the reference': (path) => runBoth(path, at('model.onnx')),
  'runBoth, the candidate': (path) => runBoth(at('model.onnx'), path),
};

describe.each(Object.entries(takesPaths))('%s', (_, take) => {
  it.each([
    ['a pipe', 'pipe', 'MODEL_NOT_A_FILE'],
    ['a link to a pipe', 'link-to-pipe', 'MODEL_NOT_A_FILE'],
    ['a device', 'link-to-device', 'MODEL_NOT_A_FILE'],
    ['a folder', 'folder', 'MODEL_IS_FOLDER'],
    ['nothing', 'gone', 'MODEL_NOT_FOUND'],
    ['a link to nothing', 'broken-link', 'MODEL_NOT_FOUND'],
    ['something below a file', 'model.onnx/x', 'MODEL_NOT_FOUND'],
    ['a model with its data in a pipe', 'data-pipe.onnx', 'EXTERNAL_DATA_UNREADABLE'],
    ['a model with its data in a folder', 'data-folder.onnx', 'EXTERNAL_DATA_UNREADABLE'],
    ['a model with its data behind a link to a pipe', 'data-link-to-pipe.onnx', /^EXTERNAL_DATA_(UNREADABLE|OUTSIDE)$/],
    ['a model with its data in a device', 'data-link-to-device.onnx', /^EXTERNAL_DATA_(UNREADABLE|OUTSIDE)$/],
    ['a model with its data nowhere', 'data-nothing.onnx', 'EXTERNAL_DATA_MISSING'],
  ])('%s', async (_, name, code) => {
    await expect(take(at(name))).rejects.toMatchObject({ code: expect.stringMatching(code) });
  });
});

describe('regular files', () => {
  it('are loaded, through links and with their data', async () => {
    symlinkSync(at('data.onnx'), at('link.onnx'));
    const feeds = { x: { dataType: 1, dims: [2], data: Float32Array.of(1, 2) } };
    for (const path of ['data.onnx', 'link.onnx']) {
      const { y } = await runModel(at(path), { feeds });
      expect([...(y!.data as Float32Array)]).toEqual([11, 22]);
    }
  });

  it('that hold no model are refused by onnxruntime, with its reason', async () => {
    writeFileSync(at('text.onnx'), 'hello');
    await expect(createSession(at('text.onnx'))).rejects.toMatchObject({
      code: expect.stringMatching(/^SESSION_/),
      message: expect.stringMatching(/protobuf/i),
    });
  });
});
