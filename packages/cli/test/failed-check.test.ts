/**
 * What happens where the pruned model is wrong. The engine makes no such models, so the engine's check is replaced by
 * one that finds what these tests need it to find.
 */

import { type Verification, verify } from '@onnx-pruning/proof';
import { runModel, SessionError } from '@onnx-pruning/runtime';
import { run, saved, smallNet, temporaryFolder } from './harness.ts';

jest.mock('@onnx-pruning/runtime', () => {
  const runtime = jest.requireActual('@onnx-pruning/runtime');
  return { ...runtime, runModel: jest.fn(runtime.runModel) };
});
jest.mock('@onnx-pruning/proof', () => {
  const proof = jest.requireActual('@onnx-pruning/proof');
  return { ...proof, verify: jest.fn(proof.verify) };
});

const folder = temporaryFolder();
const argv = (): string[] => {
  const to = ['-o', folder.at('out.onnx'), '--plan', folder.at('plan.json')];
  return ['prune', folder.at('model.onnx'), ...to, '--ignore', 'fc', '--no-bench'];
};
beforeAll(() => saved(smallNet(), folder.at('model.onnx')));
beforeEach(() => jest.mocked(verify).mockReset());

const output = { name: 'y', dataType: 1, dims: [1, 10], maxAbs: 0.5, maxReference: 1, tolerance: 1e-4 };
const reason = 'at [0, 3] the reference has 1, the candidate 0.5';
const rest = { tolerance: 1e-4, inexact: [], changedWeights: [], intermediates: [], runs: [], notes: [] };
const different: Verification = {
  ...rest,
  ok: false,
  verdict: 'differs',
  reasons: [`output 'y': ${reason}`],
  outputs: [{ ...output, maxRel: 0.5, ok: false, reason }],
};
const silent = { ...output, maxAbs: 0, maxRel: 0, maxReference: 0, ok: true };
const doubt = "output 'y' is zero everywhere, and so is what it is computed from";
const unsure: Verification = { ...rest, ok: false, verdict: 'inconclusive', reasons: [doubt], outputs: [silent] };

describe('a pruned model that computes something else', () => {
  it('ends with exit code 1, says where it differs, and is not written', async () => {
    jest.mocked(verify).mockResolvedValue(different);
    const { code, stdout, stderr } = await run(argv());
    expect(code).toBe(1);
    expect(stdout).toContain(
      'does not hold: nothing was written; largest relative difference 5.0e-1, tolerance 1.0e-4',
    );
    expect(stdout).toContain(`output 'y': ${reason}`);
    expect(stdout).toMatch(/^Written {6}nothing$/m);
    expect(stderr).toMatch(/^error: the pruned model does not compute what the original does \(value 'y'\)/);
    expect(folder.files()).toEqual(['model.onnx']);
  });

  it('is told apart in JSON', async () => {
    jest.mocked(verify).mockResolvedValue(different);
    const { code, stdout } = await run([...argv(), '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ equivalence: { ok: false }, latency: null, written: null });
  });

  it('that does not even run has failed the check too', async () => {
    jest.mocked(verify).mockRejectedValue(new SessionError('SESSION_RUN', 'onnxruntime cannot run the model: boom'));
    const { code, stderr } = await run(argv());
    expect(code).toBe(1);
    expect(stderr).toMatch(/the pruned model does not run as it should.*boom.*please report it/);
    expect(folder.files()).toEqual(['model.onnx']);
  });

  it('is not blamed where the original does not run either', async () => {
    const error = new SessionError('SESSION_RUN', 'onnxruntime cannot run the model: boom');
    jest.mocked(verify).mockRejectedValue(error);
    jest.mocked(runModel).mockRejectedValueOnce(error);
    expect(await run(argv())).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^error: onnxruntime cannot run/),
    });
  });
});

describe('a check that cannot tell', () => {
  it('ends with exit code 1 and its reason, is not called right, and nothing is written', async () => {
    jest.mocked(verify).mockResolvedValue(unsure);
    const { code, stdout, stderr } = await run([...argv(), '--force']);
    expect(code).toBe(1);
    expect(stdout).toContain('inconclusive: nothing was written');
    expect(stdout).toContain(doubt);
    expect(stdout).not.toContain('holds');
    expect(stderr).toMatch(/^error: the check is inconclusive.*--allow-inconclusive/);
    expect(folder.files()).toEqual(['model.onnx']);
  });

  it('says so in JSON', async () => {
    jest.mocked(verify).mockResolvedValue(unsure);
    const { code, stdout } = await run([...argv(), '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'inconclusive', reasons: [doubt], written: null });
  });

  it('is written with --allow-inconclusive, and still not called right', async () => {
    jest.mocked(verify).mockResolvedValue(unsure);
    const { code, stdout } = await run([...argv(), '--allow-inconclusive', '--force']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Equivalence {2}inconclusive;/m);
    expect(folder.files()).toContain('out.onnx');
  });

  it('names statistics that pruning changes by nature', async () => {
    const statistic = "mean over channels in LayerNormalization 'norm'";
    jest.mocked(verify).mockResolvedValue({ ...unsure, ok: true, verdict: 'holds', reasons: [], inexact: [statistic] });
    const { stdout } = await run([...argv(), '--force']);
    expect(stdout).toContain(`inexact by nature, compared over the kept channels: ${statistic}`);
  });
});

describe('a mistake of this program', () => {
  it('ends with exit code 70 and one sentence, without a stack trace', async () => {
    jest.mocked(verify).mockRejectedValue(new TypeError('x is not a function'));
    const { code, stderr } = await run([...argv(), '--force']);
    expect(code).toBe(70);
    expect(stderr).toMatch(/^internal error: x is not a function\nThis is a mistake of onnx-pruning.*report it/);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });
});
