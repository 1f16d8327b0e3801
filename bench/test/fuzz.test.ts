/**
 * The fuzzer on a bounded number of files, as `npm run fuzz` runs it on any number: each ends in a pruned model or in a
 * typed error, in bounded time and memory.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { node, root, useBuild } from '../../packages/onnx-pruning/test/built.ts';
import { fuzzCase } from '../src/fuzz/cases.ts';
import { readCorpus } from '../src/fuzz/corpus.ts';
import type { Tally } from '../src/fuzz/tally.ts';

useBuild();

const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function fuzz(
  name: string,
  args: readonly string[],
): Promise<{ code: number | null; text: string; tally: Tally }> {
  const state = join(folder, `${name}.json`);
  const program = join(root, 'bench', 'dist', 'fuzz', 'main.js');
  const { code, stdout, stderr } = await node([program, '--workers', '2', '--state', state, ...args]);
  return { code, text: stdout + stderr, tally: JSON.parse(readFileSync(state, 'utf8')) };
}

const refusals = ({ refused }: Tally): number => Object.values(refused).reduce((sum, count) => sum + count, 0);

it('1,500 mutated files end in a model or a typed error', async () => {
  const { code, text, tally } = await fuzz('bounded', ['--count', '1500', '--seed', '11']);
  expect(text).not.toContain('case ');
  expect(tally.defects).toEqual([]);
  expect(code).toBe(0);
  expect(tally.success + refusals(tally)).toBe(1500);
  // Neither of them would be a test of anything alone.
  expect(tally.success).toBeGreaterThan(300);
  expect(refusals(tally)).toBeGreaterThan(300);
}, 600_000);

it('a campaign that was left goes on where it was', async () => {
  const seed = ['--seed', '12'];
  await fuzz('left', ['--count', '60', ...seed]);
  const continued = await fuzz('left', ['--count', '120', ...seed, '--resume']);
  const whole = await fuzz('whole', ['--count', '120', ...seed]);
  expect(continued.tally.cases).toBe(120);
  expect(continued.tally.refused).toEqual(whole.tally.refused);
  expect(continued.tally.success).toBe(whole.tally.success);
});

it('what hangs or takes all memory is a defect of one file, and the campaign goes on', async () => {
  const { code, tally } = await fuzz('limited', ['--count', '8', '--seed', '13', '--milliseconds', '1']);
  expect(code).toBe(1);
  expect(tally.cases).toBe(8);
  expect(tally.defects.filter(({ kind }) => kind === 'time').length).toBeGreaterThan(0);
  const { tally: small } = await fuzz('small', ['--count', '4', '--seed', '13', '--megabytes', '50']);
  expect(small.cases).toBe(4);
  expect(small.defects.map(({ kind }) => kind)).toEqual(['memory', 'memory', 'memory', 'memory']);
});

it('the same seed and number give the same file', async () => {
  const corpus = await readCorpus();
  const bytes = (seed: number, index: number): string =>
    Buffer.from(fuzzCase(corpus, seed, index).bytes).toString('base64');
  for (let index = 0; index < 50; index++) expect(bytes(1, index)).toBe(bytes(1, index));
  expect(new Set(Array.from({ length: 50 }, (_, index) => bytes(1, index))).size).toBeGreaterThan(45);
});
