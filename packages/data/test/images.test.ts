/** Folders of images: which samples and classes they are, what the steps make of their pixels, and what is refused. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DataType, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import sharp from 'sharp';
import { DataError, type Dataset, openDataset, type Preprocess } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'images-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

function put(name: string, content: Uint8Array | string): string {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), content);
  return at(name);
}

/** A .png with these bytes, row by row, channels last. */
async function png(name: string, height: number, width: number, bytes: readonly number[]): Promise<string> {
  const channels = (bytes.length / (height * width)) as 1 | 2 | 3 | 4;
  const image = sharp(Uint8Array.from(bytes), { raw: { height, width, channels } });
  return put(
    name,
    await image
      .toColourspace(channels < 3 ? 'b-w' : 'srgb')
      .png()
      .toBuffer(),
  );
}

const model = (dims: readonly (number | string)[]): Model => {
  const b = new GraphBuilder();
  b.output(b.node('Identity', [b.input('x', dims)]), undefined, DataType.FLOAT);
  return b.build();
};

const ANY = model(['n', 'c', 'h', 'w']);

async function walked(data: Dataset): Promise<{ dims: readonly number[]; numbers: number[]; labels?: number[] }[]> {
  const found = [];
  for await (const { feeds, labels } of data) {
    const { dims, data: numbers } = feeds.x!;
    found.push({ dims, numbers: Array.from(numbers as Float32Array), ...(labels && { labels: [...labels] }) });
  }
  return found;
}

const firstOf = async (path: string, preprocess: Preprocess, of = ANY) =>
  (await walked((await openDataset(of, path, { preprocess })).take(1)))[0]!;

const ONE: Preprocess = { from: 'HW' };

beforeAll(async () => {
  // Grey images of 1 x 2 pixels, named so that neither the order of writing nor numbers decide.
  for (const [name, first] of [
    ['two/b.png', 3],
    ['two/a.PNG', 2],
    ['one/10.png', 0],
    ['one/9.png', 1],
  ] as const)
    await png(`classes/${name}`, 1, 2, [first, 255]);
  put('classes/README.txt', 'left alone');
  put('classes/one/.hidden.png', 'left alone');
  for (const name of ['a', 'b', 'c,d']) await png(`flat/${name}.png`, 1, 2, [name.charCodeAt(0), 0]);
});

