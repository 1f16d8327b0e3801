/** `sensitivity`: what every group of channels is worth, as a table, as JSON, as CSV and as a drawing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { contents, npy, run, saved, singleLayer, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
const at = folder.at;

/**
 * Two layers behind each other: of `first`, the least important channels hold nothing; of `second`, everything counts.
 * y is x, for x of two numbers that are not negative.
 */
function twoGroups(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const gemm = (x: string, name: string, dims: number[], weights: number[]): string =>
    b.node('Gemm', [x, b.initializer(`${name}.weight`, dims, weights)], {}, { name });
  const first = gemm(b.input('x', ['batch', 2]), 'first', [2, 4], [1, 0, 0, 0, 0, 1, 0, 0]);
  const second = gemm(b.node('Relu', [first]), 'second', [4, 2], [2, 0, 0, 3, 0, 0, 0, 0]);
  const last = gemm(b.node('Relu', [second]), 'last', [2, 2], [0.5, 0, 0, 1 / 3]);
  b.output(b.node('Identity', [last], {}, { outputs: ['y'] }), ['batch', 2]);
  return b.build();
}

beforeAll(async () => {
  await saved(twoGroups(), at('model.onnx'));
  await saved(singleLayer(), at('single.onnx'));
  const rows = [3, 1, 1, 2, 5, 1, 1, 7];
  writeFileSync(at('x.npy'), npy([4, 2], Float32Array.from(rows)));
  writeFileSync(at('y.npy'), npy([4], Uint8Array.from([0, 1, 0, 1])));
  writeFileSync(
    at('images.npy'),
    npy(
      [1, 3, 4, 4],
      Float32Array.from({ length: 48 }, (_, i) => i),
    ),
  );
  writeFileSync(at('exists.csv'), 'something of value');
  writeFileSync(at('notes.txt'), 'something of value');
});

const measure = (...more: string[]) =>
  run(['sensitivity', at('model.onnx'), '--data', at('x.npy'), '--ratios', '0.5', ...more]);

it('prints the most sensitive groups first, with what the metric loses', async () => {
  const { code, stdout, stderr } = await measure('--labels', at('y.npy'));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stdout.split('\n').map((line) => line.replace(/\s+/g, ' ').trim());
  expect(lines[0]).toBe('top-1 accuracy with all channels: 100.00 % (95 % interval 51.01 % to 100.00 %), 4 samples');
  expect(lines.slice(3, 6)).toEqual([
    'group channels 50 % MACs saved at 50 %',
    // Without the first output every answer is the second: two of four samples are lost. 20 weights, 8 + 8 + 4.
    'second 2 -50.00 30.0 %',
    'first 4 0.00 40.0 %',
  ]);
  expect(lines).toContain('3 evaluations in 1 session');
});

it('measures agreement where there are no labels, and leaves layers alone that are to be ignored', async () => {
  const { stdout } = await measure('--json', '--ignore', 'second');
  expect(JSON.parse(stdout)).toMatchObject({
    model: at('model.onnx'),
    metric: 'agreement',
    ratios: [0.5],
    unpruned: { value: 1 },
    groups: [{ root: 'first', channels: 4, points: [{ ratio: 0.5, removed: 2, value: 1, drop: 0 }] }],
    sessions: 1,
    written: [],
  });
});

it('writes numbers and a drawing', async () => {
  const { code, stdout } = await measure('--csv', at('out.csv'), '--plot', at('out.svg'));
  expect(code).toBe(0);
  expect(stdout).toContain(`Written: ${at('out.csv')}, ${at('out.svg')}`);
  expect(readFileSync(at('out.csv'), 'utf8').split('\r\n')[1]).toMatch(/^second,2,masked,0\.5,1,0\.5,/);
  expect(readFileSync(at('out.svg'), 'utf8')).toMatch(
    /^<svg [\s\S]*What 2 groups[\s\S]*agreement with the original, %[\s\S]*<\/svg>\n$/,
  );
});

it('goes on with the results of a run before', async () => {
  const resume = ['--resume', at('state.json'), '--json'];
  const first = JSON.parse((await measure(...resume)).stdout);
  const second = JSON.parse((await measure(...resume)).stdout);
  expect([first.evaluations, second.evaluations]).toEqual([3, 1]);
  expect(second.groups).toEqual(first.groups);
  const other = await measure(...resume, '--ratios', '0.25');
  expect(other.code).toBe(2);
  expect(JSON.parse(other.stderr).error).toMatchObject({
    code: 'SENSITIVITY_STATE_OTHER',
    details: { value: 'ratios' },
  });
});

it('prints nothing when it is to be quiet', async () => {
  expect(await measure('--quiet')).toEqual({ code: 0, stdout: '', stderr: '' });
});

it.each<[string, string[], RegExp]>([
  ['a metric without what it needs', ['--metric', 'top1'], /top1 cannot be measured without --labels/],
  ['an unknown metric', ['--metric', 'accuracy'], /Allowed choices are top1/],
  ['a ratio of 0', ['--ratios', '0,0.5'], /Expected shares above 0 and below 1/],
  ['a ratio of 1', ['--ratios', '0.5,1'], /Expected shares above 0 and below 1/],
  ['no ratios', ['--ratios', ''], /Expected shares above 0 and below 1/],
  ['a layer that does not exist', ['--ignore', 'third'], /--ignore 'third' names no layer/],
  ['nothing that may be removed', ['--ignore', '*'], /no group of channels that may be removed/],
  ['more samples than there are', ['--limit', '5'], /fewer samples/],
  ['an unknown provider', ['--provider', 'abacus'], /'abacus' is not available/],
  ['a file that exists', ['--csv', 'exists.csv'], /file exists.*Give --csv another path/],
  ['the data as a result', ['--plot', 'x.npy', '--force'], /--plot would take the place of another file/],
  ['two results in one file', ['--csv', 'out.txt', '--plot', 'out.txt'], /--plot would take the place of another file/],
  ['the model as the state', ['--resume', 'model.onnx'], /--resume would take the place/],
  ['a state that is none', ['--resume', 'notes.txt'], /holds no results/],
  ['a state in no folder', ['--resume', 'none/state.json'], /folder of the output file does not exist/],
  ['samples of another shape', ['--data', 'images.npy'], /images\.npy/],
])('%s: exit code 2, a word, and no file touched', async (_, options, message) => {
  const before = contents(folder);
  const argv = options.map((text) => (/\.\w+$/.test(text) && !/^\d/.test(text) ? at(text) : text));
  const { code, stdout, stderr } = await measure(...argv);
  expect(stderr).toMatch(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(contents(folder)).toEqual(before);
});

it('says why a model has nothing to measure', async () => {
  const { code, stderr } = await run(['sensitivity', at('single.onnx'), '--data', at('images.npy')]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/no group of channels that may be removed/);
});
