/** A model that the memory cannot hold is neither checked nor timed, and the reason is said. What is there is made up. */
import * as runtime from '@onnx-pruning/runtime';
import { run, saved, smallNet, temporaryFolder } from './harness.ts';

const WHY = 'at least 9.0 GB of memory are needed to load it, and 8.0 GB are available';
jest.mock('@onnx-pruning/runtime', () => ({
  ...jest.requireActual<typeof runtime>('@onnx-pruning/runtime'),
  createSession: jest.fn(),
  shortageOf: async () => WHY,
}));

const folder = temporaryFolder();

it('is inconclusive, and written without a latency where that is accepted', async () => {
  const argv = [
    'prune',
    await saved(smallNet(), folder.at('model.onnx')),
    '-o',
    folder.at('out.onnx'),
    '--ignore',
    'fc',
  ];
  const refused = await run(argv);
  expect(refused.code).toBe(1);
  expect(refused.stdout).toContain(`the original model is not run: ${WHY}`);
  expect(folder.files()).toEqual(['model.onnx']);
  const { code, stdout } = await run([...argv, '--allow-inconclusive']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Equivalence {2}inconclusive; nothing was run$/m);
  expect(stdout).toContain(`not measured: the original model is not run: ${WHY}`);
  expect(folder.files()).toEqual(['model.onnx', 'out.onnx']);
  expect(jest.mocked(runtime.createSession)).not.toHaveBeenCalled();
});
