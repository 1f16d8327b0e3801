/**
 * The command behind `npm run bench:accuracy`: what trained classifiers are right in as they are, pruned, and with weights
 * refitted to unlabelled images. Accuracy is measured on test images that nothing else has seen.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { countOpsAndParams } from '@onnx-pruning/cost';
import { type Dataset, evaluate, openDataset, type Preset } from '@onnx-pruning/data';
import { loadModel, type Model } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';
import { recalibrateBatchNorm, reconstruct } from '@onnx-pruning/recovery';
import { modelInputs } from '@onnx-pruning/runtime';
import { CRITERIA_HEADER, compareCriteria, showAll } from './accuracy-criteria.ts';
import { MAX_DROP_HEADER, measureMaxDrop } from './accuracy-max-drop.ts';
import { render } from './tables.ts';

const USAGE = `Usage: npm run bench:accuracy -- --data <folder> --model <file> [options]

  --data <folder>      images and labels as MNIST has them: train-images-idx3-ubyte.gz, t10k-images-idx3-ubyte.gz,
                       t10k-labels-idx1-ubyte.gz
  --model <file>       a trained classifier; repeatable
  --ignore <layer>     layers whose outputs stay (default: fc, classifier, where the model has them); repeatable
  --ratio <ratio>      pruning ratio (default 0.3, 0.5 and 0.7); repeatable
  --preprocess <name>  (default fashion-mnist)
  --images <n>         training images to refit to, without labels (default 1024)
  --draws <n>          how often other images are drawn (default 3)
  --recover <method>   ridge (default): weights are refitted; bn: statistics of BatchNormalization are taken again
  --max-drop <points>  choose the ratio by what may be lost, on one half of the test images, and measure on the other;
                       repeatable
  --criteria           compare criteria that choose channels, on the same draws
  --help`;

const BATCH = 128;

interface Settings {
  readonly train: Dataset;
  readonly test: Dataset;
  readonly images: number;
  readonly draws: number;
  /** Whether criteria are compared. */
  readonly criteria: boolean;
  /** Points that may be lost, where ratios are chosen by them. */
  readonly maxDrops: readonly number[];
  readonly recover: typeof reconstruct | typeof recalibrateBatchNorm;
}

const percent = (share: number): string => (100 * share).toFixed(2);

const accuracy = async (model: Model, data: Dataset): Promise<number> => (await evaluate(model, data, 'top1')).value;

function prune(
  original: Model,
  pruningRatio: number,
  ignore: readonly string[],
): { pruned: Model; pruner: BasePruner } {
  const pruned = original.clone();
  const importance = new GroupMagnitudeImportance();
  const pruner = new BasePruner(pruned, { importance, pruningRatio, ignoredLayers: ignore });
  pruner.step();
  return { pruned, pruner };
}

/** One line of the table for each ratio, or for each ratio and criterion. */
async function measure(
  path: string,
  ratios: readonly number[],
  ignore: readonly string[],
  settings: Settings,
): Promise<string[][]> {
  const original = await loadModel(path);
  const names = new Set(original.layers().map(({ name }) => name));
  const ignored = ignore.length > 0 ? ignore : ['fc', 'classifier'].filter((name) => names.has(name));
  const dims = { [modelInputs(original)[0]!.name]: await sampleDims(settings.test) };
  const macsOf = (model: Model): number => countOpsAndParams(model, { inputShapes: dims }).macs;
  const dense = await accuracy(original, settings.test);
  const lines: string[][] = [];
  const name = path.split(/[\\/]/).at(-1)!;
  const draws = Array.from({ length: settings.draws }, (_, seed) =>
    settings.train.take(settings.images, { seed }).withBatchSize(BATCH),
  );
  const accuracyOf = (model: Model): Promise<number> => accuracy(model, settings.test);
  if (settings.maxDrops.length > 0) {
    const shared = { ignoredLayers: ignored, train: draws[0]!, test: settings.test, macsOf };
    for (const points of settings.maxDrops) lines.push([name, ...(await measureMaxDrop(original, points, shared))]);
    return lines;
  }
  for (const ratio of settings.criteria ? ratios : []) {
    const shared = { ignoredLayers: ignored, draws, accuracyOf, macsOf };
    for (const line of await compareCriteria(original, ratio, shared)) lines.push([name, percent(dense), ...line]);
  }
  for (const ratio of settings.criteria ? [] : ratios) {
    const { pruned, pruner } = prune(original, ratio, ignored);
    const refitted: number[] = [];
    const seconds: number[] = [];
    for (const data of draws) {
      const start = performance.now();
      const { model } = await settings.recover(original, pruned, pruner.plan(), data.feeds());
      seconds.push((performance.now() - start) / 1000);
      refitted.push(await accuracy(model, settings.test));
    }
    lines.push([
      name,
      String(ratio),
      `${(macsOf(original) / macsOf(pruned)).toFixed(2)}x`,
      percent(dense),
      percent(await accuracy(pruned, settings.test)),
      showAll(refitted),
      Math.min(...seconds).toFixed(1),
    ]);
  }
  return lines;
}

async function sampleDims(data: Dataset): Promise<readonly number[]> {
  for await (const { feeds } of data.take(1)) return Object.values(feeds)[0]!.dims;
  return [];
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const list = { type: 'string', multiple: true } as const;
  const { values } = parseArgs({
    options: {
      data: text,
      model: list,
      ignore: list,
      ratio: list,
      preprocess: { ...text, default: 'fashion-mnist' },
      images: { ...text, default: '1024' },
      draws: { ...text, default: '3' },
      criteria: { type: 'boolean', default: false },
      recover: { ...text, default: 'ridge' },
      'max-drop': list,
      help: { type: 'boolean', default: false },
    },
  });
  const { data: folder, model: models = [] } = values;
  const isMethod = ['ridge', 'bn'].includes(values.recover);
  if (values.help || folder === undefined || models.length === 0 || !isMethod) {
    process.stdout.write(`${USAGE}\n`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const first = await loadModel(models[0]!);
  const preprocess = values.preprocess as Preset;
  const images = join(folder, 't10k-images-idx3-ubyte.gz');
  const labels = join(folder, 't10k-labels-idx1-ubyte.gz');
  const settings: Settings = {
    train: await openDataset(first, join(folder, 'train-images-idx3-ubyte.gz'), { preprocess }),
    test: await openDataset(first, images, { preprocess, labels, batchSize: 250 }),
    images: Number(values.images),
    draws: Number(values.draws),
    criteria: values.criteria,
    maxDrops: (values['max-drop'] ?? []).map(Number),
    recover: values.recover === 'bn' ? recalibrateBatchNorm : reconstruct,
  };
  const lines: string[][] = [];
  const ratios = (values.ratio ?? ['0.3', '0.5', '0.7']).map(Number);
  for (const path of models) lines.push(...(await measure(path, ratios, values.ignore ?? [], settings)));
  if (settings.maxDrops.length > 0) {
    process.stdout.write(
      `${render(['model', ...MAX_DROP_HEADER], lines)}\n95 % intervals; ${settings.test.length} test images\n`,
    );
    return;
  }
  const what = `accuracy in % on ${settings.test.length} test images; refitted to ${settings.images} unlabelled training images, mean (least to most) of ${settings.draws} draws`;
  const header = values.criteria
    ? ['model', 'dense', ...CRITERIA_HEADER]
    : ['model', 'ratio', 'fewer MACs', 'dense', 'as pruned', 'refitted', 'seconds'];
  process.stdout.write(
    `${render(header, lines)}\n${what}; seconds of the fastest ${values.criteria ? 'draw' : 'refit'}\n`,
  );
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
