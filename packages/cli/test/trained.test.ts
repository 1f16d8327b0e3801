/** Accuracy of a trained network on real images, through the command: known, lost by pruning, and won back by refitting. */
import { join } from 'node:path';
import { run, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
const at = folder.at;
const trained = (name: string): string => join(__dirname, '../../../models/trained', name);

const NETWORK = trained('fashion-resnet.onnx');
const SAMPLES = 2000;
/**
 * What PyTorch had right of them when it had trained the network (models/trained/README.md). Exactly that: the two best
 * logits of a sample are never closer than 0.0047, and other arithmetic moves them by less than 0.00001.
 */
const RIGHT_IN_TORCH = 1839;

interface Measured {
  readonly value: number;
  readonly samples: number;
  readonly original: { readonly value: number };
  readonly comparison: { readonly difference: number; readonly interval: readonly [number, number] };
}

/** Top-1 accuracy on the test images, beside another model on the same images. */
async function measured(model: string, against: string): Promise<Measured> {
  const labelled = ['--data', trained('test-images-idx3-ubyte.gz'), '--labels', trained('test-labels-idx1-ubyte.gz')];
  const argv = ['evaluate', model, '--against', against, ...labelled, '--preprocess', 'fashion-mnist', '--json'];
  const { code, stdout, stderr } = await run(argv);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

beforeAll(async () => {
  const prune = ['prune', NETWORK, '--ratio', '0.5', '--ignore', 'fc', '--no-bench', '--json'];
  const calib = ['--calib', trained('calibration-images-idx3-ubyte.gz'), '--preprocess', 'fashion-mnist'];
  for (const argv of [
    [...prune, '-o', at('pruned.onnx')],
    [...prune, '-o', at('refitted.onnx'), ...calib, '--recover', 'ridge'],
  ]) {
    const { code, stderr } = await run(argv);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }
});

it('is right in as many images as PyTorch was', async () => {
  const { original, samples } = await measured(at('pruned.onnx'), NETWORK);
  expect(samples).toBe(SAMPLES);
  expect(original.value * SAMPLES).toBeCloseTo(RIGHT_IN_TORCH, 6);
});

it('loses most of its accuracy with half of its channels', async () => {
  const { comparison } = await measured(at('pruned.onnx'), NETWORK);
  // Even the upper end of the interval of the paired difference is a loss of more than half of all samples.
  expect(comparison.interval[1]).toBeLessThan(-0.5);
});

it('has at least nine tenths of that back when the weights that are left are refitted', async () => {
  const lost = (await measured(at('pruned.onnx'), NETWORK)).comparison;
  const wonBack = (await measured(at('refitted.onnx'), at('pruned.onnx'))).comparison;
  // The ends of both 95 % intervals that speak against it: the most that was lost, the least that came back.
  expect(wonBack.interval[0]).toBeGreaterThan(0.9 * -lost.interval[0]);
});
