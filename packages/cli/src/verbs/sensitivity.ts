/**
 * The verb `sensitivity`: how much a metric suffers without channels of each group. The measuring is done by
 * packages/recovery, tables and drawings by packages/report and sensitivity-report.ts.
 */

import { basename } from 'node:path';
import { type Dataset, METRICS, type MetricName, openDataset } from '@onnx-pruning/data';
import { loadModel, type Model, SaveError, saveTexts } from '@onnx-pruning/onnx';
import { GroupMagnitudeImportance, OptionError } from '@onnx-pruning/pruning';
import { type Sensitivity, type SensitivityProgress, sensitivity } from '@onnx-pruning/recovery';
import { plotSensitivity, sensitivityToCsv } from '@onnx-pruning/report';
import { type Command, Option } from 'commander';
import { checkDestination, checkFolder, realPath } from '../destinations.ts';
import type { GivenShape } from '../input-shapes.ts';
import { METRIC_NAMES } from '../metric-names.ts';
import { collect, parseInputShape, parsePath, parsePositiveInteger, parseRatios, parseSeed } from '../parse-values.ts';
import { preprocessOption, readPreprocess } from '../preprocess.ts';
import { givenShapes, inWordsOfIgnore } from '../prune-model.ts';
import { showSensitivity } from '../sensitivity-report.ts';
import { coloursFor, StatusLine, type Terminal } from '../terminal.ts';
import { columnsOf } from '../wrap.ts';

