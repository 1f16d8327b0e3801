/**
 * `npm run check-reference -- <folder>`: compares the engine with recorded results of Torch-Pruning for every
 * `golden-<name>.json` with its `<name>.onnx` (and `<name>-fashion.onnx`, `-folded.onnx`) in a folder. Prints a line for
 * each check and exits 1 when one fails.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { countOpsAndParams } from '@onnx-pruning/cost';
import { type Model, parseModel } from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import {
  channelsOf,
  channelsOfLayer,
  exampleGroupOf,
  type Golden,
  type GoldenRun,
  groupsOf,
  rerun,
  torchPruningCost,
} from './golden.ts';

let failures = 0;

function report(model: string, check: string, problem: string | undefined): void {
  if (problem) failures++;
  console.log(`${problem ? 'FAIL' : 'ok  '} ${model} ${check}${problem ? `: ${problem}` : ''}`);
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const unequal = (found: unknown, expected: unknown): string | undefined =>
  same(found, expected)
    ? undefined
    : `expected ${JSON.stringify(expected).slice(0, 200)}, found ${JSON.stringify(found).slice(0, 200)}`;

/** Root layers whose removed indices differ, with the indices. */
function differences(found: GoldenRun['history'], recorded: GoldenRun['history']): string | undefined {
  if (found.length !== recorded.length) return `${found.length} prunings, recorded ${recorded.length}`;
  const different = recorded.flatMap(([root, , idxs], i) => {
    const ours = new Set(found[i][2]);
    const theirs = new Set(idxs);
    const only = [[...theirs].filter((c) => !ours.has(c)), [...ours].filter((c) => !theirs.has(c))];
    return only[0].length + only[1].length === 0 ? [] : [`${root} recorded only [${only[0]}], found only [${only[1]}]`];
  });
  return different.length === 0 ? undefined : different.join('; ');
}

/** The total of Torch-Pruning's counter, and what it does not see of the model. */
function checkTotal(name: string, check: string, model: Model, recorded: number): void {
  const { seen, unseen } = torchPruningCost(model, name);
  const functions = unseen.map((layer) => `${layer.name} ${layer.macs}`).join(', ');
  report(name, `${check}${functions && ` (without the functions ${functions})`}`, unequal(seen, recorded));
}

async function checkRun(name: string, load: () => Model, run: GoldenRun): Promise<void> {
  const model = load();
  const pruner = rerun(model, run);
  const history = pruner.pruningHistory().map(([root, isOut, idxs]) => [root, isOut, [...idxs]] as const);
  report(
    name,
    `${run.name} channels`,
    differences(
      history,
      run.history.filter(([, , idxs]) => idxs.length > 0),
    ),
  );
  const { macs, params } = countOpsAndParams(model);
  report(name, `${run.name} cost`, unequal({ macs, params }, { macs: run.conv_linear_macs, params: run.params }));
  checkTotal(name, `${run.name} total`, model, run.macs);
  report(name, `${run.name} layers`, unequal(channelsOf(pruner.graph, Object.keys(run.channels)), run.channels));
  const verification = await verify(load(), model, pruner.plan());
  const worst = Math.max(...verification.outputs.map((output) => output.maxRel));
  report(name, `${run.name} equivalence (${worst.toExponential(1)})`, verification.ok ? undefined : `${worst}`);
}

async function checkModel(name: string, load: () => Model, golden: Golden): Promise<void> {
  const { macs, params } = countOpsAndParams(load());
  report(name, 'cost', unequal({ macs, params }, { macs: golden.base.conv_linear_macs, params: golden.base.params }));
  checkTotal(name, 'total', load(), golden.base.macs);
  const groups = groupsOf(load());
  const members = golden.groups.map((group) => group.members.map((m) => `${m.layer} ${m.fn} ${m.n}`).sort());
  report(
    name,
    `${groups.length} groups`,
    unequal(
      groups.map((group) => group.members),
      members,
    ),
  );
  const gaps = groups.flatMap((group, i) => group.scores.map((s, c) => Math.abs(s - golden.groups[i].l2_scores[c])));
  const widest = Math.max(...gaps);
  report(name, `scores (largest difference ${widest.toExponential(1)})`, widest < 5e-6 ? undefined : `${widest}`);
  const [root] = golden.example_group;
  const idxs = root.idxs.filter((index) => index < channelsOfLayer(load(), root.layer));
  const example = golden.example_group.map(({ layer, fn }) => `${layer} ${fn} ${idxs.join(',')}`).sort();
  report(name, 'example group', unequal(exampleGroupOf(load(), root.layer, idxs), example));
  for (const run of golden.runs) await checkRun(name, load, run);
}

/** The same weights with BatchNormalization folded: other names, the same channels in every group. */
function checkFolded(name: string, load: () => Model, golden: Golden): void {
  report(
    name,
    'groups',
    unequal(
      groupsOf(load()).map(({ channels }) => channels),
      golden.groups.map((g) => g.channels),
    ),
  );
}

const folder = process.argv[2];
if (!folder || !existsSync(folder)) {
  console.error('usage: npm run check-reference -- <folder with golden-<name>.json and <name>.onnx files>');
  process.exit(2);
}
for (const file of readdirSync(folder).filter((entry) => /^golden-.*\.json$/.test(entry))) {
  const name = file.slice('golden-'.length, -'.json'.length);
  const golden: Golden = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  for (const variant of [name, `${name}-fashion`]) {
    const loader = (path: string) => (): Model => parseModel(readFileSync(path));
    const path = join(folder, `${variant}.onnx`);
    const folded = join(folder, `${variant}-folded.onnx`);
    if (existsSync(path)) await checkModel(variant, loader(path), golden);
    if (existsSync(folded)) checkFolded(`${variant}-folded`, loader(folded), golden);
  }
}
console.log(failures === 0 ? 'all checks passed' : `${failures} checks failed`);
process.exitCode = failures === 0 ? 0 : 1;
