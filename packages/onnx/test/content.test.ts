/** Content that stays in files: read when it is asked for, never wrong, never written to. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Bytes,
  contentKey,
  copyTensorBytes,
  DataType,
  encodedSize,
  encodeMessage,
  encodeModel,
  fingerprint,
  GraphBuilder,
  hasContent,
  isInFile,
  loadModel,
  type Model,
  ModelFileError,
  makeTensor,
  NumberBlocks,
  parseModel,
  printModel,
  readNumbers,
  saveModel,
  type TensorProto,
  tensorBytes,
  unchangedFile,
  withContent,
} from '../src/index.ts';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'onnx-content-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const SIZE = 2 ** 17;

/** 0, 1, 2, ... times a factor. */
const ramp = (factor: number): Float32Array => Float32Array.from({ length: SIZE }, (_, i) => i * factor);

/** A model of 1.5 MiB: an initializer, one of a body of an If, and the value of a Constant node. */
function sample(): Model {
  const branch = (name: string): GraphBuilder => {
    const b = new GraphBuilder({ name });
    b.output(b.node('Identity', [b.tensor(makeTensor(`${name}.w`, DataType.FLOAT, [SIZE], ramp(2)))]), [SIZE]);
    return b;
  };
  const b = new GraphBuilder();
  b.tensor(makeTensor('w', DataType.FLOAT, [SIZE], ramp(1)));
  b.initializer('small', [2], [1, 2]);
  const value = makeTensor('', DataType.FLOAT, [SIZE], ramp(3));
  const constant = b.node('Constant', [], { value });
  const chosen = b.node('If', [b.input('c', [], DataType.BOOL)], {
    then_branch: branch('then').graph(),
    else_branch: branch('else').graph(),
  });
  b.output(b.node('Sum', ['w', constant, chosen]), [SIZE]);
  return b.build();
}

const weight = (model: Model): TensorProto => model.graph.initializer[0]!;
const writeSample = (name: string): void => fs.writeFileSync(at(name), encodeModel(sample()));

async function codeOf(act: () => unknown): Promise<string | undefined> {
  try {
    await act();
  } catch (error) {
    return error instanceof ModelFileError ? error.code : String(error);
  }
  return undefined;
}

describe('a large model that is loaded by its path', () => {
  it('has its weights in the file, wherever they are nested, and small ones in memory', async () => {
    writeSample('m.onnx');
    const { graph } = await loadModel(at('m.onnx'));
    const [constant, branches] = graph.node;
    expect(graph.initializer.map(isInFile)).toEqual([true, false]);
    expect(isInFile(constant!.attribute[0]!.t!)).toBe(true);
    expect(branches!.attribute.map(({ g }) => isInFile(g!.initializer[0]!))).toEqual([true, true]);
    expect(readNumbers(branches!.attribute[1]!.g!.initializer[0]!)[SIZE - 1]).toBe(2 * (SIZE - 1));
    expect(readNumbers(constant!.attribute[0]!.t!)[5]).toBe(15);
  });

  it('is the same model: bytes, size, fingerprint, print', async () => {
    writeSample('m.onnx');
    const [stored, inMemory] = [await loadModel(at('m.onnx')), sample()];
    expect(Buffer.compare(encodeModel(stored), encodeModel(inMemory))).toBe(0);
    expect(Buffer.compare(encodeModel(stored.clone()), encodeModel(inMemory))).toBe(0);
    expect([encodedSize(stored), encodedSize(inMemory)]).toEqual(new Array(2).fill(encodeModel(inMemory).length));
    expect(fingerprint(stored.proto)).toBe(fingerprint(inMemory.proto));
    expect(printModel(stored, { weights: 'hash' })).toBe(printModel(inMemory, { weights: 'hash' }));
  });

  it('gives its content in parts', async () => {
    writeSample('m.onnx');
    const tensor = weight(await loadModel(at('m.onnx')));
    const part = new Float32Array(3);
    copyTensorBytes(tensor, 4 * 1000, new Uint8Array(part.buffer));
    expect([...part]).toEqual([1000, 1001, 1002]);
    expect(() => copyTensorBytes(tensor, 4 * SIZE - 4, new Uint8Array(part.buffer))).toThrow(RangeError);
    const sums: number[] = [];
    new NumberBlocks().forEach(tensor, 50_000, (block, from) => sums.push(from, block.length, block.at(-1)!));
    expect(sums).toEqual([0, 50_000, 49_999, 50_000, 50_000, 99_999, 100_000, 31_072, 131_071]);
  });

  it('shares content with its clones, and content has a key of its own', async () => {
    writeSample('m.onnx');
    const model = await loadModel(at('m.onnx'));
    const [before, copy] = [weight(model), weight(model.clone())];
    expect(contentKey(copy)).toBe(contentKey(before));
    const changed = withContent(copy, [1], new Uint8Array(4));
    expect(contentKey(changed)).not.toBe(contentKey(before));
    expect([hasContent(changed), isInFile(changed), isInFile(copy)]).toEqual([true, false, true]);
  });
});

