/** Which files give which inputs of a model, and what is refused because it does not fit. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DataError, type FeedSource, readFeeds } from '@onnx-pruning/data';
import { DataType, encodeMessage, GraphBuilder, type Model, makeTensor } from '@onnx-pruning/onnx';
import type { TensorValues } from '@onnx-pruning/runtime';
import AdmZip from 'adm-zip';

const folder = mkdtempSync(join(tmpdir(), 'onnx-pruning-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

function put(name: string, bytes: Uint8Array): string {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), bytes);
  return at(name);
}

/** x FLOAT [batch, 2] and ids INT64 [batch, n]; the weight is an input as well, which old exporters write. */
function twoInputs(): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.output(b.node('Relu', [b.input('x', ['batch', 2])]), ['batch', 2]);
  b.output(b.node('Cast', [b.input('ids', ['batch', 'n'], DataType.INT64)], { to: DataType.FLOAT }), ['batch', 'n']);
  const model = b.build();
  model.graph.input.push({ name: 'w', type: { tensorType: { elemType: DataType.FLOAT } } });
  model.graph.initializer.push(makeTensor('w', DataType.FLOAT, [1], [1]));
  return model;
}

function oneInput(dataType: number = DataType.FLOAT, dims: (number | string)[] = ['batch', 2]): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.output(b.node('Identity', [b.input('x', dims, dataType)]), dims);
  return b.build();
}

