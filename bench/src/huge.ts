/**
 * The command behind `npm run bench:huge`: prunes a model that is about as large as protobuf can hold, or larger, file to
 * file, in a process of its own, and says how much memory that took; with `--check`, also what the whole command takes
 * that checks the result. The model is made from a seed while it is written, and deleted at the end.
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
import { emptyNodeBytes, measureMemory } from '@onnx-pruning/runtime';
import { measureCommand, measurePeak } from './measure-engine.ts';

const USAGE = `Usage: npm run bench:huge -- [options]

  --size <GB>      bytes of the weights (default 2.4)
  --width <n>      rows and columns of every weight (default 8192; 5000 with --embedded)
  --embedded       all weights inside the model file, which protobuf limits to 2^31 - 1 bytes
  --check          also run the command 'onnx-pruning prune' with the check, against the original alone in onnxruntime
  --ratio <ratio>  pruning ratio (default 0.5)
  --folder <path>  where the files go, which take up to three times as much space (default: temporary files)
  --help`;

const FLOAT = Float32Array.BYTES_PER_ELEMENT;
const MB = 1e6;

/** How far a row is turned against the one before: a prime number. */
const STEP = 7919;

/** Memory that the work may take beyond what the numbers themselves need. */
const ALLOWANCE = 500 * MB;

/** Memory that the command with the check may take beyond the original alone in onnxruntime. */
const CHECK_ALLOWANCE = 1000 * MB;

/**
 * Weights that exist while they are read: a row of seeded numbers, turned by a step from row to row and scaled, so that the
 * rows point into different directions and no two are alike.
 */
class SeededWeights implements ByteSource {
  readonly path = 'seeded weights';
  readonly size: number;
  /** The row twice, so that it can be read from every place on. */
  readonly #twice: Float32Array;
  readonly #width: number;
  readonly #seed: number;

  constructor(width: number, seed: number) {
    this.size = width * width * FLOAT;
    const random = createRandom(seed);
    // The variance that keeps the scale of activations from layer to layer (He et al., 2015).
    const row = Float32Array.from({ length: width }, () => random.normal() * Math.sqrt(2 / width));
    this.#twice = new Float32Array(2 * width);
    this.#twice.set(row);
    this.#twice.set(row, width);
    this.#width = width;
    this.#seed = seed;
  }

  read(target: Uint8Array, position: number): void {
    const rowBytes = this.#width * FLOAT;
    const turned = new Float32Array(this.#width);
    const bytes = new Uint8Array(turned.buffer);
    for (let done = 0; done < target.length; ) {
      const row = Math.floor((position + done) / rowBytes);
      const within = (position + done) % rowBytes;
      const from = (row * STEP + this.#seed) % this.#width;
      const scale = 0.75 + row / this.#width / 2;
      for (let i = 0; i < turned.length; i++) turned[i] = this.#twice[from + i]! * scale;
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

/** Fully connected layers, one after the other, of no more bytes than asked for where that is a limit. */
function buildHuge({ bytes, width, embedded }: Size): Model {
  const weightsAsked = bytes / (width * width * FLOAT);
  const layers = Math.max(2, embedded ? Math.floor(weightsAsked) : Math.round(weightsAsked));
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

interface Size {
  readonly bytes: number;
  readonly width: number;
  readonly embedded: boolean;
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

type Line = readonly [what: string, text: string];

function print(lines: readonly Line[]): void {
  process.stdout.write(`${lines.map(([what, text]) => `${what.padEnd(16)}${text}`).join('\n')}\n`);
}

interface Files {
  readonly input: string;
  readonly output: string;
}

/** Without the check. @returns whether the peak stayed within the bound */
async function pruneAlone({ input, output }: Files, ratio: number): Promise<boolean> {
  const start = performance.now();
  const memory = await measurePeak(input, output, { ratio, ignoredLayers: [], repeats: 1 });
  const seconds = (performance.now() - start) / 1000;
  const { largest, changed } = await compare(input, output);
  const peak = memory.peakBytes - memory.emptyNodeBytes;
  const bound = 1.5 * largest + changed + ALLOWANCE;
  print([
    ['Files before', megabytes(sizeOnDisk(input))],
    ['Files after', megabytes(sizeOnDisk(output))],
    ['Largest tensor', megabytes(largest)],
    ['New content', megabytes(changed)],
    ['Peak memory', `${megabytes(peak)} beyond an empty Node.js`],
    ['Bound', `${megabytes(bound)} = 1.5 x largest tensor + new content + ${megabytes(ALLOWANCE)}`],
    ['Time', `${seconds.toFixed(1)} s, file to file`],
  ]);
  return peak <= bound;
}

/** The whole command. @returns whether the check holds, and its peak is within that of the original alone and an allowance */
async function pruneWithCheck({ input, output }: Files, ratio: number): Promise<boolean> {
  const empty = await emptyNodeBytes();
  const alone = (await measureMemory(input, { batch: 1 })).peakBytes - empty;
  const start = performance.now();
  const { peakBytes, verdict } = await measureCommand(input, output, ratio);
  const seconds = (performance.now() - start) / 1000;
  const peak = peakBytes - empty;
  const bound = alone + CHECK_ALLOWANCE;
  print([
    ['Check', verdict],
    ['Original alone', `${megabytes(alone)} beyond an empty Node.js, loaded and run once in onnxruntime`],
    ['Peak memory', `${megabytes(peak)} beyond an empty Node.js, of the command with the check`],
    ['Bound', `${megabytes(bound)} = original alone + ${megabytes(CHECK_ALLOWANCE)}`],
    ['Time', `${seconds.toFixed(1)} s, file to file, with the check`],
  ]);
  return verdict === 'holds' && peak <= bound;
}

/** @returns what was missed */
async function run(folder: string, size: Size, ratio: number, check: boolean): Promise<string[]> {
  const files: Files = { input: join(folder, 'huge.onnx'), output: join(folder, 'huge.pruned.onnx') };
  await saveModel(buildHuge(size), files.input, { externalData: !size.embedded });
  const missed: string[] = [];
  if (!(await pruneAlone(files, ratio))) missed.push('the peak is beyond the bound');
  if (check && !(await pruneWithCheck(files, ratio))) missed.push('the check does not hold, or its peak is too high');
  return missed;
}

async function main(): Promise<void> {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    options: {
      size: text('2.4'),
      width: { type: 'string' },
      embedded: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
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
    const { embedded, check } = values;
    const width = positive('width', values.width ?? (embedded ? '5000' : '8192'));
    const size = { bytes: positive('size', values.size) * 1e9, width, embedded };
    const missed = await run(folder, size, positive('ratio', values.ratio), check);
    if (missed.length > 0) throw new Error(missed.join('; '));
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
