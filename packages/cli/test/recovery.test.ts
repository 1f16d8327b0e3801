/** `--calib`: weights are refitted after pruning, the report says what that proves, and wrong samples change nothing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRandom, GraphBuilder, loadModel } from '@onnx-pruning/onnx';
import { compareModels, verify } from '@onnx-pruning/proof';
import { parsePlan } from '@onnx-pruning/pruning';
import { npy, run, saved, smallNet, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
const at = folder.at;

const put = (name: string, dims: readonly number[], content: Float32Array | Uint8Array): void =>
  writeFileSync(at(name), npy(dims, content));

const normal = (size: number): Float32Array => {
  const random = createRandom(11);
  return Float32Array.from({ length: size }, () => random.normal());
};

beforeAll(async () => {
  await saved(smallNet(), at('net.onnx'));
  put('samples.npy', [200, 3, 8, 8], normal(200 * 192));
  put('few.npy', [5, 3, 8, 8], normal(5 * 192));
  put('one.npy', [1, 3, 8, 8], normal(192));
  put('other.npy', [20, 3, 8, 9], normal(20 * 216));
  put(
    'bytes.npy',
    [20, 8, 8, 3],
    Uint8Array.from(normal(20 * 192), (x) => 128 + 40 * x),
  );
  put('grey.npy', [20, 3, 8, 8], new Float32Array(20 * 192).fill(0.5));
  writeFileSync(at('steps.json'), '{"from": "HWC", "scale": 0.004}');
  writeFileSync(at('odd.json'), '{"from": "HWC", "skale": 0.004}');
});

const prune = (name: string, ...more: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  run(['prune', at('net.onnx'), '-o', at(name), '-i', 'fc', '--no-bench', '--seed', '4', ...more]);

describe('samples without labels', () => {
  it('bring the pruned model nearer to the original than it was, with the same structure', async () => {
    const [plain, refitted] = [
      await prune('plain.onnx'),
      await prune('refitted.onnx', '--calib', at('samples.npy'), '--plan', at('plan.json')),
    ];
    expect([plain.code, refitted.code, refitted.stderr]).toEqual([0, 0, '']);
    const original = await loadModel(at('net.onnx'));
    const error = async (name: string): Promise<number> =>
      (await compareModels(original, await loadModel(at(name)), { batch: 32, seed: 77 })).outputs[0]!.maxAbs;
    expect(await error('refitted.onnx')).toBeLessThan(0.5 * (await error('plain.onnx')));

    const plan = parsePlan(readFileSync(at('plan.json'), 'utf8'));
    expect(Object.keys(plan.changedWeights ?? {})).toEqual(['conv2.weight', 'conv2.bias', 'fc.weight', 'fc.bias']);
    expect((await verify(original, await loadModel(at('refitted.onnx')), plan)).verdict).toBe('holds');
  });

  it('are said in the report, with what is proven and what is not', async () => {
    const { stdout } = await prune('said.onnx', '--calib', at('samples.npy'), '--calib-size', '64');
    expect(stdout).toMatch(/Equivalence +holds/);
    expect(stdout).toMatch(/Recovery +weights and biases of 2 of 2 layers refitted to 64 samples/);
    expect(stdout).toMatch(/error of their outputs on held-out samples: median [\d.]+ % → [\d.]+ %/);
    expect(stdout).toContain("refitted weights are not the original's: the equivalence is that of the structure");
    const { stdout: unproven } = await prune('unproven.onnx', '--calib', at('samples.npy'), '--no-verify');
    expect(unproven).toContain("refitted weights are not the original's: nothing was proven");
  });

  it('are in the JSON report: layers by their names, errors before and after', async () => {
    const { stdout } = await prune('json.onnx', '--calib', at('samples.npy'), '--recover', 'bias', '--json');
    const { recovery } = JSON.parse(stdout);
    expect(recovery).toMatchObject({ method: 'bias', samples: 200, left: [] });
    expect(recovery.layers.map(({ layer }: { layer: string }) => layer)).toEqual(['conv2', 'fc']);
    for (const { errorBefore, errorAfter } of recovery.layers) expect(errorAfter).toBeLessThan(errorBefore);
    const { stdout: none } = await prune('none.onnx', '--calib', at('samples.npy'), '--recover', 'none', '--json');
    expect(JSON.parse(none).recovery).toBeNull();
  });

  it('give BatchNormalization its statistics again', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const random = createRandom(3);
    const weights = (name: string, dims: number[]): string =>
      b.initializer(name, dims, (size) => Float32Array.from({ length: size }, () => random.normal()));
    let value = b.input('x', ['batch', 3, 8, 8]);
    for (const [name, from, to] of [
      ['first', 3, 8],
      ['second', 8, 8],
    ] as const) {
      const statistics = [1, 0, 0, 1].map((x, i) => b.initializer(`${name}.n${i}`, [to], new Float32Array(to).fill(x)));
      const conv = b.node('Conv', [value, weights(`${name}.weight`, [to, from, 1, 1])], {}, { name });
      value = b.node('BatchNormalization', [conv, ...statistics]);
    }
    b.output(b.node('Conv', [value, weights('last.weight', [2, 8, 1, 1])]));
    await saved(b.build(), at('normalized.onnx'));
    const argv = [
      'prune',
      at('normalized.onnx'),
      '-o',
      at('bn.onnx'),
      '--no-bench',
      '--calib',
      at('samples.npy'),
      '--recover',
      'bn',
    ];
    const { code, stdout, stderr } = await run([...argv, '--plan', at('bn.json')]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Recovery +statistics of 1 BatchNormalization layer taken again from 200 samples/);
    const plan = parsePlan(readFileSync(at('bn.json'), 'utf8'));
    expect(Object.keys(plan.changedWeights ?? {})).toEqual(['second.n2', 'second.n3']);
  });

  it('give the same bytes every time, and others with another seed', async () => {
    for (const name of ['a.onnx', 'b.onnx']) await prune(name, '--calib', at('samples.npy'), '--calib-size', '32');
    await prune('c.onnx', '--calib', at('samples.npy'), '--calib-size', '32', '--seed', '5');
    expect(readFileSync(at('a.onnx'))).toEqual(readFileSync(at('b.onnx')));
    expect(readFileSync(at('a.onnx'))).not.toEqual(readFileSync(at('c.onnx')));
  });

  it('may be bytes of images, with the steps that make numbers of them', async () => {
    const { code, stderr } = await prune('images.onnx', '--calib', at('bytes.npy'), '--preprocess', at('steps.json'));
    expect([code, stderr]).toEqual([0, '']);
  });
});

describe('nothing is written, and a word says why, for', () => {
  it.each<[string, string[], RegExp]>([
    ['too few samples', ['--calib', 'one.npy'], /at least two batches/],
    ['more samples than there are', ['--calib', 'few.npy', '--calib-size', '6'], /expected 6 samples, found 5/],
    ['samples that are all the same', ['--calib', 'grey.npy'], /every sample is of one colour.*grey\.npy.*'x'/],
    ['samples of another shape', ['--calib', 'other.npy'], /does not fit.*other\.npy.*'x'/],
    ['bytes without steps', ['--calib', 'bytes.npy'], /--preprocess/],
    ['unknown steps', ['--calib', 'bytes.npy', '--preprocess', 'odd.json'], /skale.*Did you mean scale/],
    ['no preset and no file', ['--calib', 'bytes.npy', '--preprocess', 'imagenett'], /neither a preset nor a file/],
    ['a file that is not there', ['--calib', 'nowhere.npy'], /no such file/],
    ['a method without samples', ['--recover', 'ridge'], /--recover ridge is about samples/],
    [
      'statistics that there are none of',
      ['--calib', 'samples.npy', '--recover', 'bn'],
      /finds no statistics.*--recover ridge/,
    ],
    ['a size without samples', ['--calib-size', '8'], /--calib-size is about samples/],
  ])('%s', async (_, options, message) => {
    const before = folder.files();
    const argv = options.map((text) => (/\.(npy|json)$/.test(text) ? at(text) : text));
    const { code, stderr } = await prune('never.onnx', ...argv);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(folder.files()).toEqual(before);
  });
});
