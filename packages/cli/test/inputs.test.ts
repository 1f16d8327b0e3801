/** Real inputs on the command line: what they are good for, what they may look like, and that wrong ones change nothing. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createRandom, DataType, encodeMessage, GraphBuilder, type Model, makeTensor } from '@onnx-pruning/onnx';
import { feedSource } from '../src/given-inputs.ts';
import { contents, npy, run, saved, smallNet, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
const at = folder.at;

/**
 * x [batch, 3, h, w] - 100 -> Relu -> Conv conv1 (8) -> Relu -> Conv conv2 (4) -> y. It sees nothing but zeros where x is
 * below 100, as random numbers are, and something in pixels of an image.
 */
function brightness(name = 'x', size: (number | string)[] = ['h', 'w']): Model {
  const b = new GraphBuilder({ opset: 17 });
  const random = createRandom(5);
  const conv = (x: string, layer: string, from: number, to: number): string => {
    const w = b.initializer(`${layer}.weight`, [to, from, 1, 1], (n) =>
      Float32Array.from({ length: n }, () => random.normal()),
    );
    return b.node('Conv', [x, w], {}, { name: layer });
  };
  const dims = ['batch', 3, ...size];
  const dark = b.initializer('dark', [], () => Float32Array.of(100));
  const light = b.node('Relu', [b.node('Sub', [b.input(name, dims), dark])]);
  b.output(conv(b.node('Relu', [conv(light, 'conv1', 3, 8)]), 'conv2', 8, 4), ['batch', 4, ...size]);
  return b.build();
}

/** An image of [1, 3, 4, 4] with 48 pixels from 90 on. */
const pixels = (start = 90): Float32Array => Float32Array.from({ length: 48 }, (_, i) => start + ((i * 7) % 48));
const bytesOf = (array: Float32Array): Uint8Array => new Uint8Array(array.buffer);

const tensor = (start: number): Uint8Array =>
  encodeMessage('TensorProto', makeTensor('x', DataType.FLOAT, [1, 3, 4, 4], pixels(start)));

function put(name: string, bytes: Uint8Array): void {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), bytes);
}

beforeAll(async () => {
  await saved(brightness('x', [4, 4]), at('model.onnx'));
  await saved(brightness(), at('dynamic.onnx'));
  put('image.npy', npy([1, 3, 4, 4], pixels()));
  put('wide.npy', npy([1, 3, 4, 5], new Float32Array(60)));
  put('image.bin', bytesOf(pixels()));
  put('zoo/test_data_set_0/input_0.pb', tensor(90));
  put('zoo/test_data_set_1/input_0.pb', tensor(95));
  put('many/test_data_set_0/input_0.pb', tensor(90));
  put('many/test_data_set_0/input_1.pb', tensor(90));
});

const inputs = (...texts: string[]): string[] => texts.flatMap((text) => ['--inputs', text]);
const prune = (model: string, ...rest: string[]) =>
  run(['prune', at(model), '-o', at('out.onnx'), '--plan', at('plan.json'), '--force', '--runs', '1', ...rest]);

describe('a model that random inputs say nothing about', () => {
  it('is checked on a real one', async () => {
    const blind = await prune('model.onnx');
    expect(blind).toMatchObject({ code: 1, stderr: expect.stringMatching(/inconclusive.*--inputs/) });
    expect(folder.files()).not.toContain('out.onnx');

    const { code, stdout, stderr } = await prune('model.onnx', '--inputs', `x=${at('image.npy')}`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Equivalence {2}holds;/m);
    expect(stdout).toContain('compared in 2 runs, 1 of them on the inputs given');
    expect(folder.files()).toContain('out.onnx');
  });

  it.each([
    ['elements with a shape', () => `x=${at('image.bin')}:1x3x4x4`, '2 runs, 1 of them'],
    ['two sets of the model zoo', () => at('zoo'), '2 runs, 2 of them'],
    ['a set of the model zoo', () => at('zoo/test_data_set_1'), '2 runs, 1 of them'],
  ])('is checked on %s', async (_, text, runs) => {
    const { code, stdout } = await prune('model.onnx', ...inputs(text()));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Equivalence {2}holds;/m);
    expect(stdout).toContain(runs);
  });
});

describe('sizes that the model leaves open', () => {
  it('are those of the inputs: counted, checked and timed', async () => {
    const { code, stdout } = await prune('dynamic.onnx', '--inputs', `x=${at('image.npy')}`, '--json');
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    // conv1 3 x 8 and conv2 8 x 4 weights, at 4 x 4 pixels.
    expect(report.before).toMatchObject({ params: 56, macs: 56 * 16 });
    expect(report.equivalence.runs).toEqual([{ x: [1, 3, 4, 4] }, { x: [1, 3, 4, 4] }]);
    expect(report.latency.batch).toBe(1);
    expect(report.options.inputs).toEqual([`x=${at('image.npy')}`]);
  });
});

