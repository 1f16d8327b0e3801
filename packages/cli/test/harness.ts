/** What the tests of the command line share: a folder of their own, small models, and a terminal that can be read. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, GraphBuilder, type Model, saveModel } from '@onnx-pruning/onnx';
import { main } from '../src/index.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in this process; in a very wide terminal unless told otherwise, so that no line is broken. */
export async function run(
  argv: readonly string[],
  { tty = false, env = {}, columns = 10_000 }: { tty?: boolean; env?: Record<string, string>; columns?: number } = {},
): Promise<Ran> {
  const written = { stdout: '', stderr: '' };
  const output = (name: 'stdout' | 'stderr') => ({
    isTTY: tty,
    columns,
    write: (text: string) => {
      written[name] += text;
    },
  });
  const code = await main(argv, { stdout: output('stdout'), stderr: output('stderr'), env });
  return { code, ...written };
}

/** A folder that is deleted after the tests of this file. */
export function temporaryFolder(): { readonly path: string; at(name: string): string; files(): string[] } {
  const path = mkdtempSync(join(tmpdir(), 'onnx-pruning-test-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return { path, at: (name) => join(path, name), files: () => readdirSync(path).sort() };
}

const randomWeights = (b: GraphBuilder) => {
  const random = createRandom(1);
  return (name: string, shape: number[]): string =>
    b.initializer(name, shape, (size) => Float32Array.from({ length: size }, () => random.normal()));
};

/** x -> Conv conv1 (8) -> Relu relu -> Conv conv2 (16), both 3x3 with biases; returns the last value. */
function twoConvolutions(b: GraphBuilder, dims: (number | string)[]): string {
  const weights = randomWeights(b);
  const conv = (x: string, name: string, from: number, to: number): string => {
    const inputs = [x, weights(`${name}.weight`, [to, from, 3, 3]), weights(`${name}.bias`, [to])];
    return b.node('Conv', inputs, { pads: [1, 1, 1, 1] });
  };
  return conv(b.node('Relu', [conv(b.input('x', dims), 'conv1', 3, 8)], {}, { name: 'relu' }), 'conv2', 8, 16);
}

/**
 * x [batch, 3, 8, 8] -> two convolutions (8, 16) -> global mean -> Gemm fc (10) -> y.
 * @param dims shape of the input, where it is another one
 */
export function smallNet(dims: (number | string)[] = ['batch', 3, 8, 8]): Model {
  const b = new GraphBuilder({ opset: 17 });
  const pooled = b.node('Flatten', [b.node('GlobalAveragePool', [twoConvolutions(b, dims)])]);
  const weights = randomWeights(b);
  const fc = [pooled, weights('fc.weight', [10, 16]), weights('fc.bias', [10])];
  b.output(b.node('Gemm', fc, { transB: 1 }, { outputs: ['y'] }), [dims[0], 10]);
  return b.build();
}

/** As smallNet, but of a dynamic image that is flattened: how many features that gives, only the run decides. */
export function flattenedNet(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const flat = b.node('Flatten', [twoConvolutions(b, ['batch', 3, 'h', 'w'])], {}, { outputs: ['flat'] });
  const fc = [flat, randomWeights(b)('fc.weight', [10, 16 * 8 * 8])];
  b.output(b.node('Gemm', fc, { transB: 1 }, { outputs: ['y'] }), ['batch', 10]);
  return b.build();
}

/** One convolution from the input to the output: nothing in it may be removed. */
export function singleLayer(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const w = b.initializer('conv.weight', [4, 3, 1, 1], (size) => new Float32Array(size).fill(1));
  b.output(b.node('Conv', [b.input('x', [1, 3, 4, 4]), w], {}, { outputs: ['y'] }), [1, 4, 4, 4]);
  return b.build();
}

export async function saved(model: Model, path: string): Promise<string> {
  await saveModel(model, path);
  return path;
}

/** Everything in a folder by name, to see that a command left it as it was. */
export function contents(folder: { files(): string[]; at(name: string): string }): Record<string, string> {
  return Object.fromEntries(folder.files().map((name) => [name, readFileSync(folder.at(name), 'base64')]));
}

/** An array as numpy.save writes it. */
export function npy(dims: readonly number[], content: Float32Array | Uint8Array): Uint8Array {
  const type = content instanceof Uint8Array ? '|u1' : '<f4';
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${dims.join(', ')},), }\n`;
  const start = [Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.of(header.length, 0), Buffer.from(header)];
  return Buffer.concat([...start, new Uint8Array(content.buffer)]);
}
