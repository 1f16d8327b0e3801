import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodeModel,
  GraphBuilder,
  loadModel,
  ModelFileError,
  NEWEST_IR_VERSION,
  NEWEST_OPSET,
  OnnxPruningError,
  parseModel,
} from '../src/index.ts';
import { field, message } from './wire.ts';

const TINY = join(__dirname, 'data', 'tiny-resnet.onnx');
const tiny = readFileSync(TINY);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onnx-load-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function errorOf(source: string | Uint8Array): Promise<ModelFileError> {
  const error: unknown = await loadModel(source).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ModelFileError) return error;
  throw new Error(`expected a ModelFileError, got ${error}`);
}

function smallModel(options: { opset?: number; irVersion?: number; opsets?: Record<string, number> }): Uint8Array {
  const b = new GraphBuilder(options);
  b.output(b.node('Relu', [b.input('x', [1])]), [1]);
  return encodeModel(b.build());
}

describe('loading', () => {
  it('takes a path or bytes', async () => {
    const fromPath = await loadModel(TINY);
    expect(fromPath.path).toBe(TINY);
    const fromBytes = await loadModel(tiny);
    expect(fromBytes.path).toBeUndefined();
    expect(Buffer.compare(encodeModel(fromPath), encodeModel(fromBytes))).toBe(0);
    expect(fromPath.graph.node[0]?.opType).toBe('Conv');
  });

  it('reads bytes that are a part of a larger array', () => {
    const shifted = new Uint8Array(tiny.length + 3);
    shifted.set(tiny, 3);
    expect(parseModel(shifted.subarray(3)).graph.node).toHaveLength(parseModel(tiny).graph.node.length);
  });

  it('does not copy weights', () => {
    const bytes = new Uint8Array(tiny);
    const rawData = parseModel(bytes).graph.initializer[0]!.rawData as Uint8Array;
    expect(rawData.buffer).toBe(bytes.buffer);
  });
});

describe('a path that is no model file', () => {
  it('is missing', async () => {
    const error = await errorOf(join(folder, 'nowhere.onnx'));
    expect(error.code).toBe('MODEL_NOT_FOUND');
    expect(error.details.path).toBe(join(folder, 'nowhere.onnx'));
    expect(error.message).toMatch(/^There is no such file \(file '.*nowhere\.onnx'\)\. Check the path\.$/);
  });

  it('is below a file', async () => {
    expect((await errorOf(join(TINY, 'x.onnx'))).code).toBe('MODEL_NOT_FOUND');
  });

  it('is a folder', async () => {
    mkdirSync(join(folder, 'dir.onnx'));
    expect((await errorOf(join(folder, 'dir.onnx'))).code).toBe('MODEL_IS_FOLDER');
  });
});

describe('a file that is no model', () => {
  const zip = Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0);
  const pickle = Uint8Array.of(0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46);
  const hdf5 = Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a);
  const cases: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ['text', 'import torch\nprint(1)\n', /found text\./],
    ['a web page', '<!DOCTYPE html><html><body>404</body></html>', /found text\./],
    ['a zip archive', zip, /zip archive.*torch\.onnx\.export/],
    ['a pickle', pickle, /pickle.*torch\.onnx\.export/],
    ['an HDF5 file', hdf5, /HDF5.*tf2onnx/],
    ['a TFLite model', 'aaaaTFL3', /TensorFlow Lite/],
    ['an .ort model', '\0\0\0\0ORTM', /\.ort format/],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\n', /git lfs pull/],
    ['noise', Uint8Array.from({ length: 300 }, (_, i) => (i * 37 + 11) % 251), /data of another kind/],
    ['another protobuf message', message(field(12, 'x'), field(13, 4)), /data of another kind/],
  ];

  it.each(cases)('%s', async (name, content, expected) => {
    const error = await errorOf(write(`${name}.onnx`, content));
    expect(error.code).toBe('MODEL_NOT_ONNX');
    expect(error.message).toMatch(expected);
  });

  it('empty', async () => {
    const error = await errorOf(write('empty.onnx', ''));
    expect(error.code).toBe('MODEL_EMPTY');
    expect((await errorOf(new Uint8Array())).code).toBe('MODEL_EMPTY');
  });

  it('with text that is not UTF-8', async () => {
    const bytes = message(field(1, 8), field(2, Uint8Array.of(0xff)), field(7, field(2, 'main')));
    expect((await errorOf(bytes)).code).toBe('MODEL_TEXT');
  });
});

describe('a file that was cut short', () => {
  it('is found at every length', async () => {
    for (let length = 1; length < tiny.length; length += 997) {
      const error = await errorOf(tiny.subarray(0, length));
      // Cut between two fields before the graph the rest is still a message, but not a model.
      expect(['MODEL_TRUNCATED', 'MODEL_NO_GRAPH']).toContain(error.code);
      expect(error.message).toMatch(/copy/i);
    }
  });

  it('in the middle of the weights says so', async () => {
    const error = await errorOf(write('half.onnx', tiny.subarray(0, tiny.length / 2)));
    expect(error.code).toBe('MODEL_TRUNCATED');
    expect(error.message).toMatch(/half\.onnx/);
  });

  it('and one that is damaged inside says that', async () => {
    const damaged = message(field(1, 8), field(7, Uint8Array.of(0x0a, 0x7f, 1, 2)), field(8, field(2, 17)));
    expect((await errorOf(damaged)).code).toBe('MODEL_DAMAGED');
  });
});

describe('versions', () => {
  it('up to the newest are read', () => {
    const model = parseModel(smallModel({ opset: NEWEST_OPSET, irVersion: NEWEST_IR_VERSION }));
    expect(model.opset()).toBe(NEWEST_OPSET);
  });

  it('of the IR beyond the newest are refused', async () => {
    const error = await errorOf(smallModel({ irVersion: NEWEST_IR_VERSION + 1 }));
    expect(error.code).toBe('MODEL_TOO_NEW');
    expect(error.message).toMatch(/IR version.*expected at most 13, found 14\. Export the model with an older opset/);
  });

  it('of the opset beyond the newest are refused, of other domains not', async () => {
    expect((await errorOf(smallModel({ opset: NEWEST_OPSET + 1 }))).message).toMatch(/opset.*at most 26, found 27/);
    expect(parseModel(smallModel({ opsets: { 'com.acme': 99 } })).opset('com.acme')).toBe(99);
  });
});

describe('errors', () => {
  it('are of one family', async () => {
    expect(await errorOf(new Uint8Array())).toBeInstanceOf(OnnxPruningError);
    expect((await errorOf(new Uint8Array())).name).toBe('ModelFileError');
  });
});