describe('inputs that do not fit', () => {
  const CASES: readonly (readonly [string, string, () => string[], RegExp])[] = [
    [
      'another shape',
      'model.onnx',
      () => inputs(`x=${at('wide.npy')}`),
      /wide\.npy.*'x'.*\[batch, 3, 4, 4\], found \[1, 3, 4, 5\]/,
    ],
    [
      'elements for another shape',
      'model.onnx',
      () => inputs(`x=${at('image.bin')}:2x3x4x4`),
      /expected 384 bytes.*found 192/,
    ],
    [
      'elements without a shape',
      'model.onnx',
      () => inputs(`x=${at('image.bin')}`),
      /image\.bin.*file\.bin:1x3x224x224/,
    ],
    ['a name that is no input', 'model.onnx', () => inputs(`z=${at('image.npy')}`), /no such input.*'z'.*expected 'x'/],
    ['a file that is not there', 'model.onnx', () => inputs(`x=${at('none.npy')}`), /no such file.*none\.npy/],
    [
      'an input given twice',
      'model.onnx',
      () => inputs(`x=${at('image.npy')}`, `x=${at('image.bin')}:1x3x4x4`),
      /given twice/,
    ],
    ['an array without a name', 'model.onnx', () => inputs(at('image.npy')), /Name the input, as in x=file\.npy/],
    ['a folder with too many inputs', 'model.onnx', () => inputs(at('many')), /expected 1, found 2/],
    [
      'a kind of file that is not known',
      'model.onnx',
      () => inputs(`x=${at('model.onnx')}`),
      /kind of file is not known.*\.npy/,
    ],
    ['an empty text', 'model.onnx', () => inputs(''), /'' is invalid.*input=image\.npy/],
    ['a name without a file', 'model.onnx', () => inputs('x='), /'x=' is invalid/],
    [
      'other sizes than --input-shape says',
      'dynamic.onnx',
      () => [...inputs(`x=${at('image.npy')}`), '--input-shape', 'x=1x3x8x8'],
      /'x'.*expected 1x3x8x8, found 1x3x4x4/,
    ],
    [
      'another size than --input-shape says for a symbol',
      'dynamic.onnx',
      () => [...inputs(`x=${at('image.npy')}`), '--input-shape', 'h=8'],
      /two sizes.*'h'.*expected 8, found 4/,
    ],
  ];

  it.each(CASES)('%s: exit code 2, and nothing is written', async (_, model, argv, message) => {
    const others = { ...folder, files: () => folder.files().filter((name) => name.includes('.')) };
    const before = contents(others);
    const { code, stdout, stderr } = await prune(model, ...argv());
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(contents(others)).toEqual(before);
  });

  it('values that the model does not run on are bad input, too', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const table = b.initializer('table', [5, 4], (n) => Float32Array.from({ length: n }, (_, i) => i - 9));
    const weight = (name: string) =>
      b.initializer(name, [4, 4], (n) => Float32Array.from({ length: n }, (_, i) => i - 7));
    const found = b.node('Gather', [table, b.input('ids', [2], DataType.INT64)]);
    b.output(b.node('MatMul', [b.node('Relu', [b.node('MatMul', [found, weight('a')])]), weight('b')]), [2, 4]);
    await saved(b.build(), at('table.onnx'));
    put('ids.bin', new Uint8Array(BigInt64Array.of(1n, 50n).buffer));
    const { code, stderr } = await prune('table.onnx', '--inputs', `ids=${at('ids.bin')}:2`, '--no-bench');
    expect(stderr).toMatch(/onnxruntime cannot run the model/);
    expect(code).toBe(2);
  });
});

describe('the text of --inputs', () => {
  it('is split where the name of an input ends', () => {
    expect(feedSource('x=a.npy', ['x'])).toEqual({ input: 'x', path: 'a.npy' });
    expect(feedSource('data:0=a=b.npy', ['data:0'])).toEqual({ input: 'data:0', path: 'a=b.npy' });
    expect(feedSource('x=y=a.npy', ['x', 'x=y'])).toEqual({ input: 'x=y', path: 'a.npy' });
    expect(feedSource('x=C:\\a.raw:1x3', ['x'])).toEqual({ input: 'x', path: 'C:\\a.raw', dims: [1, 3] });
    expect(feedSource('z=a.npy', ['x'])).toEqual({ input: 'z', path: 'a.npy' });
    expect(feedSource('runs/a.npz', ['x'])).toEqual({ path: 'runs/a.npz' });
  });

  it('may be a path with an equals sign that is there', async () => {
    mkdirSync(at('lr=0.1'), { recursive: true });
    expect(feedSource(at('lr=0.1'), ['x'])).toEqual({ path: at('lr=0.1') });
  });
});

it('--inputs does not change what is pruned', async () => {
  await saved(smallNet(), at('small.onnx'));
  put(
    'small.npy',
    npy(
      [1, 3, 8, 8],
      Float32Array.from({ length: 192 }, (_, i) => Math.sin(i)),
    ),
  );
  const random = JSON.parse((await prune('small.onnx', '--json', '--no-bench')).stdout);
  const real = JSON.parse(
    (await prune('small.onnx', '--json', '--no-bench', '--inputs', `x=${at('small.npy')}`)).stdout,
  );
  expect(real.verdict).toBe('holds');
  expect(real.groups).toEqual(random.groups);
});