describe('the file of a loaded model', () => {
  it('may be deleted or replaced', async () => {
    writeSample('m.onnx');
    const model = await loadModel(at('m.onnx'));
    fs.rmSync(at('m.onnx'));
    fs.writeFileSync(at('m.onnx'), 'something else');
    expect(readNumbers(weight(model))[7]).toBe(7);
  });

  it.each([
    ['written to in place', (path: string) => writeAt(path, 5000, 1)],
    ['cut short', (path: string) => fs.truncateSync(path, 100_000)],
    ['touched', (path: string) => fs.utimesSync(path, 1, 1)],
  ])('must not be %s: no wrong bytes are given', async (_, change) => {
    writeSample('m.onnx');
    const model = await loadModel(at('m.onnx'));
    change(at('m.onnx'));
    expect(await codeOf(() => tensorBytes(weight(model)))).toBe('MODEL_FILE_CHANGED');
    expect(await codeOf(() => saveModel(model, at('n.onnx')))).toBe('MODEL_FILE_CHANGED');
    expect(fs.readdirSync(folder)).toEqual(['m.onnx']);
  });

  it('is closed and opened again where many models are loaded, and must be the same file then', async () => {
    writeSample('first.onnx');
    const first = await loadModel(at('first.onnx'));
    writeSample('second.onnx');
    const second = await loadModel(at('second.onnx'));
    fs.copyFileSync(at('first.onnx'), at('many.onnx'));
    const many: Model[] = [];
    for (let i = 0; i < 150; i++) many.push(await loadModel(at('many.onnx')));
    if (process.platform === 'linux') expect(openFilesIn(folder)).toBeLessThanOrEqual(128);
    expect(readNumbers(weight(first))[3]).toBe(3);
    fs.rmSync(at('second.onnx'));
    expect(await codeOf(() => tensorBytes(weight(second)))).toBe('MODEL_FILE_CHANGED');
    writeSample('second.onnx');
    expect(await codeOf(() => tensorBytes(weight(second)))).toBe('MODEL_FILE_CHANGED');
    expect(many.every((model) => readNumbers(weight(model))[9] === 9)).toBe(true);
  });
});

function writeAt(path: string, position: number, byte: number): void {
  const file = fs.openSync(path, 'r+');
  fs.writeSync(file, Uint8Array.of(byte), 0, 1, position);
  fs.closeSync(file);
}

function openFilesIn(path: string): number {
  return fs.readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return fs.readlinkSync(join('/proc/self/fd', fd)).startsWith(path);
    } catch {
      return false;
    }
  }).length;
}

describe('saving over the files that a model was loaded from', () => {
  it.each([false, true])('leaves a model that can be used on (external data: %s)', async (externalData) => {
    await saveModel(sample(), at('m.onnx'), { externalData });
    const model = await loadModel(at('m.onnx'));
    const half = new Uint8Array(tensorBytes(weight(model)).slice(0, 2 * SIZE));
    const pruned = model.clone();
    pruned.graph.initializer[0] = withContent(weight(pruned), [SIZE / 2], half);
    await saveModel(pruned, at('m.onnx'), { overwrite: true });
    // Enough others that files which nobody needs any more would be closed.
    for (let i = 0; i < 150; i++) await loadModel(at('m.onnx'));
    expect(readNumbers(weight(model))[SIZE - 1]).toBe(SIZE - 1);
    const again = await loadModel(at('m.onnx'));
    expect(weight(again).dims.map(Number)).toEqual([SIZE / 2]);
    expect(Buffer.compare(encodeModel(again), encodeModel(pruned))).toBe(0);
    await saveModel(model, at('m.onnx'), { overwrite: true });
    expect(Buffer.compare(encodeModel(await loadModel(at('m.onnx'))), encodeModel(sample()))).toBe(0);
  });
});

