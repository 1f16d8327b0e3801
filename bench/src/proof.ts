/**
 * The command behind `npm run bench:proof`: how often the proof raises a false alarm on right models, and how often it
 * catches a model that was changed on purpose; by both of its halves, and by the runs alone. It must not prune itself.
 */
import { parseArgs } from 'node:util';
import { listSkeletons, loadSkeleton } from '@onnx-pruning/models';
import {
  constantTensors,
  createRandom,
  DataType,
  type Model,
  makeTensor,
  type Random,
  readNumbers,
  replaceConstant,
  tensorDims,
} from '@onnx-pruning/onnx';
import { type Verification, type VerifyOptions, verify } from '@onnx-pruning/proof';
import { BasePruner, GroupMagnitudeImportance, type Plan } from '@onnx-pruning/pruning';

const USAGE = `Usage: npm run bench:proof -- [options]

  --models <text>   only skeletons whose name holds this
  --ratios <list>   pruning ratios (default 0.1,0.3,0.5,0.7,0.9)
  --seeds <n>       seeds of inputs per model and ratio (default 20)
  --changes <n>     changes made on purpose per model and ratio, of each kind (default 2)
  --help`;

interface Tally {
  checks: number;
  readonly alarms: string[];
  changes: number;
  readonly missed: string[];
  runsOnly: number;
}

/** One number of one weight, two kept channels of one weight, or one size: changed in place of the right one. */
type Change = (pruned: Model, plan: Plan, random: Random) => string | undefined;

const FLOATS: ReadonlySet<number | undefined> = new Set([DataType.FLOAT, DataType.DOUBLE, DataType.FLOAT16]);

function anyRewritten(model: Model, plan: Plan, random: Random): [string, Float64Array, number[]] | undefined {
  const constants = constantTensors(model.graph);
  const names = Object.keys(plan.initializers).filter((name) => FLOATS.has(constants.get(name)?.dataType));
  const name = names[random.int(names.length)];
  const tensor = name === undefined ? undefined : constants.get(name);
  return tensor && [name!, Float64Array.from(readNumbers(tensor)), tensorDims(tensor)];
}

function replace(model: Model, name: string, numbers: Float64Array): void {
  const tensor = constantTensors(model.graph).get(name)!;
  replaceConstant(model.graph, name, makeTensor(name, tensor.dataType!, tensorDims(tensor), numbers));
}

const changeNumber: Change = (model, plan, random) => {
  const found = anyRewritten(model, plan, random);
  if (!found) return undefined;
  const [name, numbers] = found;
  const at = random.int(numbers.length);
  numbers[at] = numbers[at]! * 1.5 + 0.05;
  replace(model, name, numbers);
  return `${name}: element ${at}`;
};

const changeIndex: Change = (model, plan, random) => {
  const found = anyRewritten(model, plan, random);
  const rows = found?.[2][0] ?? 0;
  if (!found || rows < 2) return undefined;
  const [name, numbers] = found;
  const size = numbers.length / rows;
  const row = random.int(rows - 1);
  const [a, b] = [numbers.slice(row * size, (row + 1) * size), numbers.slice((row + 1) * size, (row + 2) * size)];
  if (a.join() === b.join()) return undefined;
  numbers.set(b, row * size);
  numbers.set(a, (row + 1) * size);
  replace(model, name, numbers);
  return `${name}: rows ${row} and ${row + 1}`;
};

const changeSize: Change = (model, _, random) => {
  const nodes = model.graph.node.flatMap(({ attribute }) => attribute.filter(({ ints }) => (ints?.length ?? 0) > 0));
  const attribute = nodes[random.int(nodes.length)];
  if (!attribute) return undefined;
  attribute.ints = [...attribute.ints!];
  attribute.ints[0] = Number(attribute.ints[0]) + 1;
  return `attribute ${attribute.name}`;
};

async function outcome(original: Model, model: Model, plan: Plan, options: VerifyOptions): Promise<string> {
  try {
    const { verdict }: Verification = await verify(original, model, plan, options);
    return verdict;
  } catch (error) {
    return `does not run: ${String(error)}`;
  }
}

async function sabotage(
  original: Model,
  right: Model,
  plan: Plan,
  seed: number,
  options: VerifyOptions,
  tally: Tally,
): Promise<void> {
  for (const change of [changeNumber, changeIndex, changeSize]) {
    const model = right.clone();
    const what = change(model, plan, createRandom(seed));
    if (what === undefined) continue;
    tally.changes++;
    if ((await outcome(original, model, plan, { ...options, parts: 'file' })) !== 'differs') tally.missed.push(what);
    const runs = await outcome(original, model, plan, { ...options, parts: 'runs' });
    if (runs !== 'holds') tally.runsOnly++;
  }
}

async function main(): Promise<void> {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    options: {
      models: text(''),
      ratios: text('0.1,0.3,0.5,0.7,0.9'),
      seeds: text('20'),
      changes: text('2'),
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(`${USAGE}\n`);
  const total: Tally = { checks: 0, alarms: [], changes: 0, missed: [], runsOnly: 0 };
  for (const info of listSkeletons().filter(({ name }) => name.includes(values.models))) {
    const original = await loadSkeleton(info.name);
    const dims = original.graph.input[0]!.type?.tensorType?.shape?.dim ?? [];
    const sizes = Object.fromEntries(
      dims.flatMap(({ dimParam }, axis) => (dimParam ? [[dimParam, info.input[axis]!]] : [])),
    );
    for (const ratio of values.ratios.split(',').map(Number)) {
      const model = original.clone();
      const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio: ratio });
      pruner.step();
      const plan = pruner.plan();
      for (let seed = 0; seed < Number(values.seeds); seed++) {
        const found = await verify(original, model, plan, { dims: sizes, seed });
        total.checks++;
        if (found.verdict !== 'holds')
          total.alarms.push(`${info.name} ${ratio} seed ${seed}: ${found.verdict}, ${found.reasons[0]}`);
      }
      for (let seed = 0; seed < Number(values.changes); seed++)
        await sabotage(original, model, plan, seed, { dims: sizes }, total);
    }
    process.stderr.write(`${info.name}: ${total.alarms.length} alarms in ${total.checks} checks so far\n`);
  }
  const share = (n: number): string => `${n} of ${total.changes}`;
  process.stdout.write(
    [
      `False alarms: ${total.alarms.length} in ${total.checks} checks of right models`,
      ...total.alarms.map((alarm) => `  ${alarm}`),
      `Changes caught: ${share(total.changes - total.missed.length)}; by the runs alone: ${share(total.runsOnly)}`,
      ...total.missed.map((missed) => `  missed: ${missed}`),
      '',
    ].join('\n'),
  );
}

await main();
