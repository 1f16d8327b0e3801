import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs, {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DataType,
  encodeModel,
  GraphBuilder,
  loadModel,
  type Model,
  makeTensor,
  parseModel,
  readNumbers,
  SaveError,
  saveModel,
  withContent,
} from '../src/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onnx-save-'));
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const tiny = readFileSync(join(__dirname, 'data', 'tiny-resnet.onnx'));
/** How names of temporary files say which machine they are from. */
const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
const at = (name: string): string => join(folder, name);

/** One large weight, one small one, large ones inside subgraphs, and a large constant in an attribute. */
function sampleModel(): Model {
  const b = new GraphBuilder();
  b.initializer('large', [1024], (n) => Float32Array.from({ length: n }, (_, i) => i));
  b.initializer('small', [2], [1, 2]);
  const branch = (): GraphBuilder => {
    const body = new GraphBuilder({ name: 'branch' });
    body.initializer('inner', [512], (n) => Float32Array.from({ length: n }, (_, i) => -i));
    body.output(body.node('Identity', ['inner'], {}, { outputs: ['inner_out'] }), [512]);
    return body;
  };
  b.input('cond', [], DataType.BOOL);
  b.output(b.node('If', ['cond'], { then_branch: branch().graph(), else_branch: branch().graph() }), [512]);
  b.output(b.node('Add', ['large', 'large']), [1024]);
  b.output(b.node('Add', ['small', 'small'], {}, { name: 'Add_small' }), [2]);
  const value = makeTensor('', DataType.FLOAT, [512], new Float32Array(512));
  b.output(b.node('Constant', [], { value }), [512]);
  return b.build();
}

async function errorOf(saving: Promise<unknown>): Promise<SaveError> {
  const error: unknown = await saving.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof SaveError) return error;
  throw new Error(`expected a SaveError, got ${error}`);
}

describe('saveModel', () => {
  it('writes the bytes that encodeModel makes, and nothing else', async () => {
    const model = parseModel(tiny);
    await saveModel(model, at('out.onnx'));
    expect(Buffer.compare(readFileSync(at('out.onnx')), tiny)).toBe(0);
    expect(readdirSync(folder)).toEqual(['out.onnx']);
  });

  it('replaces an existing file unless told not to', async () => {
    writeFileSync(at('out.onnx'), 'old');
    expect((await errorOf(saveModel(parseModel(tiny), at('out.onnx'), { overwrite: false }))).code).toBe('SAVE_EXISTS');
    expect(readFileSync(at('out.onnx'), 'utf8')).toBe('old');
    await saveModel(parseModel(tiny), at('out.onnx'));
    expect(statSync(at('out.onnx')).size).toBe(tiny.length);
  });

  it('keeps the file the model was loaded from unless told to overwrite it', async () => {
    writeFileSync(at('in.onnx'), tiny);
    const model = await loadModel(at('in.onnx'));
    symlinkSync('in.onnx', at('link.onnx'));
    for (const path of [at('in.onnx'), at('link.onnx'), join(folder, 'x', '..', 'in.onnx')]) {
      const error = await errorOf(saveModel(model, path));
      expect([error.code, error.details.repair]).toEqual([
        'SAVE_OVER_SOURCE',
        expect.stringContaining('overwrite: true'),
      ]);
    }
    model.graph.initializer[0] = withContent(model.graph.initializer[0]!, [0], new Uint8Array());
    await saveModel(model, at('in.onnx'), { overwrite: true });
    expect(statSync(at('in.onnx')).size).toBeLessThan(tiny.length);
    expect(readdirSync(folder).sort()).toEqual(['in.onnx', 'link.onnx']);
  });

  it('replaces the file behind a link, not the link', async () => {
    writeFileSync(at('real.onnx'), 'old');
    symlinkSync('real.onnx', at('link.onnx'));
    await saveModel(parseModel(tiny), at('link.onnx'));
    expect(statSync(at('real.onnx')).size).toBe(tiny.length);
  });
});

