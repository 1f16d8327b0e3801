/**
 * The verb `prune` on models whose costs can be worked out by hand: what it prints, what it writes, and that a result
 * that is written was proven.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel, tensorDims } from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import type { Plan } from '@onnx-pruning/pruning';
import { flattenedNet, run, saved, smallNet, temporaryFolder } from './harness.ts';

const tinyResnet = join(__dirname, '..', '..', 'onnx', 'test', 'data', 'tiny-resnet.onnx');
const folder = temporaryFolder();
let model: string;
beforeAll(async () => {
  model = await saved(smallNet(), folder.at('model.onnx'));
});

// conv1 3 -> 8, conv2 8 -> 16, both 3x3 on 8x8 pixels with biases; fc 16 -> 10. Half of the channels: 4 and 8.
const PARAMS = 8 * 3 * 9 + 8 + (16 * 8 * 9 + 16) + (10 * 16 + 10);
const PARAMS_LEFT = 4 * 3 * 9 + 4 + (8 * 4 * 9 + 8) + (10 * 8 + 10);
const MACS = 64 * (8 * 3 * 9 + 16 * 8 * 9) + 10 * 16;
const MACS_LEFT = 64 * (4 * 3 * 9 + 8 * 4 * 9) + 10 * 8;
const count = (n: number): string => n.toLocaleString('en-US');

describe('onnx-pruning prune', () => {
  it('writes a smaller model and its plan, and reports costs, equivalence and latency', async () => {
    const [output, plan] = [folder.at('out.onnx'), folder.at('plan.json')];
    const argv = ['prune', model, '-o', output, '--ratio', '0.5', '--ignore', 'fc', '--plan', plan, '--runs', '2'];
    const { code, stdout, stderr } = await run(argv);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toContain(`Parameters   ${count(PARAMS)}     ${count(PARAMS_LEFT)}  31.9 %`);
    expect(stdout).toContain(`MACs        ${count(MACS)}  ${count(MACS_LEFT)}  29.0 %`);
    expect(stdout).toContain(
      `Bytes        ${count(readFileSync(model).length)}   ${count(readFileSync(output).length)}`,
    );
    expect(stdout).toMatch(/^Pruned {7}2 groups of coupled channels: 12 of 24 channels removed$/m);
    expect(stdout).toMatch(/^Not pruned {3}fc: it is an axis of the graph output 'y'$/m);
    expect(stdout).toMatch(/^Equivalence {2}holds; largest relative difference \S+, tolerance 1\.0e-4$/m);
    expect(stdout).toMatch(/^Latency {6}.*; 3\.45 times fewer MACs$/m);
    expect(stdout).toContain(`Written      ${output}, ${plan}`);

    const pruned = await loadModel(output);
    const shapes = Object.fromEntries(pruned.graph.initializer.map((t) => [t.name, tensorDims(t)]));
    expect(shapes).toEqual({
      'conv1.weight': [4, 3, 3, 3],
      'conv1.bias': [4],
      'conv2.weight': [8, 4, 3, 3],
      'conv2.bias': [8],
      'fc.weight': [10, 8],
      'fc.bias': [10],
    });
    const planned = JSON.parse(readFileSync(plan, 'utf8')) as Plan;
    expect(planned.initializers['fc.weight']).toEqual({
      shape: [10, 16],
      newShape: [10, 8],
      kept: { 1: planned.initializers['conv2.weight'].kept[0] },
    });
    expect((await verify(await loadModel(model), pruned, planned)).ok).toBe(true);
  });

  it('writes the same bytes for the same command', async () => {
    const bytes = [];
    for (const name of ['same1.onnx', 'same2.onnx']) {
      await run(['prune', tinyResnet, '-o', folder.at(name), '--ratio', '0.3', '--no-bench']);
      bytes.push(readFileSync(folder.at(name)));
    }
    expect(bytes[0].equals(bytes[1])).toBe(true);
  });

  it('prints JSON for programs', async () => {
    const output = folder.at('json.onnx');
    const { code, stdout } = await run(['prune', model, '-o', output, '--ignore', 'fc', '--runs', '2', '--json']);
    expect(code).toBe(0);
    const bytes = [readFileSync(model).length, readFileSync(output).length];
    expect(JSON.parse(stdout)).toMatchObject({
      model,
      options: { ratio: 0.5, ignore: ['fc'], criterion: 'l2', seed: 0 },
      before: { params: PARAMS, macs: MACS, bytes: bytes[0] },
      after: { params: PARAMS_LEFT, macs: MACS_LEFT, bytes: bytes[1] },
      groups: [
        { root: 'conv2', channels: 16, kept: 8, inexact: [] },
        { root: 'conv1', channels: 8, kept: 4, inexact: [] },
      ],
      notPruned: [{ reason: "it is an axis of the graph output 'y'", layers: ['fc'], partly: [] }],
      equivalence: { ok: true, tolerance: 1e-4 },
      latency: { executionProvider: 'cpu', runs: 2, batch: 1, originalMs: { count: 2 }, prunedMs: { count: 2 } },
      written: { model: output },
    });
  });

  it('prints nothing with --quiet, and neither checks nor times when told so', async () => {
    const output = folder.at('quiet.onnx');
    expect(await run(['prune', model, '-o', output, '--quiet', '--no-bench'])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const { stdout } = await run(['prune', model, '-o', output, '--force', '--no-verify', '--no-bench']);
    expect(stdout).toMatch(/^Equivalence {2}not checked$/m);
    expect(stdout).toMatch(/^Latency {6}not measured$/m);
  });

  it('leaves a multiple of --round-to channels', async () => {
    const output = folder.at('rounded.onnx');
    await run(['prune', model, '-o', output, '--ratio', '0.3', '--round-to', '4', '--no-bench']);
    const conv1 = (await loadModel(output)).graph.initializer.find((t) => t.name === 'conv1.weight')!;
    expect(tensorDims(conv1)[0]).toBe(4);
  });

  it('scores by the criterion that is asked for', async () => {
    const kept: unknown[] = [];
    for (const criterion of ['l1', 'l2']) {
      const plan = folder.at(`${criterion}.json`);
      const argv = ['prune', model, '-o', folder.at(`${criterion}.onnx`), '--criterion', criterion, '--plan', plan];
      expect((await run([...argv, '--no-bench'])).code).toBe(0);
      kept.push((JSON.parse(readFileSync(plan, 'utf8')) as Plan).groups.map((group) => group.kept));
    }
    expect(kept[0]).not.toEqual(kept[1]);
  });

  it('copies the model at ratio 0', async () => {
    const output = folder.at('copy.onnx');
    const { code, stdout } = await run(['prune', model, '-o', output, '--ratio', '0', '--no-bench']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Pruned {7}nothing$/m);
    expect(readFileSync(output).equals(readFileSync(model))).toBe(true);
  });

  it('keeps dynamic sizes dynamic, and needs them only to count, check and time', async () => {
    const dynamic = await saved(smallNet(['batch', 3, 'h', 'w']), folder.at('dynamic.onnx'));
    const output = folder.at('dynamic-out.onnx');
    const argv = ['prune', dynamic, '-o', output, '--input-shape', 'h=8', '--input-shape', 'w=8', '--no-bench'];
    const { code, stdout } = await run([...argv, '--ignore', 'fc']);
    expect(code).toBe(0);
    expect(stdout).toContain(`${count(MACS)}  ${count(MACS_LEFT)}`);
    const dims = (await loadModel(output)).graph.input[0].type?.tensorType?.shape?.dim.map((d) => d.dimParam);
    expect(dims).toEqual(['batch', undefined, 'h', 'w']);
  });

  it('removes channels that only a given size frees: flattened images are then of that size', async () => {
    const flat = await saved(flattenedNet(), folder.at('flat.onnx'));
    const argv = ['prune', flat, '-o', folder.at('flat-out.onnx'), '--input-shape', 'x=1x3x8x8', '--no-bench'];
    const { code, stdout } = await run(argv);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Pruned {7}2 groups of coupled channels: 12 of 24 channels removed$/m);
  });

  it('replaces files with --force, even the one it reads', async () => {
    const own = await saved(smallNet(), folder.at('own.onnx'));
    const before = readFileSync(own).length;
    expect((await run(['prune', own, '-o', own, '--force', '--no-bench'])).code).toBe(0);
    expect(readFileSync(own).length).toBeLessThan(before);
  });
});

describe('the terminal', () => {
  const argv = (): string[] => ['prune', model, '-o', folder.at('tty.onnx'), '--force', '--no-bench'];

  it('shows progress and colours to a person', async () => {
    const { stdout, stderr } = await run(argv(), { tty: true });
    expect(stdout).toContain('\u001b[32mholds\u001b[39m');
    expect(stderr).toContain('Checking that nothing else changed ...');
    expect(stderr.endsWith('\u001b[2K')).toBe(true);
  });

  it('shows no colours with NO_COLOR, and no progress with --quiet', async () => {
    expect((await run(argv(), { tty: true, env: { NO_COLOR: '1' } })).stdout).not.toContain('\u001b');
    expect((await run([...argv(), '--quiet'], { tty: true })).stderr).toBe('');
  });
});
