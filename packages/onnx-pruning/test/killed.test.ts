/**
 * A run that is killed, at any step of writing its results over earlier ones, leaves the old files or the new ones, and
 * the next run leaves nothing else. Steps are the calls of the file system that the real command makes.
 */
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildResNet } from '@onnx-pruning/models';
import { completeInterruptedSave, encodeModel, loadModel, saveModel } from '@onnx-pruning/onnx';

const COMMAND = resolve(__dirname, '../bin/onnx-pruning.js');

/** Loaded before the command: stops it at the call of that number that changes a file of its results. */
const KILLER = `
const fs = require('node:fs');
const at = Number(process.env.KILL_AT);
let calls = 0;
const results = /(out\\.onnx|plan\\.json)/;
const counted = (name, call) => (...args) => {
  if (results.test(String(args[0])) || results.test(String(args[1]))) {
    if (++calls === at) process.kill(process.pid, process.env.KILL_WITH);
  }
  return call(...args);
};
for (const name of ['openSync', 'renameSync', 'linkSync', 'copyFileSync', 'rmSync']) fs[name] = counted(name, fs[name]);
fs.promises.open = counted('open', fs.promises.open);
require('node:module').syncBuiltinESMExports();
`;

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'onnx-killed-'));
  writeFileSync(at('killer.cjs'), KILLER);
  const model = buildResNet({ blocks: [1, 1, 1, 1], width: 8, imageSize: 32, classes: 4 });
  await saveModel(model, at('model.onnx'), { externalData: { threshold: 64 } });
  for (const [name, ratio] of [
    ['old', 0.25],
    ['new', 0.5],
  ] as const) {
    expect(prune(at('out.onnx'), ratio)).toMatchObject({ status: 0, stderr: '' });
    results(at(''), at(name));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

function commandOf(output: string, ratio: number): string[] {
  const options = [
    '--plan',
    join(output, '../plan.json'),
    '--ratio',
    `${ratio}`,
    '--force',
    '--no-bench',
    '--no-verify',
  ];
  return [COMMAND, 'prune', at('model.onnx'), '-o', output, ...options];
}

function prune(output: string, ratio: number, killAt?: number, signal = 'SIGKILL'): SpawnSyncReturns<string> {
  const preload = killAt === undefined ? [] : ['-r', at('killer.cjs')];
  const env = { ...process.env, KILL_AT: `${killAt}`, KILL_WITH: signal };
  return spawnSync(process.execPath, [...preload, ...commandOf(output, ratio)], { encoding: 'utf8', env });
}

/** Moves results into a folder of their own. */
function results(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    if (!/^(out\.onnx|plan\.json)/.test(name)) continue;
    cpSync(join(from, name), join(to, name));
    rmSync(join(from, name));
  }
}

/** What the results say, whatever the name of the data file. */
async function contentOf(place: string): Promise<{ model: Uint8Array; plan: string }> {
  const model = await loadModel(join(place, 'out.onnx'));
  for (const tensor of model.graph.initializer) {
    tensor.externalData = [];
    tensor.dataLocation = 0;
  }
  return { model: encodeModel(model), plan: readFileSync(join(place, 'plan.json'), 'utf8') };
}

const NAMES = /^(out\.onnx|out\.onnx(\.1)?\.data|plan\.json)$/;

it('is consistent after a kill at every step, and the next run leaves nothing else', async () => {
  const [before, after] = [await contentOf(at('old')), await contentOf(at('new'))];
  expect(before.plan).not.toBe(after.plan);
  const outcomes = new Set<string>();
  let killed = 0;
  for (let step = 1; ; step++) {
    const place = at(`step-${step}`);
    cpSync(at('old'), place, { recursive: true });
    const { signal, status } = prune(join(place, 'out.onnx'), 0.5, step);
    if (signal === null) {
      expect(status).toBe(0);
      break;
    }
    expect(signal).toBe('SIGKILL');
    killed++;
    // At once: a model that loads.
    await loadModel(join(place, 'out.onnx'));
    // Once the journal is completed: all old, or all new.
    completeInterruptedSave(join(place, 'out.onnx'));
    const content = await contentOf(place);
    outcomes.add(content.plan === before.plan ? 'old' : 'new');
    expect(content).toEqual(content.plan === before.plan ? before : after);
    // The next run.
    expect(prune(join(place, 'out.onnx'), 0.5)).toMatchObject({ status: 0, stderr: '' });
    expect(await contentOf(place)).toEqual(after);
    expect(readdirSync(place).filter((name) => !NAMES.test(name))).toEqual([]);
    expect(readdirSync(place)).toHaveLength(3);
  }
  expect(killed).toBeGreaterThan(10);
  expect([...outcomes].sort()).toEqual(['new', 'old']);
});

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s deletes temporary files, changes nothing and ends with exit code %i', async (signal, code) => {
  const place = at(signal);
  cpSync(at('old'), place, { recursive: true });
  const before = await contentOf(place);
  expect(prune(join(place, 'out.onnx'), 0.5, 1, signal)).toMatchObject({ status: code, signal: null });
  expect(await contentOf(place)).toEqual(before);
  expect(readdirSync(place)).toHaveLength(3);
});

it('is one of both results, whole, after two runs at once', async () => {
  const outcomes = [await contentOf(at('old')), await contentOf(at('new'))];
  for (let round = 0; round < 3; round++) {
    const place = at(`race-${round}`);
    cpSync(at('old'), place, { recursive: true });
    const runs = [0.25, 0.5].map((ratio) => spawn(process.execPath, commandOf(join(place, 'out.onnx'), ratio)));
    const codes = await Promise.all(runs.map((child) => new Promise((done) => child.on('close', done))));
    expect(codes).toEqual([0, 0]);
    const content = await contentOf(place);
    expect(outcomes).toContainEqual(content);
    // The new data of either run takes a name that is free when it is written: those of the two may be numbered 1 and 2.
    expect(readdirSync(place).filter((name) => !NAMES.test(name.replace('.2.data', '.1.data')))).toEqual([]);
  }
});