describe('a path that cannot be written', () => {
  it('lies in no folder', async () => {
    const error = await errorOf(saveModel(parseModel(tiny), at('no/such/out.onnx')));
    expect(error.code).toBe('SAVE_NO_FOLDER');
    expect(error.message).toMatch(/folder of the output file does not exist \(file '.*out\.onnx'\)\. Create it first/);
  });

  it('lies below a file', async () => {
    writeFileSync(at('file'), '');
    expect((await errorOf(saveModel(parseModel(tiny), at('file/out.onnx')))).code).toBe('SAVE_NO_FOLDER');
  });

  it('is a folder or a device', async () => {
    mkdirSync(at('out.onnx'));
    expect((await errorOf(saveModel(parseModel(tiny), at('out.onnx')))).code).toBe('SAVE_NOT_A_FILE');
    expect((await errorOf(saveModel(parseModel(tiny), '/dev/null'))).code).toBe('SAVE_NOT_A_FILE');
  });

  it.each([
    ['EACCES', 'SAVE_NOT_WRITABLE'],
    ['EROFS', 'SAVE_NOT_WRITABLE'],
    ['ENOSPC', 'SAVE_NO_SPACE'],
    ['EIO', 'SAVE_FAILED'],
  ])('%s when putting the file in place: the old file stays, no temporary one is left', async (code, expected) => {
    writeFileSync(at('out.onnx'), 'old');
    jest.spyOn(fs, 'renameSync').mockImplementation(() => {
      throw Object.assign(new Error(code), { code });
    });
    expect((await errorOf(saveModel(parseModel(tiny), at('out.onnx')))).code).toBe(expected);
    expect(readdirSync(folder)).toEqual(['out.onnx']);
    expect(readFileSync(at('out.onnx'), 'utf8')).toBe('old');
  });

  it('because the model cannot be encoded: nothing is written', async () => {
    const model = sampleModel();
    model.graph.initializer[0]!.dataLocation = 1;
    model.graph.initializer[0] = { ...model.graph.initializer[0]!, rawData: undefined };
    await expect(saveModel(model, at('out.onnx'))).rejects.toThrow(/was not loaded/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('external data', () => {
  it('takes the large initializers, of all graphs, when asked to', async () => {
    const model = sampleModel();
    await saveModel(model, at('m.onnx'), { externalData: true });
    // 1024 + 2 * 512 floats; each starts at a multiple of 64.
    expect(statSync(at('m.onnx.data')).size).toBe(4 * 2048);
    const again = await loadModel(at('m.onnx'));
    expect(again.dataFiles).toEqual([fs.realpathSync(at('m.onnx.data'))]);
    expect(again.graph.initializer.map((t) => [t.name, t.dataLocation])).toEqual([
      ['large', 1],
      ['small', undefined],
    ]);
    expect(readNumbers(again.graph.initializer[0]!)[1023]).toBe(1023);
    const branch = again.graph.node[0]?.attribute[0]?.g;
    expect(readNumbers(branch!.initializer[0]!)[511]).toBe(-511);
  });

  it('leaves the model in memory as it was', async () => {
    const model = sampleModel();
    const before = encodeModel(model);
    await saveModel(model, at('m.onnx'), { externalData: true });
    expect(encodeModel(model)).toEqual(before);
  });

  it('is external again when a model that had it is saved elsewhere, under the new name', async () => {
    await saveModel(sampleModel(), at('m.onnx'), { externalData: { location: 'weights.bin' } });
    expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'weights.bin']);
    const model = await loadModel(at('m.onnx'));
    model.graph.initializer[0] = withContent(
      model.graph.initializer[0]!,
      [1],
      new Uint8Array(Float32Array.of(42).buffer),
    );
    await saveModel(model, at('n.onnx'));
    expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'n.onnx', 'n.onnx.data', 'weights.bin']);
    const again = await loadModel(at('n.onnx'));
    expect([...readNumbers(again.graph.initializer[0]!)]).toEqual([42]);
    const locations = again.graph.initializer[0]?.externalData?.map(({ key, value }) => `${key}=${value}`);
    expect(locations).toEqual(['location=n.onnx.data', expect.stringMatching(/^offset=\d+$/), 'length=4']);
    expect((await loadModel(at('m.onnx'))).graph.initializer[0]?.dims).not.toEqual(again.graph.initializer[0]?.dims);
  });

  it('is taken into the model file when asked to', async () => {
    await saveModel(sampleModel(), at('m.onnx'), { externalData: true });
    await saveModel(await loadModel(at('m.onnx')), at('one.onnx'), { externalData: false });
    expect(existsSync(at('one.onnx.data'))).toBe(false);
    expect(Buffer.compare(readFileSync(at('one.onnx')), encodeModel(sampleModel()))).toBe(0);
  });

  it('starts large tensors at a page', async () => {
    const b = new GraphBuilder();
    b.initializer('a', [300], (n) => new Float32Array(n));
    b.initializer('b', [2 ** 18], (n) => new Float32Array(n).fill(2));
    b.output(b.node('Identity', ['a']));
    await saveModel(b.build(), at('m.onnx'), { externalData: true });
    const { graph } = await loadModel(at('m.onnx'));
    const offset = graph.initializer[1]?.externalData?.find(({ key }) => key === 'offset')?.value;
    expect(offset).toBe('4096');
    expect(readNumbers(graph.initializer[1]!)[2 ** 18 - 1]).toBe(2);
  });

  it('never overwrites the data file that the model was loaded from', async () => {
    await saveModel(sampleModel(), at('m.onnx'), { externalData: { location: 'n.onnx.data' } });
    const model = await loadModel(at('m.onnx'));
    const error = await errorOf(saveModel(model, at('n.onnx')));
    expect([error.code, error.details.path]).toEqual(['SAVE_OVER_SOURCE', at('n.onnx.data')]);
    expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'n.onnx.data']);
  });

  it.each(['../weights.bin', 'sub/weights.bin', '/weights.bin', 'm.onnx', ''])(
    'does not go to %j',
    async (location) => {
      const error = await errorOf(saveModel(sampleModel(), at('m.onnx'), { externalData: { location } }));
      expect(error.code).toBe('EXTERNAL_DATA_LOCATION');
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  it('is as before when the model file cannot be put in place', async () => {
    await saveModel(sampleModel(), at('m.onnx'), { externalData: true });
    const before = ['m.onnx', 'm.onnx.data'].map((name) => readFileSync(at(name)));
    const changed = sampleModel();
    changed.graph.initializer[0] = withContent(changed.graph.initializer[0]!, [512], new Uint8Array(2048).fill(1));
    const { renameSync } = fs;
    jest.spyOn(fs, 'renameSync').mockImplementation((from, to) => {
      if (to === at('m.onnx')) throw Object.assign(new Error('disk'), { code: 'EIO' });
      renameSync(from, to);
    });
    expect((await errorOf(saveModel(changed, at('m.onnx'), { externalData: true }))).code).toBe('SAVE_FAILED');
    expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'm.onnx.data']);
    expect(['m.onnx', 'm.onnx.data'].map((name) => readFileSync(at(name)))).toEqual(before);
  });

  it('of a model that is replaced stays until the new model is in place, and goes then', async () => {
    const files = { model: at('m.onnx'), data: at('m.onnx.data') };
    expect(await saveModel(sampleModel(), at('m.onnx'), { externalData: true })).toEqual(files);
    const second = await saveModel(sampleModel(), at('m.onnx'), { externalData: true });
    expect(second).toEqual({ model: at('m.onnx'), data: at('m.onnx.1.data') });
    expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'm.onnx.1.data']);
    expect(await saveModel(sampleModel(), at('m.onnx'), { externalData: true })).toEqual(files);
    expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'm.onnx.data']);
    expect((await loadModel(at('m.onnx'))).graph.initializer[0]).toMatchObject({ name: 'large' });
  });

  it('that has a name of its own, or that no model there refers to, is never deleted', async () => {
    await saveModel(sampleModel(), at('m.onnx'), { externalData: { location: 'weights.bin' } });
    writeFileSync(at('m.onnx.7.data'), 'of value');
    await saveModel(sampleModel(), at('m.onnx'), { externalData: true });
    expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'm.onnx.7.data', 'm.onnx.data', 'weights.bin']);
  });

  it('of a model that is saved over itself is copied from the old file', async () => {
    await saveModel(sampleModel(), at('m.onnx'), { externalData: true });
    const model = await loadModel(at('m.onnx'));
    await saveModel(model, at('m.onnx'), { overwrite: true });
    expect(readNumbers(model.graph.initializer[0]!)[1023]).toBe(1023);
    expect(readNumbers((await loadModel(at('m.onnx'))).graph.initializer[0]!)[1023]).toBe(1023);
  });
});

