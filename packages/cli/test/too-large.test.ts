/** A file that asks for a value of gigabytes: the job ends at once with a clear word, and neither checks nor times by running it. */
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { run, saved, temporaryFolder } from './harness.ts';

/** x [1, 3, 8, 8] -> Conv c1 (8) -> Conv c2 (4) -> y; and the maximum of 10^9 zeros. */
function damaged(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const conv = (name: string, x: string, from: number, to: number): string => {
    const weight = b.initializer(`${name}.w`, [to, from, 1, 1], (n) => Float32Array.from({ length: n }, (_, i) => i));
    return b.node('Conv', [x, weight], {}, { name });
  };
  b.output(conv('c2', conv('c1', b.input('x', [1, 3, 8, 8]), 3, 8), 8, 4), [1, 4, 8, 8]);
  const zeros = b.node('ConstantOfShape', [b.ints('shape', [1e9])], {}, { name: 'fill' });
  b.output(b.node('ReduceMax', [zeros], { keepdims: 0 }), []);
  return b.build();
}

const folder = temporaryFolder();
let argv: string[];
beforeAll(async () => {
  argv = ['prune', await saved(damaged(), folder.at('model.onnx')), '-o', folder.at('out.onnx')];
});

const WHY = /the model is not run: a value is too large \(node 'fill', operator ConstantOfShape, value '.*'\)/;

it('nothing is run or written, and the reason is said', async () => {
  const { code, stdout, stderr } = await run(argv);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^Equivalence {2}inconclusive: nothing was written; nothing was run$/m);
  expect(stdout).toMatch(WHY);
  expect(stderr).toMatch(/^error: the check is inconclusive: nothing was run.*--allow-inconclusive/);
  expect(folder.files()).toEqual(['model.onnx']);
});

it('it is written where that is accepted, and not timed', async () => {
  const { code, stdout } = await run([...argv, '--allow-inconclusive']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Equivalence {2}inconclusive; nothing was run$/m);
  expect(stdout).toMatch(new RegExp(`^Latency {6}not measured: ${WHY.source}`, 'm'));
  expect(folder.files()).toEqual(['model.onnx', 'out.onnx']);
});

it('it is not timed where the check was switched off', async () => {
  const { code, stdout } = await run([...argv, '--force', '--no-verify']);
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`^Latency {6}not measured: ${WHY.source}`, 'm'));
});
