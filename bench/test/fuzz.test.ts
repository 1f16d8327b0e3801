/**
 * The fuzzer on a bounded number of files, as `npm run fuzz` runs it on any number: each ends in a pruned model or in a
 * typed error, in bounded time and memory.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { node, root, useBuild } from '../../packages/onnx-pruning/test/built.ts';
import { runCampaign } from '../src/fuzz/campaign.ts';
import { fuzzCase } from '../src/fuzz/cases.ts';
import { readCorpus } from '../src/fuzz/corpus.ts';
import type { Defect, Tally } from '../src/fuzz/tally.ts';

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
  const { code, tally } = await fuzz('limited', ['--count', '4', '--seed', '13', '--milliseconds', '1']);
  expect(code).toBe(1);
  expect(tally.cases).toBe(4);
  expect(tally.defects.filter(({ kind }) => kind === 'time').length).toBeGreaterThan(0);
  const { tally: small } = await fuzz('small', ['--count', '2', '--seed', '13', '--megabytes', '50']);
  expect(small.cases).toBe(2);
  expect(small.defects.map(({ kind }) => kind)).toEqual(['memory', 'memory']);
});

/**
 * A worker that answers at once, except that it does `act` with case 2: always, or when that is tried first. `started` is
 * the number of the process.
 */
function failingWorker(name: string, act: 'hang' | 'exit' | 'grow', when: 'always' | 'once'): string {
  const program = join(folder, `${name}.mjs`);
  const started = JSON.stringify(join(folder, `${name}.started`));
  writeFileSync(
    program,
    `import { appendFileSync, readFileSync } from 'node:fs';
appendFileSync(${started}, '.');
const isFirst = readFileSync(${started}, 'utf8').length === 1;
process.on('message', ({ index }) => {
  const fails = index === 2 && (isFirst || ${when === 'always'});
  if (fails && '${act}' === 'hang') return;
  if (fails && '${act}' === 'exit') process.exit(1);
  const peakBytes = fails ? 2e9 : 1e6;
  process.send({ index, file: 'a', kinds: [], outcome: { kind: 'success', stage: '', what: '' }, milliseconds: 1, peakBytes });
});
process.send('ready');
`,
  );
  return program;
}

describe('a case that is lost or over a limit is tried once more, in a process of its own', () => {
  const acts = ['hang', 'exit', 'grow'] as const;
  const campaign = (program: string, onDefect?: (defect: Defect) => void) =>
    runCampaign({
      seed: 1,
      first: 0,
      end: 5,
      workers: 1,
      // Far more than an answer takes, and the time that a test waits for the one that never comes.
      timeLimit: 2_000,
      program,
      ...(onDefect && { onDefect }),
    });

  it.each(acts)('%s once: no defect', async (act) => {
    const tally = await campaign(failingWorker(`once-${act}`, act, 'once'));
    expect(tally).toMatchObject({ cases: 5, success: 5, defects: [], triedTwice: 1, peakBytes: 1e6 });
  });

  it.each(acts)('%s always: one defect, which says that it was tried twice', async (act) => {
    const told: Defect[] = [];
    const tally = await campaign(failingWorker(`always-${act}`, act, 'always'), (defect) => told.push(defect));
    const kind = act === 'hang' ? 'time' : 'memory';
    expect(told).toEqual([expect.objectContaining({ index: 2, kind, what: expect.stringMatching(/, tried twice$/) })]);
    expect(tally).toMatchObject({ cases: 5, success: 4, defects: told, triedTwice: 1 });
  });
});

it('the same seed and number give the same file', async () => {
  const corpus = await readCorpus();
  const bytes = (seed: number, index: number): string =>
    Buffer.from(fuzzCase(corpus, seed, index).bytes).toString('base64');
  for (let index = 0; index < 50; index++) expect(bytes(1, index)).toBe(bytes(1, index));
  expect(new Set(Array.from({ length: 50 }, (_, index) => bytes(1, index))).size).toBeGreaterThan(45);
});