interface SensitivityVerbOptions {
  readonly data: string;
  readonly labels?: string;
  readonly preprocess?: string;
  readonly limit?: number;
  readonly ratios: readonly number[];
  readonly ignore: readonly string[];
  readonly criterion: 'l1' | 'l2';
  readonly inputShape?: readonly GivenShape[];
  readonly metric?: MetricName;
  readonly seed: number;
  readonly provider: string;
  readonly resume?: string;
  readonly csv?: string;
  readonly plot?: string;
  readonly force?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  Accuracy without channels of each group, on 1,024 labelled images:
    $ onnx-pruning sensitivity model.onnx --data t10k-images-idx3-ubyte.gz --labels t10k-labels-idx1-ubyte.gz --preprocess fashion-mnist --limit 1024
  Without labels, as a drawing; a run that is stopped goes on with the same command:
    $ onnx-pruning sensitivity model.onnx --data images.npy --resume state.json --plot sensitivity.svg
  What three strengths cost, for a spreadsheet:
    $ onnx-pruning sensitivity model.onnx --data images.npy -i fc --ratios 0.25,0.5,0.75 --csv sensitivity.csv`;

/** Adds the verb to a program. */
export function addSensitivityVerb(program: Command, terminal: Terminal): void {
  program
    .command('sensitivity')
    .summary('measure what each group of channels is worth')
    .description(
      'Measures how much worse a model gets without the least important channels of each group of coupled channels.',
    )
    .argument('<model>', 'the .onnx file to measure; it is not changed', parsePath)
    .requiredOption('--data <file>', 'samples: IDX as MNIST has it, .npy, or .npz', parsePath)
    .option('--labels <file>', 'the class of every sample: IDX or .npy', parsePath)
    .addOption(preprocessOption('images'))
    .option('--limit <n>', 'samples to draw (default: all)', parsePositiveInteger)
    .option('--ratios <shares>', "shares of a group's channels to remove", parseRatios, [0.1, 0.3, 0.5, 0.7, 0.9])
    .option('-i, --ignore <layer>', 'layer or module whose output channels stay, as for prune; repeatable', collect, [])
    .addOption(new Option('--criterion <name>', 'how channels are scored').choices(['l1', 'l2']).default('l2'))
    .option('--input-shape <shape>', 'sizes of a dynamic input, as for prune; repeatable', parseInputShape)
    .addOption(
      new Option('--metric <name>', 'what is measured (default: top1 with labels, else agreement)').choices(
        Object.keys(METRICS),
      ),
    )
    .option('--seed <n>', 'seed of the samples that are drawn, and of intervals', parseSeed, 0)
    .option('--provider <name>', 'execution provider: cpu, cuda, ...', 'cpu')
    .option('--resume <file>', 'keep results in this file, and go on with those that are in it', parsePath)
    .option('--csv <file>', 'write every number as comma-separated values', parsePath)
    .option('--plot <file>', 'draw a diagram for every group, as SVG', parsePath)
    .option('-f, --force', 'replace files that exist')
    .option('-q, --quiet', 'print nothing but errors')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action((model: string, options: SensitivityVerbOptions) => run(model, options, terminal));
}

async function run(path: string, options: SensitivityVerbOptions, { stdout, stderr, env }: Terminal): Promise<void> {
  const status = new StatusLine(stderr, !options.quiet);
  try {
    checkMetric(options);
    const model = await loadModel(path);
    await checkFiles(path, options);
    const data = await openSamples(model, options);
    const found = await measure(model, data, options, (text) => status.show(text));
    const written = await write(path, found, options);
    status.clear();
    if (options.json) stdout.write(`${JSON.stringify(toJson(path, options, found, written), undefined, 2)}\n`);
    else if (!options.quiet) stdout.write(showSensitivity(found, written, coloursFor(stdout, env), columnsOf(stdout)));
  } finally {
    status.clear();
  }
}

/** @throws OptionError for a metric of labels without labels */
function checkMetric({ metric, labels }: SensitivityVerbOptions): void {
  if (metric === undefined || METRICS[metric].needs !== 'labels' || labels !== undefined) return;
  throw new OptionError('EVALUATE_NEEDS', `${metric} cannot be measured without --labels`, {
    expected: '--labels',
    repair: 'Give --labels, or choose another --metric.',
  });
}

/** @throws SaveError for results that cannot go where they should, before any work is done */
async function checkFiles(model: string, options: SensitivityVerbOptions): Promise<void> {
  const { data, labels, csv, plot, resume, force } = options;
  if (resume !== undefined) await checkFolder(resume);
  const taken = [model, data, labels].flatMap((path) => (path === undefined ? [] : [realPath(path)]));
  for (const [option, path] of Object.entries({ '--resume': resume, '--csv': csv, '--plot': plot })) {
    if (path === undefined) continue;
    if (taken.includes(realPath(path))) {
      const repair = `Give ${option} a path of its own.`;
      throw new SaveError('SAVE_SAME_PATH', `${option} would take the place of another file of this command`, {
        path,
        repair,
      });
    }
    taken.push(realPath(path));
    if (option !== '--resume') await checkDestination(option, path, model, force);
  }
}

async function openSamples(model: Model, options: SensitivityVerbOptions): Promise<Dataset> {
  const preprocess = options.preprocess === undefined ? undefined : await readPreprocess(options.preprocess);
  const all = await openDataset(model, options.data, { labels: options.labels, preprocess });
  return options.limit === undefined ? all : all.take(options.limit, { seed: options.seed });
}

async function measure(
  model: Model,
  data: Dataset,
  options: SensitivityVerbOptions,
  onPhase: (text: string) => void,
): Promise<Sensitivity> {
  const { ratios, metric, seed, provider, resume, ignore, criterion, inputShape } = options;
  try {
    return await sensitivity(model, data, {
      ratios,
      metric,
      seed,
      executionProvider: provider,
      stateFile: resume,
      pruner: {
        ignoredLayers: ignore,
        importance: new GroupMagnitudeImportance({ p: criterion === 'l1' ? 1 : 2 }),
        inputShapes: givenShapes(inputShape ?? []),
      },
      onProgress: (progress) => onPhase(phaseOf(progress)),
    });
  } catch (error) {
    throw inWordsOfIgnore(error, ignore);
  }
}

function phaseOf({ done, total, secondsLeft, group }: SensitivityProgress): string {
  return `Measuring ${group ?? 'the model'}, ${done} of ${total} evaluations, ${Math.ceil(secondsLeft)} s left`;
}

/** @returns paths of what was written */
async function write(model: string, found: Sensitivity, { csv, plot }: SensitivityVerbOptions): Promise<string[]> {
  const label = METRIC_NAMES[found.metric as MetricName];
  const title = `What ${found.groups.length} groups of coupled channels are worth to ${basename(model)}`;
  const files = [
    ...(csv === undefined ? [] : [{ path: csv, content: sensitivityToCsv(found) }]),
    ...(plot === undefined ? [] : [{ path: plot, content: plotSensitivity(found, { title, label }) }]),
  ];
  await saveTexts(files);
  return files.map(({ path }) => path);
}

function toJson(
  model: string,
  { data, labels, ignore, criterion }: SensitivityVerbOptions,
  found: Sensitivity,
  written: readonly string[],
): object {
  return { model, data, labels: labels ?? null, ignore, criterion, ...found, written };
}