describe('external data', () => {
  it('stays in its file until it is needed', async () => {
    await saveModel(sample(), at('m.onnx'), { externalData: true });
    const model = await loadModel(at('m.onnx'));
    expect(isInFile(weight(model))).toBe(true);
    writeAt(at('m.onnx.data'), 17, 1);
    expect(await codeOf(() => tensorBytes(weight(model)))).toBe('MODEL_FILE_CHANGED');
  });

  it('beyond 2 and 4 GiB is read where it is', async () => {
    const GIB = 2 ** 30;
    const places = [0, 2 * GIB + 4096, 4 * GIB + 64];
    // Sparse: the file takes no more than what is written.
    const file = fs.openSync(at('w.bin'), 'w');
    for (const [i, place] of places.entries()) {
      fs.writeSync(file, new Uint8Array(ramp(i + 1).buffer), 0, 4 * SIZE, place);
    }
    fs.closeSync(file);
    const b = new GraphBuilder();
    for (const i of places.keys()) b.tensor({ name: `w${i}`, dims: [SIZE], dataType: DataType.FLOAT });
    b.output(b.node('Sum', ['w0', 'w1', 'w2']), [SIZE]);
    const model = b.build();
    model.graph.initializer = model.graph.initializer.map((tensor, i) => ({
      ...tensor,
      dataLocation: 1,
      externalData: [
        { key: 'location', value: 'w.bin' },
        { key: 'offset', value: String(places[i]) },
      ],
    }));
    fs.writeFileSync(at('m.onnx'), encodeMessage('ModelProto', model.proto));
    const loaded = await loadModel(at('m.onnx'));
    expect(loaded.graph.initializer.map((tensor) => readNumbers(tensor)[SIZE - 1])).toEqual(
      [1, 2, 3].map((factor) => factor * (SIZE - 1)),
    );
    await saveModel(loaded, at('n.onnx'));
    expect(Buffer.compare(encodeModel(await loadModel(at('n.onnx'))), encodeModel(loaded))).toBe(0);
  });
});

describe('unchangedFile', () => {
  it.each([false, true])(
    'is the path as long as model and files are as they were (external data: %s)',
    async (external) => {
      await saveModel(sample(), at('m.onnx'), { externalData: external });
      const model = await loadModel(at('m.onnx'));
      expect(unchangedFile(model)).toBe(at('m.onnx'));
      expect(unchangedFile(model.clone())).toBe(at('m.onnx'));
      expect(unchangedFile(parseModel(fs.readFileSync(at('m.onnx')), { baseDir: folder }))).toBeUndefined();
      const edits: ((changed: Model) => void)[] = [
        ({ graph }) => graph.initializer.push(makeTensor('more', DataType.FLOAT, [1], [1])),
        ({ graph }) => graph.initializer.reverse(),
        ({ graph }) => graph.initializer.splice(1, 1, makeTensor('small', DataType.FLOAT, [2], [1, 3])),
        ({ graph }) =>
          graph.initializer.splice(
            0,
            1,
            withContent(graph.initializer[0]!, [SIZE], tensorBytes(graph.initializer[0]!)),
          ),
        ({ graph }) => {
          graph.node[0]!.name = 'other';
        },
      ];
      const found = edits.map((edit) => {
        const changed = model.clone();
        edit(changed);
        return unchangedFile(changed);
      });
      // New content that happens to be the old one is the file as well, where the file says nothing else of it.
      expect(found.map((path) => path !== undefined)).toEqual([false, false, false, !external, false]);
      fs.copyFileSync(at('m.onnx'), at('copy.onnx'));
      fs.renameSync(at('copy.onnx'), at('m.onnx'));
      expect(unchangedFile(model)).toBeUndefined();
    },
  );
});

it('content cannot be written to, by type', () => {
  const tensor = makeTensor('w', DataType.FLOAT, [1], [1]);
  const bytes: Bytes = tensorBytes(tensor);
  const attempts = [
    () => {
      // @ts-expect-error bytes are to be read
      bytes[0] = 1;
    },
    // @ts-expect-error bytes are to be read
    () => bytes.fill(0),
    // @ts-expect-error bytes are to be read
    () => bytes.set([1]),
    () => {
      // @ts-expect-error numbers are to be read
      readNumbers(tensor)[0] = 2;
    },
    () => {
      // @ts-expect-error other content is another tensor
      tensor.rawData = new Uint8Array(4);
    },
  ];
  expect(attempts).toHaveLength(5);
  expect([...bytes.slice()]).toEqual([0, 0, 128, 63]);
});
