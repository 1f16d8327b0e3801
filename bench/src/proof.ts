/**
 * The command behind `npm run bench:proof`: how often the proof raises a false alarm on right models, and how often it
 * catches a model that was changed on purpose; by both of its halves, and by the runs alone.
 */
import { parseArgs } from 'node:util';
import { listSkeletons, loadSkeleton, type SkeletonInfo } from '@onnx-pruning/models';
import { createRandom, type Model } from '@onnx-pruning/onnx';
import { compareModels, verify } from '@onnx-pruning/proof';
import { BasePruner, GroupMagnitudeImportance, type Plan } from '@onnx-pruning/pruning';
import { type ProofResult, proofTable, sumOf } from './proof-table.ts';
import { type Change, changeIndex, changeNumber, changeSize } from './sabotage.ts';

const USAGE = `Usage: npm run bench:proof -- [options]

  --models <list>      skeletons whose name holds one of these texts (default all)
  --without <list>     none whose name holds one of these
  --ratios <list>      pruning ratios (default 0.1,0.3,0.5,0.7,0.9)
  --seeds <n>          seeds of weights and inputs per skeleton and ratio (default 20)
  --full-seeds <n>     the same for networks of full size (default 2)
  --changes <n>        changes made on purpose per skeleton and ratio, of each kind (default 1)
  --help`;

interface Options {
  readonly ratios: readonly number[];
  readonly seeds: number;
  readonly changes: number;
}

/** What every check and run takes. One thread: the models are small, and the machine may be shared. */
interface RunOptions {
  readonly dims: Readonly<Record<string, number>>;
  readonly seed: number;
  readonly threads: 1;
}

interface Pruned {
  readonly original: Model;
  readonly model: Model;
  readonly plan: Plan;
}

async function pruned(name: string, seed: number, pruningRatio: number): Promise<Pruned> {
  const original = await loadSkeleton(name, { seed });
  const model = original.clone();
  const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio });
  pruner.step();
  return { original, model, plan: pruner.plan() };
}

/** Sizes for what a skeleton leaves open. */
function sizesOf({ input }: SkeletonInfo, { graph }: Model): Record<string, number> {
  const dims = graph.input[0]?.type?.tensorType?.shape?.dim ?? [];
  return Object.fromEntries(dims.flatMap(({ dimParam }, axis) => (dimParam ? [[dimParam, input[axis]!]] : [])));
}

async function measure(info: SkeletonInfo, { ratios, seeds, changes }: Options): Promise<ProofResult> {
  const result: ProofResult = { ...sumOf(info.name, []), network: info.family };
  for (const ratio of ratios) {
    for (let seed = 0; seed < seeds; seed++) {
      const at = `${info.name}, ratio ${ratio}, seed ${seed}`;
      const made = await pruned(info.name, seed, ratio);
      const options: RunOptions = { dims: sizesOf(info, made.original), seed, threads: 1 };
      const { verdict, reasons } = await verify(made.original, made.model, made.plan, options);
      result.runs++;
      result[verdict]++;
      if (verdict !== 'holds') result.notes.push(`${verdict}: ${at}: ${reasons[0]}`);
      if (seed < changes) await sabotage(made, `${at}: `, options, result);
    }
  }
  return result;
}

async function sabotage(right: Pruned, at: string, options: RunOptions, result: ProofResult): Promise<void> {
  const random = createRandom(options.seed);
  const changes: Change[] = [changeNumber, changeIndex, changeSize];
  for (const change of changes) {
    const model = right.model.clone();
    const what = change({ ...right, model }, random);
    if (what === undefined) continue;
    const effect = await effectOf(right.model, model, options);
    if (effect === 0) {
      result.harmless++;
      continue;
    }
    result.changes++;
    const byFile = await outcome({ ...right, model }, { ...options, parts: 'file' });
    const byRuns = await outcome({ ...right, model }, { ...options, parts: 'runs' });
    if (byRuns === 'differs') result.byRuns++;
    else
      result.notes.push(
        `not caught by the runs: ${at}${what}: ${byRuns}; outputs change by ${effect.toExponential(1)}`,
      );
    if (byFile === 'differs' || byRuns === 'differs') result.caught++;
    else result.notes.push(`not caught: ${at}${what}`);
  }
}

async function outcome(
  { original, model, plan }: Pruned,
  options: RunOptions & { readonly parts: 'file' | 'runs' },
): Promise<string> {
  try {
    const { verdict, reasons } = await verify(original, model, plan, options);
    return verdict === 'inconclusive' ? `inconclusive, ${reasons[0]}` : verdict;
  } catch {
    // It does not load or run: nobody takes it for a right one.
    return 'differs';
  }
}

/** The largest relative change of any output on a few inputs; Infinity where the changed model does not run. */
async function effectOf(right: Model, changed: Model, options: RunOptions): Promise<number> {
  let most = 0;
  for (let seed = 100; seed < 104 && most === 0; seed++) {
    try {
      const { outputs } = await compareModels(right, changed, { ...options, graphOptimization: 'disabled', seed });
      most = Math.max(most, ...outputs.map(({ maxRel }) => maxRel));
    } catch {
      return Infinity;
    }
  }
  return most;
}

const text = (value: string) => ({ type: 'string', default: value }) as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      models: text(''),
      without: text(''),
      ratios: text('0.1,0.3,0.5,0.7,0.9'),
      seeds: text('20'),
      'full-seeds': text('2'),
      changes: text('1'),
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(`${USAGE}\n`);
  const named = (list: string, name: string): boolean => list.split(',').some((part) => name.includes(part));
  const isFull = ({ name }: SkeletonInfo): boolean => name.includes('-full-');
  const chosen = listSkeletons()
    .filter(({ name }) => named(values.models, name) && (values.without === '' || !named(values.without, name)))
    .sort((a, b) => Number(isFull(a)) - Number(isFull(b)));
  const [ratios, changes] = [values.ratios.split(',').map(Number), Number(values.changes)];
  const results: ProofResult[] = [];
  for (const info of chosen) {
    const result = await measure(info, {
      ratios,
      changes,
      seeds: Number(isFull(info) ? values['full-seeds'] : values.seeds),
    });
    results.push(result);
    for (const note of result.notes) process.stderr.write(`${note}\n`);
    process.stderr.write(`${proofTable([result])}\n`);
  }
  const alarms = results.flatMap(({ notes }) => notes.filter((note) => !note.startsWith('inconclusive')));
  process.stdout.write(`${[proofTable(results), ...alarms].join('\n')}\n`);
}

await main();
