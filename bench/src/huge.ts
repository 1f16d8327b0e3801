/**
 * The command behind `npm run bench:huge`: prunes a model that is larger than protobuf can hold, file to file, in a process
 * of its own, and says how much memory that took. The model is made from a seed while it is written, and deleted at the end.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type ByteSource,
  createRandom,
  DataType,
  GraphBuilder,
  loadModel,
  type Model,
  readNumbers,
  StoredBytes,
  saveModel,
  type TensorProto,
  tensorDims,
  tensorSize,
} from '@onnx-pruning/onnx';
import { measurePeak } from './measure-engine.ts';

const USAGE = `Usage: npm run bench:huge -- [options]

  --size <GB>      bytes of the weights (default 2.4)
  --width <n>      rows and columns of every weight (default 8192)
  --ratio <ratio>  pruning ratio (default 0.5)
  --folder <path>  where the files go, which take up to one and a half times as much space (default: temporary files)
  --help`;

const FLOAT = Float32Array.BYTES_PER_ELEMENT;
const MB = 1e6;

/** Memory that the work may take beyond what the numbers themselves need. */
const ALLOWANCE = 500 * MB;

/** Weights that exist while they are read: a block of seeded numbers over and over, scaled so that no two rows are alike. */
class SeededWeights implements ByteSource {
  readonly path = 'seeded weights';
  readonly size: number;
  readonly #row: Float32Array;
  readonly #offset: number;

  constructor(width: number, seed: number) {
    this.size = width * width * FLOAT;
    const random = createRandom(seed);
    this.#row = Float32Array.from({ length: width }, () => (random.next() - 0.5) / Math.sqrt(width));
    this.#offset = seed;
  }

  read(target: Uint8Array, position: number): void {
    const rowBytes = this.#row.length * FLOAT;
    const scaled = new Float32Array(this.#row.length);
    const bytes = new Uint8Array(scaled.buffer);
    for (let done = 0; done < target.length; ) {
      const row = Math.floor((position + done) / rowBytes);
      const within = (position + done) % rowBytes;
      const scale = 1 + ((row * 31 + this.#offset) % 97) / 97 + row / this.#row.length;
      for (let i = 0; i < scaled.length; i++) scaled[i] = this.#row[i]! * scale;
      const piece = bytes.subarray(within, within + target.length - done);
      target.set(piece, done);
      done += piece.length;
    }
  }
}

function weights(name: string, width: number, seed: number): TensorProto {
  const source = new SeededWeights(width, seed);
  return { name, dims: [width, width], dataType: DataType.FLOAT, rawData: new StoredBytes(source, 0, source.size) };
}

/** Fully connected layers, one after the other. */
function buildHuge(bytes: number, width: number): Model {
  const layers = Math.max(2, Math.round(bytes / (width * width * FLOAT)));
  const b = new GraphBuilder();
  let value = b.input('input', ['batch', width]);
  for (let i = 1; i <= layers; i++) {
    const weight = b.tensor(weights(`fc${i}.weight`, width, i));
    value = b.node('Gemm', [value, weight], { transB: 1 }, { name: `fc${i}` });
    if (i < layers) value = b.node('Relu', [value]);
  }
  b.output(value, ['batch', width]);
  return b.build();
}

interface Sizes {
  readonly largest: number;
  readonly changed: number;
}

const bytesOf = (tensor: TensorProto): number => tensorSize(tensor) * FLOAT;

/** What the bound is made of; every number of the pruned file is read once. */
async function compare(input: string, output: string): Promise<Sizes> {
  const original = new Map((await loadModel(input)).graph.initializer.map((tensor) => [tensor.name, tensor]));
  let changed = 0;
  for (const tensor of (await loadModel(output)).graph.initializer) {
    const before = original.get(tensor.name);
    if (before === undefined) throw new Error(`'${tensor.name}' is not in the original`);
    if (tensorDims(before).join() !== tensorDims(tensor).join()) changed += bytesOf(tensor);
    if (!readNumbers(tensor).every(Number.isFinite)) throw new Error(`'${tensor.name}' holds what is no number`);
  }
  return { largest: Math.max(...[...original.values()].map(bytesOf)), changed };
}

function sizeOnDisk(path: string): number {
  return [path, `${path}.data`].reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new RangeError(`--${option} takes a number above 0, found '${text}'`);
}

const megabytes = (bytes: number): string => `${Math.round(bytes / MB).toLocaleString('en-US')} MB`;

/** @returns whether the peak stayed within the bound */
async function run(folder: string, size: number, width: number, ratio: number): Promise<boolean> {
  const input = join(folder, 'huge.onnx');
  const output = join(folder, 'huge.pruned.onnx');
  await saveModel(buildHuge(size, width), input, { externalData: true });
  const start = performance.now();
  const memory = await measurePeak(input, output, { ratio, ignoredLayers: [], repeats: 1 });
  const seconds = (performance.now() - start) / 1000;
  const { largest, changed } = await compare(input, output);
  const peak = memory.peakBytes - memory.emptyNodeBytes;
  const bound = 1.5 * largest + changed + ALLOWANCE;
  const lines: readonly (readonly [string, string])[] = [
    ['Files before', megabytes(sizeOnDisk(input))],
    ['Files after', megabytes(sizeOnDisk(output))],
    ['Largest tensor', megabytes(largest)],
    ['New content', megabytes(changed)],
    ['Peak memory', `${megabytes(peak)} beyond an empty Node.js`],
    ['Bound', `${megabytes(bound)} = 1.5 x largest tensor + new content + ${megabytes(ALLOWANCE)}`],
    ['Time', `${seconds.toFixed(1)} s, file to file`],
  ];
  process.stdout.write(`${lines.map(([what, text]) => `${what.padEnd(16)}${text}`).join('\n')}\n`);
  return peak <= bound;
}

async function main(): Promise<void> {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    options: {
      size: text('2.4'),
      width: text('8192'),
      ratio: text('0.5'),
      folder: text(tmpdir()),
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const folder = mkdtempSync(join(values.folder, 'onnx-pruning-huge-'));
  try {
    const size = positive('size', values.size) * 1e9;
    const within = await run(folder, size, positive('width', values.width), positive('ratio', values.ratio));
    if (!within) throw new Error('the peak is beyond the bound');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
