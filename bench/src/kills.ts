/**
 * The command behind `npm run bench:kills`: stops the real command at random moments while it replaces a model with
 * external data and its plan, and says whether what is left is whole. Half of the moments are spread over a whole run,
 * half over the time from the first temporary file on.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildResNet } from '@onnx-pruning/models';
import { completeInterruptedSave, createRandom, encodeModel, loadModel, saveModel } from '@onnx-pruning/onnx';

const COMMAND = fileURLToPath(new URL('../../packages/onnx-pruning/bin/onnx-pruning.js', import.meta.url));
const SIGNALS = { SIGKILL: null, SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof SIGNALS;

/** What became of the runs that got one signal. */
interface Tally {
  runs: number;
  /** The run ended before the signal came. */
  finished: number;
  old: number;
  new: number;
  /** A model that does not load, a plan of another model, a wrong exit code, or a file that the next run leaves. */
  faults: string[];
}

const { values } = parseArgs({
  options: { count: { type: 'string', default: '300' }, seed: { type: 'string', default: '1' } },
});
const random = createRandom(Number(values.seed));
const root = mkdtempSync(join(tmpdir(), 'onnx-pruning-kills-'));

function argumentsFor(place: string, ratio: number): string[] {
  const files = [join(root, 'model.onnx'), '-o', join(place, 'out.onnx'), '--plan', join(place, 'plan.json')];
  return [COMMAND, 'prune', ...files, '--ratio', `${ratio}`, '--force', '--no-bench', '--no-verify'];
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

function start(place: string, ratio: number): { kill(signal: Signal): void; ended: Promise<Ended> } {
  const child = spawn(process.execPath, argumentsFor(place, ratio), { stdio: 'ignore' });
  const ended = new Promise<Ended>((done) => child.on('close', (code, signal) => done({ code, signal })));
  return { kill: (signal) => child.kill(signal), ended };
}

/** The model and plan of a folder, whatever the name of the data file. */
async function contentOf(place: string): Promise<string> {
  const model = await loadModel(join(place, 'out.onnx'));
  for (const tensor of model.graph.initializer) Object.assign(tensor, { externalData: [], dataLocation: 0 });
  const plan = readFileSync(join(place, 'plan.json'), 'utf8');
  return `${Buffer.from(encodeModel(model)).toString('latin1')}${plan}`;
}

const isResult = (name: string): boolean => /^(out\.onnx|out\.onnx(\.\d+)?\.data|plan\.json)$/.test(name);

async function moment(place: string, duration: number): Promise<void> {
  if (random.next() < 0.5) return sleep(random.next() * duration);
  while (!readdirSync(place).some((name) => name.startsWith('.'))) await sleep(1);
  return sleep(random.next() * 25);
}

async function stopOnce(place: string, signal: Signal, duration: number, tally: Tally, known: Known): Promise<void> {
  const run = start(place, 0.5);
  await Promise.race([moment(place, duration), run.ended]);
  run.kill(signal);
  const { code, signal: by } = await run.ended;
  tally.runs++;
  if (code === 0) tally.finished++;
  // A shell says 130 for SIGINT, too, where the signal came before the program was loaded.
  else if (by !== signal && code !== SIGNALS[signal]) tally.faults.push(`exit code ${code}`);
  await loadModel(join(place, 'out.onnx'));
  completeInterruptedSave(join(place, 'out.onnx'));
  const content = await contentOf(place);
  if (content === known.old) tally.old++;
  else if (content === known.new) tally.new++;
  else tally.faults.push('a mixture of old and new');
  if ((await start(place, 0.5).ended).code !== 0) tally.faults.push('the next run fails');
  const left = readdirSync(place).filter((name) => !isResult(name));
  if (left.length > 0 || readdirSync(place).length !== 3) tally.faults.push(`left behind: ${readdirSync(place)}`);
}

interface Known {
  readonly old: string;
  readonly new: string;
}

async function result(name: string, ratio: number): Promise<string> {
  const place = join(root, name);
  mkdirSync(place);
  if ((await start(place, ratio).ended).code !== 0) throw new Error('the command does not run: npm run build first');
  return contentOf(place);
}

async function main(): Promise<number> {
  const model = buildResNet({ blocks: [1, 1, 1, 1], width: 16, imageSize: 32, classes: 4 });
  await saveModel(model, join(root, 'model.onnx'), { externalData: { threshold: 64 } });
  const known = { old: await result('old', 0.25), new: await result('new', 0.5) };
  const began = performance.now();
  await result('timed', 0.5);
  const duration = performance.now() - began;
  let faults = 0;
  for (const signal of Object.keys(SIGNALS) as Signal[]) {
    const tally: Tally = { runs: 0, finished: 0, old: 0, new: 0, faults: [] };
    for (let run = 0; run < Number(values.count); run++) {
      const place = join(root, 'place');
      rmSync(place, { recursive: true, force: true });
      cpSync(join(root, 'old'), place, { recursive: true });
      try {
        await stopOnce(place, signal, duration, tally, known);
      } catch (error) {
        tally.faults.push(String(error));
      }
    }
    faults += tally.faults.length;
    const { runs, finished, old, new: fresh } = tally;
    process.stdout.write(
      `${signal}: ${runs} runs, ${finished} finished before it; old files ${old}, new files ${fresh}, faults ${tally.faults.length}\n`,
    );
    for (const fault of tally.faults.slice(0, 5)) process.stdout.write(`  ${fault}\n`);
  }
  return faults === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} finally {
  rmSync(root, { recursive: true });
}
