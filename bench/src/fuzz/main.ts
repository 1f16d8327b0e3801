/**
 * The command behind `npm run fuzz`: mutates files of the corpus and tries them, in blocks whose results are kept, so that
 * a long campaign can be continued. Exit code 1 where any case ended in a defect.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runCampaign } from './campaign.ts';
import { type Defect, emptyTally, merged, summary, type Tally } from './tally.ts';

const USAGE = `Usage: npm run fuzz -- [options]

  --count <n>         mutated files (default 10000)
  --seed <n>          which ones (default 1)
  --workers <n>       processes (default: one per core)
  --milliseconds <n>  for one file (default 10000)
  --megabytes <n>     of memory for one process (default 1000)
  --resume            continue the campaign of this seed where it was left
  --state <path>      where it is kept (default out/fuzz-<seed>.json)
  --help`;

/** Files after which the result is kept. */
const BLOCK = 500;

async function main(args: readonly string[]): Promise<number> {
  const text = (value?: string) => ({ type: 'string', ...(value !== undefined && { default: value }) }) as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: text('10000'),
      seed: text('1'),
      workers: text(String(availableParallelism())),
      milliseconds: text('10000'),
      megabytes: text('1000'),
      state: text(),
      resume: flag,
      help: flag,
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const [count, seed, workers] = [whole(values.count), whole(values.seed), whole(values.workers)];
  const limits = { timeLimit: whole(values.milliseconds), memoryLimit: 1e6 * whole(values.megabytes) };
  const state = resolve(values.state ?? `out/fuzz-${seed}.json`);
  mkdirSync(dirname(state), { recursive: true });
  let tally: Tally = values.resume && existsSync(state) ? JSON.parse(readFileSync(state, 'utf8')) : emptyTally();
  while (tally.cases < count) {
    const end = Math.min(count, tally.cases + BLOCK);
    tally = merged(tally, await runCampaign({ seed, first: tally.cases, end, workers, ...limits, onDefect: show }));
    writeFileSync(state, JSON.stringify(tally));
    if (process.stderr.isTTY) process.stderr.write(`\r${tally.cases} of ${count}`);
  }
  if (process.stderr.isTTY) process.stderr.write('\n');
  console.log(summary(tally));
  return tally.defects.length > 0 ? 1 : 0;
}

function show({ index, kind, file, kinds, stage, what }: Defect): void {
  console.log(`case ${index}: ${kind} [${stage}] ${what} (${file}: ${kinds.join(', ')})`);
}

function whole(text = ''): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`expected a whole number, found '${text}'\n\n${USAGE}`);
  return value;
}

process.exitCode = await main(process.argv.slice(2));
