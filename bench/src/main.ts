/**
 * The command behind `npm run bench`: runs the benchmarks, prints tables, writes JSON. It must not measure anything
 * itself.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CUDA_INSTALL_COMMAND } from '@onnx-pruning/runtime';
import type { BenchmarkReport } from './result.ts';
import { runSuite, type SuiteOptions } from './suite.ts';
import { latencyTable, memoryTable, scalingTable, sizeTable, timeTable } from './tables.ts';

const USAGE = `Usage: npm run bench -- [options]

  --batch <n>            images in a batch (default 1)
  --image-size <pixels>  height and width of the input (default 224)
  --ratios <list>        pruning ratios (default 0.3,0.5)
  --round-to <n>         channels that are left are a multiple of this
  --provider <list>      execution providers to time models on (default: all that are here)
  --repeats <n>          timed passes of the engine (default 7)
  --runs <n>             timed runs of every model (default 50)
  --threads <n>          onnxruntime's threads (default: its own choice)
  --out <path>           where the JSON goes (default out/bench.json)
  --help`;

interface Arguments {
  readonly suite: SuiteOptions;
  readonly out: string;
}

function readArguments(args: readonly string[]): Arguments | undefined {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      batch: text('1'),
      'image-size': text('224'),
      ratios: text('0.3,0.5'),
      repeats: text('7'),
      runs: text('50'),
      threads: { type: 'string' },
      'round-to': { type: 'string' },
      provider: { type: 'string' },
      out: text('out/bench.json'),
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const suite = {
    batch: whole('batch', values.batch),
    imageSize: whole('image-size', values['image-size']),
    ratios: values.ratios.split(',').map((ratio) => ratioOf(ratio)),
    repeats: whole('repeats', values.repeats),
    runs: whole('runs', values.runs),
    ...(values.threads === undefined ? {} : { threads: whole('threads', values.threads) }),
    ...(values['round-to'] === undefined ? {} : { roundTo: whole('round-to', values['round-to']) }),
    ...(values.provider === undefined ? {} : { providers: values.provider.split(',') }),
    log: (line: string) => process.stderr.write(`${line}\n`),
  };
  return { suite, out: resolve(values.out) };
}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new RangeError(`--${option} takes a whole number above 0, found '${text}'`);
}

function ratioOf(text: string): number {
  const value = Number(text);
  if (value > 0 && value < 1) return value;
  throw new RangeError(`--ratios takes numbers between 0 and 1, found '${text}'`);
}

function print(report: BenchmarkReport): void {
  const { machine, batch, imageSize, executionProviders, engine, latency, scaling } = report;
  const sections: readonly (readonly [title: string, table: string])[] = [
    ['Engine, milliseconds from file bytes to file bytes: median of all passes, and first pass', timeTable(engine)],
    ['What pruning leaves', sizeTable(engine)],
    ['Peak memory of the engine, file to file', memoryTable(engine)],
    [`Latency in onnxruntime, batch ${batch}, against the original`, latencyTable(latency)],
    ['Engine time as the model grows, ratio 0.5', scalingTable(scaling)],
  ];
  const lines = [
    `${machine.processor}, Node.js ${machine.node}, onnxruntime-node ${machine.onnxruntimeNode}`,
    `Images of ${imageSize} x ${imageSize}; execution providers: ${executionProviders.join(', ')}`,
    ...sections.flatMap(([title, table]) => ['', title, table]),
  ];
  if (!executionProviders.includes('cuda'))
    lines.push('', `No CUDA here. Where there is a GPU: ${CUDA_INSTALL_COMMAND}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function main(): Promise<void> {
  const options = readArguments(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const report = await runSuite(options.suite);
  print(report);
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify(report, undefined, 2)}\n`);
  process.stderr.write(`\nWritten to ${options.out}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
