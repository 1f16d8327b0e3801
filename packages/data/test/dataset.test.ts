/** Data sets: what samples a model is fed, in which order and form, and which files are refused. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DataType, encodeMessage, GraphBuilder, type Model, makeTensor } from '@onnx-pruning/onnx';
import { DataError, Dataset, openDataset, type Preprocess } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'dataset-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

/** An IDX file of unsigned bytes. */
const idx = (dims: readonly number[], elements: readonly number[], type = 8): Buffer => {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header[2] = type;
  header[3] = dims.length;
  dims.forEach((size, axis) => {
    header.writeUInt32BE(size, 4 + 4 * axis);
  });
  return Buffer.concat([header, Buffer.from(elements)]);
};

/** A float32 array as numpy.save writes it. */
const npy = (dims: readonly number[], numbers: readonly number[]): Buffer => {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.join(', ')},), }`;
  const padded = `${text.padEnd(117)}\n`;
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, padded.length, 0]);
  return Buffer.concat([head, Buffer.from(padded), Buffer.from(Float32Array.from(numbers).buffer)]);
};

const model = (dims: readonly (number | string)[], elemType: number = DataType.FLOAT): Model => {
  const b = new GraphBuilder();
  const x = b.input('x', dims, elemType);
  b.output(b.node('Identity', [x]), undefined, elemType);
  return b.build();
};

const numbersOf = async (data: Dataset): Promise<number[][]> => {
  const found: number[][] = [];
  for await (const { feeds } of data) found.push(Array.from(feeds.x!.data as Float32Array));
  return found;
};

const images = file('three-images-idx3-ubyte.gz', gzipSync(idx([3, 2, 2], [0, 51, 102, 255, 1, 2, 3, 4, 5, 6, 7, 8])));
const labels = file('three-labels-idx1-ubyte', idx([3], [7, 0, 9]));
/** Bytes as shares. */
const shares: Preprocess = { from: 'HW', scale: 1 / 255 };

describe('images of MNIST', () => {
  test('come scaled, normalized, padded with black and repeated, in the order that is declared', async () => {
    const how: Preprocess = { from: 'HW', pad: 1, scale: 1 / 255, mean: [0.2], std: [0.5], channels: 2 };
    const data = await openDataset(model(['batch', 2, 4, 4]), images, { preprocess: how });
    const [first] = await numbersOf(data);
    // (byte / 255 - 0.2) / 0.5: black is -0.4; 51, 102 and 255 are 0, 0.4 and 1.6.
    const b = -0.4;
    const image = [b, b, b, b, b, -0.4, 0, b, b, 0.4, 1.6, b, b, b, b, b];
    expect(first!.slice(0, 32)).toEqual([...image, ...image].map((x) => expect.closeTo(x, 6)));
    const last = await openDataset(model(['batch', 4, 4, 2]), images, { preprocess: { ...how, layout: 'NHWC' } });
    expect((await numbersOf(last))[0]!.slice(0, 32)).toEqual(
      image.flatMap((x) => [expect.closeTo(x, 6), expect.closeTo(x, 6)]),
    );
  });

  test('have the labels of the other file, batch by batch', async () => {
    const data = await openDataset(model(['batch', 1, 2, 2]), images, { preprocess: shares, labels, batchSize: 2 });
    const seen: unknown[] = [];
    for await (const { size, labels: classes, feeds } of data) seen.push([size, [...classes!], feeds.x!.dims]);
    expect(seen).toEqual([
      [2, [7, 0], [2, 1, 2, 2]],
      [1, [9], [1, 1, 2, 2]],
    ]);
  });

  test('of colour are taken apart by channels', async () => {
    const colour = file('colour.idx', idx([1, 1, 2, 3], [1, 2, 3, 4, 5, 6]));
    const data = await openDataset(model(['n', 3, 1, 2]), colour, {
      preprocess: { from: 'HWC', mean: [1, 2, 3], std: [1, 1, 1] },
    });
    expect(await numbersOf(data)).toEqual([[0, 3, 0, 3, 0, 3]]);
    const same = file('planes.idx', idx([1, 3, 1, 2], [1, 4, 2, 5, 3, 6]));
    const planes = await openDataset(model(['n', 3, 1, 2]), same, { preprocess: { from: 'CHW' } });
    expect(await numbersOf(planes)).toEqual([[1, 4, 2, 5, 3, 6]]);
  });
});

describe('tensors of the model zoo', () => {
  const put = (name: string, dims: number[], numbers: number[]): void => {
    mkdirSync(join(folder, name), { recursive: true });
    const bytes = encodeMessage('TensorProto', makeTensor('', DataType.FLOAT, dims, numbers));
    for (const each of ['input_0.pb', 'output_0.pb']) writeFileSync(join(folder, name, each), bytes);
  };

  test('are the samples, set after set; what the model gave is no label', async () => {
    put('zoo/test_data_set_10', [1, 2], [5, 6]);
    put('zoo/test_data_set_2', [2, 2], [1, 2, 3, 4]);
    const data = await openDataset(model(['batch', 2]), join(folder, 'zoo'));
    expect([data.length, data.hasLabels]).toEqual([3, false]);
    expect(await numbersOf(data)).toEqual([[1, 2, 3, 4, 5, 6]]);
    expect(await numbersOf(await openDataset(model(['batch', 2]), join(folder, 'zoo/test_data_set_2')))).toEqual([
      [1, 2, 3, 4],
    ]);
  });

  test('of other shapes or types are refused: file and input are named', async () => {
    put('uneven/test_data_set_0', [1, 2], [1, 2]);
    put('uneven/test_data_set_1', [1, 3], [1, 2, 3]);
    const open = (input: Model) => openDataset(input, join(folder, 'uneven'));
    await expect(open(model(['batch', 'n']))).rejects.toThrow(/different shapes.*test_data_set_1.*'x'.*\[samples, 2\]/);
    await expect(open(model(['batch', 2]))).rejects.toThrow(/does not fit.*test_data_set_1.*'x'/);
    const prepared = openDataset(model(['batch', 2]), join(folder, 'zoo'), { preprocess: 'mnist' });
    await expect(prepared).rejects.toThrow(/fed as they are/);
  });
});

describe('a data set', () => {
  const open = (options = {}): Promise<Dataset> =>
    openDataset(model(['batch', 1]), file('numbers.npy', npy([6, 1], [0, 1, 2, 3, 4, 5])), {
      batchSize: 4,
      ...options,
    });

  test('begins anew every time, and has its samples in the order of the file', async () => {
    const data = await open();
    expect(await numbersOf(data)).toEqual([
      [0, 1, 2, 3],
      [4, 5],
    ]);
    expect(await numbersOf(data)).toEqual([
      [0, 1, 2, 3],
      [4, 5],
    ]);
    expect([data.length, data.batchSize, data.hasLabels]).toEqual([6, 4, false]);
  });

  test('gives others: the first, some, all in another order, two without a common sample', async () => {
    const data = await open({ batchSize: 6 });
    expect(await numbersOf(data.take(2))).toEqual([[0, 1]]);
    const [drawn] = await numbersOf(data.take(4, { seed: 1 }));
    expect(new Set(drawn).size).toBe(4);
    expect(await numbersOf(data.take(4, { seed: 1 }))).toEqual([drawn]);
    expect(await numbersOf(data.take(4, { seed: 2 }))).not.toEqual([drawn]);
    const [shuffled] = await numbersOf(data.shuffle(3));
    expect([...shuffled!].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    const [one, other] = data.split(0.5, { seed: 4 });
    const halves = [...(await numbersOf(one)).flat(), ...(await numbersOf(other)).flat()];
    expect([one.length, other.length, new Set(halves).size]).toEqual([3, 3, 6]);
    expect(await numbersOf(data.slice(1, 3).withBatchSize(1))).toEqual([[1], [2]]);
    const feeds: unknown[] = [];
    for await (const { x } of data.take(1).feeds()) feeds.push(x!.dims);
    expect(feeds).toEqual([[1, 1]]);
  });

  test('fills the last batch up where the model takes batches of one size only', async () => {
    const data = await openDataset(model([4, 1]), join(folder, 'numbers.npy'));
    const seen: unknown[] = [];
    for await (const { size, feeds } of data) seen.push([size, Array.from(feeds.x!.data as Float32Array)]);
    expect(seen).toEqual([
      [4, [0, 1, 2, 3]],
      [2, [4, 5, 5, 5]],
    ]);
    expect(() => data.withBatchSize(2)).toThrow(DataError);
    await expect(openDataset(model([4, 1]), join(folder, 'numbers.npy'), { batchSize: 2 })).rejects.toThrow(
      /one size only/,
    );
  });

  test('cannot give more than it has', async () => {
    const data = await open();
    expect(() => data.take(7)).toThrow(/fewer samples/);
    expect(() => data.take(0)).toThrow(DataError);
    expect(() => data.split(0.01)).toThrow(/no samples/);
    expect(() => Dataset.of({} as never)).toThrow(/a source of samples/);
  });
});

describe('is refused, with the file and the input:', () => {
  const one = model(['batch', 1, 2, 2]);
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'bytes without a word how they become numbers',
      () => openDataset(one, images),
      /--preprocess.*|expected FLOAT, found UINT8/,
    ],
    [
      'images of another size',
      () => openDataset(model(['b', 1, 3, 3]), images, { preprocess: shares }),
      /does not fit.*'x'/,
    ],
    ['images of other axes', () => openDataset(one, images, { preprocess: 'cifar10' }), /other axes/],
    [
      'other channels',
      () => openDataset(one, images, { preprocess: { ...shares, mean: [1, 2] } }),
      /2 channels, found 1/,
    ],
    [
      'fewer labels',
      () => openDataset(one, images, { preprocess: shares, labels: file('l-idx1-ubyte', idx([2], [1, 2])) }),
      /one label for every/,
    ],
    [
      'a file that ends early',
      () => openDataset(one, file('short-idx3-ubyte', idx([3, 2, 2], [1, 2]))),
      /ends too early/,
    ],
    [
      'a file that goes on',
      () => openDataset(one, file('long-idx3-ubyte', idx([1, 1, 1], [1, 2]))),
      /more bytes follow/,
    ],
    [
      'a header that ends early',
      () => openDataset(one, file('head-idx3-ubyte', Buffer.from([0, 0, 8, 3, 0]))),
      /within its header/,
    ],
    ['another format', () => openDataset(one, file('odd-idx3-ubyte', Buffer.from('hello'))), /no IDX file/],
    [
      'a damaged .gz',
      () => openDataset(one, file('bad-idx3-ubyte.gz', gzipSync(idx([1], [1])).subarray(0, 12))),
      /damaged or not complete/,
    ],
    ['an unknown kind', () => openDataset(one, file('images.jpg', Buffer.from('x'))), /not known/],
    ['what is not there', () => openDataset(one, join(folder, 'none-idx3-ubyte')), /no such file/],
    [
      'NaN',
      () => openDataset(model(['b', 1]), file('nan.npy', npy([2, 1], [Number.NaN, 1]))),
      /sample 0 holds.*nan\.npy.*'x'.*found NaN/,
    ],
    [
      'infinity, when its sample is read',
      async () =>
        numbersOf(await openDataset(model(['b', 1]), file('inf.npy', npy([2, 1], [1, Number.POSITIVE_INFINITY])))),
      /sample 1 holds.*inf\.npy.*'x'.*found Infinity/,
    ],
    [
      'images of one colour each',
      () => openDataset(one, file('flat-idx3-ubyte', idx([2, 2, 2], [1, 1, 1, 1, 9, 9, 9, 9])), { preprocess: shares }),
      /every sample is of one colour.*'x'/,
    ],
    ['a file without samples', () => openDataset(one, file('empty-idx3-ubyte', idx([0, 2, 2], []))), /no samples/],
  ];
  test.each(cases)('%s', async (_, open, message) => {
    await expect(open()).rejects.toThrow(DataError);
    await expect(open()).rejects.toThrow(message);
  });
});

test('minus infinity is no mistake: masks of attention hold it', async () => {
  const masks = await openDataset(model(['b', 2]), file('mask.npy', npy([2, 2], [0, Number.NEGATIVE_INFINITY, 0, 0])));
  expect(await numbersOf(masks)).toEqual([[0, Number.NEGATIVE_INFINITY, 0, 0]]);
});