describe('samples are', () => {
  test('the images of a folder for every class, in the order of the names', async () => {
    const data = await openDataset(ANY, at('classes'), { preprocess: ONE, batchSize: 3 });
    expect([data.length, data.hasLabels]).toEqual([4, true]);
    const batches = [
      { dims: [3, 1, 1, 2], numbers: [0, 255, 1, 255, 2, 255], labels: [0, 0, 1] },
      { dims: [1, 1, 1, 2], numbers: [3, 255], labels: [1] },
    ];
    expect(await walked(data)).toEqual(batches);
    expect(await walked(data)).toEqual(batches);
  });

  test('repeated where a model takes batches of one size only, and decoded in any order', async () => {
    const data = await openDataset(model([3, 1, 1, 2]), at('classes'), { preprocess: ONE });
    expect((await walked(data)).map(({ numbers, labels }) => [numbers, labels])).toEqual([
      [
        [0, 255, 1, 255, 2, 255],
        [0, 0, 1],
      ],
      [[3, 255, 3, 255, 3, 255], [1]],
    ]);
    expect((await walked(data.slice(2, 4)))[0]!.labels).toEqual([1, 1]);
  });

  test('images of a flat folder, without labels or with those of a table', async () => {
    expect((await openDataset(ANY, at('flat'), { preprocess: ONE })).hasLabels).toBe(false);
    const labelsOf = async (csv: string) => {
      const labels = put('labels.csv', csv);
      const data = await openDataset(ANY, at('flat'), { preprocess: ONE, labels });
      return (await walked(data))[0]!.labels;
    };
    expect(await labelsOf('file,label\nb.png,7\n"c,d.png",0\na.png,1\n')).toEqual([1, 7, 0]);
    // Names in their order: bird, cat.
    expect(await labelsOf('\uFEFFa.png,cat\r\nb.png,"bird"\r\n"c,d.png",cat\r\n')).toEqual([1, 0, 1]);
  });

  test('given other numbers of classes by a table', async () => {
    const labels = put('other.csv', 'one/9.png,5\none/10.png,6\ntwo/a.PNG,7\ntwo/b.png,8\n');
    const data = await openDataset(ANY, at('classes'), { preprocess: ONE, labels });
    expect((await walked(data))[0]!.labels).toEqual([6, 5, 7, 8]);
  });

  test('decoded when they are needed: an image that is damaged stops the walk where it is', async () => {
    for (let i = 0; i < 20; i++) await png(`lazy/${10 + i}.png`, 1, 2, [i, 255]);
    put('lazy/14.png', 'not an image');
    const data = await openDataset(ANY, at('lazy'), { preprocess: ONE, batchSize: 1 });
    expect(await walked(data.take(1))).toHaveLength(1);
    await expect(walked(data)).rejects.toThrow(/damaged.*14\.png.*'x'/);
  });

  test('with their colours; the alpha channel is dropped, and an image without colours has three channels', async () => {
    await png('colour/a.png', 1, 2, [1, 2, 3, 255, 4, 5, 6, 128]);
    await png('colour/b.png', 1, 2, [7, 8]);
    const data = await openDataset(ANY, at('colour'), { preprocess: { from: 'HWC' } });
    expect((await walked(data))[0]!.numbers).toEqual([1, 4, 2, 5, 3, 6, 7, 8, 7, 8, 7, 8]);
  });
});