/** A .npy file of version 1.0. */
function npy(descr: string, shape: string, content: ArrayBufferView): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }\n`;
  const bytes = new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    Buffer.of(text.length, 0),
    Buffer.from(text),
    bytes,
  ]);
}

const floats = (...values: number[]): Buffer => npy('<f4', `(1, ${values.length})`, Float32Array.from(values));
const integers = (...values: bigint[]): Buffer => npy('<i8', `(1, ${values.length})`, BigInt64Array.from(values));

function npz(arrays: Record<string, Buffer>): Buffer {
  const zip = new AdmZip();
  for (const [name, bytes] of Object.entries(arrays)) zip.addFile(`${name}.npy`, bytes);
  return zip.toBuffer();
}

const pb = (name: string, values: readonly number[]): Uint8Array =>
  encodeMessage('TensorProto', makeTensor(name, DataType.FLOAT, [1, values.length], values));
const idsPb = (name: string, values: bigint[]): Uint8Array =>
  encodeMessage('TensorProto', makeTensor(name, DataType.INT64, [1, values.length], BigInt64Array.from(values)));

const x = (...values: number[]) => ({
  dataType: DataType.FLOAT,
  dims: [1, values.length],
  data: Float32Array.from(values),
});
const ids = (...values: bigint[]) => ({
  dataType: DataType.INT64,
  dims: [1, values.length],
  data: BigInt64Array.from(values),
});

async function errorOf(read: Promise<unknown>): Promise<DataError> {
  const error = await read.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

const BIG = 9007199254740993n;

describe('readFeeds gives every input of', () => {
  const both: TensorValues[] = [{ x: x(1, 2), ids: ids(BIG, 5n, 6n) }];

  it('a file for each', async () => {
    const sources = [
      { input: 'ids', path: put('ids.NPY', integers(BIG, 5n, 6n)) },
      { input: 'x', path: put('x.bin', new Uint8Array(Float32Array.of(1, 2).buffer)), dims: [1, 2] },
    ];
    expect(await readFeeds(twoInputs(), sources)).toEqual(both);
    expect(await readFeeds(twoInputs(), [sources[0]!, { input: 'x', path: put('x.pb', pb('other', [1, 2])) }])).toEqual(
      both,
    );
  });

  it('an archive, and a set for each of several', async () => {
    const path = put('both.npz', npz({ x: floats(1, 2), ids: integers(BIG, 5n, 6n) }));
    const other = put('other.npz', npz({ ids: integers(7n), x: floats(3, 4) }));
    expect(await readFeeds(twoInputs(), [{ path }])).toEqual(both);
    expect(await readFeeds(twoInputs(), [{ path }, { path: other }])).toEqual([...both, { x: x(3, 4), ids: ids(7n) }]);
  });

  it('an archive with a part, and a file', async () => {
    const sources = [{ path: put('x.npz', npz({ x: floats(1, 2) })) }, { input: 'ids', path: at('ids.NPY') }];
    expect(await readFeeds(twoInputs(), sources)).toEqual(both);
  });

  it('a folder, in the order of the inputs', async () => {
    put('set/input_0.pb', pb('', [1, 2]));
    put('set/input_1.pb', idsPb('gpu_0/ids', [BIG, 5n, 6n]));
    put('set/output_0.pb', pb('y', [1, 2]));
    expect(await readFeeds(twoInputs(), [{ path: at('set') }])).toEqual(both);
  });

  it('a folder whose tensors carry the names of the inputs', async () => {
    put('named/input_0.pb', idsPb('ids', [BIG, 5n, 6n]));
    put('named/input_1.pb', pb('x', [1, 2]));
    expect(await readFeeds(twoInputs(), [{ path: at('named') }])).toEqual(both);
  });

  it('folders of a model of the zoo, in the order of their numbers', async () => {
    for (const i of [0, 2, 10]) put(`zoo/test_data_set_${i}/input_0.pb`, pb('x', [i, -i]));
    put('zoo/model.onnx', new Uint8Array());
    expect(await readFeeds(oneInput(), [{ path: at('zoo') }])).toEqual([
      { x: x(0, -0) },
      { x: x(2, -2) },
      { x: x(10, -10) },
    ]);
  });

  it("a model that writes '?' and -1 for sizes that are free", async () => {
    const path = put('free.npy', npy('<f4', '(1, 2)', Float32Array.of(1, 2)));
    for (const dims of [
      ['?', '?'],
      [-1, -1],
    ]) {
      expect(await readFeeds(oneInput(DataType.FLOAT, dims), [{ input: 'x', path }])).toEqual([{ x: x(1, 2) }]);
    }
  });

  it('a model that takes text', async () => {
    const text = [Buffer.from('ü'), Buffer.from('')];
    const path = put(
      'text.pb',
      encodeMessage('TensorProto', { dims: [2], dataType: DataType.STRING, stringData: text }),
    );
    const feeds = await readFeeds(oneInput(DataType.STRING, ['n']), [{ input: 'x', path }]);
    expect(feeds).toEqual([{ x: { dataType: DataType.STRING, dims: [2], data: ['ü', ''] } }]);
  });
});

describe('readFeeds refuses', () => {
  beforeAll(() => {
    put('good.npy', floats(1, 2));
    put('ids.npy', integers(1n));
    put('double.npy', npy('<f8', '(1, 2)', Float64Array.of(1, 2)));
    put('int32.npy', npy('<i4', '(1, 1)', Int32Array.of(1)));
    put('wide.npy', floats(1, 2, 3));
    put('flat.npy', npy('<f4', '(2,)', Float32Array.of(1, 2)));
    put('two.npy', npy('<f4', '(2, 2)', Float32Array.of(1, 2, 3, 4)));
    put('good.bin', Buffer.alloc(8));
    put('good.csv', Buffer.from('1,2'));
    put('full.npz', npz({ x: floats(1, 2), ids: integers(1n) }));
    put('more.npz', npz({ x: floats(1, 2), ids: integers(1n), label: integers(1n) }));
    put('filled.npz', npz({ x: floats(1, 2), ids: integers(1n), w: floats(1) }));
    put('part.npz', npz({ x: floats(1, 2) }));
    put('gap/input_0.pb', pb('', [1, 2]));
    put('gap/input_2.pb', pb('', [1, 2]));
    put('one/input_0.pb', pb('', [1, 2]));
    for (const i of [0, 1, 2]) put(`three/input_${i}.pb`, pb('', [1, 2]));
    put('swapped/input_0.pb', pb('ids', [1, 2]));
    put('swapped/input_1.pb', pb('', [1, 2]));
    put('mixed/input_0.pb', pb('', [1, 2]));
    put('mixed/test_data_set_0/input_0.pb', pb('', [1, 2]));
    put('hollow/test_data_set_0/output_0.pb', pb('', [1, 2]));
    put('parts/test_data_set_0/input_0.pb', pb('', [1, 2]));
    put('parts/test_data_set_1/input_0.pb', pb('', [1, 2]));
    mkdirSync(at('empty'));
  });

  const named = (input: string, path: string, dims?: number[]): FeedSource => ({ input, path, dims });
  const IDS = named('ids', 'ids.npy');
  const CASES: readonly (readonly [string, readonly FeedSource[], string, RegExp])[] = [
    ['nothing at all', [], 'DATA_INPUT_MISSING', /values for 'x', 'ids'/],
    ['one of two inputs', [named('x', 'good.npy')], 'DATA_INPUT_MISSING', /value 'ids'/],
    [
      'an input given twice',
      [named('x', 'good.npy'), named('x', 'two.npy'), IDS],
      'DATA_INPUT_TWICE',
      /good\.npy' as well/,
    ],
    ['an input given by an archive as well', [{ path: 'full.npz' }, IDS], 'DATA_INPUT_TWICE', /value 'ids'/],
    ['a name that is no input', [named('z', 'good.npy')], 'DATA_INPUT_UNKNOWN', /value 'z'.*expected 'x', 'ids'/],
    ['an array that is no input', [{ path: 'more.npz' }], 'DATA_INPUT_UNKNOWN', /more\.npz', value 'label'/],
    ['an input that the file fills', [{ path: 'filled.npz' }], 'DATA_INPUT_UNKNOWN', /itself holds the value/],
    ['float64 for FLOAT', [named('x', 'double.npy'), IDS], 'DATA_TYPE', /expected FLOAT, found DOUBLE.*float32/],
    [
      'int32 for INT64',
      [named('x', 'good.npy'), named('ids', 'int32.npy')],
      'DATA_TYPE',
      /expected INT64, found INT32/,
    ],
    ['a size against the model', [named('x', 'wide.npy'), IDS], 'DATA_SHAPE', /\[batch, 2\], found \[1, 3\]/],
    ['another rank', [named('x', 'flat.npy'), IDS], 'DATA_SHAPE', /\[batch, 2\], found \[2\].*batch included/],
    [
      'two sizes for a symbol',
      [named('x', 'two.npy'), IDS],
      'DATA_SHAPE',
      /'batch' for both.*expected 2, as in 'x', found 1/,
    ],
    ['elements without a shape', [named('x', 'good.bin'), IDS], 'DATA_SHAPE_MISSING', /\[batch, 2\].*file\.bin:1x3/],
    ['elements of another shape', [named('x', 'good.bin', [2, 2]), IDS], 'DATA_TRUNCATED', /16 bytes .* found 8 bytes/],
    ['a shape for an array', [named('x', 'good.npy', [1, 2]), IDS], 'DATA_SHAPE_GIVEN', /holds its own/],
    ['a kind of file that is not known', [named('x', 'good.csv'), IDS], 'DATA_KIND', /good\.csv.*expected \.npy/],
    ['a file that is not there', [named('x', 'none.npy'), IDS], 'DATA_NOT_FOUND', /none\.npy/],
    ['an archive that is not there', [{ path: 'none.npz' }], 'DATA_NOT_FOUND', /none\.npz/],
    [
      'an array without a name',
      [{ path: 'good.npy' }],
      'DATA_INPUT_UNNAMED',
      /expected one of 'x', 'ids'.*x=file\.npy/,
    ],
    ['an archive with a name', [named('x', 'part.npz')], 'DATA_INPUT_NAMED', /Leave the name/],
    ['a folder with a name', [named('x', 'one')], 'DATA_INPUT_NAMED', /Leave the name/],
    ['a folder of other files', [{ path: 'empty' }], 'DATA_LAYOUT', /expected input_0\.pb/],
    ['a folder with a gap', [{ path: 'gap' }], 'DATA_LAYOUT', /found input_2\.pb where input_1\.pb/],
    ['a folder with an input too few', [{ path: 'one' }], 'DATA_INPUT_MISSING', /value 'ids'/],
    ['a folder with an input too many', [{ path: 'three' }], 'DATA_LAYOUT', /input_2\.pb.*expected 2, found 3/],
    [
      'tensors with names at other places',
      [{ path: 'swapped' }],
      'DATA_LAYOUT',
      /input_0\.pb', value 'x'.*found 'ids'/,
    ],
    ['a folder that is a set and holds sets', [{ path: 'mixed' }], 'DATA_LAYOUT', /found both/],
    ['a set without inputs', [{ path: 'hollow' }], 'DATA_LAYOUT', /test_data_set_0/],
    ['several sets and a file', [{ path: 'parts' }, IDS], 'DATA_SETS', /found 2 sets/],
  ];

  it.each(CASES)('%s', async (_, sources, code, message) => {
    const error = await errorOf(
      readFeeds(
        twoInputs(),
        sources.map((source) => ({ ...source, path: at(source.path) })),
      ),
    );
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  it('a name before it reads any file', async () => {
    const sources = [named('x', at('none.npy')), named('z', at('none.npy'))];
    expect((await errorOf(readFeeds(twoInputs(), sources))).code).toBe('DATA_INPUT_UNKNOWN');
  });
});
