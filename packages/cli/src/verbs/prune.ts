/** The verb `prune`: its options and how its result is shown. The work is done by prune-job.ts. */
import { assertVerified } from '@onnx-pruning/proof';
import { type Command, Option } from 'commander';
import { CRITERIA } from '../criterion.ts';
import {
  collect,
  parseConfidence,
  parseInputShape,
  parseInputs,
  parsePath,
  parsePoints,
  parsePositiveInteger,
  parseRatio,
  parseSeed,
} from '../parse-values.ts';
import { preprocessOption } from '../preprocess.ts';
import { isAccepted, type PruneJob, type PruneResult, runPruneJob } from '../prune-job.ts';
import { resultToJson, showResult } from '../prune-report.ts';
import { coloursFor, StatusLine, type Terminal } from '../terminal.ts';
import { columnsOf } from '../wrap.ts';

type PruneOptions = Omit<PruneJob, 'model'> & { readonly quiet?: boolean; readonly json?: boolean };

const EXAMPLES = `
Examples:
  Remove half of the channels, but keep the outputs of the layer fc:
    $ onnx-pruning prune model.onnx -o smaller.onnx --ignore fc --plan plan.json
  Leave multiples of 8 channels, and keep all layers of the module model.22:
    $ onnx-pruning prune model.onnx -o smaller.onnx --round-to 8 -i model.22
  A model with a dynamic image size:
    $ onnx-pruning prune model.onnx -o out.onnx --input-shape x=1x3x224x224
  A model that random numbers say little about, checked on a real input:
    $ onnx-pruning prune model.onnx -o smaller.onnx --inputs input=image.npy
  Win back what pruning has lost, from images without labels:
    $ onnx-pruning prune model.onnx -o smaller.onnx -i fc --calib images.npy
  As much as may be while accuracy falls by one point at most:
    $ onnx-pruning prune model.onnx -o smaller.onnx -i fc --max-drop 1 \\
      --calib images.npy --data test.npy --labels classes.npy

A result is written only after the pruned model was run against the original:
see Equivalence in the report.`;

/** Adds the verb to a program. */
export function addPruneVerb(program: Command, terminal: Terminal): void {
  program
    .command('prune')
    .summary('remove the least important channels of a model')
    .description('Removes the least important channels of an ONNX model, with everything that is coupled to them.')
    .argument('<model>', 'the .onnx file to prune; it is not changed', parsePath)
    .requiredOption('-o, --output <file>', 'where the pruned model goes', parsePath)
    .option('-r, --ratio <share>', 'share of channels to remove, in [0, 1)', parseRatio, 0.5)
    .option(
      '-i, --ignore <layer>',
      "layer or module whose output channels stay: a node, an output, a parameter's or a module's path; '*' stands for anything, '?' for one character; repeatable",
      collect,
      [],
    )
    .option('--plan <file>', 'write what was removed, as JSON', parsePath)
    .option('--round-to <n>', 'leave a multiple of n channels', parsePositiveInteger)
    .option('--prune-distributions', 'prune also what a softmax is taken over and a constant reads by number')
    .option('--prune-overridable', 'prune also initializers that are inputs of the graph, which callers may override')
    .addOption(
      new Option(
        '--criterion <name>',
        'how channels are scored: by their weights (l1, l2), or on --calib: activation times weight (wanda), residual of linear prediction, or reconstruction error of what reads them',
      )
        .choices(CRITERIA)
        .default('l2'),
    )
    .option(
      '--input-shape <shape>',
      'sizes of a dynamic input, name=1x3x224x224 or symbol=224; repeatable',
      parseInputShape,
    )
    .option(
      '--inputs <files>',
      'real inputs for checking and timing, in place of random ones: name=file.npy (or .pb), name=file.bin:1x3x224x224, an .npz whose names are inputs, or a folder with input_0.pb, ... or test_data_set_0, ...; repeatable',
      parseInputs,
    )
    .option(
      '--calib <path>',
      'samples without labels, to refit the weights of the pruned model to: IDX as MNIST has it, .npy, .npz, or a folder of images or of tensors (.pb)',
      parsePath,
    )
    .option('--calib-size <n>', 'samples to use (default: up to 1024)', parsePositiveInteger)
    .addOption(preprocessOption('images of --calib and --data'))
    .addOption(
      new Option(
        '--recover <method>',
        'what is refitted to --calib: weights and biases (ridge), biases, statistics of BatchNormalization (bn), or nothing',
      )
        .choices(['auto', 'none', 'bn', 'bias', 'ridge'])
        .default('auto'),
    )
    .option('--data <file>', 'samples to measure on what was lost; nothing is fitted to them', parsePath)
    .option('--data-size <n>', 'samples of --data to use (default: all)', parsePositiveInteger)
    .option('--labels <file>', 'the class of every sample of --data; without it, of --calib', parsePath)
    .addOption(
      new Option(
        '--max-drop <points>',
        'prune as much as may be while no more is lost than this: percentage points of accuracy, or of agreement with the original where there are no labels',
      )
        .argParser(parsePoints)
        .conflicts('ratio'),
    )
    .option(
      '--max-drop-confidence <share>',
      'bound the upper end of the interval at this confidence, such as 0.95, in place of what was measured',
      parseConfidence,
    )
    .option(
      '--seed <n>',
      'seed of the random inputs for checking and timing, and of the choice of samples',
      parseSeed,
      0,
    )
    .option('--no-verify', 'write the result without checking it')
    .option('--allow-inconclusive', 'write the result also where the check cannot show that it is right')
    .option('--no-bench', 'do not measure latency')
    .option('--provider <name>', 'execution provider to measure latency on: cpu, cuda, ...', 'cpu')
    .option('--runs <n>', 'runs to measure latency by', parsePositiveInteger, 30)
    .option('-f, --force', 'replace files that exist')
    .option('-q, --quiet', 'print nothing but errors')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', EXAMPLES)
    .action((model: string, options: PruneOptions) => prune({ ...options, model }, options, terminal));
}

async function prune(job: PruneJob, { quiet, json }: PruneOptions, { stdout, stderr, env }: Terminal): Promise<void> {
  const status = new StatusLine(stderr, !quiet);
  let result: PruneResult;
  try {
    result = await runPruneJob(job, (phase) => status.show(phase));
  } finally {
    status.clear();
  }
  if (json) stdout.write(`${JSON.stringify(resultToJson(result), undefined, 2)}\n`);
  else if (!quiet) stdout.write(showResult(result, coloursFor(stdout, env), columnsOf(stdout)));
  if (result.equivalence && !isAccepted(result.equivalence, job)) assertVerified(result.equivalence);
}