describe('a disk that is full', () => {
  const full = (): Error => Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  const options = { externalData: true, alongside: [] as { path: string; content: string }[] };
  const saveAll = () => saveModel(sampleModel(), at('m.onnx'), options);
  const before = async (): Promise<Map<string, string>> => {
    options.alongside = [{ path: at('plan.json'), content: 'old' }];
    await saveAll();
    options.alongside = [{ path: at('plan.json'), content: 'new' }];
    return contents();
  };
  const contents = () => new Map(readdirSync(folder).map((name) => [name, readFileSync(at(name), 'latin1')]));

  it.each(['writev', 'sync'] as const)('at any %s of a file: all files stay as they were', async (method) => {
    const old = await before();
    const { open } = fs.promises;
    for (let failing = 0; failing < 3; failing++) {
      let opened = 0;
      const spy = jest.spyOn(fs.promises, 'open').mockImplementation(async (...args) => {
        const file = await open(...args);
        if (args[1] === 'wx' && opened++ === failing) file[method] = () => Promise.reject(full());
        return file;
      });
      expect((await errorOf(saveAll())).code).toBe('SAVE_NO_SPACE');
      spy.mockRestore();
      expect(contents()).toEqual(old);
    }
  });

  it.each(['writeSync', 'fsyncSync'] as const)('at %s of the journal: all files stay as they were', async (method) => {
    const old = await before();
    jest.spyOn(fs, method).mockImplementation(() => {
      throw full();
    });
    expect((await errorOf(saveAll())).code).toBe('SAVE_NO_SPACE');
    jest.restoreAllMocks();
    expect(contents()).toEqual(old);
  });
});

