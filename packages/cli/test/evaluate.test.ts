/** `evaluate`: a model is measured on samples, alone or beside its original. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import sharp from 'sharp';
import { npy, run, saved, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
const at = folder.at;

/** x [batch, 2] -> x times two factors -> y */
function scaled(factors: readonly number[]): Model {
  const b = new GraphBuilder();
  b.output(b.node('Mul', [b.input('x', ['batch', 2]), b.initializer('f', [2], factors)], {}, { outputs: ['y'] }), [
    'batch',
    2,
  ]);
  return b.build();
}

const idx = (name: string, dims: readonly number[], elements: readonly number[]): void => {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([8, dims.length], 2);
  dims.forEach((size, axis) => {
    header.writeUInt32BE(size, 4 + 4 * axis);
  });
  writeFileSync(at(name), Buffer.concat([header, Buffer.from(elements)]));
};

beforeAll(async () => {
  await saved(scaled([1, 1]), at('original.onnx'));
  await saved(scaled([1, 2]), at('pruned.onnx'));
  const rows = [
    [4, 1],
    [4, 3],
    [1, 4],
    [3, 4],
  ];
  writeFileSync(at('x.npy'), npy([4, 2], Float32Array.from(rows.flat())));
  idx('y-idx1-ubyte', [4], [0, 0, 1, 0]);
  idx('short-idx1-ubyte', [2], [0, 1]);
});

const evaluate = (model: string, ...more: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  run(['evaluate', at(model), '--data', at('x.npy'), ...more]);

it('says the accuracy with its interval', async () => {
  const { code, stdout, stderr } = await evaluate('original.onnx', '--labels', at('y-idx1-ubyte'));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  // Wilson's interval of 3 of 4: 30.06 % to 95.44 %. Three of four labels are 0.
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toEqual([
    'top-1 accuracy: 75.00 % (95 % interval 30.06 % to 95.44 %), 4 samples',
    'no better than guessing (75.00 %), as far as so many samples tell: look at the model, --labels and --preprocess',
  ]);
});

it('says what was lost against the original, on the same samples', async () => {
  const { stdout } = await evaluate('pruned.onnx', '--labels', at('y-idx1-ubyte'), '--against', at('original.onnx'));
  const lines = stdout.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^top-1 accuracy: 50\.00 %/);
  expect(lines[2]).toMatch(/^original: 75\.00 %/);
  // One sample lost, none gained: McNemar's mid-p is 1/2.
  expect(lines[3]).toMatch(
    /^difference: -25\.00 points \(95 % interval -\d+\.\d+ to \+\d+\.\d+; McNemar p = 0\.500\)$/,
  );
});

it('says without labels how often both models say the same', async () => {
  const { stdout } = await evaluate('pruned.onnx', '--against', at('original.onnx'), '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    metric: 'agreement',
    value: 0.75,
    samples: 4,
    original: null,
    comparison: null,
  });
});

it('draws some of the samples, the same ones for the same seed', async () => {
  const draw = ['--labels', at('y-idx1-ubyte'), '--limit', '2', '--seed', '3', '--json'];
  const [one, other] = [await evaluate('original.onnx', ...draw), await evaluate('original.onnx', ...draw)];
  expect(JSON.parse(one.stdout).samples).toBe(2);
  expect(one.stdout).toBe(other.stdout);
});

it.each<[string, string[], RegExp]>([
  ['neither labels nor an original', [], /Give labels \(--labels\), or the original/],
  ['a metric without what it needs', ['--metric', 'top5'], /top5 cannot be measured without --labels/],
  ['labels of other samples', ['--labels', 'short-idx1-ubyte'], /one label for every sample/],
  ['an unknown metric', ['--metric', 'accuracy'], /Allowed choices are top1/],
  ['a file that is not there', ['--labels', 'nowhere-idx1-ubyte'], /no such file/],
])('%s: exit code 2, and a word', async (_, options, message) => {
  const argv = options.map((text) => (text.endsWith('ubyte') ? at(text) : text));
  const { code, stdout, stderr } = await evaluate('original.onnx', ...argv);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(message);
});

it('takes a folder of images, with classes from its folders or from a table', async () => {
  const b = new GraphBuilder();
  b.output(b.node('Flatten', [b.input('x', ['batch', 1, 1, 2])], {}, { outputs: ['y'] }), ['batch', 2]);
  await saved(b.build(), at('flat.onnx'));
  for (const [name, pixels] of [
    ['a/1', [9, 1]],
    ['a/2', [1, 9]],
    ['b/1', [1, 9]],
  ] as const) {
    mkdirSync(at(`images/${name[0]}`), { recursive: true });
    const image = sharp(Uint8Array.from(pixels), { raw: { height: 1, width: 2, channels: 1 } }).toColourspace('b-w');
    writeFileSync(at(`images/${name}.png`), await image.png().toBuffer());
  }
  writeFileSync(at('labels.csv'), 'a/1.png,0\na/2.png,1\nb/1.png,1\n');
  writeFileSync(at('grey.json'), '{"from": "HW"}');
  const argv = ['evaluate', at('flat.onnx'), '--data', at('images'), '--preprocess', at('grey.json')];
  expect((await run([...argv, '--metric', 'top1', '--labels', at('labels.csv')])).stdout).toMatch(
    /^top-1 accuracy: 100\.00 %/,
  );
  expect((await run(argv)).stdout).toMatch(/^top-1 accuracy: 66\.67 %/);
});