describe('the steps', () => {
  /** Red is the number of the pixel, green 100 more, blue 200. */
  const numbered = (height: number, width: number): number[] =>
    Array.from({ length: height * width }, (_, i) => [i, 100 + i, 200 + i]).flat();
  const red = (numbers: readonly number[]): number[] => numbers.slice(0, numbers.length / 3);

  test('crop the middle; halves go to the even neighbour, as in torchvision', async () => {
    await png('crop/a.png', 4, 5, numbered(4, 5));
    // Top (4 - 2) / 2 = 1, left (5 - 2) / 2 = 1.5, which is rounded to 2: pixels 7, 8, 12, 13.
    const { dims, numbers } = await firstOf(at('crop'), { from: 'HWC', crop: 2 });
    expect([dims, red(numbers)]).toEqual([
      [1, 3, 2, 2],
      [7, 8, 12, 13],
    ]);
    // 3 of 4 rows: 0.5, which is rounded to 0.
    const tall = await firstOf(at('crop'), { from: 'HWC', crop: [3, 1] });
    expect(red(tall.numbers)).toEqual([2, 7, 12]);
  });

  test('put the colours in another order before they are normalized, channels first or last', async () => {
    await png('order/a.png', 2, 2, [10, 20, 30, 11, 21, 31, 10, 20, 30, 10, 20, 30]);
    // Blue (30 - 1) / 1, green (20 - 2) / 2, red (10 - 3) / 3.
    const how: Preprocess = { from: 'HWC', colours: 'BGR', mean: [1, 2, 3], std: [1, 2, 3] };
    const planes = await firstOf(at('order'), how);
    expect(planes.numbers.slice(4, 6)).toEqual([9, 9.5].map((x) => expect.closeTo(x, 5)));
    const last = await firstOf(at('order'), { ...how, layout: 'NHWC' });
    expect(last.dims).toEqual([1, 2, 2, 3]);
    expect(last.numbers.slice(0, 6)).toEqual([29, 9, 7 / 3, 30, 9.5, 8 / 3].map((x) => expect.closeTo(x, 5)));
  });

  test('resize by means of neighbours: half of the size is the mean of Pillow', async () => {
    await png(
      'half/a.png',
      4,
      4,
      Array.from({ length: 16 }, (_, i) => 8 * i),
    );
    // Along a row of four, Pillow's filter of radius 2 at 1 (of 4): weights 1/4, 3/4, 3/4, 1/4 (as far as they exist) by their
    // sum. Row 0, 8, 16, 24: (0 * .75 + 8 * .75 + 16 * .25) / 1.75 = 5.71 -> 6, and 24 - 5.71 = 18.29 -> 18. Each next row is
    // 32 more; down the columns likewise: 6, 38, 70 give (6 * .75 + 38 * .75 + 70 * .25) / 1.75 = 28.86 -> 29.
    const { numbers } = await firstOf(at('half'), { from: 'HW', resize: 2 });
    expect(numbers).toEqual([29, 41, 79, 91]);
  });

  test('resize the shorter side, the longer one in proportion and rounded down', async () => {
    await png('wide/a.png', 3, 5, numbered(3, 5));
    // 2 * 5 / 3 = 3.33.
    expect((await firstOf(at('wide'), { from: 'HWC', resize: 2 })).dims).toEqual([1, 3, 2, 3]);
    expect((await firstOf(at('wide'), { from: 'HWC', resize: [4, 1] })).dims).toEqual([1, 3, 4, 1]);
  });

  describe('give the bytes of', () => {
    const bytes = Array.from({ length: 105 }, (_, i) => (i * 37) % 256);
    // Image.fromarray(a).resize((width, height), ...)[:, :, 0] of Pillow 13.0.0, where a[i] = 37 i mod 256, [5, 7, 3].
    test.each<[string, Preprocess['interpolation'], [number, number], number[]]>([
      ['bilinear, smaller', 'bilinear', [2, 3], [104, 146, 123, 105, 145, 141]],
      ['bicubic, smaller', 'bicubic', [2, 3], [99, 158, 117, 99, 152, 141]],
      ['nearest, smaller', 'nearest', [2, 3], [120, 86, 52, 138, 104, 70]],
      ['bilinear, larger', 'bilinear', [8, 9], [0, 74, 160, 190, 77, 163, 107, 80, 154, 4, 78]],
      ['bicubic, larger', 'bicubic', [8, 9], [0, 66, 173, 201, 76, 175, 103, 67, 158, 1, 70]],
      ['nearest, larger', 'nearest', [8, 9], [0, 111, 111, 222, 77, 188, 43, 43, 154, 0, 111]],
    ])('Pillow: %s', async (_, interpolation, resize, expected) => {
      await png('pillow/a.png', 5, 7, bytes);
      const { numbers } = await firstOf(at('pillow'), { from: 'HWC', resize, interpolation });
      expect(numbers.slice(0, expected.length)).toEqual(expected);
    });

    test('OpenCV, to one level: without antialias only the nearest pixels count', async () => {
      await png('pillow/a.png', 5, 7, bytes);
      const { numbers } = await firstOf(at('pillow'), { from: 'HWC', resize: [2, 3], antialias: false });
      // cv2.resize(a, (3, 2), interpolation=cv2.INTER_LINEAR)[:, :, 0] of OpenCV 5.0.0.
      for (const [i, x] of [80, 84, 87, 103, 106, 109].entries())
        expect(Math.abs(numbers[i]! - x)).toBeLessThanOrEqual(1);
    });
  });

  test("of 'yolo' put the whole image into the model's size, with grey of 114 around it", async () => {
    await png('yolo/a.png', 2, 4, [...Array(12).fill(0), ...Array(12).fill(255)]);
    const data = await openDataset(model(['n', 3, 4, 4]), at('yolo'), { preprocess: 'yolo' });
    const [grey, black, white] = [114 / 255, 0, 1];
    const plane = [grey, black, white, grey].flatMap((x) => [x, x, x, x]);
    expect((await walked(data))[0]!.numbers).toEqual([...plane, ...plane, ...plane].map((x) => expect.closeTo(x, 6)));
    // 4 x 2 into 5 x 4: 1.25 times gives 5 x 2.5, and 2.5 is rounded to 2; one column on either side.
    await png(
      'tall/a.png',
      4,
      2,
      Array.from({ length: 24 }, (_, i) => (i < 12 ? 255 : 0)),
    );
    const tall = (await walked(await openDataset(model(['n', 3, 5, 4]), at('tall'), { preprocess: 'yolo' })))[0]!;
    expect(tall.numbers.slice(0, 4)).toEqual([grey, white, white, grey].map((x) => expect.closeTo(x, 6)));
  });

  test("of 'imagenet' are torchvision's: 256, 224 of the middle, mean and deviation", async () => {
    // The left half black, the right one white; doubled and cut, column 111 is black and 112 white but for the filter's edge.
    const row = Array.from({ length: 128 }, (_, x) => (x < 64 ? 0 : 255)).flatMap((x) => [x, x, x]);
    await png('imagenet/a.png', 128, 128, Array.from({ length: 128 }, () => row).flat());
    const data = await openDataset(model(['n', 3, 224, 224]), at('imagenet'), { preprocess: 'imagenet' });
    const { dims, numbers } = (await walked(data))[0]!;
    expect(dims).toEqual([1, 3, 224, 224]);
    for (const [c, [mean, std]] of [
      [0.485, 0.229],
      [0.456, 0.224],
      [0.406, 0.225],
    ].entries()) {
      expect(numbers[c * 224 * 224]).toBeCloseTo(-mean! / std!, 5);
      expect(numbers[c * 224 * 224 + 223]).toBeCloseTo((1 - mean!) / std!, 5);
    }
  });

  test('turn an image as its camera noted, where that is declared', async () => {
    const raw = { raw: { height: 1, width: 2, channels: 3 as const } };
    const turned = sharp(Uint8Array.of(10, 10, 10, 20, 20, 20), raw)
      .withMetadata({ orientation: 3 })
      .png();
    put('turned/a.png', await turned.toBuffer());
    expect((await firstOf(at('turned'), { from: 'HWC' })).numbers.slice(0, 2)).toEqual([10, 20]);
    expect((await firstOf(at('turned'), { from: 'HWC', orient: true })).numbers.slice(0, 2)).toEqual([20, 10]);
  });
});