describe('files alongside a model', () => {
  it('appear with it; when one cannot be written, the error names it and nothing has changed', async () => {
    writeFileSync(at('out.onnx'), 'old');
    const alongside = [
      { path: at('a.txt'), content: 'a' },
      { path: at('gone/b.txt'), content: 'b' },
    ];
    const error = await errorOf(saveModel(parseModel(tiny), at('out.onnx'), { alongside }));
    expect([error.code, error.details.path]).toEqual(['SAVE_NO_FOLDER', at('gone/b.txt')]);
    expect(readdirSync(folder)).toEqual(['out.onnx']);
    await saveModel(parseModel(tiny), at('out.onnx'), { alongside: alongside.slice(0, 1) });
    expect(readFileSync(at('a.txt'), 'utf8')).toBe('a');
  });

  it('keep the permissions of the files that they replace', async () => {
    writeFileSync(at('out.onnx'), 'old', { mode: 0o640 });
    writeFileSync(at('a.txt'), 'old', { mode: 0o600 });
    await saveModel(parseModel(tiny), at('out.onnx'), { alongside: [{ path: at('a.txt'), content: 'new' }] });
    expect(['out.onnx', 'a.txt'].map((name) => statSync(at(name)).mode & 0o777)).toEqual([0o640, 0o600]);
  });
});

describe('what a killed process left behind', () => {
  const gone = (): string => spawnSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).stdout.trim();

  it('is deleted by the next run that writes to the same path, and only that', async () => {
    const kept = ['.other.onnx.tmp', `.out.onnx.${HOST}-${process.ppid}-0123456789ab.tmp`, '.out.onnx.notes.tmp'];
    const left = ['', 'data.', '1.data.'].map((part) => `.out.onnx.${part}${HOST}-${gone()}-0123456789ab.tmp`);
    for (const name of [...kept, ...left]) writeFileSync(at(name), 'x');
    await saveModel(parseModel(tiny), at('out.onnx'));
    expect(readdirSync(folder).sort()).toEqual([...kept, 'out.onnx'].sort());
  });

  it('moves nothing that it could not have written, whatever a journal says', async () => {
    writeFileSync(at('secret'), 'secret');
    const owner = `${HOST}-${gone()}-0123456789ab`;
    const placements = [{ temporary: at('secret'), path: at('public') }];
    writeFileSync(at('.out.onnx.journal'), JSON.stringify({ owner, placements, obsolete: [at('secret')] }));
    await saveModel(parseModel(tiny), at('out.onnx'), { alongside: [{ path: at('a.txt'), content: 'a' }] });
    expect(readdirSync(folder).sort()).toEqual(['a.txt', 'out.onnx', 'secret']);
  });
});
