/**
 * Accuracy on a trained network, by the command: pruning loses most of it, refitting to unlabelled images wins it back. The
 * network and its samples are described in models/trained/README.md.
 */
import { fileURLToPath } from 'node:url';
import { run, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
const at = (name: string): string => fileURLToPath(new URL(`../../../models/trained/${name}`, import.meta.url));
const NETWORK = at('fashion-resnet.onnx');
const STEPS = ['--preprocess', 'fashion-mnist'];
const CALIB = ['--calib', at('calibration-images-idx3-ubyte.gz'), '--calib-size', '256', ...STEPS];
const TEST = ['--data', at('test-images-idx3-ubyte.gz'), '--labels', at('test-labels-idx1-ubyte.gz'), ...STEPS];

interface Measured {
  readonly value: number;
  readonly samples: number;
  readonly comparison: { readonly difference: number; readonly interval: readonly [number, number] } | null;
}

async function evaluated(model: string, ...more: string[]): Promise<Measured> {
  const { stdout, stderr } = await run(['evaluate', model, ...TEST, '--json', ...more]);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Measured;
}

async function pruned(name: string, ...more: string[]): Promise<string> {
  const path = folder.at(name);
  const { code, stderr } = await run(['prune', NETWORK, '-o', path, '-i', 'fc', '--no-bench', '--no-verify', ...more]);
  expect([code, stderr]).toEqual([0, '']);
  return path;
}

test('the network is right where PyTorch had it right: in 1,839 of the 2,000 images', async () => {
  const { value, samples } = await evaluated(NETWORK);
  // The two best logits of an image are never closer than 0.0047, hundreds of times the rounding: none may flip.
  expect([Math.round(value * samples), samples]).toEqual([1839, 2000]);
});

test('half of the channels take most of it away, and refitting gives it back without a label', async () => {
  const against = ['--against', NETWORK];
  const plain = await evaluated(await pruned('plain.onnx'), ...against);
  const refitted = await evaluated(await pruned('refitted.onnx', ...CALIB), ...against);
  // Ten classes, all alike: guessing gives a tenth. The paired 95 % interval says what is lost at least, and at most.
  expect(plain.comparison!.interval[1]).toBeLessThan(-0.3);
  expect(refitted.comparison!.interval[0]).toBeGreaterThan(-0.05);
});
