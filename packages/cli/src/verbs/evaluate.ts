/** The verb `evaluate`: what a model is right in, alone or beside the original. The measuring is done by packages/data. */
import {
  comparePaired,
  type Dataset,
  type EvaluateProgress,
  type Evaluation,
  evaluate,
  METRICS,
  type MetricName,
  openDataset,
  type PairedComparison,
} from '@onnx-pruning/data';
import { loadModel } from '@onnx-pruning/onnx';
import { OptionError } from '@onnx-pruning/pruning';
import { type Command, Option } from 'commander';
import { METRIC_NAMES } from '../metric-names.ts';
import { parsePath, parsePositiveInteger, parseSeed } from '../parse-values.ts';
import { preprocessOption, readPreprocess } from '../preprocess.ts';
import { StatusLine, type Terminal } from '../terminal.ts';
import { columnsOf, wrap } from '../wrap.ts';

interface EvaluateOptions {
  readonly data: string;
  readonly labels?: string;
  readonly preprocess?: string;
  readonly metric?: MetricName;
  readonly against?: string;
  readonly limit?: number;
  readonly seed: number;
  readonly provider: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** What was measured of a model, and what the original gives on the same samples. */
interface Measured {
  readonly own: Evaluation;
  readonly original?: Evaluation;
  readonly comparison?: PairedComparison;
}

const EXAMPLES = `
Examples:
  Accuracy on labelled images:
    $ onnx-pruning evaluate model.onnx --data t10k-images-idx3-ubyte.gz --labels t10k-labels-idx1-ubyte.gz --preprocess fashion-mnist
  What a pruned model has lost against its original:
    $ onnx-pruning evaluate smaller.onnx --against model.onnx --data images.npy --labels labels.npy
  Without labels: how often both say the same:
    $ onnx-pruning evaluate smaller.onnx --against model.onnx --data images.npy`;

/** Adds the verb to a program. */
export function addEvaluateVerb(program: Command, terminal: Terminal): void {
  program
    .command('evaluate')
    .summary('measure a model on samples')
    .description('Measures a model on samples, alone or beside the model that it was made from.')
    .argument('<model>', 'the .onnx file to measure', parsePath)
    .requiredOption(
      '--data <path>',
      'samples: IDX as MNIST has it, .npy, .npz, or a folder of images or of tensors (.pb)',
      parsePath,
    )
    .option(
      '--labels <file>',
      'the class of every sample: IDX, .npy, or for images in a folder .csv (file,label)',
      parsePath,
    )
    .addOption(preprocessOption('images'))
    .addOption(
      new Option('--metric <name>', 'what is measured (default: top1 with labels, else agreement)').choices(
        Object.keys(METRICS),
      ),
    )
    .option('--against <model>', 'the original: what it gives is compared, sample by sample', parsePath)
    .option('--limit <n>', 'samples to draw (default: all)', parsePositiveInteger)
    .option('--seed <n>', 'seed of the samples that are drawn', parseSeed, 0)
    .option('--provider <name>', 'execution provider: cpu, cuda, ...', 'cpu')
    .option('-q, --quiet', 'print nothing but errors')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action((model: string, options: EvaluateOptions) => run(model, options, terminal));
}

async function run(path: string, options: EvaluateOptions, { stdout, stderr }: Terminal): Promise<void> {
  const status = new StatusLine(stderr, !options.quiet);
  try {
    const measured = await measure(path, options, (text) => status.show(text));
    status.clear();
    if (options.json) stdout.write(`${JSON.stringify(toJson(path, options, measured), undefined, 2)}\n`);
    else if (!options.quiet) stdout.write(show(measured, columnsOf(stdout)));
  } finally {
    status.clear();
  }
}

async function measure(path: string, options: EvaluateOptions, onPhase: (text: string) => void): Promise<Measured> {
  const model = await loadModel(path);
  const preprocess = options.preprocess === undefined ? undefined : await readPreprocess(options.preprocess);
  const all = await openDataset(model, options.data, { labels: options.labels, preprocess });
  const metric = metricOf(options, all.hasLabels);
  const data: Dataset = options.limit === undefined ? all : all.take(options.limit, { seed: options.seed });
  const progress =
    (what: string) =>
    ({ done, total, secondsLeft }: EvaluateProgress): void =>
      onPhase(`Measuring ${what}, ${done} of ${total} samples, ${Math.ceil(secondsLeft)} s left`);
  const session = { executionProvider: options.provider };
  const against = options.against === undefined ? undefined : await loadModel(options.against);
  const needsOriginal = METRICS[metric].needs === 'reference';
  const own = await evaluate(model, data, metric, {
    ...session,
    ...(needsOriginal && { against }),
    onProgress: progress('the model'),
  });
  if (against === undefined || needsOriginal) return { own };
  const original = await evaluate(against, data, metric, { ...session, onProgress: progress('the original') });
  return { own, original, comparison: comparePaired(original, own) };
}

function metricOf({ metric, against }: EvaluateOptions, hasLabels: boolean): MetricName {
  const chosen = metric ?? (hasLabels ? 'top1' : 'agreement');
  const { needs } = METRICS[chosen];
  const missing = needs === 'labels' ? !hasLabels && '--labels' : against === undefined && '--against';
  if (needs !== 'nothing' && missing) {
    const repair =
      metric === undefined
        ? 'Give labels (--labels), or the original to compare with (--against).'
        : `Give ${missing}, or choose another --metric.`;
    throw new OptionError('EVALUATE_NEEDS', `${chosen} cannot be measured without ${missing}`, {
      expected: missing,
      repair,
    });
  }
  return chosen;
}

function show({ own, original, comparison }: Measured, columns: number): string {
  const value = (x: number): string => (own.isShare ? `${(100 * x).toFixed(2)} %` : x.toPrecision(4));
  const line = (of: Evaluation): string =>
    `${value(of.value)} (95 % interval ${value(of.interval[0])} to ${value(of.interval[1])})`;
  const name = METRIC_NAMES[own.metric as MetricName];
  const lines = [`${name}: ${line(own)}, ${own.samples.toLocaleString('en-US')} samples`];
  const { chance } = own;
  if (chance !== undefined && own.interval[0] <= chance) {
    lines.push(
      `no better than guessing (${value(chance)}), as far as so many samples tell: look at the model, --labels and --preprocess`,
    );
  }
  if (original && comparison) {
    const unit = own.isShare ? 'points' : '';
    const change = (x: number): string =>
      `${x < 0 ? '-' : '+'}${(own.isShare ? 100 * Math.abs(x) : Math.abs(x)).toFixed(2)}`;
    const { difference, interval, pValue } = comparison;
    const chance = pValue === undefined ? '' : `; McNemar p ${pValue < 0.001 ? '< 0.001' : `= ${pValue.toFixed(3)}`}`;
    lines.push(`original: ${line(original)}`);
    lines.push(
      `difference: ${change(difference)} ${unit} (95 % interval ${change(interval[0])} to ${change(interval[1])}${chance})`,
    );
  }
  return `${lines.flatMap((text) => wrap(text, columns)).join('\n')}\n`;
}

function toJson(model: string, options: EvaluateOptions, { own, original, comparison }: Measured): object {
  const plain = ({ scores: _, isShare: __, ...rest }: Evaluation): object => rest;
  return {
    model,
    data: options.data,
    against: options.against ?? null,
    ...plain(own),
    original: original ? plain(original) : null,
    comparison: comparison ?? null,
  };
}
