import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DataType,
  ExternalDataError,
  encodeMessage,
  encodeModel,
  GraphBuilder,
  loadModel,
  type ModelProto,
  parseModel,
  readNumbers,
  type TensorProto,
} from '../src/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onnx-external-'));
  mkdirSync(join(folder, 'model'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A tensor of two floats that says its content is elsewhere. */
function external(name: string, entries: Record<string, string>): TensorProto {
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  return { name, dims: [2], dataType: DataType.FLOAT, dataLocation: 1, externalData };
}

/** Writes `<folder>/model/m.onnx` with these tensors as initializers; returns its path. */
function writeModel(...tensors: TensorProto[]): string {
  const b = new GraphBuilder();
  for (const tensor of tensors) b.tensor(tensor);
  b.output(b.node('Relu', [b.input('x', [1])]), [1]);
  const path = join(folder, 'model', 'm.onnx');
  writeFileSync(path, encodeReferences(b.build().proto));
  return path;
}

/** Unlike encodeModel this leaves references to other files as they are. */
const encodeReferences = (proto: ModelProto): Uint8Array => encodeMessage('ModelProto', proto);
const floats = (...numbers: number[]): Uint8Array => new Uint8Array(Float32Array.from(numbers).buffer);

async function codeOf(path: string): Promise<string> {
  const error: unknown = await loadModel(path).catch((reason: unknown) => reason);
  if (error instanceof ExternalDataError) return error.code;
  throw new Error(`expected an ExternalDataError, got ${error}`);
}

describe('external data', () => {
  it('is read by offset and length from the model folder', async () => {
    writeFileSync(join(folder, 'model', 'w.bin'), floats(0, 1, 2, 3, 4));
    mkdirSync(join(folder, 'model', 'sub'));
    writeFileSync(join(folder, 'model', 'sub', 'v.bin'), floats(8, 9));
    const path = writeModel(
      external('a', { location: 'w.bin', offset: '4', length: '8' }),
      external('b', { location: 'w.bin', offset: '12' }),
      external('c', { location: 'sub/v.bin' }),
      external('d', { location: 'sub/../w.bin' }),
    );
    const { graph } = await loadModel(path);
    const contents = graph.initializer.map((tensor) => [...readNumbers(tensor)]);
    expect(contents).toEqual([
      [1, 2],
      [3, 4],
      [8, 9],
      [0, 1],
    ]);
  });

  it('can be read for bytes when the folder is given', () => {
    writeFileSync(join(folder, 'model', 'w.bin'), floats(5, 6));
    const path = writeModel(external('a', { location: 'w.bin' }));
    const bytes = readFileSync(path);
    expect(() => parseModel(bytes)).toThrow(/keeps tensors in other files.*pass baseDir/);
    const model = parseModel(bytes, { baseDir: join(folder, 'model') });
    expect([...readNumbers(model.graph.initializer[0]!)]).toEqual([5, 6]);
  });

  it('is part of the bytes that encodeModel makes', async () => {
    writeFileSync(join(folder, 'model', 'w.bin'), floats(5, 6));
    const model = await loadModel(writeModel(external('a', { location: 'w.bin' })));
    const again = parseModel(encodeModel(model)).graph.initializer[0]!;
    expect(again.dataLocation).toBeUndefined();
    expect([...readNumbers(again)]).toEqual([5, 6]);
  });
});

describe('external data that cannot be read', () => {
  it('is missing', async () => {
    const path = writeModel(external('w', { location: 'gone.bin' }));
    expect(await codeOf(path)).toBe('EXTERNAL_DATA_MISSING');
    await expect(loadModel(path)).rejects.toThrow(/file 'gone\.bin', value 'w'.*Put it into '.*model'/);
  });

  it('is short', async () => {
    const data = join(folder, 'model', 'w.bin');
    writeFileSync(data, floats(1, 2, 3));
    truncateSync(data, 11);
    const path = writeModel(external('w', { location: 'w.bin', offset: '4' }));
    await expect(loadModel(path)).rejects.toThrow(/too short.*expected 12 bytes or more, found 11 bytes/);
  });

  it('is of another size than the dims', async () => {
    writeFileSync(join(folder, 'model', 'w.bin'), floats(1, 2, 3));
    expect(await codeOf(writeModel(external('w', { location: 'w.bin', length: '12' })))).toBe('EXTERNAL_DATA_SIZE');
  });

  const UNUSABLE: readonly Record<string, string>[] = [
    {},
    { location: '' },
    { location: 'w.bin', offset: '-4' },
    { location: 'w.bin', offset: 'x' },
    { location: 'w.bin', length: '1e1' },
  ];

  it.each(UNUSABLE)('says %j', async (entries) => {
    writeFileSync(join(folder, 'model', 'w.bin'), floats(1, 2));
    expect(await codeOf(writeModel(external('w', entries)))).toBe('EXTERNAL_DATA_LOCATION');
  });

  it('is a folder', async () => {
    mkdirSync(join(folder, 'model', 'w.bin'));
    expect(await codeOf(writeModel(external('w', { location: 'w.bin' })))).toBe('EXTERNAL_DATA_UNREADABLE');
  });
});

describe('external data outside the model folder is refused', () => {
  beforeEach(() => writeFileSync(join(folder, 'secret.bin'), floats(1, 2)));

  it('by ..', async () => {
    expect(await codeOf(writeModel(external('w', { location: '../secret.bin' })))).toBe('EXTERNAL_DATA_OUTSIDE');
    expect(await codeOf(writeModel(external('w', { location: 'a/../../secret.bin' })))).toBe('EXTERNAL_DATA_OUTSIDE');
    expect(await codeOf(writeModel(external('w', { location: '..' })))).toBe('EXTERNAL_DATA_OUTSIDE');
  });

  it('by an absolute path, even one into the folder', async () => {
    writeFileSync(join(folder, 'model', 'w.bin'), floats(1, 2));
    for (const location of [join(folder, 'secret.bin'), join(folder, 'model', 'w.bin'), 'C:\\secret.bin']) {
      expect(await codeOf(writeModel(external('w', { location })))).toBe('EXTERNAL_DATA_OUTSIDE');
    }
  });

  it('by a link to a file', async () => {
    symlinkSync(join(folder, 'secret.bin'), join(folder, 'model', 'w.bin'));
    expect(await codeOf(writeModel(external('w', { location: 'w.bin' })))).toBe('EXTERNAL_DATA_OUTSIDE');
  });

  it('by a link to a folder', async () => {
    symlinkSync(folder, join(folder, 'model', 'up'));
    expect(await codeOf(writeModel(external('w', { location: 'up/secret.bin' })))).toBe('EXTERNAL_DATA_OUTSIDE');
  });

  it('but a link that stays inside is followed', async () => {
    writeFileSync(join(folder, 'model', 'w.bin'), floats(3, 4));
    symlinkSync('w.bin', join(folder, 'model', 'link.bin'));
    const { graph } = await loadModel(writeModel(external('w', { location: 'link.bin' })));
    expect([...readNumbers(graph.initializer[0]!)]).toEqual([3, 4]);
  });
});
