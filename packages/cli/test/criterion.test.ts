/** `--criterion` with samples: what never speaks on them goes first, however large its weights are. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRandom, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import type { Plan } from '@onnx-pruning/pruning';
import { npy, run, saved, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
const at = folder.at;

/** Four channels pass through; the weights of the third one are the largest. */
function passing(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const x = b.input('x', ['batch', 4, 2, 2]);
  const sizes = [1, 2, 9, 3];
  const diagonal = sizes.flatMap((size, i) => sizes.map((_, j) => (i === j ? size : 0)));
  const a = b.node('Conv', [x, b.initializer('a.weight', [4, 4, 1, 1], diagonal)], {}, { name: 'a' });
  b.output(b.node('Conv', [a, b.initializer('b.weight', [1, 4, 1, 1], [1, 1, 5, 1])], {}, { name: 'b' }));
  return b.build();
}

beforeAll(async () => {
  await saved(passing(), at('net.onnx'));
  const random = createRandom(1);
  // The third channel is silent in all samples.
  const numbers = Float32Array.from({ length: 64 * 16 }, (_, i) => (Math.floor(i / 4) % 4 === 2 ? 0 : random.normal()));
  writeFileSync(at('samples.npy'), npy([64, 4, 2, 2], numbers));
});

const prune = (criterion: string, ...more: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
  const files = [at('net.onnx'), '-o', at(`${criterion}.onnx`), '--plan', at(`${criterion}.json`), '--force'];
  return run(['prune', ...files, '--ratio', '0.25', '--no-bench', '--criterion', criterion, ...more]);
};

const keptBy = (criterion: string): readonly number[] =>
  (JSON.parse(readFileSync(at(`${criterion}.json`), 'utf8')) as Plan).groups[0]!.kept;

test('without samples the weights decide', async () => {
  expect(await prune('l2')).toMatchObject({ code: 0 });
  expect(keptBy('l2')).toEqual([1, 2, 3]);
});

describe.each(['wanda', 'residual', 'reconstruction'])('%s', (criterion) => {
  it.each(['none', 'ridge'])('goes by samples, with --recover %s', async (method) => {
    const more = ['--calib', at('samples.npy'), '--recover', method];
    expect(await prune(criterion, ...more)).toMatchObject({ code: 0, stderr: '' });
    expect(keptBy(criterion)).toEqual([0, 1, 3]);
  });

  it('needs samples, and says so before any work', async () => {
    const { code, stderr } = await prune(criterion);
    expect(code).toBe(2);
    expect(stderr).toMatch(`--criterion ${criterion} scores channels on samples, and there are none`);
    expect(stderr).toMatch(/--calib.*--criterion l2/s);
  });
});