describe('is refused, with a word:', () => {
  const open = (path: string, preprocess: unknown = { from: 'HWC' }, of = ANY, labels?: string): Promise<Dataset> =>
    openDataset(of, at(path), {
      preprocess: preprocess as Preprocess,
      ...(labels !== undefined && { labels: at(labels) }),
    });

  beforeAll(async () => {
    mkdirSync(at('empty'));
    await png('mixed/a.png', 1, 2, [0, 1]);
    await png('mixed/cats/a.png', 1, 2, [0, 1]);
    await png('hollow/cats/a.png', 1, 2, [0, 1]);
    mkdirSync(at('hollow/dogs'));
    await png('deep/cats/more/a.png', 1, 2, [0, 1]);
    await png('sizes/a.png', 1, 2, [0, 1]);
    await png('sizes/b.png', 2, 2, [0, 1, 2, 3]);
    for (const name of ['a', 'b'])
      await png(`blank/${name}.png`, 2, 1, [name.charCodeAt(0), 2, 3, name.charCodeAt(0), 2, 3]);
    const noise = await sharp(
      Uint8Array.from({ length: 30_000 }, (_, i) => (i * i * 7) % 251),
      {
        raw: { height: 100, width: 100, channels: 3 },
      },
    )
      .png()
      .toBuffer();
    put('cut/a.png', noise.subarray(0, noise.length / 2));
    put('bmp/a.bmp', 'BM');
    const deep = sharp(Uint8Array.of(0, 1), { raw: { height: 1, width: 2, channels: 1 } }).toColourspace('grey16');
    put('deep16/a.png', await deep.png().toBuffer());
    mkdirSync(at('broken'));
    symlinkSync(at('nowhere'), at('broken/a.png'));
    put('short.csv', 'a.png,1\n');
    put('stray.csv', 'a.png,1\nb.png,1\n"c,d.png",1\nd.png,1\n');
    put('twice.csv', 'a.png,1\na.png,2\n');
    put('both.csv', 'a.png,1\nb.png,cat\n"c,d.png",cat\n');
    put('odd.csv', 'a.png 1\n');
  });

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['an empty folder', () => open('empty'), /layout.*empty.*found neither/],
    ['images beside folders', () => open('mixed'), /found both images \(a\.png.*folders \(cats/],
    ['a class without images', () => open('hollow'), /hollow\/dogs.*a class without images/],
    ['folders in classes', () => open('deep'), /a folder more in a class/],
    ['a kind that is not read', () => open('bmp'), /a\.bmp.*Convert it/],
    ['a file that is not complete', () => open('cut'), /damaged, not complete.*cut\/a\.png.*'x'/],
    ['more than bytes', () => open('deep16', { from: 'HW' }), /other numbers than bytes/],
    ['a link to nowhere', () => open('broken'), /no such file/],
    ['images of different sizes', () => open('sizes'), /different sizes.*b\.png.*'x'.*\[3, 1, 2\].*resize/],
    ['images of one colour each', () => open('blank'), /of one colour.*blank.*2 samples/],
    ['no word how they become numbers', () => openDataset(ANY, at('flat')), /nothing says how.*--preprocess/],
    ['colours where there should be none', () => open('pillow', { from: 'HW' }), /has colours.*one channel/],
    [
      "a size that is not the model's",
      () => open('flat', 'imagenet', model(['n', 3, 32, 32])),
      /\[n, 3, 32, 32\].*224 x 224/,
    ],
    ['a crop of more than there is', () => open('flat', { from: 'HW', crop: 9 }), /smaller than.*9 x 9.*1 x 2/],
    ['yolo without a size', () => open('flat', 'yolo'), /does not say how large.*letterbox: \[640, 640\]/],
    [
      'a letterbox and a crop',
      () => open('flat', { from: 'HW', letterbox: 4, crop: 2 }),
      /letterbox resizes by itself/,
    ],
    ['a size of nothing', () => open('flat', { from: 'HW', resize: 0 }), /resize is of the wrong kind/],
    [
      'bicubic of two pixels',
      () => open('flat', { from: 'HW', interpolation: 'bicubic', antialias: false }),
      /bicubic/,
    ],
    ['an image without a label', () => open('flat', ONE, ANY, 'short.csv'), /no label.*short\.csv.*'b\.png'/],
    ['a label without an image', () => open('flat', ONE, ANY, 'stray.csv'), /not there.*'d\.png'/],
    ['two labels of an image', () => open('flat', ONE, ANY, 'twice.csv'), /two labels.*'a\.png' twice/],
    ['labels of two kinds', () => open('flat', ONE, ANY, 'both.csv'), /and not both.*'1'/],
    ['a table of something else', () => open('flat', ONE, ANY, 'odd.csv'), /line 1: 'a\.png 1'/],
  ])('%s', async (_, opened, message) => {
    await expect(opened()).rejects.toThrow(message);
  });

  test('every image, where sharp is not installed: the word says how to get it', async () => {
    jest.resetModules();
    jest.doMock('sharp', () => {
      throw Object.assign(new Error("Cannot find module 'sharp'"), { code: 'MODULE_NOT_FOUND' });
    });
    const { loadDecoder } = await import('../src/sharp.ts');
    await expect(loadDecoder()).rejects.toMatchObject({
      code: 'DATA_SHARP_MISSING',
      message: expect.stringContaining('npm install sharp'),
    });
    jest.dontMock('sharp');
  });

  test('is a DataError', async () => {
    await expect(open('empty')).rejects.toBeInstanceOf(DataError);
  });
});
